"""What people do when the console or the API is not at hand: look, decide, hold, release. Straight on the books."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import typer
from rich.table import Table

from baseline.adapters.clock import SystemClock
from baseline.cli import alertlines, desk, feedback
from baseline.cli.desk import By, Note
from baseline.domain.alert import Alert, Disposition
from baseline.domain.errors import NotAllowed
from baseline.domain.restriction import LIVE, Level, Restriction, State
from baseline.domain.suppression import Scope
from baseline.domain.units import format_duration, rfc3339
from baseline.ports import Books, Role, Shelf
from baseline.services import decide, suppress, tokens
from baseline.services.suppress import Asked
from baseline.settings import Settings

alerts = typer.Typer(help="Look at alerts and decide them.", no_args_is_help=True)
restrictions = typer.Typer(help="Look at restrictions, apply, hold and release them.", no_args_is_help=True)
token_verbs = typer.Typer(help="Named tokens for the API, stored hashed.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the verbs."""
    root.add_typer(alerts, name="alerts")
    root.add_typer(restrictions, name="restrictions")
    root.add_typer(token_verbs, name="tokens")


def _planner(settings: Settings, books: Books, *, now: float) -> decide.Planner:
    from baseline.wiring import planning

    return planning.planner(settings, books, now=now)


def _shelf(settings: Settings) -> Shelf:
    from baseline.wiring import stores

    return stores.shelf(settings)


def _channels(settings: Settings) -> Sequence[str]:
    from baseline.wiring import planning

    return planning.channels(settings)


@alerts.command("list")
def list_alerts(
    disposition: Annotated[Disposition | None, typer.Option(help="Only these; `none` is undecided.")] = None,
    workload: Annotated[str, typer.Option(help="Only of this workload: namespace/name.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Newest first."""
    settings = Settings()
    wanted = desk.workload(workload, cluster=settings.cluster.name) if workload else None
    with desk.opened(settings) as books:
        found = books.alerts.find(disposition=disposition, workload=wanted, limit=limit).items
    table = Table(desk.id_column(), "opened", "workload", "p", "why", "decision")
    for alert in found:
        table.add_row(
            alert.id, rfc3339(alert.opened_at), str(alert.workload), f"{alert.p:.1e}", alert.sentence, alert.disposition
        )
    desk.out().print(table)


@alerts.command("show")
def show_alert(alert_id: str) -> None:
    """One alert with its reasons and edges."""
    with desk.opened(Settings()) as books:
        alert = books.alerts.get(alert_id)
        found = books.restrictions.find(alert_id=alert_id).items
    _print_alert(alert)
    for restriction in found:
        _print_restriction(restriction, now=SystemClock().now())


@alerts.command("confirm")
def confirm_alert(
    alert_id: str,
    restrict: Annotated[bool, typer.Option("--restrict", help="Also apply the proposed restriction.")] = False,
    note: Note = "",
    by: By = "",
) -> None:
    """It was an attack: a restriction in force is held, the windows never teach."""
    settings = Settings()
    clock = SystemClock()
    with desk.opened(settings) as books:
        planner = _planner(settings, books, now=clock.now())
        alert = decide.confirm(
            books,
            alert_id,
            by=desk.actor(by),
            now=clock.now(),
            note=note,
            restrict=restrict,
            planner=planner,
            hold_s=settings.restriction.hold_s,
        )
    _print_alert(alert)


@alerts.command("dismiss")
def dismiss_alert(
    alert_id: str,
    scope: Annotated[
        Scope, typer.Option(help="once: this alert; hour, edge, workload, always: more of the same, too.")
    ] = Scope.ONCE,
    until: Annotated[str, typer.Option(help="Until when: RFC 3339, or a time from now such as 14d; 90d at most.")] = "",
    reason: Annotated[
        str, typer.Option("--reason", "--note", help="Why; kept in the audit trail. Needed for more than once.")
    ] = "",
    preview: Annotated[
        bool, typer.Option("--preview", help="Change nothing; show what the last 30 days would have lost.")
    ] = False,
    accept_hiding_confirmed: Annotated[
        bool, typer.Option("--accept-hiding-confirmed", help="Also where it would have hidden a confirmed attack.")
    ] = False,
    by: By = "",
) -> None:
    """It was normal: its restriction ends at once, and the baseline may learn from it."""
    settings = Settings()
    now = SystemClock().now()
    asked = Asked(
        scope=scope,
        until=desk.moment(until, now=now) if until else None,
        accepts_hiding_confirmed=accept_hiding_confirmed,
    )
    with desk.opened(settings) as books:
        alert = books.alerts.get(alert_id)
        if scope.is_of_hours:
            asked = replace(asked, zone=suppress.zone_of(_shelf(settings), alert))
        if preview:
            wanted = suppress.asked(alert, asked, reason=reason or "preview", by=desk.actor(by), now=now)
            feedback.print_preview(wanted, suppress.previewed(books, wanted, now=now))
            return
        alert = decide.dismiss(
            books, alert_id, by=desk.actor(by), now=now, note=reason, channels=_channels(settings), asked=asked
        )
        made = suppress.newest_of(books, alert_id)
    _print_alert(alert)
    if made is not None and scope is not Scope.ONCE:
        desk.out().print(f"more of the same is not shown until {rfc3339(made.expires_at)}: suppression {made.id}")


@restrictions.command("list")
def list_restrictions(
    live: Annotated[bool, typer.Option("--live", help="Only those that are wanted in the cluster.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Newest first."""
    with desk.opened(Settings()) as books:
        found = books.restrictions.find(states=LIVE if live else None, limit=limit).items
    now = SystemClock().now()
    table = Table(desk.id_column(), "workload", "denied", "state", "ends in", "approved by", "ended by")
    for restriction in found:
        left = format_duration(restriction.expires_at - now) if restriction.is_live else ""
        peers = ", ".join(dict.fromkeys(str(rule.peer) for rule in restriction.rules))
        table.add_row(
            restriction.id, str(restriction.workload), peers, restriction.state, left,
            restriction.approved_by, restriction.ended_by,
        )  # fmt: skip
    desk.out().print(table)


@restrictions.command("show")
def show_restriction(restriction_id: str) -> None:
    """One restriction, what the guards said, and its rules."""
    with desk.opened(Settings()) as books:
        restriction = books.restrictions.get(restriction_id)
    _print_restriction(restriction, now=SystemClock().now())


@restrictions.command("apply")
def apply_restriction(
    restriction_id: str,
    ttl: Annotated[str, typer.Option(help="Time to live, such as 15m or 2h; the planned one by default.")] = "",
    by: By = "",
) -> None:
    """Approve a proposed restriction; control applies it within seconds. Asking twice is one restriction."""
    settings = Settings()
    now = SystemClock().now()
    with desk.opened(settings) as books:
        proposed = books.restrictions.get(restriction_id)
        if proposed.state not in LIVE | {State.PROPOSED}:
            raise NotAllowed(f"restriction {restriction_id} is {proposed.state}: {proposed.detail}")
        restriction = decide.restrict(
            books,
            proposed.alert_id,
            level=Level.R1,
            ttl_s=desk.seconds(ttl) if ttl else None,
            by=desk.actor(by),
            now=now,
            planner=_planner(settings, books, now=now),
        )
    _print_restriction(restriction, now=now)


@restrictions.command("hold")
def hold_restriction(
    restriction_id: str, duration: Annotated[str, typer.Option(help="How much longer, such as 4h.")] = "", by: By = ""
) -> None:
    """Extend a restriction in force, bounded by its maximum."""
    settings = Settings()
    now = SystemClock().now()
    hold_s = desk.seconds(duration) if duration else settings.restriction.hold_s
    with desk.opened(settings) as books:
        restriction = decide.hold(books, restriction_id, by=desk.actor(by), now=now, hold_s=hold_s)
    _print_restriction(restriction, now=now)


@restrictions.command("release")
def release_restriction(restriction_id: str, note: Note = "", by: By = "") -> None:
    """End a restriction now."""
    settings = Settings()
    now, channels = SystemClock().now(), _channels(settings)
    with desk.opened(settings) as books:
        restriction = decide.release(books, restriction_id, by=desk.actor(by), now=now, note=note, channels=channels)
    _print_restriction(restriction, now=now)


@token_verbs.command("create")
def create_token(
    name: str,
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
    expires_in: Annotated[str, typer.Option(help="Time until it expires, such as 30d; never by default.")] = "",
) -> None:
    """Print a new secret once; only its hash is stored."""
    with desk.opened(Settings()) as books:
        lifetime_s = desk.seconds(expires_in) if expires_in else None
        secret = tokens.create(
            books, name=name, role=role, entropy=secrets.token_bytes(32), now=SystemClock().now(), by=desk.actor(""),
            ttl_s=lifetime_s,
        )  # fmt: skip
    typer.echo(secret)


@token_verbs.command("list")
def list_tokens() -> None:
    """Names, roles and states; no secrets."""
    with desk.opened(Settings()) as books:
        found = books.tokens.all()
    table = Table("name", "role", "created", "expires", "revoked")
    for token in found:
        times = (token.created_at, token.expires_at, token.revoked_at)
        table.add_row(token.name, token.role, *(rfc3339(time) if time else "" for time in times))
    desk.out().print(table)


@token_verbs.command("revoke")
def revoke_token(name: str) -> None:
    """End a token now."""
    with desk.opened(Settings()) as books:
        tokens.revoke(books, name, by=desk.actor(""), now=SystemClock().now())


def _print_alert(alert: Alert) -> None:
    desk.out().print(alert.sentence, style="bold")
    for line in alertlines.lines(alert):
        desk.out().print(line)


def _print_restriction(restriction: Restriction, *, now: float) -> None:
    ends = f", ends in {format_duration(restriction.expires_at - now)}" if restriction.is_live else ""
    desk.out().print(f"restriction {restriction.id}: {restriction.state}{ends} {restriction.detail}")
    for rule in restriction.rules:
        ports = f" ports {', '.join(map(str, rule.ports))}" if rule.ports else ""
        desk.out().print(f"  deny {rule.direction} {rule.peer} {rule.protocol}{ports}")
    for line in restriction.guards:
        desk.out().print(f"  {line}", style="dim")
