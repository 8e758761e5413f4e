"""What writing into a book means, pure: one place for SQL and for the in-memory twin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from baseline.domain.alert import Alert
from baseline.ports import Silence, WorkloadFacts

CLAIM_S = 60.0  # an unfinished idempotency claim older than this belongs to a process that died
ANSWERS_KEPT_S = 24 * 3600.0  # how long a repeated request still gets its first answer


def advanced(stored: Alert, seen: Alert) -> Alert:
    """The stored alert with what the stream newly knows; itself when that is not newer.

    The decision, the moment of the first write and the book's own revision stay ours.
    """
    if seen.updated_at <= stored.updated_at:
        return stored
    return replace(seen, decision=stored.decision, recorded_at=stored.recorded_at, revision=stored.revision + 1)


def widened(stored: WorkloadFacts, seen: WorkloadFacts) -> WorkloadFacts:
    """The stored facts widened by newly seen ones; itself when nothing changes. Late facts only widen."""
    is_newer = seen.last_seen >= stored.last_seen
    wider = replace(
        stored,
        first_seen=min(stored.first_seen, seen.first_seen),
        last_seen=max(stored.last_seen, seen.last_seen),
        labels=seen.labels if is_newer and seen.labels else stored.labels,
        hosts=stored.hosts if not is_newer or not seen.hosts else seen.hosts,
        maturity=seen.maturity if is_newer else stored.maturity,
        chance_new=seen.chance_new if is_newer else stored.chance_new,
        rollout_at=seen.rollout_at if is_newer and seen.rollout_at is not None else stored.rollout_at,
        workload=seen.workload if seen.workload.kind != "Unknown" else stored.workload,
    )
    if wider == stored and wider.workload.kind == stored.workload.kind:
        return stored
    return replace(wider, revision=stored.revision + 1)


def by_suppression(silences: Iterable[Silence]) -> dict[str, list[tuple[int, int, float]]]:
    """Silenced windows by suppression, in order of id: two streams that note at once then lock in the same order."""
    found: dict[str, list[tuple[int, int, float]]] = {}
    for suppression_id, window in sorted(silences):
        found.setdefault(suppression_id, []).append(window)
    return found
