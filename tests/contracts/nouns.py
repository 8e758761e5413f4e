"""Factories of nouns for tests that need complete ones and care about a field or two."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from baseline.domain import restriction as restrictions
from baseline.domain import suppression as suppressions
from baseline.domain.alert import Alert, alert_id
from baseline.domain.deviation import Deviation, EdgeEvidence, Family, Maturity, Reason
from baseline.domain.edge import Direction, Edge, Peer, PeerKind
from baseline.domain.explanation import Confidence, Counterfactual, Explanation, Rise, Spread, Technique
from baseline.domain.restriction import Level, Mode, Restriction, Rule, State, restriction_id
from baseline.domain.suppression import Scope, Suppression
from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features import calendar
from baseline.ports import WorkloadFacts

T0 = 1_790_000_000.0  # epoch seconds, a Monday in 2026
SHOP = WorkloadId("east", "shop", "checkout", OwnerKind.DEPLOYMENT)
PEER = Peer(PeerKind.WORKLOAD, "data", "ledger")
SUBJECT = Edge(workload=SHOP, direction=Direction.EGRESS, peer=PEER, port=22, protocol="tcp")


def an_explanation(**changes: Any) -> Explanation:
    """What is told beside the reasons."""
    explanation = Explanation(
        voice_shares=(("tail", 0.8), ("edges", 0.2)),
        counterfactuals=(
            Counterfactual(
                features=("connections_out",),
                values=(40.0,),
                sentence="would be normal below 41 connections started in 1 min on Mondays at 03 h",
            ),
        ),
        techniques=(
            Technique(
                id="T1110",
                name="Brute Force",
                confidence=Confidence.HIGH,
                rule="many short connections to one login port",
                sentence="looks like guessing of SSH passwords of data/ledger: 312 connections a minute",
            ),
        ),
        rise=Rise(
            spread=Spread.CONCENTRATED,
            sentence="does not look like growth: data/ledger carries 100% of the rise",
            known_share=0.0,
            evenness=0.9,
            factor=1.0,
            known=3,
            up=1,
            new=1,
        ),
    )
    return replace(explanation, **changes)


def an_alert(number: int = 0, *, workload: WorkloadId = SHOP, **changes: Any) -> Alert:
    """An alert that opened ``number`` minutes after T0."""
    start = int(T0) + 60 * number
    alert = Alert(
        id=alert_id(workload, Family.FAN_OUT, start),
        workload=workload,
        family=Family.FAN_OUT,
        families=(Family.FAN_OUT, Family.NOVELTY),
        opened_at=start + 60.0,
        updated_at=start + 60.0,
        window_start=start,
        window_end=start + 60,
        windows=1,
        p=1e-6,
        threshold=1e-4,
        sentence="312 connections started; 0 to 14 expected here on Mondays at 03 h",
        reasons=(
            Reason(
                family=Family.FAN_OUT,
                feature="connections",
                sentence="312 connections started",
                actual=312.0,
                expected_low=0.0,
                expected_high=14.0,
                z=40.5,
                share=0.75,
            ),
        ),
        edges=(
            EdgeEvidence(
                edge=replace(SUBJECT, workload=workload),
                is_new=True,
                connections=312,
                bytes_out=40_000,
                bytes_in=30_000,
                failed=300,
                share=1.0,
                peer_labels=(("app", "ledger"),),
                normal_rate=2.5,
                first_seen=start + 1.0,
                last_seen=start + 58.0,
            ),
        ),
        maturity=Maturity.MATURE,
        model_set="0123456789abcdef",
        local_labels=(("app", "checkout"),),
        voices=(("tail", 2e-6), ("forest", 0.4), ("edges", 3e-4)),
        explanation=an_explanation(),
        recorded_at=start + 75.0,
    )
    return replace(alert, **changes)


def a_restriction(alert: Alert | None = None, *, now: float = T0, **changes: Any) -> Restriction:
    """A proposed R1 against an alert."""
    about = alert or an_alert()
    restriction = Restriction(
        id=restriction_id(about.id, Level.R1),
        alert_id=about.id,
        workload=about.workload,
        selector=(("app", "checkout"),),
        level=Level.R1,
        rules=(
            Rule(
                direction=Direction.EGRESS,
                peer=PEER,
                peer_namespace="data",
                peer_labels=(("app", "ledger"),),
                ports=(22,),
            ),
        ),
        allow_dns=True,
        state=State.PROPOSED,
        mode=Mode.RECOMMEND,
        created_at=now,
        ttl_s=restrictions.DEFAULT_TTL_S,
        expires_at=0.0,
        max_expires_at=now + restrictions.MAX_TTL_S,
        guards=("mode: recommend", "budget: 0 of 5"),
    )
    return replace(restriction, **changes)


def an_applied(alert: Alert | None = None, *, now: float = T0, by: str = "auto") -> Restriction:
    """A restriction that stands in the cluster, at revision 3."""
    return restrictions.applied(restrictions.approved(a_restriction(alert, now=now), by=by, now=now), now=now)


def a_deviation(number: int = 0, *, alert: Alert | None = None, horizon_s: int = 60, **changes: Any) -> Deviation:
    """A window that says what the alert says, and begins ``number`` minutes after it did."""
    like = alert or an_alert()
    start = like.window_start + 60 * number
    deviation = Deviation(
        workload=like.workload,
        window_start=start,
        window_end=start + horizon_s,
        p=like.p,
        threshold=like.threshold,
        family=like.family,
        families=like.families,
        reasons=like.reasons,
        edges=like.edges,
        maturity=like.maturity,
        model_set=like.model_set,
    )
    return replace(deviation, **changes)


def a_suppression(
    alert: Alert | None = None, *, scope: Scope = Scope.EDGE, now: float = T0 + 100, until: float | None = None
) -> Suppression:
    """What a dismissal of the alert makes."""
    like = alert or an_alert()
    slots = frozenset({calendar.slot(like.window_start)})
    return suppressions.made(
        like, scope=scope, slots=slots, zone="UTC", reason="backup", by="ada", now=now, until=until
    )  # fmt: skip


def some_facts(
    name: str = "checkout", *, namespace: str = "shop", last_seen: float = T0, **changes: Any
) -> WorkloadFacts:
    """What is known of a workload."""
    facts = WorkloadFacts(
        workload=WorkloadId("east", namespace, name, OwnerKind.DEPLOYMENT),
        first_seen=T0 - 3600,
        last_seen=last_seen,
        labels=(("app", name),),
        hosts=frozenset({"node-1"}),
    )
    return replace(facts, **changes)
