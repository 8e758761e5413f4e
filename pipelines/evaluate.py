"""Judge a recording as the stream would have, and compare with labels if there are any.

Learns from the part before ``--fit-until`` without looking at labels, calibrates (on the last quarter of it, or on the
part up to ``--calibrate-until``), and judges the rest. Two other modes have flags of their own: ``--suite`` measures
detection on every data set, ``--backtest`` says what settings would have cost on stored history.
Exit: 0 done, 1 failed or a gate of the suite fell, 3 refused (too little to learn from).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from baseline.domain.errors import BaselineError, GateRefused
from baseline.domain.units import parse_rfc3339
from baseline.services import outcome
from baseline.services.evaluate import Plan, run
from baseline.services.outcome import Label
from baseline.services.score import JudgeOptions
from pipelines import _backtest, _report
from pipelines._recipe import read_recipe
from pipelines._recording import Recording
from pipelines.suite import run as suite

OK, FAILED, REFUSED = 0, 1, 3


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; it is a contract with cron jobs."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.evaluate", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flows", type=Path, nargs="+", required=True, help="recordings, JSON lines, plain or .gz")
    parser.add_argument(
        "--labels", type=Path, help="CSV workload,start,end,label; labels 'ignore...' count neither way"
    )
    parser.add_argument(
        "--fit-until", type=parse_rfc3339, required=True, help="learn from what ends by then (RFC 3339)"
    )
    parser.add_argument("--calibrate-until", type=parse_rfc3339, help="calibrate on what follows, up to then")
    parser.add_argument("--mature", action="store_true", help="take the fit part as a whole observation period")
    parser.add_argument("--alerts", type=Path, help="write alerts here, one JSON object a line")
    parser.add_argument("--report", type=Path, required=True, help="write the report here, JSON")
    parser.add_argument("--recipe", type=Path, help="recipe (default: models/recipes/default.toml)")
    parser.add_argument("--time-zone", help="IANA zone of the hours of the week (default: the recipe's)")
    parser.add_argument("--alerts-per-week", type=float, default=1.0, help="alert budget of one workload")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    parser.add_argument("--no-floor", action="store_true", help="do not judge with the null and random detectors too")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run, write, print a table."""
    given = list(sys.argv[1:] if argv is None else argv)
    for mode, other in (("--suite", suite.main), ("--backtest", _backtest.main)):
        if mode in given:
            return other([word for word in given if word != mode])
    args = arguments(given)
    try:
        plan = plan_of(args)
        labels = read_labels(args.labels)
        recording = Recording(args.flows)
        course = run(recording, plan)
    except GateRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    except (BaselineError, OSError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    if course.model is None:  # a report about nothing must not look like a clean one
        print("refused: the recording holds nothing after the fit part", file=sys.stderr)
        return REFUSED
    report = _report.report(course, labels, plan, rejected=recording.rejected, with_floor=not args.no_floor)
    _report.write_json(args.report, report)
    if args.alerts:
        lines = [json.dumps(line, allow_nan=False) for line in _report.alert_lines(course)]
        args.alerts.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    print(_report.table(report))
    return OK


def plan_of(args: argparse.Namespace) -> Plan:
    """Recipe and options of the command line; GateRefused for what cannot be."""
    recipe = read_recipe(args.recipe)
    if args.time_zone:
        recipe = replace(recipe, calendar=replace(recipe.calendar, zone=args.time_zone))
    if args.mature:
        recipe = replace(recipe, is_mature=True)
    if args.calibrate_until is not None and args.calibrate_until <= args.fit_until:
        raise GateRefused("--calibrate-until must come after --fit-until")
    return Plan(
        fit_until=args.fit_until,
        calibrate_until=args.calibrate_until,
        recipe=recipe,
        judging=JudgeOptions(alerts_per_week=args.alerts_per_week, horizons_s=recipe.horizons_s),
        seed=args.seed,
    )


def read_labels(path: Path | None) -> list[Label]:
    """The labels file, or none."""
    if path is None:
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        return outcome.read_labels(lines)


if __name__ == "__main__":
    sys.exit(main())
