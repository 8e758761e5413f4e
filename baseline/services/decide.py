"""What people do: confirm, dismiss, restrict, hold, release. One place for the API and the command line.

Every function works in the caller's transaction and leaves audit rows, feedback and outbox events in it: all of it
happens or none. Nothing here talks to a cluster; control reads the books and makes it so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from baseline.domain import restriction as restrictions
from baseline.domain.alert import Alert, Decision, Disposition
from baseline.domain.errors import NotAllowed, NotFound, StaleRevision
from baseline.domain.restriction import HOLD_S, LIVE, MAX_TTL_S, Level, Restriction, State
from baseline.domain.suppression import Scope
from baseline.policy.plan import Refusal
from baseline.ports import AuditEntry, Books, EventKind, Feedback
from baseline.services import suppress, weigh
from baseline.services.events import restriction_changed
from baseline.services.suppress import Asked

Planner = Callable[[Alert], Restriction | Refusal]

_TRIES = 5  # control may change a restriction between our read and our write; more often than this it is not chance


def confirm(  # noqa: PLR0913 - keyword-only facts of one decision
    books: Books,
    alert_id: str,
    *,
    by: str,
    now: float,
    note: str = "",
    revision: int | None = None,
    restrict: bool = False,
    planner: Planner | None = None,
    hold_s: float = HOLD_S,
) -> Alert:
    """It was an attack: what is in force is held, the windows never teach.

    With ``restrict`` the proposed restriction is approved too (or planned, given a planner).

    Raises
    ------
    StaleRevision
        The alert is not at ``revision`` any more.
    NotAllowed
        Confirmed already, or there is nothing to approve.
    """
    alert = _decide(books, alert_id, Disposition.CONFIRMED, by=by, now=now, note=note, revision=revision)
    suppress.revoke_of(books, alert_id, by=by, now=now)
    for standing in _of_alert(books, alert_id, LIVE):
        if restrictions.is_wanted(standing, now=now):
            _hold(books, standing, by=by, now=now, hold_s=hold_s)
    if restrict:
        _approve(books, alert, level=Level.R1, ttl_s=None, by=by, now=now, planner=planner)
    return alert


def dismiss(
    books: Books,
    alert_id: str,
    *,
    by: str,
    now: float,
    note: str = "",
    revision: int | None = None,
    channels: Sequence[str] = (),
    asked: Asked | None = None,
) -> Alert:
    """It was normal: every restriction of the alert ends now, and the windows may teach.

    ``asked`` with a wider scope than once also makes a suppression; ``note`` is its reason.

    Raises
    ------
    StaleRevision
        The alert is not at ``revision`` any more.
    NotAllowed
        Dismissed already; or the scope does not fit, has no reason, or would have hidden a confirmed attack.
    """
    wish = asked or Asked()
    if wish.scope is Scope.ONCE and wish.until is not None:
        raise NotAllowed("a dismissal of scope once has no end: it silences nothing later")
    alert = _decide(
        books, alert_id, Disposition.DISMISSED, by=by, now=now, note=note, revision=revision, scope=wish.scope
    )
    if wish.scope is not Scope.ONCE:
        made = suppress.asked(alert, wish, reason=note, by=by, now=now)
        suppress.make(books, made, accepts_hiding_confirmed=wish.accepts_hiding_confirmed, now=now)
    for standing in _of_alert(books, alert_id, LIVE | {State.PROPOSED}):
        _end(books, standing, by=by, ended_by=f"dismissal by {by}", now=now, note=note, channels=channels)
    return alert


def restrict(
    books: Books,
    alert_id: str,
    *,
    level: Level,
    ttl_s: float | None,
    by: str,
    now: float,
    planner: Planner,
    revision: int | None = None,
) -> Restriction:
    """Approve the alert's proposed restriction, planning it on the spot where there is none.

    Asking twice is one restriction: one that is live already is returned as it stands. One that has ended is planned
    anew, because a person asks for it. ``ttl_s`` None means the planned one.

    Raises
    ------
    NotAllowed
        The plan was refused (the reason is in the message), the alert was dismissed, or the time is out of bounds.
    """
    alert = books.alerts.get(alert_id)
    if revision is not None and alert.revision != revision:
        raise StaleRevision("alert", alert_id, expected=revision, actual=alert.revision)
    return _approve(books, alert, level=level, ttl_s=ttl_s, by=by, now=now, planner=planner)


def hold(
    books: Books,
    restriction_id: str,
    *,
    by: str,
    now: float,
    revision: int | None = None,
    hold_s: float = HOLD_S,
) -> Restriction:
    """Extend a restriction in force, bounded by its maximum; NotAllowed when it is not in force."""
    return _hold(books, _at(books, restriction_id, revision), by=by, now=now, hold_s=hold_s)


def release(
    books: Books,
    restriction_id: str,
    *,
    by: str,
    now: float,
    revision: int | None = None,
    note: str = "",
    channels: Sequence[str] = (),
) -> Restriction:
    """End a restriction now; one that has ended already is returned as it is."""
    standing = _at(books, restriction_id, revision)
    return _end(books, standing, by=by, ended_by=by, now=now, note=note, channels=channels)


def _decide(
    books: Books,
    alert_id: str,
    disposition: Disposition,
    *,
    by: str,
    now: float,
    note: str,
    revision: int | None,
    scope: Scope | None = None,
) -> Alert:
    before = books.alerts.get(alert_id).disposition
    alert = books.alerts.decide(
        alert_id, Decision(disposition=disposition, by=by, at=now, note=note), revision=revision
    )
    feedback = Feedback(
        alert_id=alert.id,
        workload=alert.workload,
        disposition=disposition,
        window_start=float(alert.window_start),
        window_end=alert.updated_at,
        by=by,
        at=now,
        note=note,
        edges=tuple(evidence.edge.key for evidence in alert.edges),
        family=alert.family.value,
        scope=scope.value if scope else "",
    )
    books.feedback.add(feedback)
    weigh.learn(books, alert, before=before)
    verb = "confirm" if disposition is Disposition.CONFIRMED else "dismiss"
    detail = {"note": note, "revision": alert.revision} | ({"scope": scope.value} if scope else {})
    _audit(books, now, by, f"alert.{verb}", f"alert/{alert.id}", detail)
    return alert


def _approve(
    books: Books,
    alert: Alert,
    *,
    level: Level,
    ttl_s: float | None,
    by: str,
    now: float,
    planner: Planner | None,
) -> Restriction:
    if level is not Level.R1:
        raise NotAllowed(f"level {level} cannot be asked for yet, only {Level.R1}")
    if ttl_s is not None and not 0 < ttl_s <= MAX_TTL_S:
        raise NotAllowed(f"time to live must be above 0 and at most {MAX_TTL_S:g} s, not {ttl_s:g} s")
    if alert.disposition is Disposition.DISMISSED:
        raise NotAllowed(f"alert {alert.id} was dismissed as normal: confirm it before restricting")
    wanted = _proposed(books, alert, level, planner=planner)
    if wanted.is_live and restrictions.is_wanted(wanted, now=now):
        return wanted
    approved, is_ours = _change(books, wanted, lambda stored: _approved(stored, by=by, now=now, ttl_s=ttl_s))
    if not is_ours:
        return approved  # somebody else approved it while we were asking: one restriction, one audit row
    detail = {"alert": alert.id, "ttl_s": approved.ttl_s, "expires_at": approved.expires_at}
    _audit(books, now, by, "restriction.approve", f"restriction/{approved.id}", detail)
    return approved


def _approved(stored: Restriction, *, by: str, now: float, ttl_s: float | None) -> Restriction:
    """Approved, unless somebody else did so in the meantime."""
    if restrictions.is_wanted(stored, now=now):
        return stored
    return restrictions.approved(stored, by=by, now=now, ttl_s=ttl_s)


def _proposed(books: Books, alert: Alert, level: Level, *, planner: Planner | None) -> Restriction:
    """The alert's restriction as a proposal or already live: stored, planned, or planned anew after its end."""
    try:
        stored = books.restrictions.get(restrictions.restriction_id(alert.id, level))
    except NotFound:
        stored = None
    if stored is not None and not stored.has_ended:
        return stored
    if planner is None:
        raise NotAllowed(f"alert {alert.id} has no proposed restriction")
    planned = planner(alert)
    if isinstance(planned, Refusal):
        raise NotAllowed(f"no restriction: {planned.reason}")
    if planned.has_ended:
        raise NotAllowed(f"no restriction: it is {planned.state}: {planned.detail or planned.ended_by}")
    return _stored(books, planned)


def _stored(books: Books, planned: Restriction) -> Restriction:
    """The plan as the books hold it; a planner may have written it itself, in this very transaction."""
    held = books.restrictions.add(planned)
    if held.has_ended:
        return books.restrictions.update(restrictions.proposed_again(held, planned))
    return held


def _hold(books: Books, standing: Restriction, *, by: str, now: float, hold_s: float = HOLD_S) -> Restriction:
    kept, _ = _change(books, standing, lambda stored: restrictions.held(stored, by=by, now=now, hold_s=hold_s))
    detail = {"alert": kept.alert_id, "expires_at": kept.expires_at}
    _audit(books, now, by, "restriction.hold", f"restriction/{kept.id}", detail)
    return kept


def _end(
    books: Books,
    standing: Restriction,
    *,
    by: str,
    ended_by: str,
    now: float,
    note: str,
    channels: Sequence[str],
) -> Restriction:
    if standing.has_ended:
        return standing
    was_live = standing.is_live
    over, is_ours = _change(
        books, standing, lambda stored: restrictions.ended(stored, state=State.RELEASED, by=ended_by, now=now)
    )
    if not is_ours:
        return over  # it ended otherwise while we were asking
    detail = {"alert": over.alert_id, "ended_by": ended_by, "note": note}
    _audit(books, now, by, "restriction.release", f"restriction/{over.id}", detail)
    if was_live:  # a proposal was never told of, so its end is not either
        books.outbox.add(restriction_changed(EventKind.RESTRICTION_RELEASED, over, now=now), channels=channels)
    return over


def _change(books: Books, first: Restriction, change: Callable[[Restriction], Restriction]) -> tuple[Restriction, bool]:
    """Write a change, reading again when control was faster: the person decided about it, not about its revision.

    Also says whether there was anything to change.
    """
    stored = first
    for _ in range(_TRIES):
        changed = change(stored)
        if changed is stored:
            return stored, False
        try:
            return books.restrictions.update(changed), True
        except StaleRevision:
            stored = books.restrictions.get(first.id)
    raise StaleRevision("restriction", first.id, expected=first.revision, actual=stored.revision)


def _at(books: Books, restriction_id: str, revision: int | None) -> Restriction:
    stored = books.restrictions.get(restriction_id)
    if revision is not None and stored.revision != revision:
        raise StaleRevision("restriction", restriction_id, expected=revision, actual=stored.revision)
    return stored


def _of_alert(books: Books, alert_id: str, states: frozenset[State]) -> Sequence[Restriction]:
    return books.restrictions.find(states=states, alert_id=alert_id, limit=1000).items


def _audit(books: Books, now: float, by: str, action: str, target: str, detail: Mapping[str, Any]) -> None:
    books.audit.append(AuditEntry(at=now, actor=by, action=action, target=target, detail=detail))
