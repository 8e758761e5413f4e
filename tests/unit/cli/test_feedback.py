"""Scopes, suppressions and weights on the command line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baseline.domain.alert import Alert, Disposition
from baseline.domain.suppression import Suppression
from baseline.domain.units import DAY_S
from tests.unit.cli.running import Command, books
from tests.unit.cli.test_people import HOSTILE, disposition, recent, store

VOICES = (("tail", 1e-9), ("forest", 0.4), ("edges", 1.0))


def made(alert: Alert) -> list[Suppression]:
    """What its dismissal left in the books."""
    with books() as opened:
        return list(opened.suppressions.find(alert_id=alert.id).items)


def dismissed(baseline: Command, alert: Alert, *more: str) -> Suppression:
    """Dismissed by edge."""
    told = baseline.good("alerts", "dismiss", alert.id, "--scope", "edge", "--reason", "backup", "--by", "ada", *more)
    (one,) = made(alert)
    assert f"suppression {one.id}" in told
    return one


def test_a_dismissal_can_reach_further(baseline: Command) -> None:
    """With scope, time, reason and name, in the books and in the list."""
    alert = recent()
    store(alert)
    one = dismissed(baseline, alert, "--until", "14d")
    assert (one.reason, one.by) == ("backup", "cli:ada")
    assert one.expires_at - one.made_at == pytest.approx(14 * DAY_S)
    told = baseline.good("suppressions", "list")
    for part in (one.id, "shop/checkout", "edge", "fan-out, novelty", "active", "cli:ada", "backup"):
        assert part in told
    told = baseline.good("suppressions", "show", one.id)
    for part in ("scope edge: shop/checkout", "egress data/ledger tcp port 22", "silenced 0 windows"):
        assert part in told


def test_once_is_the_default_and_a_note_is_a_reason(baseline: Command) -> None:
    """As it always was."""
    alert = recent()
    store(alert)
    assert "suppression" not in baseline.good("alerts", "dismiss", alert.id, "--note", "backup")
    assert disposition(alert) is Disposition.DISMISSED
    assert made(alert) == []


def test_without_a_reason_it_is_refused(baseline: Command) -> None:
    """In one line, and nothing is decided."""
    alert = recent()
    store(alert)
    assert "needs a reason" in baseline.failed("alerts", "dismiss", alert.id, "--scope", "workload")
    assert "within 90 d" in baseline.failed(
        "alerts", "dismiss", alert.id, "--scope", "edge", "--reason", "r", "--until", "91d"
    )
    assert disposition(alert) is Disposition.NONE


@pytest.mark.parametrize("words", [("--scope", "cluster"), ("--until", "soon")])
def test_what_cannot_be_read_is_wrong_use(baseline: Command, words: tuple[str, str]) -> None:
    """Exit 2."""
    alert = recent()
    store(alert)
    assert baseline("alerts", "dismiss", alert.id, *words).code == 2


def test_a_preview_tells_and_changes_nothing(baseline: Command) -> None:
    """The alerts, days, families and attacks that would have been hidden; then it is refused until accepted."""
    attack, alert = recent(30), recent()
    store(attack, alert)
    baseline.good("alerts", "confirm", attack.id)
    words = ("alerts", "dismiss", alert.id, "--scope", "edge")
    told = baseline.good(*words, "--preview")
    for part in ("it would have hidden 1 alerts", "fan-out: 1", f"confirmed attack {attack.id}", "nothing was changed"):
        assert part in told
    assert disposition(alert) is Disposition.NONE
    assert attack.id in baseline.failed(*words, "--reason", "backup")
    baseline.good(*words, "--reason", "backup", "--accept-hiding-confirmed")
    assert len(made(alert)) == 1


def test_an_hour_is_spelled_out(baseline: Command) -> None:
    """In the cluster's zone."""
    alert = recent()
    store(alert)
    told = baseline.good("alerts", "dismiss", alert.id, "--scope", "hour", "--preview")
    assert " h (UTC)" in told


def test_it_can_be_revoked(baseline: Command) -> None:
    """Once; the list of active ones has it no more."""
    alert = recent()
    store(alert)
    one = dismissed(baseline, alert)
    assert one.id in baseline.good("suppressions", "list", "--active", "--workload", "shop/checkout")
    assert "revoked" in baseline.good("suppressions", "revoke", one.id, "--note", "moved", "--by", "ben")
    assert one.id not in baseline.good("suppressions", "list", "--active")
    assert "revoked already" in baseline.failed("suppressions", "revoke", one.id)
    assert "no suppression" in baseline.failed("suppressions", "show", "none")
    with books() as opened:
        entry = opened.audit.find(target=f"suppression/{one.id}").items[0]
    assert (entry.actor, entry.action, entry.detail["note"]) == ("cli:ben", "suppression.revoke", "moved")


def test_hostile_names_are_text(baseline: Command) -> None:
    """No markup and no emoji is made of a reason."""
    alert = recent()
    store(alert)
    baseline.good("alerts", "dismiss", alert.id, "--scope", "edge", "--reason", HOSTILE)
    assert HOSTILE in baseline.good("suppressions", "list")
    assert HOSTILE in baseline.good("suppressions", "show", made(alert)[0].id)


def test_weights_are_shown_with_their_decisions_and_reset(baseline: Command) -> None:
    """Version by version; a reset is one more."""
    alert = replace(recent(), voices=VOICES)
    store(alert)
    assert "no weighting" in baseline.failed("weights", "reset", "shop/checkout")
    baseline.good("alerts", "dismiss", alert.id, "--by", "ada")
    told = baseline.good("weights", "list")
    for part in ("east/shop/checkout", "voice:tail 0.87", "dismiss", "cli:ada", alert.id):
        assert part in told
    assert "everything 1" in baseline.good("weights", "reset", "shop/checkout", "--by", "ben")
    told = baseline.good("weights", "show", "shop/checkout")
    assert told.index("everything 1") < told.index("voice:tail 0.87")
