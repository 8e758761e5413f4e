"""Make a model set current, if it finds golden attacks, keeps its alert budget on the history it was made from and has
not moved far from the set it replaces. ``previous`` as the id, or ``--rollback``, goes back to the set before.

Exit: 0 done, 1 failed, 3 refused by the gate (aliases are then as before).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from baseline.adapters.history import ParquetHistory
from baseline.adapters.shelf import FolderShelf
from baseline.domain.errors import BaselineError, GateRefused
from baseline.features import schema
from baseline.services.promote import promote, roll_back
from baseline.services.score import JudgeOptions
from baseline.services.train import Recipe
from pipelines import _shadow
from pipelines._report import write_json
from pipelines._sets import named

OK, FAILED, REFUSED = 0, 1, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Gate, then move ``previous`` and ``current``."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.promote", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("id", nargs="?", help="of the model set, or `candidate`: what retrain stored last")
    parser.add_argument("--rollback", action="store_true", help="make the previous set current again, without a gate")
    parser.add_argument("--accept-drift", action="store_true", help="the move of what is normal is wanted")
    parser.add_argument("--shelf", required=True, help="folder or URL of the shelf")
    parser.add_argument("--history", help="folder or URL of the history; without it only golden attacks are judged")
    parser.add_argument("--alerts-per-week", type=float, default=1.0, help="alert budget of one workload")
    parser.add_argument("--books", help="URL of the books, with --shadow-books: compare what people were told")
    parser.add_argument("--shadow-books", help="URL of the books that `baseline stream --shadow` filled")
    parser.add_argument("--report", type=Path, help="write a report here, JSON")
    args = parser.parse_args(argv)
    shelf = FolderShelf(args.shelf)
    history = ParquetHistory(args.history, schema_hash=schema.hash()) if args.history else None
    if (args.id is None) != args.rollback:
        parser.error("name a set, or --rollback")
    if bool(args.shadow_books) != bool(args.books):
        parser.error("--books and --shadow-books go together: one is compared with the other")
    try:
        if args.rollback:
            now, before = roll_back(shelf=shelf)
            print(f"current is now {now}, previous {before}")
            return OK
        set_id = named(args.id, shelf)
        recipe = Recipe.parse(shelf.manifest(set_id).recipe)
        options = JudgeOptions(alerts_per_week=args.alerts_per_week, horizons_s=recipe.horizons_s)
        beside = None
        if args.shadow_books:
            beside = _shadow.compared(
                shelf.manifest(set_id), books=args.books, shadow=args.shadow_books, alerts_per_week=args.alerts_per_week
            )
        found = promote(set_id, shelf=shelf, history=history, options=options, accept_drift=args.accept_drift)
    except GateRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    except (BaselineError, OSError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    for name, share in found.found.items():
        print(f"golden {name:14} found on {share:.0%} of {found.workloads} workloads")
    print(f"past their budget on the training data: {found.over_budget:.0%}")
    print(f"what is normal moved on {found.moved:.0%} of {found.compared} workloads of the set before")
    print(f"current is now {set_id}")
    if beside is not None:
        print(_shadow.told(beside))
    if args.report:
        write_json(
            args.report, {"id": set_id, **asdict(found), "shadow": None if beside is None else _shadow.plain(beside)}
        )
    return OK


if __name__ == "__main__":
    sys.exit(main())
