"""``baseline demo``: the whole product on embedded parts, played a real recording."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live

from baseline.adapters import logs


def register(root: typer.Typer) -> None:
    """Add the verb."""
    root.command()(demo)


def demo(
    headless: Annotated[bool, typer.Option("--headless", help="No live view; print a summary and exit.")] = False,
    report: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    clean: Annotated[bool, typer.Option("--clean", help="The recording without its labelled attacks.")] = False,
    recording: Annotated[
        Path | None, typer.Option(help="Play this flow-log recording instead (JSON lines, .gz).", exists=True)
    ] = None,
    events: Annotated[
        Path | None, typer.Option(help="CSV of labelled events to compare with, as the shipped one.", exists=True)
    ] = None,
    learned: Annotated[float, typer.Option(min=0.1, max=0.9, help="Share of the recording that is learned.")] = 0.5,
    speed: Annotated[float, typer.Option(min=1, help="Seconds of the recording a second, at most.")] = 150.0,
) -> None:
    """Learn the first part of a real recording, play the rest, alert, restrict, release. Needs nothing but Python."""
    from baseline.demo.run import DemoOptions, run
    from baseline.demo.view import draw

    console = Console(emoji=False)
    with tempfile.TemporaryDirectory(prefix="baseline-demo-") as folder:
        logs.configure(process="demo", level="error" if not headless else "warning", form="console")
        options = DemoOptions(
            folder=Path(folder), recording=recording, events=events, is_clean=clean, learned=learned, speed=speed
        )
        if headless:
            found = run(options, watch=lambda _: None)
        else:
            with Live(console=console, refresh_per_second=4, screen=console.is_terminal) as live:
                found = run(options, watch=lambda scene: live.update(draw(scene)))
    if report is not None:
        report.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for line in summary(found):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def summary(found: dict[str, Any]) -> list[str]:
    """The report in a few lines."""
    records, labels = found["records"], found.get("labels")
    lines = [
        f"{records['consumed']} flow records, {records['dead_letters']} dead letters",
        f"{found['windows']} windows, {found['seconds']} s",
        *(f"alert  {alert['opened_at']}  {alert['sentence']}" for alert in found["alerts"]),
        *(
            f"restriction  {one['workload']}: {', '.join(one['denied'][:4])}: {one['state']}"
            + (f" by {one['ended_by']} after {one['lived_s']} s" if one["ended_at"] else "")
            for one in found["restrictions"]
            if one["applied_at"]
        ),
        f"{found['prevented']['records']} records would not have happened (simulated)",
        f"left over in the cluster: {', '.join(found['left_over']) or 'nothing'}",
    ]
    if labels is not None:
        prevented = len(labels["attack_events_prevented"])
        lines.append(
            f"labels: {labels['attack_events_found']} of {labels['attack_events']} attack events found, "
            f"median {labels['seconds_to_detect_median']} s after their start, {prevented} more prevented by a "
            f"restriction in force; {labels['false_alerts_per_hour']} false alerts an hour"
        )
    lines += [f"note: {note}" for note in found["notes"]]
    lines += [f"relaxed guard {name}: {why}" for name, why in found["guards_relaxed"].items()]
    return lines
