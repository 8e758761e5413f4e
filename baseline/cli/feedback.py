"""What dismissals silence, and what decisions have taught: look, revoke, reset. Straight on the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Column, Table

from baseline.adapters.clock import SystemClock
from baseline.cli import desk
from baseline.cli.desk import By, Note
from baseline.domain.suppression import Suppression
from baseline.domain.units import rfc3339
from baseline.features import calendar
from baseline.ports import Weighting
from baseline.services import suppress, weigh
from baseline.services.suppress import Preview
from baseline.settings import Settings

suppressions = typer.Typer(help="What dismissals keep from you: look, and revoke.", no_args_is_help=True)
weights = typer.Typer(help="What voices and families count, learned from decisions.", no_args_is_help=True)
Limit = Annotated[int, typer.Option(min=1, max=1000)]


def register(root: typer.Typer) -> None:
    """Add the verbs."""
    root.add_typer(suppressions, name="suppressions")
    root.add_typer(weights, name="weights")


@suppressions.command("list")
def list_suppressions(
    active: Annotated[bool, typer.Option("--active", help="Only those that still silence.")] = False,
    workload: Annotated[str, typer.Option(help="Only of this workload: namespace/name.")] = "",
    limit: Limit = 50,
) -> None:
    """Newest first, with how much each has silenced."""
    settings = Settings()
    now = SystemClock().now()
    wanted = desk.workload(workload, cluster=settings.cluster.name) if workload else None
    with desk.opened(settings) as books:
        found = books.suppressions.find(workload=wanted, ending_after=now if active else None, limit=limit).items
    table = Table(desk.id_column(), "workload", "scope", "families", "state", "until", "silenced", "by", "reason")
    for one in found:
        table.add_row(
            one.id, str(one.workload), one.scope, ", ".join(sorted(one.families)), one.state(now=now),
            rfc3339(one.ends_at), str(one.silenced.count), one.by, one.reason,
        )  # fmt: skip
    desk.out().print(table)


@suppressions.command("show")
def show_suppression(suppression_id: str) -> None:
    """One suppression: what it covers, and what it has silenced."""
    with desk.opened(Settings()) as books:
        found = books.suppressions.get(suppression_id)
    _print_suppression(found, now=SystemClock().now())


@suppressions.command("revoke")
def revoke_suppression(suppression_id: str, note: Note = "", by: By = "") -> None:
    """End it now: what it silenced is shown again from now on."""
    now = SystemClock().now()
    with desk.opened(Settings()) as books:
        over = suppress.revoke(books, suppression_id, by=desk.actor(by), now=now, note=note)
    _print_suppression(over, now=now)


@weights.command("list")
def list_weights(limit: Limit = 50) -> None:
    """Those in force, in order of workload."""
    with desk.opened(Settings()) as books:
        found = books.weightings.in_force(limit=limit).items
    _print_weights(found)


@weights.command("show")
def show_weights(
    workload: Annotated[str, typer.Argument(help="namespace/name, or cluster/namespace/name.")], limit: Limit = 50
) -> None:
    """Every version of a workload's, newest first, and the decision that made it."""
    settings = Settings()
    group = weigh.group_of(desk.workload(workload, cluster=settings.cluster.name))
    with desk.opened(settings) as books:
        found = books.weightings.versions(group, limit=limit).items
    _print_weights(found)


@weights.command("reset")
def reset_weights(
    workload: Annotated[str, typer.Argument(help="namespace/name, or cluster/namespace/name.")],
    note: Note = "",
    by: By = "",
) -> None:
    """Let everything count 1 again, from the next model set on."""
    settings = Settings()
    group = weigh.group_of(desk.workload(workload, cluster=settings.cluster.name))
    with desk.opened(settings) as books:
        made = weigh.reset(books, group, by=desk.actor(by), now=SystemClock().now(), note=note)
    _print_weights([made])


def print_preview(made: Suppression, found: Preview) -> None:
    """What a dismissal would silence, and what the last 30 days would have lost by it."""
    _print_cover(made)
    desk.out().print(f"until {rfc3339(made.expires_at)}; nothing was changed")
    desk.out().print(f"since {rfc3339(found.since)} it would have hidden {len(found.alerts)} alerts")
    for day, count in found.days:
        desk.out().print(f"  {day}  {count}")
    for family, count in found.families:
        desk.out().print(f"  {family}: {count}")
    for alert_id in found.confirmed:
        desk.out().print(f"  confirmed attack {alert_id} would have been hidden, or its beginning", style="bold")


def _print_cover(one: Suppression) -> None:
    desk.out().print(f"scope {one.scope}: {one.workload}, {', '.join(sorted(one.families))}", style="bold")
    if one.scope.is_of_edges:
        for key in sorted(one.edges, key=str):
            desk.out().print(f"  {key.direction} {key.peer} {key.protocol} port {key.port}")
    if one.scope.is_of_hours:
        for slot in sorted(one.slots):
            desk.out().print(f"  {calendar.words(slot)} ({one.zone})")


def _print_suppression(one: Suppression, *, now: float) -> None:
    _print_cover(one)
    desk.out().print(f"suppression {one.id}: {one.state(now=now)}, until {rfc3339(one.ends_at)}")
    desk.out().print(f"by {one.by} at {rfc3339(one.made_at)}: {one.reason}")
    told = one.silenced
    last = f", last at {rfc3339(told.last_at)}" if told.count else ""
    desk.out().print(f"silenced {told.count} windows{last}")


def _print_weights(found: Sequence[Weighting]) -> None:
    table = Table(Column("workload", no_wrap=True), "version", "counts", "cause", "by", "at", "alert")
    for one in found:
        counts = ", ".join(f"{name} {weight:.2f}" for name, weight in one.weights) or "everything 1"
        table.add_row(one.group, str(one.version), counts, one.cause, one.by, rfc3339(one.at), one.alert_id)
    desk.out().print(table)
