"""Events of the demo recording found by learning one half and testing the other, both ways round.

    python -m benchmarks.halves [--recording FILE] [--clean FILE] [--labels FILE] [--json FILE]

Learning is never from the future: to test the first half after learning the second, the first half and its labels are
moved behind the second. The same is done with the clean recording, where every alert is a false one.
See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from baseline.domain.units import parse_rfc3339, rfc3339
from benchmarks import figures
from pipelines import evaluate
from pipelines._halves import MIDDLE, Half, both, shipped
from pipelines._recording import Recording

PACKAGES = ("calico-baseline", "scikit-learn", "numpy")


def told(half: Half) -> dict[str, Any]:
    """One direction as plain data."""
    delays = half.outcome.delays()
    return {
        "name": half.name,
        "hours_tested": round(half.hours, 3),
        "events": len(half.outcome.findings),
        "events_found": half.outcome.found,
        "time_to_detect_median_s": round(median(delays), 1) if delays else None,
        "time_to_detect_worst_s": round(max(delays), 1) if delays else None,
        "false_alerts": len(half.outcome.false_alerts),
        "false_alerts_per_hour": round(len(half.outcome.false_alerts) / half.hours, 3),
        "missed": [
            f"{finding.label.label} at {rfc3339(finding.label.start - half.moved_s)}"
            for finding in half.outcome.findings
            if finding.found_at is None
        ],
    }


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.halves", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recording", type=Path, default=shipped("westermo.jsonl.gz"))
    parser.add_argument("--clean", type=Path, default=shipped("westermo-clean.jsonl.gz"))
    parser.add_argument("--labels", type=Path, default=shipped("westermo.labels.csv"))
    parser.add_argument("--middle", type=parse_rfc3339, default=MIDDLE, help=f"where it is cut (default {MIDDLE})")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Judge both halves of both recordings and print."""
    args = arguments(argv)
    about = figures.circumstances(*PACKAGES)
    labels = evaluate.read_labels(args.labels)
    recorded = both(list(Recording([args.recording])), labels, middle=args.middle)
    clean = both(list(Recording([args.clean])), [], middle=args.middle)
    found = {
        "benchmark": "halves",
        "circumstances": about,
        "recording": [told(half) for half in recorded],
        "recording_together": together(recorded),
        "clean": [told(half) for half in clean],
        "clean_together": together(clean),
    }
    show(found)
    figures.write_json(args.json, found)
    return 0


def together(halves: Sequence[Half]) -> dict[str, Any]:
    """Both directions as one figure."""
    delays = sorted(delay for half in halves for delay in half.outcome.delays())
    false = sum(len(half.outcome.false_alerts) for half in halves)
    hours = sum(half.hours for half in halves)
    return {
        "hours_tested": round(hours, 3),
        "events": sum(len(half.outcome.findings) for half in halves),
        "events_found": sum(half.outcome.found for half in halves),
        "time_to_detect_median_s": round(median(delays), 1) if delays else None,
        "time_to_detect_worst_s": round(max(delays), 1) if delays else None,
        "false_alerts": false,
        "false_alerts_per_hour": round(false / hours, 3),
    }


def show(found: dict[str, Any]) -> None:
    """The figures for people."""
    table = Table(title="Each half learned, the other tested", title_justify="left")
    for column in ("recording", "events found", "time to detect, median / worst", "false alerts", "per hour"):
        table.add_column(column, justify="left" if column == "recording" else "right")
    for key, title in (("recording", "with attacks"), ("clean", "clean")):
        rows = [*found[key], {"name": "together", **found[f"{key}_together"]}]
        for row in rows:
            median_s, worst_s = row["time_to_detect_median_s"], row["time_to_detect_worst_s"]
            table.add_row(
                f"{title}: {row['name']}",
                f"{row['events_found']} / {row['events']}" if row["events"] else "-",
                "-" if median_s is None else f"{median_s:.0f} s / {worst_s:.0f} s",
                str(row["false_alerts"]),
                f"{row['false_alerts_per_hour']:.2f}",
            )
    missed = [name for half in found["recording"] for name in half["missed"]]
    notes = [f"not found: {', '.join(missed)}"] if missed else []
    figures.show(table, [*notes, figures.told(found["circumstances"])])


if __name__ == "__main__":
    sys.exit(main())
