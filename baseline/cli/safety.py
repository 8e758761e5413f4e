"""The verbs for a bad night: the red button, the release of everything, and the doctor."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from baseline.adapters.clock import SystemClock
from baseline.settings import Settings


class Switch(StrEnum):
    """The red button's positions."""

    ON = "on"
    OFF = "off"
    STATUS = "status"


def _out() -> Console:
    """As wide as the terminal is now. Names come from logs: they are text, never markup."""
    return Console(highlight=False, markup=False, emoji=False)


def register(root: typer.Typer) -> None:
    """Add the verbs."""
    root.command()(enforcement)
    root.command("release-all")(release_all)
    root.command()(doctor)


def enforcement(switch: Annotated[Switch, typer.Argument(help="on, off or status.")] = Switch.STATUS) -> None:
    """The red button: off means no new restriction. It does not release what stands; see release-all."""
    from baseline.wiring import cluster as wired

    cluster = wired.cluster(Settings(), SystemClock())
    if switch is not Switch.STATUS:
        cluster.set_enforcement(enabled=switch is Switch.ON)
    typer.echo("on" if cluster.enforcement_enabled() else "off")


def release_all(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Press the red button and delete every restriction of ours in the cluster. Needs no database and no Kafka."""
    from baseline.adapters.metrics import PrometheusMetrics
    from baseline.control import janitor
    from baseline.wiring import cluster as wired

    settings = Settings()
    if not yes:
        typer.confirm("Release every restriction of this installation?", abort=True)
    cluster = wired.cluster(settings, SystemClock())
    swept = janitor.release_all(cluster, instance=settings.cluster.instance, metrics=PrometheusMetrics())
    typer.echo(f"released {len(swept.deleted)} restrictions; enforcement is off")
    for name, why in swept.failed.items():
        typer.echo(f"not released: {name}: {why}", err=True)
    if swept.failed:
        raise typer.Exit(1)


def doctor(as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Check everything this installation needs, each with a hint; exit 1 when something is wrong."""
    from baseline.cli import doctor as checks

    found = checks.examine(Settings())
    if as_json:
        typer.echo(checks.to_json(found))
    else:
        table = Table("check", "result", "detail", "what to do")
        for finding in found:
            table.add_row(finding.check, finding.result, finding.detail, finding.hint)
        _out().print(table)
    if any(finding.result is checks.Result.BAD for finding in found):
        raise typer.Exit(1)
