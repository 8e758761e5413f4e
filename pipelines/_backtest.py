"""What settings would have cost on stored history: alerts a day, restrictions a day, minutes restricted a workload."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from baseline.adapters.history import ParquetHistory
from baseline.domain.errors import BaselineError, GateRefused
from baseline.domain.units import parse_duration, parse_rfc3339, rfc3339
from baseline.features import schema
from baseline.policy.situation import GuardOptions
from baseline.services.backtest import Walk, walked
from baseline.services.cost import Cost, cost
from baseline.services.score import JudgeOptions
from pipelines._books import confirmed
from pipelines._recipe import read_recipe
from pipelines._report import write_json

OK, FAILED, REFUSED = 0, 1, 3


def main(argv: Sequence[str]) -> int:
    """Walk, count, print a line a setting."""
    args = _arguments(argv)
    now = time.time()
    try:
        until = args.until if args.until is not None else now
        since = _since(args.since, until)
        recipe = read_recipe(args.recipe)
        settings = [
            JudgeOptions(alerts_per_week=budget, horizons_s=recipe.horizons_s) for budget in args.alerts_per_week
        ]
        history = ParquetHistory(args.history, schema_hash=schema.hash())
        walk = Walk(
            since=since, until=until, recipe=recipe, refit_s=args.refit, seed=args.seed,
            attacks=confirmed(args.books) if args.books else [],
        )  # fmt: skip
        found = walked(history, walk, settings)
        workloads = len(history.workloads(since=since, until=until))
    except GateRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    except (BaselineError, OSError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    guards = GuardOptions(evidence_factor=args.evidence_factor)
    costs = [cost(past, workloads=workloads, since=since, until=until, guards=guards) for past in found]
    print(_table(args.alerts_per_week, costs))
    if args.report:
        lines = [_plain(budget, one) for budget, one in zip(args.alerts_per_week, costs, strict=True)]
        write_json(args.report, {"since": rfc3339(since), "until": rfc3339(until), "settings": lines})
    return OK


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.evaluate --backtest", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--history", required=True, help="folder or URL of the history")
    parser.add_argument("--since", default="30d", help="judge from then on: a time (RFC 3339), or how long ago")
    parser.add_argument("--until", type=parse_rfc3339, help="judge up to then (default: now)")
    parser.add_argument("--recipe", type=Path, help="recipe (default: models/recipes/default.toml)")
    parser.add_argument(
        "--books",
        default=os.environ.get("BASELINE_BOOKS__URL", ""),
        help="URL of the books, so that confirmed attacks never teach; $BASELINE_BOOKS__URL by default",
    )
    parser.add_argument(
        "--alerts-per-week", type=float, nargs="+", default=[1.0], help="alert budgets of one workload to compare"
    )
    parser.add_argument("--evidence-factor", type=float, default=50.0, help="as restriction.evidence_factor")
    parser.add_argument("--refit", type=parse_duration, default=7 * 86_400.0, help="how long one set judges")
    parser.add_argument("--report", type=Path, help="write everything here, JSON")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    return parser.parse_args(argv)


def _since(text: str, until: float) -> float:
    try:
        return until - parse_duration(text)
    except ValueError:
        return parse_rfc3339(text)


def _table(budgets: Sequence[float], costs: Sequence[Cost]) -> str:
    lines = [
        f"{'alerts/week':>12} {'alerts/day':>11} {'a workload/week':>16} {'restrictions/day':>17} {'min/workload':>13}"
    ]
    lines += [
        f"{budget:>12g} {one.alerts_per_day:>11.2f} {one.alerts_per_workload_week:>16.3f} "
        f"{one.restrictions_per_day:>17.2f} {one.minutes_per_workload:>13.1f}"
        for budget, one in zip(budgets, costs, strict=True)
    ]
    lines.append(f"{costs[0].workloads} workloads over {costs[0].days:.1f} days; every figure is an upper bound")
    return "\n".join(lines)


def _plain(budget: float, one: Cost) -> dict[str, Any]:
    return {
        "alerts_per_week": budget,
        "alerts_per_day": one.alerts_per_day,
        "alerts_per_workload_week": one.alerts_per_workload_week,
        "restrictions_per_day": one.restrictions_per_day,
        "minutes_per_workload": one.minutes_per_workload,
        **asdict(one),
    }
