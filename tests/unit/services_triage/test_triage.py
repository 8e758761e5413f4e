"""Triage: which deviations are one alert, and what its sentence says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baseline.domain.deviation import Deviation, EdgeEvidence, Family, Maturity, Reason
from baseline.domain.edge import Direction, Edge, Peer, PeerKind
from baseline.domain.errors import CheckpointRejected
from baseline.domain.workload import WorkloadId
from baseline.services.triage import TriageState, flows, sentence, triage

T0 = 1_700_000_400
WORKSTATION = WorkloadId("c1", "plant", "workstation")
BOTTOM = Edge(
    workload=WORKSTATION,
    direction=Direction.EGRESS,
    peer=Peer(PeerKind.WORKLOAD, "plant", "bottom"),
    port=22,
    protocol="tcp",
)


def evidence(**changed: Any) -> EdgeEvidence:
    """A new edge with most of the deviation."""
    made: dict[str, Any] = {
        "edge": BOTTOM, "is_new": True, "connections": 312, "bytes_out": 1, "bytes_in": 1, "failed": 0, "share": 0.9,
    }  # fmt: skip
    return EdgeEvidence(**{**made, **changed})


def deviation(at: int = 0, *, horizon: int = 60, **changed: Any) -> Deviation:
    """A deviating window that starts ``at`` seconds after T0."""
    reason = Reason(
        family=Family.FAN_OUT, feature="connections_out", sentence="312 connections started; 0 to 14 are normal here.",
        actual=312, expected_low=0, expected_high=14, z=9.0, share=0.9,
    )  # fmt: skip
    made: dict[str, Any] = {
        "workload": WORKSTATION, "window_start": T0 + at, "window_end": T0 + at + horizon, "p": 1e-6,
        "threshold": 1e-4, "family": Family.FAN_OUT, "families": (Family.FAN_OUT, Family.NOVELTY),
        "reasons": (reason,), "edges": (evidence(),), "maturity": Maturity.MATURE, "model_set": "m1",
    }  # fmt: skip
    return Deviation(**{**made, **changed})


def test_deviations_within_an_hour_are_one_alert() -> None:
    """Three windows, one alert that grows; it opened with the first and was recorded then."""
    state = TriageState()
    (opened,) = triage([deviation()], state=state, now=1.0)
    (grown,) = triage([deviation(60), deviation(120, p=1e-9)], state=state, now=2.0)
    assert (grown.id, grown.windows, grown.p) == (opened.id, 3, 1e-9)
    assert (grown.opened_at, grown.updated_at, grown.recorded_at) == (T0 + 60, T0 + 180, 1.0)


def test_after_an_hour_of_quiet_it_is_a_new_alert() -> None:
    """The pause counts from the end of the last deviating window."""
    state = TriageState()
    (first,) = triage([deviation()], state=state, now=1.0)
    (same,) = triage([deviation(60 + 3600)], state=state, now=1.0)
    (other,) = triage([deviation(60 + 3600 + 60 + 3660)], state=state, now=1.0)
    assert same.id == first.id != other.id


def test_another_peer_or_workload_is_another_alert() -> None:
    """An attack that moves on to another victim needs eyes, and edges to restrict, of its own."""
    other = WorkloadId("c1", "plant", "pi-a2")
    top = evidence(edge=replace(BOTTOM, peer=Peer(PeerKind.WORKLOAD, "plant", "top")))
    found = triage(
        [deviation(), deviation(60, edges=(top,)), deviation(120), deviation(60, workload=other)],
        state=TriageState(),
        now=1.0,
    )
    assert [(alert.workload.name, str(alert.edges[0].edge.peer), alert.windows) for alert in found] == [
        ("workstation", "plant/bottom", 2),
        ("workstation", "plant/top", 1),
        ("pi-a2", "plant/bottom", 1),
    ]


def test_windows_that_begin_together_never_share_an_id_as_two_alerts() -> None:
    """A minute and the hour that holds it may deviate by other peers, but would be one row in the book."""
    top = evidence(edge=replace(BOTTOM, peer=Peer(PeerKind.WORKLOAD, "plant", "top")))
    state = TriageState()
    found = triage([deviation(), deviation(horizon=3600, edges=(top,))], state=state, now=1.0)
    assert [(alert.windows, len(alert.edges)) for alert in found] == [(2, 2)]
    assert len(state.recent) == 1


def test_longer_windows_of_the_same_event_tell_nothing_new() -> None:
    """The five-minute window that ends with the last minute, and one that came late, change nothing."""
    state = TriageState()
    triage([deviation(0), deviation(240)], state=state, now=1.0)
    assert triage([deviation(0, horizon=300), deviation(60)], state=state, now=2.0) == []


def test_the_same_deviations_give_the_same_alerts() -> None:
    """A replay, through the checkpoint's bytes or not, doubles nothing."""
    deviations = [deviation(at) for at in (0, 60, 600, 5000, 9000)]
    straight = triage(deviations, state=TriageState(), now=1.0)
    state = TriageState()
    stepwise = {}
    for one in deviations:
        for alert in triage([one], state=state, now=1.0):
            stepwise[alert.id] = alert
        state = TriageState.from_bytes(state.to_bytes())
    assert list(stepwise.values()) == straight


def test_old_alerts_are_forgotten() -> None:
    """Memory is bounded by time: hours, not days."""
    state = TriageState()
    triage([deviation(day * 86_400) for day in range(5)], state=state, now=1.0)
    assert len(state.recent) == 1


def test_a_damaged_state_is_refused() -> None:
    """It never becomes an empty one by accident."""
    with pytest.raises(CheckpointRejected):
        TriageState.from_bytes(b"\xc1")


def test_the_sentence_says_who_what_and_what_is_new() -> None:
    """One plain sentence."""
    assert sentence(deviation()) == (
        "plant/workstation: 312 connections started; 0 to 14 are normal here; "
        "never seen before: to plant/bottom port 22/tcp"
    )


def test_new_edges_are_not_told_twice() -> None:
    """Where they are the first reason, its sentence names them already."""
    reason = Reason(
        family=Family.NOVELTY, feature="new_edge", sentence="a peer or port never used before: to plant/bottom:22/tcp",
        actual=1, expected_low=0, expected_high=0, z=6.0, share=1.0,
    )  # fmt: skip
    assert sentence(deviation(reasons=(reason,))) == (
        "plant/workstation: a peer or port never used before: to plant/bottom:22/tcp"
    )


def test_the_flows_of_an_edge_are_told_with_what_is_usual() -> None:
    """Counts and times; a part that is not there is left out."""
    told = flows(evidence(failed=300, bytes_out=2**20, normal_rate=2.51, first_seen=T0 + 1.0, last_seen=T0 + 59.0))
    assert told == (
        "312 connections (2.51 usual), 300 failed, 1.0 MiB sent, 1 B received, "
        "2023-11-14T22:20:01Z to 2023-11-14T22:20:59Z"
    )
    assert flows(evidence()) == "312 connections (0 usual), 1 B sent, 1 B received"


def test_the_sentence_counts_edges_it_does_not_name() -> None:
    """A scan has thousands; two are named. Without new edges the strongest is named."""
    edges = tuple(evidence(edge=replace(BOTTOM, port=port)) for port in range(1, 6))
    assert sentence(deviation(edges=edges)).endswith(
        "to plant/bottom port 1/tcp, to plant/bottom port 2/tcp and 3 more"
    )
    assert sentence(deviation(edges=(evidence(is_new=False),))).endswith("; mostly to plant/bottom port 22/tcp")
    assert "p = 1e-06" in sentence(deviation(reasons=(), edges=()))
