"""Run the rows of the suite, print their figures as a table and as JSON, and say whether a gate fell."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from pipelines._report import write_json
from pipelines.suite.figure import Figure, Row, Verdict

OK, FAILED = 0, 1
ROWS: tuple[str, ...] = (
    "cesnet",
    "westermo_features",
    "westermo_product",
    "rivals",
    "apt29",
    "series",
    "nezha",
    "negatives",
    "frog",
    "newcomers",
)  # modules of this package, in the order they are printed
_STANDS = {Verdict.GOAL: "goal", Verdict.GATE: "gate", Verdict.FELL: "FELL", Verdict.TOLD: "", Verdict.ABSENT: "absent"}


def main(argv: Sequence[str]) -> int:
    """Measure, print, write; 1 when a gate fell."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.evaluate --suite", description="Measure detection on every data set."
    )
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of the data sets (docs/evaluation.md)")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=ROWS, help="only these rows", metavar="ROW")
    parser.add_argument("--quick", action="store_true", help="the same code on less: shows that it runs, no figures")
    parser.add_argument("--report", type=Path, help="write every figure here, JSON")
    parser.add_argument("--jobs", type=int, default=1, help="rows measured at once")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    args = parser.parse_args(argv)
    figures = measured(args.rows, data=args.data, is_quick=args.quick, seed=args.seed, jobs=args.jobs)
    print(table(figures))
    if args.report:
        write_json(args.report, report(figures, seed=args.seed, is_quick=args.quick))
    fallen = fell(figures)
    for figure in fallen:
        print(f"fell: {figure.row} {figure.name}: {figure.note or figure.value}")
    return FAILED if fallen else OK


def measured(names: Sequence[str], *, data: Path, is_quick: bool, seed: int, jobs: int) -> list[Figure]:
    """The figures of the rows, each row in a process of its own; those of a row that broke say so and fail."""
    from joblib import Parallel, delayed

    found: list[Figure] = []
    rows = Parallel(n_jobs=jobs, return_as="generator")(delayed(_row)(name, data, is_quick, seed) for name in names)
    for name, part in zip(names, rows, strict=True):
        fallen = sum(figure.verdict is Verdict.FELL for figure in part)
        print(f"{name}: {len(part)} figures, {fallen} fell", file=sys.stderr, flush=True)
        found += part
    return found


def _row(name: str, data: Path, is_quick: bool, seed: int) -> list[Figure]:
    module = cast("Row", import_module(f"pipelines.suite.{name}"))
    missing = [folder for folder in module.NEEDS if not (data / folder).is_dir()]
    if missing:
        return [Figure(row=name, name="not measured", value=None, note=f"no {', '.join(missing)} below {data}")]
    begun = time.process_time()
    try:
        figures = module.figures(data, is_quick=is_quick, seed=seed)
    except Exception as error:  # noqa: BLE001 - a row that breaks must not hide the others; it fails the suite
        traceback.print_exc()
        return [Figure(row=name, name="broke", value=0.0, gate=(1.0, None), note=repr(error)[:300])]
    took = Figure(row=name, name="took", value=round(time.process_time() - begun, 1), unit="CPU s")
    return [*figures, took]


def report(figures: Sequence[Figure], *, seed: int, is_quick: bool) -> dict[str, Any]:
    """Everything, as plain data."""
    return {"seed": seed, "is_quick": is_quick, "figures": [figure.plain() for figure in figures]}


def fell(figures: Sequence[Figure]) -> list[Figure]:
    """What fails the suite: figures below their gate and, where everything is required, data that is not there."""
    is_required = os.environ.get("BASELINE_REQUIRE_ALL") == "1"
    fatal = {Verdict.FELL, Verdict.ABSENT} if is_required else {Verdict.FELL}
    return [figure for figure in figures if figure.verdict in fatal]


def table(figures: Sequence[Figure]) -> str:
    """For people: a line a figure."""
    lines = [f"{'row':18} {'figure':44} {'value':>12} {'95 %':>16} {'gate':>12} {'goal':>12}  stands"]
    for one in figures:
        value = "-" if one.value is None else f"{one.value:,.4g}"
        interval = "" if one.interval is None else f"{one.interval[0]:.3g} to {one.interval[1]:.3g}"
        name = f"{one.name}, {one.unit}" if one.unit else one.name
        lines.append(
            f"{one.row:18} {name:44} {value:>12} {interval:>16} {_limits(one.gate):>12} {_limits(one.goal):>12}  "
            f"{_STANDS[one.verdict]:6} {one.note}".rstrip()
        )
    return "\n".join(lines)


def _limits(limits: tuple[float | None, float | None] | None) -> str:
    if limits is None:
        return ""
    low, high = limits
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    return f">= {low:g}" if low is not None else f"<= {high:g}"
