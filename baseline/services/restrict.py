"""Alerts -> restrictions in the book: planned, guarded, and stored as proposed, approved or refused.

Pure over the books it is given; nothing here talks to a cluster. What the cluster would have said (namespaces) and
how far the stream is behind are arguments, so that planning goes on while the API server is down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from baseline.domain.alert import Alert
from baseline.domain.errors import NotFound, StaleRevision
from baseline.domain.restriction import (
    DEFAULT_TTL_S,
    LIVE,
    MAX_TTL_S,
    Level,
    Mode,
    Restriction,
    State,
    approved,
    ended,
    restriction_id,
)
from baseline.domain.units import DAY_S, HOUR_S
from baseline.domain.workload import WorkloadId
from baseline.policy import contract, guard
from baseline.policy.plan import Refusal, mentioned, plan
from baseline.policy.selector import Labels
from baseline.policy.situation import Answer, GuardOptions, Situation
from baseline.ports import AuditEntry, Books, Library, Metrics, NamespaceFacts

AUTOMATIC = "auto"  # approved by nobody
ACTOR = "control"
PAGE = 500
OPEN = LIVE | {State.PROPOSED}
REPLANNED = frozenset(
    {State.PROPOSED, State.REFUSED}
)  # nothing of these is in the cluster: newer evidence may change them


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictOptions:
    """How restrictions are proposed."""

    mode: Mode = Mode.RECOMMEND  # of namespaces without a label
    ttl_s: float = DEFAULT_TTL_S
    guards: GuardOptions = field(default_factory=GuardOptions)
    batch: int = 50  # alerts planned in one pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What planning knows of the world outside the books."""

    namespaces: Mapping[str, NamespaceFacts] | None  # None: the cluster was never reached
    lag_s: float | None = None  # the stream's; None: not known


class Result(StrEnum):
    """What became of one alert."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REFUSED = "refused"
    KEPT = "kept"  # its restriction is live or over: newer evidence changes nothing


def plan_alerts(
    library: Library, *, now: float, options: RestrictOptions, around: Surroundings, metrics: Metrics
) -> Sequence[tuple[str, Result]]:
    """Plan every alert that changed since it was last planned, one transaction each; (alert id, result).

    An alert whose restriction a person changed at the same moment is left for the next pass.
    """
    with library.transaction() as books:
        waiting = list(books.alerts.unplanned(options.batch))
    results = []
    for alert in waiting:
        try:
            with library.transaction() as books:
                before = _stored(books, restriction_id(alert.id, Level.R1))
                outcome = propose(books, alert, now=now, options=options, around=around)
                books.alerts.planned(alert.id, revision=alert.revision)
        except StaleRevision:
            continue
        result = _result(outcome, before)
        _counted(outcome, result, metrics)
        results.append((alert.id, result))
    return results


def propose(
    books: Books, alert: Alert, *, now: float, options: RestrictOptions, around: Surroundings
) -> Restriction | Refusal:
    """Plan one alert and store the outcome, in the caller's transaction.

    A restriction that is live or over is returned as it is. Every change is audited; proposing the same again changes
    nothing.
    """
    stored = _stored(books, restriction_id(alert.id, Level.R1))
    if stored is not None and stored.state not in REPLANNED:
        return stored
    decided = considered(books, alert, now=now, options=options, around=around)
    if isinstance(decided, Refusal):
        _audit_refusal(books, decided, now=now)
        return decided
    return _store(books, decided, stored, now=now)


def planner(
    books: Books, *, now: float, options: RestrictOptions, around: Surroundings
) -> Callable[[Alert], Restriction | Refusal]:
    """For ``services.decide``: plans on the spot for a person, stores nothing, never approves by itself."""

    def planned(alert: Alert) -> Restriction | Refusal:
        return considered(books, alert, now=now, options=options, around=around, automatic=False)

    return planned


def considered(
    books: Books,
    alert: Alert,
    *,
    now: float,
    options: RestrictOptions,
    around: Surroundings,
    automatic: bool = True,
) -> Restriction | Refusal:
    """The alert's restriction, planned and guarded: proposed, approved (only with ``automatic``) or refused."""
    existing = _all(books, states=OPEN)
    planned = plan(
        alert, labels=_labels(books, alert), existing=existing, mode=options.mode, now=now, ttl_s=options.ttl_s
    )
    if isinstance(planned, Refusal):
        return planned
    facts = (around.namespaces or {}).get(planned.workload.namespace)
    planned = replace(planned, mode=(facts.mode if facts else None) or options.mode)
    situation = _situation(books, alert, planned, now=now, live=existing, options=options, around=around)
    verdict = guard.consult(situation, options.guards)
    decided = replace(
        planned,
        guards=tuple(str(outcome) for outcome in verdict.outcomes),
        detail="; ".join(part for part in (verdict.sentence, planned.detail) if part),
    )
    if verdict.answer is Answer.REFUSE:
        return ended(decided, state=State.REFUSED, by="guard", now=now)
    if verdict.answer is Answer.ALLOW and automatic:
        return approved(decided, by=AUTOMATIC, now=now)
    return decided


def _store(books: Books, decided: Restriction, stored: Restriction | None, *, now: float) -> Restriction:
    if stored is None:
        written = books.restrictions.add(replace(decided, revision=1))
    elif _same(stored, decided):
        return stored
    else:
        newer = replace(decided, created_at=stored.created_at, revision=stored.revision + 1)
        written = books.restrictions.update(newer)
    detail = {"alert": decided.alert_id, "workload": str(decided.workload), "why": decided.detail}
    target, action = f"restriction/{decided.id}", f"restriction.{_VERBS[decided.state]}"
    books.audit.append(AuditEntry(at=now, actor=ACTOR, action=action, target=target, detail=detail))
    return written


_VERBS = {State.PROPOSED: "propose", State.APPROVED: "approve", State.REFUSED: "refuse"}


def _same(stored: Restriction, decided: Restriction) -> bool:
    """Whether only what guards measured has moved: no new evidence, no other answer."""
    return (stored.state, stored.rules, stored.selector, stored.workload) == (
        decided.state,
        decided.rules,
        decided.selector,
        decided.workload,
    )


def _situation(
    books: Books,
    alert: Alert,
    restriction: Restriction,
    *,
    now: float,
    live: Sequence[Restriction],
    options: RestrictOptions,
    around: Surroundings,
) -> Situation:
    guards = options.guards
    facts = (around.namespaces or {}).get(restriction.workload.namespace)
    recent = _all(books, ended_since=now - max(HOUR_S, guards.cool_down_s))
    standing = [other for other in live if other.is_live and other.id != restriction.id]
    approvals = sorted(
        other.max_expires_at - MAX_TTL_S  # approval sets the maximum, nothing moves it later
        for other in (*standing, *recent)
        if other.approved_by == AUTOMATIC
    )
    since = now - guards.platform_pause_s - guards.platform_within_s
    alerts = _alerts(books, since=since)
    labels = dict(restriction.selector) | dict(_labels_of(books, restriction.workload))
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


def _labels(books: Books, alert: Alert) -> dict[WorkloadId, Labels]:
    return {workload: _labels_of(books, workload) for workload in mentioned(alert)}


def _labels_of(books: Books, workload: WorkloadId) -> Labels:
    try:
        return books.workloads.get(workload).labels
    except NotFound:
        return ()


def _stored(books: Books, id_: str) -> Restriction | None:
    try:
        return books.restrictions.get(id_)
    except NotFound:
        return None


def _all(
    books: Books, *, states: frozenset[State] | None = None, ended_since: float | None = None
) -> list[Restriction]:
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


def _audit_refusal(books: Books, refusal: Refusal, *, now: float) -> None:
    """One line for each new reason; an alert is planned again with every new window."""
    target = f"alert/{refusal.alert_id}"
    known = books.audit.find(target=target, limit=PAGE).items
    if any(entry.action == "alert.not_restricted" and entry.detail.get("why") == refusal.reason for entry in known):
        return
    books.audit.append(
        AuditEntry(at=now, actor=ACTOR, action="alert.not_restricted", target=target, detail={"why": refusal.reason})
    )


def _counted(outcome: Restriction | Refusal, result: Result, metrics: Metrics) -> None:
    if isinstance(outcome, Refusal):
        metrics.count("guard_refusals_total", guard="plan")
    elif result is not Result.KEPT:
        metrics.count("restrictions_total", state=outcome.state.value)
        for line in outcome.guards:
            name, answer, _ = line.split(": ", 2)
            if answer != str(Answer.ALLOW):
                metrics.count("guard_refusals_total", guard=name)


def _result(outcome: Restriction | Refusal, before: Restriction | None) -> Result:
    if isinstance(outcome, Refusal):
        return Result.REFUSED
    if before is not None and outcome.revision == before.revision:
        return Result.KEPT
    return Result(outcome.state.value)
