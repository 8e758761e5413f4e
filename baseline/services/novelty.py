"""What of a window's edges is new, how rare that is, and what of it may be learned once the window was ordinary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from baseline.detectors import edges as edge_tables
from baseline.detectors import rarity
from baseline.detectors.edgeuse import edge_hash
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import UNKNOWN
from baseline.domain.edge import EdgeKey
from baseline.domain.units import DAY_S
from baseline.domain.window import Window
from baseline.domain.workload import WorkloadId
from baseline.services import quarantine
from baseline.services.judging import JudgeState, Memory

ROLLOUT_S = DAY_S  # how long a new version may still show what it brings


class Versioned(Protocol):
    """What the log showed of a workload's versions."""

    @property
    def rollout_at(self) -> float | None:
        """Event time its newest version was first seen; None when the log showed one version only."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Novel:
    """Edges of one window that its baseline does not hold."""

    unknown: Sequence[EdgeKey] = ()  # all of them: a restriction of these cuts nothing that was ever normal
    fresh: Sequence[EdgeKey] = ()  # those never counted before: a newcomer's call that waits is counted once
    rarity: float = 1.0  # the largest modifier of the fresh ones


def found(window: Window, *, model: FittedSet, memory: Memory) -> Novel:
    """Edges that neither the baseline nor anything since has used; none for a newcomer, to whom everything is new."""
    line = model.line(window.workload)
    keys = list(window.edges)
    if line == UNKNOWN or not keys:
        return Novel()
    is_known, _ = edge_tables.known(model.edges, line, keys)
    unknown = [
        key
        for key, known in zip(keys, is_known, strict=True)
        if not known and not memory.knows(key, before=window.start)
    ]
    fresh = [key for key in unknown if not memory.holds(key, before=window.start)]
    weights = rarity.modifiers(model.edges, line, fresh, at=float(window.start)) if fresh else None
    return Novel(unknown=unknown, fresh=fresh, rarity=float(weights.max()) if weights is not None else 1.0)


def count(fresh: Sequence[EdgeKey]) -> int:
    """Far ends among new edges: a network of many addresses, or ports of one conversation each, are one."""
    return len({edge_hash(key) for key in fresh})


def learn(window: Window, novel: Novel, *, model: FittedSet, state: JudgeState) -> None:
    """The window was ordinary: its new edges are known from now on, but for calls of newcomers, which wait."""
    if not novel.unknown:
        return
    cluster = window.workload.cluster

    def is_newcomer(caller: WorkloadId) -> bool:
        return model.is_newcomer(caller) and not state.is_settled(caller, at=window.end)

    free, held = quarantine.by_caller(novel.unknown, cluster=cluster, is_newcomer=is_newcomer)
    memory = state.of(window.workload)
    memory.learn(free, at=window.start)
    callers = [caller for key in held if (caller := quarantine.caller_of(key, cluster=cluster))]
    memory.hold(held, callers=callers, at=window.start)


def recent_rollout(window: Window, facts: Versioned | None) -> float | None:
    """When the version that the window shows was rolled out, if that is less than a day ago."""
    at = facts.rollout_at if facts is not None else None
    return at if at is not None and at < window.end and window.start < at + ROLLOUT_S else None


def rate_after_rollout(horizon_s: int) -> float:
    """Probability of a window with new edges in the day after a rollout: one in that day is expected."""
    return horizon_s / ROLLOUT_S
