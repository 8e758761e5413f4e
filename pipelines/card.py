"""Write the card of a model set: what it was made from, what the gate and the suite measured, what it cannot see.

Exit: 0 done, 1 failed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from baseline.adapters.history import ParquetHistory
from baseline.adapters.shelf import FolderShelf
from baseline.detectors.fitted import FittedSet
from baseline.domain.errors import BaselineError
from baseline.features import schema
from baseline.services.card import card
from baseline.services.promote import judged
from baseline.services.score import JudgeOptions
from baseline.services.train import Recipe
from pipelines._sets import named

OK, FAILED = 0, 1


def main(argv: Sequence[str] | None = None) -> int:
    """Open, judge, write."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.card", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("id", help="of the model set, or an alias: current, candidate, previous")
    parser.add_argument("--shelf", required=True, help="folder or URL of the shelf")
    parser.add_argument("--history", help="folder or URL of the history; without it only golden attacks are judged")
    parser.add_argument("--suite", type=Path, help="JSON report of `pipelines.evaluate --suite`")
    parser.add_argument("--alerts-per-week", type=float, default=1.0, help="alert budget of one workload")
    parser.add_argument("--out", type=Path, required=True, help="write the card here, Markdown")
    args = parser.parse_args(argv)
    try:
        shelf = FolderShelf(args.shelf)
        set_id = named(args.id, shelf)
        model = FittedSet.load(shelf.open(set_id), shelf.manifest(set_id))
        history = ParquetHistory(args.history, schema_hash=schema.hash()) if args.history else None
        recipe = Recipe.parse(model.manifest.recipe)
        options = JudgeOptions(alerts_per_week=args.alerts_per_week, horizons_s=recipe.horizons_s)
        gate = judged(model, shelf=shelf, history=history, options=options)
        suite = json.loads(args.suite.read_text(encoding="utf-8")) if args.suite else None
        args.out.write_text(card(model, gate, suite), encoding="utf-8")
    except (BaselineError, OSError, ValueError, KeyError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    print(f"wrote {args.out}")
    return OK


if __name__ == "__main__":
    sys.exit(main())
