"""What a person watches: flows, baselines, alerts as they open, restrictions with their countdown.

Names come from logs: they are ``Text``, because a ``str`` in a table is read as markup.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from baseline.domain.alert import Alert, Disposition
from baseline.domain.restriction import Restriction, State
from baseline.domain.units import format_duration

ALERTS_SHOWN = 8
RESTRICTIONS_SHOWN = 6
_STATE_STYLE = {
    State.PROPOSED: "yellow",
    State.APPROVED: "bold red",
    State.APPLIED: "bold red",
    State.HELD: "bold magenta",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything the view shows at one moment; facts only."""

    phase: str
    api: str
    token: str
    now: float  # the recording's time
    progress: float  # of the played part, in [0, 1]
    flows_per_s: float  # of real time
    records: int
    dead_letters: int
    windows: int
    prevented: int  # records the restrictions in force kept from happening (simulated)
    maturity: Mapping[str, int] = field(default_factory=dict)
    alerts: Sequence[Alert] = ()
    restrictions: Sequence[Restriction] = ()
    notes: Sequence[str] = ()


def draw(scene: Scene) -> RenderableType:
    """One frame."""
    return Group(_header(scene), _alerts(scene), _restrictions(scene), _footer(scene))


def _header(scene: Scene) -> RenderableType:
    baselines = ", ".join(f"{count} {name}" for name, count in sorted(scene.maturity.items())) or "none yet"
    lines = Text()
    lines.append(f"{scene.phase}  ", style="bold")
    lines.append(f"{_time(scene.now)} in the recording  {scene.progress:.0%}\n")
    lines.append(f"{scene.flows_per_s:,.0f} flows/s   {scene.records:,} records, {scene.dead_letters} dead letters   ")
    lines.append(f"{scene.windows:,} windows   baselines: {baselines}\n")
    lines.append(f"API {scene.api}/api/v1/alerts   token {scene.token}", style="dim")
    return Panel(lines, title="calico-baseline demo: a real recording, embedded parts", border_style="cyan")


def _alerts(scene: Scene) -> RenderableType:
    table = Table(title="Alerts, newest first", expand=True, title_justify="left", show_edge=False)
    for column in ("opened", "workload", "why", "decision"):
        table.add_column(column, ratio=6 if column == "why" else 1, overflow="fold")
    for alert in scene.alerts[:ALERTS_SHOWN]:
        decision = "" if alert.disposition is Disposition.NONE else alert.disposition.value
        table.add_row(_time(alert.opened_at), Text(str(alert.workload)), Text(alert.sentence), decision)
    return table


def _restrictions(scene: Scene) -> RenderableType:
    table = Table(title="Restrictions, newest first", expand=True, title_justify="left", show_edge=False)
    for column in ("workload", "denied", "state", "ends in", "how it ended"):
        table.add_column(column, overflow="fold")
    for restriction in scene.restrictions[:RESTRICTIONS_SHOWN]:
        peers = ", ".join(dict.fromkeys(f"{rule.direction} {rule.peer}" for rule in restriction.rules))
        left = format_duration(restriction.expires_at - scene.now) if restriction.is_live else ""
        state = Text(restriction.state.value, style=_STATE_STYLE.get(restriction.state, "green"))
        table.add_row(Text(str(restriction.workload)), Text(peers), state, left, Text(restriction.ended_by))
    return table


def _footer(scene: Scene) -> RenderableType:
    lines = [f"{scene.prevented:,} records would not have happened under these restrictions (simulated by the player)"]
    return Text("\n".join([*lines, *scene.notes]), style="dim")


def _time(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, tz=UTC).strftime("%H:%M:%S")
