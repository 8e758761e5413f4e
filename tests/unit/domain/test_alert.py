"""What an alert takes in, and what a person may say of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baseline.domain import alert as alerts
from baseline.domain.alert import EDGES_KEPT, MERGE_WITHIN_S, TIMELINE_KEPT, Alert, Decision, Disposition
from baseline.domain.deviation import Deviation, Family, Maturity
from baseline.domain.edge import Peer, PeerKind
from baseline.domain.errors import NotAllowed
from baseline.domain.explanation import Confidence, Explanation, Technique
from baseline.domain.workload import WorkloadId
from tests.unit.policy.making import BILLING, DB, NOW, WEB, evidence

T0 = int(NOW) - 60


OTHER_KNOWN = evidence(BILLING, is_new=False, share=0.6)


def deviation(start: int = T0, **changes: Any) -> Deviation:
    """A minute towards the database, far past its threshold."""
    told: dict[str, Any] = {
        "workload": WEB, "window_start": start, "window_end": start + 60, "p": 1e-7, "threshold": 1e-5,
        "family": Family.FAN_OUT, "families": (Family.FAN_OUT,), "reasons": (), "edges": (evidence(DB),),
        "maturity": Maturity.MATURE, "model_set": "test", **changes,
    }  # fmt: skip
    return Deviation(**told)


def opened(**changes: Any) -> Alert:
    """The alert of the first minute."""
    return alerts.opened(deviation(**changes), sentence="first", recorded_at=NOW)


def test_the_same_deviation_opens_the_same_alert() -> None:
    """Replaying the log never doubles one, whichever model judged."""
    assert opened().id == opened(model_set="another").id
    assert opened().id != opened(family=Family.VOLUME).id
    assert opened().id != opened(start=T0 + 60).id


@pytest.mark.parametrize(
    ("what", "later", "is_absorbed"),
    [
        ("the next minute", deviation(T0 + 60), True),
        ("an hour of silence", deviation(T0 + 60 + MERGE_WITHIN_S), True),
        ("more than an hour of silence", deviation(T0 + 120 + MERGE_WITHIN_S), False),
        ("before it began", deviation(T0 - 120), False),
        ("another workload", deviation(T0 + 60, workload=WorkloadId("cluster", "shop", "api")), False),
        ("another workload of the same name", deviation(T0 + 60, workload=replace(WEB, cluster="west")), False),
        ("another victim", deviation(T0 + 60, edges=(evidence(BILLING),)), False),
        ("one more victim", deviation(T0 + 60, edges=(evidence(DB), evidence(BILLING))), False),
        ("a trace of another peer", deviation(T0 + 60, edges=(evidence(DB), evidence(BILLING, share=0.05))), True),
        ("a known peer beside", deviation(T0 + 60, edges=(evidence(DB), evidence(BILLING, is_new=False))), True),
        ("mostly a known peer", deviation(T0 + 60, edges=(evidence(DB, share=0.4), OTHER_KNOWN)), False),
        ("another family, same peer", deviation(T0 + 60, family=Family.VOLUME, families=(Family.VOLUME,)), True),
        ("no main peer, same family", deviation(T0 + 60, edges=()), True),
        ("no main peer, another family", deviation(T0 + 60, edges=(), family=Family.TIMING), False),
    ],
)
def test_an_alert_absorbs_more_of_the_same(what: str, later: Deviation, is_absorbed: bool) -> None:
    """Same workload, soon enough, no other peers."""
    told = alerts.absorbs(opened(), later)
    assert told is is_absorbed, what


def test_merging_keeps_the_strongest_and_the_span() -> None:
    """The smallest p with its sentence; all families in order; the newest window's end."""
    alert = opened()
    weaker = alerts.merged(alert, deviation(T0 + 60, p=1e-6, families=(Family.NOVELTY,)), sentence="weaker")
    stronger = alerts.merged(weaker, deviation(T0 + 120, p=1e-9), sentence="stronger")
    assert (weaker.p, weaker.sentence) == (1e-7, "first")
    assert (stronger.p, stronger.sentence) == (1e-9, "stronger")
    assert stronger.families == (Family.FAN_OUT, Family.NOVELTY)
    assert (stronger.id, stronger.opened_at, stronger.updated_at) == (alert.id, alert.opened_at, T0 + 180)
    assert (stronger.windows, stronger.revision) == (3, 3)
    assert [p for _, _, p in stronger.timeline] == [1e-7, 1e-6, 1e-9]


def test_merging_the_same_window_twice_changes_nothing() -> None:
    """A redelivered record finds its alert as it left it."""
    later = deviation(T0 + 60)
    once = alerts.merged(opened(), later, sentence="again")
    assert alerts.merged(once, later, sentence="again") is once


def test_an_alert_stays_bounded() -> None:
    """A scan has thousands of peers and an attack may last for days."""
    alert = opened()
    for minute in range(1, TIMELINE_KEPT + 5):
        peers = [evidence(Peer(PeerKind.ADDRESS, "", f"203.0.113.{minute}"), port=port) for port in range(10)]
        alert = alerts.merged(alert, deviation(T0 + 60 * minute, edges=tuple(peers)), sentence="more")
    assert len(alert.edges) == EDGES_KEPT
    assert len(alert.timeline) == TIMELINE_KEPT
    assert alert.timeline[-1][1] == alert.updated_at
    assert alert.windows == TIMELINE_KEPT + 5


def test_a_decision_can_be_changed_but_not_given_twice() -> None:
    """Two people who dismiss one alert must know of each other."""
    alert = opened()
    assert (alert.is_open, alert.disposition) == (True, Disposition.NONE)
    dismissed = alerts.decided(alert, Decision(disposition=Disposition.DISMISSED, by="ada", at=NOW))
    assert (dismissed.is_open, dismissed.disposition, dismissed.revision) == (False, Disposition.DISMISSED, 2)
    with pytest.raises(NotAllowed, match="already dismissed by ada"):
        alerts.decided(dismissed, Decision(disposition=Disposition.DISMISSED, by="bob", at=NOW))
    confirmed = alerts.decided(dismissed, Decision(disposition=Disposition.CONFIRMED, by="bob", at=NOW))
    assert confirmed.decision is not None
    assert (confirmed.disposition, confirmed.decision.by) == (Disposition.CONFIRMED, "bob")


def technique(code: str, confidence: Confidence) -> Technique:
    """A hint."""
    return Technique(id=code, name="x", confidence=confidence, rule="y", sentence="looks like z")


def explained(*techniques: Technique, share: float = 1.0) -> Explanation:
    """With a voice, to know it again by."""
    return Explanation(voice_shares=(("tail", share),), techniques=techniques)


@pytest.mark.parametrize(("p", "share"), [(1e-9, 0.5), (1e-3, 1.0)])
def test_the_strongest_window_explains_an_alert(p: float, share: float) -> None:
    """And its voices go with it."""
    first = opened(explanation=explained(), voices=(("tail", 1e-7),))
    later = deviation(T0 + 60, p=p, explanation=explained(share=0.5), voices=(("tail", p),))
    alert = alerts.merged(first, later, sentence="later")
    assert alert.explanation.voice_shares == (("tail", share),)
    assert dict(alert.voices)["tail"] == min(p, 1e-7)


def test_what_it_looked_like_once_is_kept_with_the_surest_word() -> None:
    """Of every window the hints, each once, at most three; a weaker window adds what it shows."""
    first = opened(explanation=explained(technique("T1046", Confidence.LOW), technique("T1018", Confidence.LOW)))
    surer = explained(technique("T1046", Confidence.HIGH), technique("T1110", Confidence.MEDIUM))
    alert = alerts.merged(first, deviation(T0 + 60, p=1e-3, explanation=surer), sentence="later")
    last = deviation(T0 + 120, p=1e-3, explanation=explained(technique("T1571", Confidence.HIGH)))
    again = alerts.merged(alert, last, sentence="again")
    assert [one.id for one in alert.explanation.techniques] == ["T1046", "T1110", "T1018"]
    assert [one.id for one in again.explanation.techniques] == ["T1046", "T1571", "T1110"]


def test_an_edge_of_an_alert_was_first_seen_when_it_was_first_seen() -> None:
    """The newest counts, the oldest beginning."""
    first = opened(edges=(evidence(DB, first_seen=float(T0 + 5), last_seen=float(T0 + 50), connections=7),))
    later = evidence(DB, first_seen=float(T0 + 61), last_seen=float(T0 + 110), connections=9)
    alert = alerts.merged(first, deviation(T0 + 60, edges=(later,)), sentence="later")
    assert [(one.first_seen, one.last_seen, one.connections) for one in alert.edges] == [(T0 + 5, T0 + 110, 9)]


def test_new_edges_are_named_first_and_few() -> None:
    """Ten are what a person reads; among equals the larger share comes first."""
    old = evidence(DB, is_new=False, share=0.9)
    new = [evidence(Peer(PeerKind.ADDRESS, "", f"10.0.0.{n}"), is_new=True, share=n / 1000) for n in range(20)]
    named = alerts.named_edges(opened(edges=(old, *new)))
    assert len(named) == alerts.EDGES_NAMED
    assert str(named[0].edge.peer) == "10.0.0.19"
    assert old not in named
    assert alerts.named_edges(opened(edges=(old, *new[:2])))[-1] == old


ROLLED = float(T0 - 30)
HOURS_LATER = T0 + 3 * 3600
CHANGED = (evidence(DB, is_new=False, share=0.8), evidence(BILLING, share=0.2))


@pytest.mark.parametrize(
    ("what", "later", "is_absorbed"),
    [
        ("another hour, its edges in another order", {"edges": (evidence(BILLING, share=0.9),)}, True),
        (
            "an edge the alert did not name",
            {"edges": (evidence(Peer(PeerKind.ADDRESS, "", "203.0.113.9"), share=0.9),)},
            False,
        ),
        ("another family", {"families": (Family.FAN_OUT, Family.FAILURE)}, False),
        ("more unusual than what was told", {"p": 1e-8}, False),
        ("another rollout", {"rollout_at": ROLLED + 3600}, False),
        ("no rollout", {"rollout_at": None}, False),
    ],
)
def test_a_new_version_that_goes_on_as_it_began_is_one_alert(
    what: str, later: dict[str, Any], is_absorbed: bool
) -> None:
    """Connections, volume and peers change together, and every hour shows them in another order."""
    alert = opened(rollout_at=ROLLED, edges=CHANGED)
    told: dict[str, Any] = {"rollout_at": ROLLED, "edges": (evidence(BILLING, share=0.9),), **later}
    assert alerts.absorbs(alert, deviation(HOURS_LATER, **told)) is is_absorbed, what


def test_without_a_rollout_hours_apart_are_two_alerts() -> None:
    """What a version may do, nothing else may."""
    assert not alerts.absorbs(opened(edges=CHANGED), deviation(HOURS_LATER, edges=(evidence(BILLING, share=0.9),)))
