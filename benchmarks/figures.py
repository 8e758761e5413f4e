"""What every benchmark prints: medians of runs, the versions and the machine they were taken on, a table and JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Rates of one path in records per CPU-second, one a run, in the order they were taken."""

    name: str
    runs: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure that is told."""
        return float(median(self.runs))

    def beside(self, reference: Rates) -> dict[str, Any]:
        """As plain data, with its ratio to a reference of the same run."""
        return {
            "name": self.name,
            "records_per_cpu_s": round(self.median),
            "runs": [round(run) for run in self.runs],
            "ratio": round(self.median / reference.median, 3),
        }


def circumstances(*packages: str) -> dict[str, Any]:
    """When, on what and with which versions: a figure without them says little."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load_average_1_min": round(os.getloadavg()[0], 2),
        "versions": {package: version(package) for package in packages},
    }


def version(package: str) -> str:
    """The installed version of a distribution, or a dash."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "-"


def show_rates(title: str, rows: Sequence[Mapping[str, Any]], *, reference: str, notes: Sequence[str]) -> None:
    """Print rates for people; the ratio's column names what it is a ratio to."""
    table = Table(title=title, title_justify="left")
    table.add_column("path")
    table.add_column("records / CPU-s", justify="right")
    table.add_column("runs", justify="right")
    table.add_column(f"x {reference}", justify="right")
    for row in rows:
        runs = " ".join(f"{run:,}" for run in row["runs"])
        table.add_row(row["name"], f"{row['records_per_cpu_s']:,}", runs, f"{row['ratio']:.2f}")
    show(table, notes)


def show(table: Table, notes: Sequence[str]) -> None:
    """A table with the lines that belong under it, never cut to a terminal's width."""
    console = Console(width=120, soft_wrap=True)
    console.print(table)
    for note in notes:
        console.print(note, markup=False, highlight=False)


def told(found: Mapping[str, Any]) -> str:
    """The circumstances as one line."""
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return (
        f"{found['date']}, Python {found['python']}, {found['machine']}, load {found['load_average_1_min']}"
        f"{'; ' if versions else ''}{versions}"
    )


def write_json(path: Path | None, found: Mapping[str, Any]) -> None:
    """Plain JSON, without NaN; nothing when no file was asked for."""
    if path is not None:
        path.write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
