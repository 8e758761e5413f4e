"""Events of the demo recording found by learning one half and testing the other, both ways round.

    python -m benchmarks.halves [--recording FILE] [--clean FILE] [--labels FILE] [--json FILE]

Learning is never from the future: to test the first half after learning the second, the first half and its labels are
moved behind the second. The same is done with the clean recording, where every alert is a false one.
See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from baseline.domain.flow import Flow
from baseline.domain.units import HOUR_S, parse_rfc3339, rfc3339
from baseline.services import outcome
from baseline.services.evaluate import Plan, run
from baseline.services.outcome import Label, Outcome
from benchmarks import figures
from pipelines import evaluate
from pipelines._recording import Recording

MIDDLE = "2023-03-10T10:15:00Z"  # of the 90 minutes of the shipped recording
MOVED_S = 2 * HOUR_S  # whole hours, so that every window keeps its place in the hour
WINDOW_S = 60
PACKAGES = ("calico-baseline", "scikit-learn", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One direction: what was learned, what was tested, and what came of it."""

    name: str
    hours: float
    outcome: Outcome
    moved_s: float  # how far behind its own time the tested half was moved

    def told(self) -> dict[str, Any]:
        """As plain data."""
        delays = self.outcome.delays()
        return {
            "name": self.name,
            "hours_tested": round(self.hours, 3),
            "events": len(self.outcome.findings),
            "events_found": self.outcome.found,
            "time_to_detect_median_s": round(median(delays), 1) if delays else None,
            "time_to_detect_worst_s": round(max(delays), 1) if delays else None,
            "false_alerts": len(self.outcome.false_alerts),
            "false_alerts_per_hour": round(len(self.outcome.false_alerts) / self.hours, 3),
            "missed": [
                f"{finding.label.label} at {rfc3339(finding.label.start - self.moved_s)}"
                for finding in self.outcome.findings
                if finding.found_at is None
            ],
        }


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    shipped = Path(str(resources.files("baseline") / "recordings"))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.halves", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--recording", type=Path, default=shipped / "westermo.jsonl.gz")
    parser.add_argument("--clean", type=Path, default=shipped / "westermo-clean.jsonl.gz")
    parser.add_argument("--labels", type=Path, default=shipped / "westermo.labels.csv")
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
        "recording": [half.told() for half in recorded],
        "recording_together": together(recorded),
        "clean": [half.told() for half in clean],
        "clean_together": together(clean),
    }
    show(found)
    figures.write_json(args.json, found)
    return 0


def both(flows: Sequence[Flow], labels: Sequence[Label], *, middle: float) -> list[Half]:
    """Learn the first half and test the second, then the other way round. Flows in order of time."""
    second = judged(flows, labels, fit_until=middle, moved_s=0.0, name="learned 1st half, tested 2nd")
    moved = sorted((later(flow) if flow.end <= middle else flow for flow in flows), key=lambda flow: flow.end)
    begins = min(flow.start for flow in moved if flow.end > flows[-1].end)
    moved_labels = [
        replace(label, start=label.start + MOVED_S, end=label.end + MOVED_S) for label in labels if label.start < middle
    ]
    fit_until = begins - begins % WINDOW_S
    first = judged(moved, moved_labels, fit_until=fit_until, moved_s=MOVED_S, name="learned 2nd half, tested 1st")
    return [second, first]


def later(flow: Flow) -> Flow:
    """The same flow, moved."""
    return replace(flow, start=flow.start + MOVED_S, end=flow.end + MOVED_S)


def judged(flows: Iterable[Flow], labels: Sequence[Label], *, fit_until: float, moved_s: float, name: str) -> Half:
    """One evaluation, with the options of ``pipelines.evaluate --mature`` and its defaults."""
    plan = plan_until(fit_until)
    course = run(flows, plan)
    until = course.tested_until + 1
    found = outcome.compare(course.deviations, labels, since=plan.test_from, until=until)
    return Half(name=name, hours=course.hours_tested, outcome=found, moved_s=moved_s)


def plan_until(fit_until: float) -> Plan:
    """What the command line makes of ``--fit-until TIME --mature``."""
    return evaluate.plan_of(
        evaluate.arguments(["--flows", "-", "--fit-until", rfc3339(fit_until), "--mature", "--report", "-"])
    )


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
