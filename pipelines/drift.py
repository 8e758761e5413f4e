"""Say which workloads have moved away from what the current set learned, so that a person may fit them anew.

Exit: 0 done (with or without proposals), 1 failed, 3 refused (no current set, or none that is ready).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from baseline.adapters.history import ParquetHistory
from baseline.adapters.shelf import FolderShelf
from baseline.detectors.fitted import FittedSet
from baseline.domain.errors import BaselineError, GateRefused
from baseline.domain.modelset import Alias
from baseline.domain.units import parse_rfc3339
from baseline.features import schema
from baseline.services.drift import DAYS, Drift, drifts
from pipelines._books import confirmed
from pipelines._report import write_json

OK, FAILED, REFUSED = 0, 1, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Compare, print what moved."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.drift", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--history", required=True, help="folder or URL of the history")
    parser.add_argument("--shelf", required=True, help="folder or URL of the shelf")
    parser.add_argument(
        "--books",
        default=os.environ.get("BASELINE_BOOKS__URL", ""),
        help="URL of the books: workloads with a confirmed attack are left out; $BASELINE_BOOKS__URL by default",
    )
    parser.add_argument("--now", type=parse_rfc3339, help="compare the days before (RFC 3339; default: now)")
    parser.add_argument("--report", type=Path, help="write everything here, JSON")
    args = parser.parse_args(argv)
    now = args.now if args.now is not None else time.time()
    try:
        model = _current(FolderShelf(args.shelf))
        found = drifts(
            model,
            ParquetHistory(args.history, schema_hash=schema.hash()),
            horizon_s=next(horizon for horizon in sorted(model.horizons, reverse=True) if _is_daily(model, horizon)),
            now=now,
            attacks=confirmed(args.books) if args.books else [],
        )
    except GateRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    except (BaselineError, OSError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    proposed = [one for one in found if one.is_proposed]
    for one in proposed:
        print(f"{one.workload}: moved on each of {DAYS} days: {', '.join(one.features)}")
    print(f"{len(proposed)} of {len(found)} workloads moved; retrain to take what they do now as normal")
    if args.report:
        write_json(args.report, {"model_set": model.id, "workloads": [_plain(one) for one in found]})
    return OK


def _is_daily(model: FittedSet, horizon_s: int) -> bool:
    """Whether a day has windows enough for the index at this length: five minutes and shorter."""
    return horizon_s <= 300 and model.is_ready(horizon_s)


def _current(shelf: FolderShelf) -> FittedSet:
    current = shelf.resolve(Alias.CURRENT)
    if current is None:
        raise GateRefused("there is no current set")
    model = FittedSet.load(shelf.open(current), shelf.manifest(current))
    if not any(_is_daily(model, horizon) for horizon in model.horizons):
        raise GateRefused("the current set is not ready for windows of five minutes or shorter")
    return model


def _plain(one: Drift) -> dict[str, object]:
    return asdict(one) | {"workload": str(one.workload), "is_proposed": one.is_proposed}


if __name__ == "__main__":
    sys.exit(main())
