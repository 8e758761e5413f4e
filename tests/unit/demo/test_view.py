"""What a person watches shows names as they are."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from baseline.demo.view import ALERTS_SHOWN, Scene, draw
from baseline.domain.alert import Decision, Disposition
from baseline.domain.edge import Peer, PeerKind
from baseline.domain.workload import WorkloadId
from tests.unit.policy.making import NOW, alert, deny, proposed, wanted

HOSTILE = ["[bold]x[/]", "[/]", "[red]", "[link=http://evil.example]x[/link]", "a[0]", "\\[x]"]


def drawn(**changes: Any) -> str:
    """The frame as text."""
    told: dict[str, Any] = {
        "phase": "playing", "api": "http://127.0.0.1:1", "token": "cbl_x", "now": NOW, "progress": 0.5,
        "flows_per_s": 1234.0, "records": 99_000, "dead_letters": 3, "windows": 42, "prevented": 7, **changes,
    }  # fmt: skip
    told_to = Console(file=io.StringIO(), width=300, emoji=False, force_terminal=False)
    told_to.print(draw(Scene(**told)))
    assert isinstance(told_to.file, io.StringIO)
    return told_to.file.getvalue()


def test_a_scene_shows_its_numbers() -> None:
    """Progress, rates, and that the prevention is simulated."""
    text = drawn(maturity={"mature": 5, "learning": 2}, notes=("a note",))
    for part in ("playing", "50%", "1,234 flows/s", "99,000 records, 3 dead letters", "42 windows", "a note"):
        assert part in text
    assert "2 learning, 5 mature" in text
    assert "7 records would not have happened under these restrictions (simulated" in text
    assert "none yet" in drawn()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(name: str) -> None:
    """No markup is interpreted: not in an alert, its sentence, a denied peer or the name of a person."""
    workload = WorkloadId("cluster", "shop", name)
    about = replace(alert(), workload=workload, sentence=f"{name} did it")
    denied = replace(deny(), peer=Peer(PeerKind.WORKLOAD, "shop", f"peer{name}"))
    restriction = replace(wanted(denied), workload=workload, ended_by=f"by {name}")
    text = drawn(alerts=[about], restrictions=[restriction], phase=name, notes=(name,))
    for part in (f"shop/{name}", f"{name} did it", f"egress shop/peer{name}", f"by {name}"):
        assert part in text


def test_alerts_are_shown_with_their_decision_and_bounded() -> None:
    """The newest fit on a screen."""
    decision = Decision(disposition=Disposition.CONFIRMED, by="ada", at=NOW)
    alerts = [replace(alert(), sentence=f"sentence {number}.", decision=decision) for number in range(ALERTS_SHOWN + 3)]
    text = drawn(alerts=alerts)
    assert text.count("sentence") == ALERTS_SHOWN
    assert "confirmed" in text


def test_only_a_live_restriction_counts_down() -> None:
    """A plan has no end yet."""
    assert "15 min" in drawn(restrictions=[wanted()])
    assert "15 min" not in drawn(restrictions=[proposed()])
