"""Deviations: windows past their threshold, with reasons in words and numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from baseline.domain.edge import Edge
from baseline.domain.explanation import UNEXPLAINED, Explanation
from baseline.domain.workload import WorkloadId

NEW_EDGE = "new_edge"  # the feature of a reason that tells of peers and ports never used before


class Family(StrEnum):
    """Independent kinds of evidence. Two of them agreeing is what an automatic restriction asks for."""

    VOLUME = "volume"  # how much: bytes, packets, connections
    FAN_OUT = "fan-out"  # how many: peers, ports, namespaces
    NOVELTY = "novelty"  # peers and ports never used before
    FAILURE = "failure"  # denied, unanswered, aborted
    SHAPE = "shape"  # ratios: bytes a connection, connections a peer
    TIMING = "timing"  # regularity, unusual hour


def independent(families: Iterable[Family]) -> int:
    """How many kinds of evidence agree. A ratio of amounts is no second witness beside the amounts."""
    return len(set(families) - {Family.SHAPE})


class Maturity(StrEnum):
    """How far a baseline can be trusted."""

    LEARNING = "learning"  # no judgement of its own yet
    PROVISIONAL = "provisional"  # judged, mostly by its peers
    MATURE = "mature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One line of why."""

    family: Family
    feature: str  # name in features.schema, or NEW_EDGE
    sentence: str  # "312 connections started; 0 to 14 expected here on Tuesdays at 03 h"
    actual: float
    expected_low: float
    expected_high: float
    z: float  # robust residual; positive: more than normal
    share: float  # of the combined evidence of all voices, in [0, 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeEvidence:
    """One edge that carries a deviation."""

    edge: Edge
    is_new: bool  # the baseline never used it
    connections: int
    bytes_out: int
    bytes_in: int
    failed: int  # denied or unanswered connections
    share: float  # of the deviation, in [0, 1]
    peer_labels: tuple[tuple[str, str], ...] = ()  # labels the log showed for the peer, sorted
    normal_rate: float = 0.0  # connections per window that are normal on this edge at this hour
    first_seen: float = 0.0  # event time of its first flow in the deviating windows; 0: unknown
    last_seen: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A window past its threshold: a fact, not yet an alert."""

    workload: WorkloadId
    window_start: int
    window_end: int
    p: float  # calibrated p-value of the window, in (0, 1]; smaller is more unusual
    threshold: float  # the alert threshold p was compared with
    family: Family  # the strongest
    families: tuple[Family, ...]  # all that are past their own threshold, strongest first
    reasons: tuple[Reason, ...]  # strongest first
    edges: tuple[EdgeEvidence, ...]  # largest share first, new ones before old ones of equal share
    maturity: Maturity
    model_set: str  # id of the model set that judged
    local_labels: tuple[tuple[str, str], ...] = ()  # labels the log showed for the workload's pods, sorted
    rollout_at: float | None = None  # event time a new version was first seen, when that is less than a day ago
    voices: tuple[tuple[str, float], ...] = ()  # each voice that was ready, and its own p
    explanation: Explanation = UNEXPLAINED

    @property
    def score(self) -> float:
        """1 - p, in [0, 1]; higher is more unusual."""
        return 1.0 - self.p
