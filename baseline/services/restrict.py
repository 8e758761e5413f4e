"""Alerts -> restrictions in the book: planned, guarded, and stored as proposed, approved or refused.

Pure over the books it is given; nothing here talks to a cluster. What the cluster would have said (namespaces) and
how far the stream is behind are arguments, so that planning goes on while the API server is down.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from baseline.domain.alert import Alert
from baseline.domain.errors import NotFound, StaleRevision
from baseline.domain.restriction import (
    DEFAULT_TTL_S,
    LIVE,
    Level,
    Mode,
    Restriction,
    State,
    approved,
    ended,
    restriction_id,
)
from baseline.policy import guard
from baseline.policy.plan import Refusal, plan
from baseline.policy.situation import Answer, GuardOptions
from baseline.ports import AuditEntry, Books, Library, Metrics
from baseline.services import situations
from baseline.services.situations import AUTOMATIC, Surroundings

__all__ = [
    "AUTOMATIC",
    "RestrictOptions",
    "Result",
    "Surroundings",
    "considered",
    "plan_alerts",
    "planner",
    "propose",
]

ACTOR = "control"
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

    An alert that moved on meanwhile, or whose restriction a person changed at the same moment, is left for the next
    pass.
    """
    with library.transaction() as books:
        waiting = list(books.alerts.unplanned(options.batch))
    results = []
    for alert in waiting:
        try:
            with library.transaction() as books:
                # The note comes first: it holds the alert, so that a dismissal lies before all of this or after it.
                books.alerts.planned(alert.id, revision=alert.revision)
                if books.alerts.get(alert.id).revision != alert.revision:
                    continue  # somebody decided, or newer evidence came: never act on what was read before that
                before = _stored(books, restriction_id(alert.id, Level.R1))
                outcome = propose(books, alert, now=now, options=options, around=around)
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
    existing = situations.restrictions(books, states=OPEN)
    planned = plan(
        alert,
        labels=situations.labels(books, alert),
        existing=existing,
        mode=options.mode,
        now=now,
        ttl_s=options.ttl_s,
    )
    if isinstance(planned, Refusal):
        return planned
    facts = (around.namespaces or {}).get(planned.workload.namespace)
    planned = replace(planned, mode=(facts.mode if facts else None) or options.mode)
    situation = situations.situation(
        books, alert, planned, now=now, live=existing, guards=options.guards, around=around
    )
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


def _stored(books: Books, id_: str) -> Restriction | None:
    try:
        return books.restrictions.get(id_)
    except NotFound:
        return None


def _audit_refusal(books: Books, refusal: Refusal, *, now: float) -> None:
    """One line for each new reason; an alert is planned again with every new window."""
    target = f"alert/{refusal.alert_id}"
    known = books.audit.find(target=target, limit=situations.PAGE).items
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
