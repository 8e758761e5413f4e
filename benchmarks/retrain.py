"""What retraining a fleet costs, part by part, on a simulated fleet; extrapolated to the fleet one asks about.

    python -m benchmarks.retrain [--workloads N] [--days N] [--fleet N] [--json FILE]

CPU seconds of one process, by builder of forests. Reading is measured on fewer workloads. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from rich.table import Table

from baseline.adapters.history import ParquetHistory
from baseline.detectors.forest import BUILDERS, Builder
from baseline.detectors.pool import Pool
from baseline.features import schema
from baseline.services.train import Recipe, fit_lesson, read
from benchmarks import figures, retrain_parts
from benchmarks.retrain_fleet import HORIZON_S, Fleet

CORES = 2
PACKAGES = ("calico-baseline", "scikit-learn", "numba", "numpy", "pyarrow")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retrain", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workloads", type=int, default=60, help="that are fitted")
    parser.add_argument("--days", type=int, default=28)
    parser.add_argument("--read", type=int, default=12, help="workloads that are written and read")
    parser.add_argument("--fleet", type=int, default=20_000, help="workloads to extrapolate to")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    args = parser.parse_args(argv)
    found = measure(args)
    show(found)
    figures.write_json(args.json, found)
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of CPU a workload, by builder and part, after one small run that compiles."""
    about = figures.circumstances(*PACKAGES)
    reading = read_ms(Fleet(workloads=args.read, days=args.days, seed=args.seed))
    by_builder = {
        builder: fit_ms(
            Fleet(workloads=args.workloads, days=args.days, seed=args.seed), builder=builder, fleet_lines=args.fleet
        )
        for builder in BUILDERS
    }
    return {
        "benchmark": "retrain",
        "is_simulated": True,
        "is_extrapolated": True,
        "circumstances": about,
        "workloads": args.workloads,
        "days": args.days,
        "fleet": args.fleet,
        "reading": reading,
        "fitting": by_builder,
        "minutes": {
            builder: (sum(reading.values()) + sum(parts.values())) * args.fleet / 1e3 / 60 / CORES
            for builder, parts in by_builder.items()
        },
    }


@contextmanager
def as_part_of(fleet_lines: int) -> Iterator[None]:
    """Fits share references and rows to judge among so many workloads."""
    with mock.patch.object(Pool, "whole", lambda lines: Pool(lines=np.arange(lines), fleet_lines=fleet_lines)):
        yield


def fit_ms(fleet: Fleet, *, builder: Builder, fleet_lines: int) -> dict[str, float]:
    """Milliseconds of CPU a workload, by part, where it is one of ``fleet_lines``."""
    recipe = Recipe(horizons_s=(HORIZON_S,), builder=builder)
    warm = Fleet(workloads=2, days=fleet.days, seed=fleet.seed + 1)
    fit_lesson(warm.lesson(), recipe=recipe, now=0.0, seed=1)  # compiles, imports
    lesson = fleet.lesson()
    clock = retrain_parts.Clock()
    with retrain_parts.watched(clock), as_part_of(fleet_lines):
        clock.start()
        fit_lesson(lesson, recipe=recipe, now=0.0, seed=1)
        clock.stop()
    return {name: 1e3 * spent / fleet.workloads for name, spent in clock.spent.items()}


def read_ms(fleet: Fleet) -> dict[str, float]:
    """Milliseconds of CPU a workload to read its windows, and its edges: 10 of them in every hour."""
    recipe = Recipe(horizons_s=(HORIZON_S,))
    with tempfile.TemporaryDirectory() as folder:
        writer = ParquetHistory(folder, schema_hash=schema.hash())
        for batch in fleet.batches():
            writer.write(batch)
        spent = {}
        history = ParquetHistory(folder, schema_hash=schema.hash(), only=fleet.ids())
        begun = time.process_time()
        for workload in fleet.ids():
            history.windows(workload, horizon_s=HORIZON_S, since=0.0, until=fleet.until)
        spent["read windows"] = time.process_time() - begun
        begun = time.process_time()
        read(ParquetHistory(folder, schema_hash=schema.hash()), recipe=recipe, since=0.0, until=fleet.until)
        spent["read edges"] = max(0.0, time.process_time() - begun - spent["read windows"])
    return {name: 1e3 * cpu / fleet.workloads for name, cpu in spent.items()}


def show(found: dict[str, Any]) -> None:
    """The figures for people."""
    title = f"Retrain, ms of CPU a workload ({found['workloads']} workloads x {found['days']} days of 5 min, simulated)"
    table = Table(title=title, title_justify="left")
    table.add_column("part")
    for builder in BUILDERS:
        table.add_column(builder, justify="right")
    for name, cost in found["reading"].items():
        table.add_row(name, *(f"{cost:.1f}" for _ in BUILDERS))
    for name in (*retrain_parts.NAMES, retrain_parts.REST):
        table.add_row(name, *(f"{found['fitting'][builder][name]:.1f}" for builder in BUILDERS))
    whole = sum(found["reading"].values())
    table.add_row("all", *(f"{whole + sum(found['fitting'][builder].values()):.1f}" for builder in BUILDERS))
    told = ", ".join(f"{builder} {found['minutes'][builder]:.1f} min" for builder in BUILDERS)
    whole_fleet = f"extrapolated to {found['fleet']:,} workloads on {CORES} cores: {told}"
    notes = [whole_fleet, figures.told(found["circumstances"])]
    figures.show(table, notes)


if __name__ == "__main__":
    sys.exit(main())
