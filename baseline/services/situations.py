"""What guards want to know, read from the books: who is restricted already, how fast, how many are anomalous."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baseline.domain.alert import Alert
from baseline.domain.errors import NotFound
from baseline.domain.restriction import MAX_TTL_S, Restriction, State
from baseline.domain.units import DAY_S, HOUR_S
from baseline.domain.workload import WorkloadId
from baseline.policy import contract
from baseline.policy.plan import mentioned
from baseline.policy.selector import Labels
from baseline.policy.situation import GuardOptions, Situation
from baseline.ports import Books, NamespaceFacts

AUTOMATIC = "auto"  # approved by nobody
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What planning knows of the world outside the books."""

    namespaces: Mapping[str, NamespaceFacts] | None  # None: the cluster was never reached
    lag_s: float | None = None  # the stream's; None: not known


def situation(
    books: Books,
    alert: Alert,
    restriction: Restriction,
    *,
    now: float,
    live: Sequence[Restriction],
    guards: GuardOptions,
    around: Surroundings,
) -> Situation:
    """Everything the guards may know about applying ``restriction`` now."""
    facts = (around.namespaces or {}).get(restriction.workload.namespace)
    recent = restrictions(books, ended_since=now - max(HOUR_S, guards.cool_down_s))
    standing = [other for other in live if other.is_live and other.id != restriction.id]
    approvals = sorted(
        other.max_expires_at - MAX_TTL_S  # approval sets the maximum, nothing moves it later
        for other in (*standing, *recent)
        if other.approved_by == AUTOMATIC
    )
    since = now - guards.platform_pause_s - guards.platform_within_s
    alerts = _alerts(books, since=since)
    labels = dict(restriction.selector) | dict(labels_of(books, restriction.workload))
    return Situation(
        alert=alert,
        restriction=restriction,
        now=now,
        mode=None if around.namespaces is None else restriction.mode,
        is_protected=bool(facts and facts.is_protected) or contract.is_protected(labels),
        lag_s=around.lag_s,
        live=standing,
        approvals=[at for at in approvals if now - at < HOUR_S],
        ended=[
            other
            for other in recent
            if other.workload == restriction.workload and other.state in (State.RELEASED, State.EXPIRED)
        ],
        workloads=books.workloads.count(seen_since=now - DAY_S),
        anomalies=sorted((other.opened_at, other.workload) for other in alerts),
    )


def labels(books: Books, alert: Alert) -> dict[WorkloadId, Labels]:
    """What the books know of the labels of the alerted workload and its peers."""
    return {workload: labels_of(books, workload) for workload in mentioned(alert)}


def labels_of(books: Books, workload: WorkloadId) -> Labels:
    """The newest labels seen; none when the workload was never seen."""
    try:
        return books.workloads.get(workload).labels
    except NotFound:
        return ()


def restrictions(
    books: Books, *, states: frozenset[State] | None = None, ended_since: float | None = None
) -> list[Restriction]:
    """All of them, page by page."""
    found: list[Restriction] = []
    after: str | None = None
    while True:
        page = books.restrictions.find(states=states, ended_since=ended_since, limit=PAGE, after=after)
        found += page.items
        after = page.after
        if after is None:
            return found


def _alerts(books: Books, *, since: float) -> list[Alert]:
    found: list[Alert] = []
    after: str | None = None
    while True:
        page = books.alerts.find(since=since, limit=PAGE, after=after)
        found += page.items
        after = page.after
        if after is None:
            return found
