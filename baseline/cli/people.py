"""What people do when the console or the API is not at hand: look, decide, hold, release. Straight on the books."""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from baseline.adapters.clock import SystemClock
from baseline.cli import alertlines
from baseline.domain.alert import Alert, Disposition
from baseline.domain.errors import NotAllowed
from baseline.domain.restriction import LIVE, Level, Restriction, State
from baseline.domain.units import format_duration, parse_duration, rfc3339
from baseline.domain.workload import WorkloadId
from baseline.ports import Books, Role
from baseline.services import decide, tokens
from baseline.settings import Settings

alerts = typer.Typer(help="Look at alerts and decide them.", no_args_is_help=True)
restrictions = typer.Typer(help="Look at restrictions, apply, hold and release them.", no_args_is_help=True)
token_verbs = typer.Typer(help="Named tokens for the API, stored hashed.", no_args_is_help=True)
Note = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
By = Annotated[str, typer.Option(help="Who decides; the login name by default.")]


def _out() -> Console:
    """As wide as the terminal is now. Names come from logs: they are text, never markup."""
    return Console(highlight=False, markup=False, emoji=False)


def register(root: typer.Typer) -> None:
    """Add the verbs."""
    root.add_typer(alerts, name="alerts")
    root.add_typer(restrictions, name="restrictions")
    root.add_typer(token_verbs, name="tokens")


@contextmanager
def _books(settings: Settings) -> Iterator[Books]:
    """One transaction. Wiring is imported here, so that the other verbs start without a database driver."""
    from baseline.wiring import stores

    with stores.library(settings) as library, library.transaction() as books:
        yield books


def _planner(settings: Settings, books: Books, *, now: float) -> decide.Planner:
    from baseline.wiring import planning

    return planning.planner(settings, books, now=now)


def _channels(settings: Settings) -> Sequence[str]:
    from baseline.wiring import planning

    return planning.channels(settings)


def _seconds(text: str) -> float:
    """A duration as people write it; a wrong one is wrong use."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _workload(text: str, *, cluster: str) -> WorkloadId:
    """A workload as people write it; a wrong one is wrong use."""
    try:
        return WorkloadId.parse(text, cluster=cluster)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _actor(by: str) -> str:
    """The name in the audit trail; a container's uid often has no login name."""
    try:
        return f"cli:{by or getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:uid-{os.getuid()}"


@alerts.command("list")
def list_alerts(
    disposition: Annotated[Disposition | None, typer.Option(help="Only these; `none` is undecided.")] = None,
    workload: Annotated[str, typer.Option(help="Only of this workload: namespace/name.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Newest first."""
    settings = Settings()
    wanted = _workload(workload, cluster=settings.cluster.name) if workload else None
    with _books(settings) as books:
        found = books.alerts.find(disposition=disposition, workload=wanted, limit=limit).items
    table = Table(_id(), "opened", "workload", "p", "why", "decision")
    for alert in found:
        table.add_row(
            alert.id, rfc3339(alert.opened_at), str(alert.workload), f"{alert.p:.1e}", alert.sentence, alert.disposition
        )
    _out().print(table)


@alerts.command("show")
def show_alert(alert_id: str) -> None:
    """One alert with its reasons and edges."""
    with _books(Settings()) as books:
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
    with _books(settings) as books:
        planner = _planner(settings, books, now=clock.now())
        alert = decide.confirm(
            books,
            alert_id,
            by=_actor(by),
            now=clock.now(),
            note=note,
            restrict=restrict,
            planner=planner,
            hold_s=settings.restriction.hold_s,
        )
    _print_alert(alert)


@alerts.command("dismiss")
def dismiss_alert(alert_id: str, note: Note = "", by: By = "") -> None:
    """It was normal: its restriction ends at once, and the baseline may learn from it."""
    settings = Settings()
    with _books(settings) as books:
        now, channels = SystemClock().now(), _channels(settings)
        alert = decide.dismiss(books, alert_id, by=_actor(by), now=now, note=note, channels=channels)
    _print_alert(alert)


@restrictions.command("list")
def list_restrictions(
    live: Annotated[bool, typer.Option("--live", help="Only those that are wanted in the cluster.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
) -> None:
    """Newest first."""
    with _books(Settings()) as books:
        found = books.restrictions.find(states=LIVE if live else None, limit=limit).items
    now = SystemClock().now()
    table = Table(_id(), "workload", "denied", "state", "ends in", "approved by", "ended by")
    for restriction in found:
        left = format_duration(restriction.expires_at - now) if restriction.is_live else ""
        peers = ", ".join(dict.fromkeys(str(rule.peer) for rule in restriction.rules))
        table.add_row(
            restriction.id, str(restriction.workload), peers, restriction.state, left,
            restriction.approved_by, restriction.ended_by,
        )  # fmt: skip
    _out().print(table)


@restrictions.command("show")
def show_restriction(restriction_id: str) -> None:
    """One restriction, what the guards said, and its rules."""
    with _books(Settings()) as books:
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
    with _books(settings) as books:
        proposed = books.restrictions.get(restriction_id)
        if proposed.state not in LIVE | {State.PROPOSED}:
            raise NotAllowed(f"restriction {restriction_id} is {proposed.state}: {proposed.detail}")
        restriction = decide.restrict(
            books,
            proposed.alert_id,
            level=Level.R1,
            ttl_s=_seconds(ttl) if ttl else None,
            by=_actor(by),
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
    hold_s = _seconds(duration) if duration else settings.restriction.hold_s
    with _books(settings) as books:
        restriction = decide.hold(books, restriction_id, by=_actor(by), now=now, hold_s=hold_s)
    _print_restriction(restriction, now=now)


@restrictions.command("release")
def release_restriction(restriction_id: str, note: Note = "", by: By = "") -> None:
    """End a restriction now."""
    settings = Settings()
    now, channels = SystemClock().now(), _channels(settings)
    with _books(settings) as books:
        restriction = decide.release(books, restriction_id, by=_actor(by), now=now, note=note, channels=channels)
    _print_restriction(restriction, now=now)


@token_verbs.command("create")
def create_token(
    name: str,
    role: Annotated[Role, typer.Option(help="What it may do.")] = Role.VIEWER,
    expires_in: Annotated[str, typer.Option(help="Time until it expires, such as 30d; never by default.")] = "",
) -> None:
    """Print a new secret once; only its hash is stored."""
    with _books(Settings()) as books:
        lifetime_s = _seconds(expires_in) if expires_in else None
        secret = tokens.create(
            books, name=name, role=role, entropy=secrets.token_bytes(32), now=SystemClock().now(), by=_actor(""),
            ttl_s=lifetime_s,
        )  # fmt: skip
    typer.echo(secret)


@token_verbs.command("list")
def list_tokens() -> None:
    """Names, roles and states; no secrets."""
    with _books(Settings()) as books:
        found = books.tokens.all()
    table = Table("name", "role", "created", "expires", "revoked")
    for token in found:
        times = (token.created_at, token.expires_at, token.revoked_at)
        table.add_row(token.name, token.role, *(rfc3339(time) if time else "" for time in times))
    _out().print(table)


@token_verbs.command("revoke")
def revoke_token(name: str) -> None:
    """End a token now."""
    with _books(Settings()) as books:
        tokens.revoke(books, name, by=_actor(""), now=SystemClock().now())


def _id() -> Column:
    """Never broken over lines, because it is copied into the next command."""
    return Column("id", no_wrap=True)


def _print_alert(alert: Alert) -> None:
    _out().print(alert.sentence, style="bold")
    for line in alertlines.lines(alert):
        _out().print(line)


def _print_restriction(restriction: Restriction, *, now: float) -> None:
    ends = f", ends in {format_duration(restriction.expires_at - now)}" if restriction.is_live else ""
    _out().print(f"restriction {restriction.id}: {restriction.state}{ends} {restriction.detail}")
    for rule in restriction.rules:
        ports = f" ports {', '.join(map(str, rule.ports))}" if rule.ports else ""
        _out().print(f"  deny {rule.direction} {rule.peer} {rule.protocol}{ports}")
    for line in restriction.guards:
        _out().print(f"  {line}", style="dim")
