"""Alerts: merged deviations for a person, and what the person said."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID, uuid5

from baseline.domain import explanation as explanations
from baseline.domain.deviation import Deviation, EdgeEvidence, Family, Maturity, Reason
from baseline.domain.edge import Direction, Peer
from baseline.domain.errors import NotAllowed
from baseline.domain.explanation import UNEXPLAINED, Explanation
from baseline.domain.workload import WorkloadId

NAMESPACE = UUID("6f0c2b1e-6d0b-5a53-9b6e-9c1d9f1f5e10")  # ours, made once; every deterministic id hangs below it
MERGE_WITHIN_S = 3600  # deviations of one workload and family closer than this are one alert
ROLLOUT_MERGE_S = 24 * 3600  # what a new version brings within a day of its rollout is one alert
MAIN_SHARE = 0.1  # an edge that carries at least this share of a deviation is one of its main edges; by judgement
SHARED_ENOUGH = 0.5  # of a deviation on the main peers of an alert, from which it may be more of the same; by judgement
EDGES_KEPT = 64
REASONS_KEPT = 8
EDGES_NAMED = 10  # in words, where a person reads
TIMELINE_KEPT = 120


class Disposition(StrEnum):
    """What a person decided."""

    NONE = "none"
    CONFIRMED = "confirmed"  # an attack
    DISMISSED = "dismissed"  # normal


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who decided what, when and why."""

    disposition: Disposition
    by: str
    at: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Merged deviations of one workload and family."""

    id: str
    workload: WorkloadId
    family: Family
    families: tuple[Family, ...]
    opened_at: float  # event time: end of the window that opened it
    updated_at: float  # event time: end of the newest deviating window
    window_start: int  # of the first deviating window
    window_end: int  # of the first deviating window
    windows: int  # deviating windows merged
    p: float  # of the window farthest past its threshold
    threshold: float
    sentence: str  # the one plain sentence of why
    reasons: tuple[Reason, ...]
    edges: tuple[EdgeEvidence, ...]
    maturity: Maturity
    model_set: str
    timeline: tuple[tuple[int, int, float], ...] = ()  # deviating windows: start, end, p; the newest are kept
    local_labels: tuple[tuple[str, str], ...] = ()
    rollout_at: float | None = None  # the rollout whose new edges these are; None: there was none, or more than that
    version_at: float | None = None  # the rollout in whose first day it opened, whatever else is unusual
    voices: tuple[tuple[str, float], ...] = ()  # of the strongest window: each voice and its own p
    explanation: Explanation = UNEXPLAINED  # of the strongest window
    decision: Decision | None = None
    recorded_at: float = 0.0  # processing time of the first write: what latency is measured from
    revision: int = 1

    @property
    def disposition(self) -> Disposition:
        """NONE until a person decided."""
        return self.decision.disposition if self.decision else Disposition.NONE

    @property
    def is_open(self) -> bool:
        """Nobody decided yet."""
        return self.decision is None

    @property
    def score(self) -> float:
        """1 - p; higher is more unusual."""
        return 1.0 - self.p


def alert_id(workload: WorkloadId, family: Family, first_window_start: int) -> str:
    """Deterministic, so that replaying the log never doubles an alert. No model version in it, for the same reason."""
    return str(uuid5(NAMESPACE, f"alert|{workload.key}|{family}|{first_window_start}"))


def opened(deviation: Deviation, *, sentence: str, recorded_at: float) -> Alert:
    """A new alert from its first deviation."""
    return Alert(
        id=alert_id(deviation.workload, deviation.family, deviation.window_start),
        workload=deviation.workload,
        family=deviation.family,
        families=deviation.families,
        opened_at=deviation.window_end,
        updated_at=deviation.window_end,
        window_start=deviation.window_start,
        window_end=deviation.window_end,
        windows=1,
        p=deviation.p,
        threshold=deviation.threshold,
        sentence=sentence,
        reasons=deviation.reasons[:REASONS_KEPT],
        edges=deviation.edges[:EDGES_KEPT],
        maturity=deviation.maturity,
        model_set=deviation.model_set,
        timeline=((deviation.window_start, deviation.window_end, deviation.p),),
        local_labels=deviation.local_labels,
        rollout_at=deviation.rollout_at if is_by_rollout(deviation) else None,
        version_at=deviation.rollout_at,
        voices=deviation.voices,
        explanation=deviation.explanation,
        recorded_at=recorded_at,
    )


def absorbs(alert: Alert, deviation: Deviation) -> bool:
    """Whether the deviation is more of what the alert already tells.

    Same workload, close enough in time, and about no other peers (at most some known ones beside): an attack that moves
    on to another victim needs eyes, and edges to restrict, of its own, above all when the alert before it was
    dismissed. Where the deviation names no main peer, the same family decides. New edges and nothing else after one
    rollout are one alert, whoever the peers are: a new version brings its dependencies over hours.
    """
    if alert.workload != deviation.workload:
        return False
    if is_by_rollout(deviation) and deviation.rollout_at == alert.rollout_at:
        return (
            alert.window_start <= deviation.window_end and deviation.window_start - alert.updated_at < ROLLOUT_MERGE_S
        )
    if _is_the_version_going_on(alert, deviation):
        return True
    if deviation.window_end < alert.window_start or deviation.window_start - alert.updated_at > MERGE_WITHIN_S:
        return False
    theirs, ours = _main_peers(deviation.edges), _main_peers(alert.edges)
    if theirs:
        return theirs <= ours or _is_more_of_the_same(deviation, ours)
    return deviation.family in alert.families


def _is_the_version_going_on(alert: Alert, deviation: Deviation) -> bool:
    """Whether a new version does what the alert about it told, no more unusual and with no edge that it did not name.

    A version changes connections, volume and peers at once, and each hour shows them in another order.
    """
    is_same = deviation.rollout_at is not None and deviation.rollout_at == alert.version_at
    is_near = alert.window_start <= deviation.window_end and deviation.window_start - alert.updated_at < ROLLOUT_MERGE_S
    named = {evidence.edge for evidence in alert.edges}
    return (
        is_same
        and is_near
        and set(deviation.families) <= set(alert.families)
        and deviation.p / deviation.threshold >= alert.p / alert.threshold
        and all(evidence.edge in named for evidence in deviation.edges if evidence.is_new)
    )


def _is_more_of_the_same(deviation: Deviation, ours: set[tuple[Direction, Peer]]) -> bool:
    """Whether most of it lies on the alert's main peers and the rest on edges the baseline knows.

    A service that grows spreads over its usual edges, a little otherwise in every window; that is one event.
    """
    shared = sum(evidence.share for evidence in deviation.edges if _end(evidence) in ours)
    has_news = any(
        evidence.is_new and evidence.share >= MAIN_SHARE and _end(evidence) not in ours for evidence in deviation.edges
    )
    return shared >= SHARED_ENOUGH and not has_news


def _end(evidence: EdgeEvidence) -> tuple[Direction, Peer]:
    return evidence.edge.direction, evidence.edge.peer


def is_by_rollout(deviation: Deviation) -> bool:
    """Whether a new version explains it: new edges within a day of a rollout, all answered, and nothing else unusual.

    More peers than normal are what new edges look like; more bytes, failures, or connections on old edges are not.
    """
    families = set(deviation.families)
    return (
        deviation.rollout_at is not None
        and Family.NOVELTY in families
        and families <= {Family.NOVELTY, Family.FAN_OUT, Family.SHAPE, Family.VOLUME}
        and not any(reason.family is Family.VOLUME for reason in deviation.reasons)  # connections to new edges may be
        and all(evidence.is_new and not evidence.failed for evidence in deviation.edges)
    )


def keeps_until(alert: Alert) -> float:
    """Event time after which it absorbs nothing any more."""
    return alert.updated_at + (MERGE_WITHIN_S if alert.version_at is None else ROLLOUT_MERGE_S)


def _main_peers(edges: tuple[EdgeEvidence, ...]) -> set[tuple[Direction, Peer]]:
    return {_end(evidence) for evidence in edges if evidence.share >= MAIN_SHARE}


def merged(alert: Alert, deviation: Deviation, *, sentence: str) -> Alert:
    """The alert with one more deviation. Idempotent: a window it already holds changes nothing."""
    if deviation.window_end <= alert.updated_at:
        return alert
    stronger = deviation.p / deviation.threshold < alert.p / alert.threshold  # windows of an hour have a larger one
    return replace(
        alert,
        updated_at=deviation.window_end,
        windows=alert.windows + 1,
        p=deviation.p if stronger else alert.p,
        threshold=deviation.threshold if stronger else alert.threshold,
        families=tuple(dict.fromkeys((*alert.families, *deviation.families))),
        sentence=sentence if stronger else alert.sentence,
        reasons=deviation.reasons[:REASONS_KEPT] if stronger else alert.reasons,
        edges=_merged_edges(deviation.edges, alert.edges),
        voices=deviation.voices if stronger else alert.voices,
        explanation=explanations.merged(deviation.explanation, alert.explanation, is_stronger=stronger),
        maturity=deviation.maturity,
        timeline=(*alert.timeline, (deviation.window_start, deviation.window_end, deviation.p))[-TIMELINE_KEPT:],
        local_labels=deviation.local_labels or alert.local_labels,
        rollout_at=alert.rollout_at if is_by_rollout(deviation) else None,
        revision=alert.revision + 1,
    )


def _merged_edges(newer: tuple[EdgeEvidence, ...], older: tuple[EdgeEvidence, ...]) -> tuple[EdgeEvidence, ...]:
    """Newest evidence of each edge, the largest shares first; bounded, because a scan has thousands."""
    by_edge = {evidence.edge: evidence for evidence in older}
    for evidence in newer:
        known = by_edge.get(evidence.edge)
        since = min((one.first_seen for one in (known, evidence) if one and one.first_seen), default=0.0)
        by_edge[evidence.edge] = replace(evidence, first_seen=since)
    return tuple(sorted(by_edge.values(), key=lambda evidence: (-evidence.share, str(evidence.edge)))[:EDGES_KEPT])


def named_edges(alert: Alert) -> tuple[EdgeEvidence, ...]:
    """The edges a person reads first: new ones before known ones, the largest shares first."""
    ordered = sorted(alert.edges, key=lambda evidence: (not evidence.is_new, -evidence.share, str(evidence.edge)))
    return tuple(ordered[:EDGES_NAMED])


def decided(alert: Alert, decision: Decision) -> Alert:
    """The alert with a person's decision. A decision may be changed, never taken back to undecided.

    Raises NotAllowed when the same disposition was already given (by whom is in the message).
    """
    if alert.decision and alert.decision.disposition is decision.disposition:
        raise NotAllowed(f"alert {alert.id} was already {alert.decision.disposition} by {alert.decision.by}")
    return replace(alert, decision=decision, revision=alert.revision + 1)
