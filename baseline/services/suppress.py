"""Dismissals that reach further than one alert: preview them, make them, revoke them, and let them act.

What a suppression covers is ``domain.suppression``. Whether it speaks for a window depends on the window's event time
and the moments it was made, expires and was revoked, so that a replayed log is silenced where the first reading was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from baseline.domain import suppression as suppressions
from baseline.domain.alert import Alert, Disposition
from baseline.domain.deviation import Deviation, Family
from baseline.domain.errors import GateRefused, ModelSetRejected, NotAllowed, NotFound, StaleRevision
from baseline.domain.suppression import Scope, State, Suppression
from baseline.domain.units import DAY_S, rfc3339
from baseline.domain.workload import WorkloadId
from baseline.features import calendar
from baseline.ports import AuditEntry, Books, Page, Shelf, Silence
from baseline.services.train import Recipe

LOOK_BACK_S = 30.0 * DAY_S
_PAGE = 1000
_IDS_TOLD = 5
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How far a dismissal is to reach."""

    scope: Scope = Scope.ONCE
    until: float | None = None  # None: the scope's default
    zone: str = "UTC"  # whose hours of the week: see ``zone_of``
    accepts_hiding_confirmed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a suppression would have done in the last 30 days, beside the alert it is made of."""

    since: float
    alerts: tuple[str, ...]  # ids, newest first
    windows: int  # deviating windows in them
    days: tuple[tuple[str, int], ...]  # UTC date, alerts opened; in order
    families: tuple[tuple[Family, int], ...]  # alerts that had this family, most first
    confirmed: tuple[str, ...]  # confirmed attacks of which it would have hidden the whole or the beginning


def zone_of(shelf: Shelf, alert: Alert) -> str:
    """The time zone the alert was judged in, as its model set's recipe says; UTC when the set is no more.

    Holidays are not asked: what runs at three runs at three on a holiday, too.
    """
    try:
        return Recipe.parse(shelf.manifest(alert.model_set).recipe).calendar.zone
    except (NotFound, ModelSetRejected, GateRefused):
        return "UTC"


def asked(alert: Alert, wish: Asked, *, reason: str, by: str, now: float) -> Suppression:
    """The suppression that a dismissal asks for; NotAllowed where it cannot be."""
    starts = [start for start, _, _ in alert.timeline] or [alert.window_start]
    slots = frozenset(calendar.slot(start, zone=wish.zone) for start in starts)
    return suppressions.made(
        alert, scope=wish.scope, slots=slots, zone=wish.zone, reason=reason, by=by, now=now, until=wish.until
    )


def preview(suppression: Suppression, alerts: Iterable[Alert], *, since: float) -> Preview:
    """What it would have silenced of these alerts, had it stood all the time.

    An alert counts as hidden when its strongest window is covered. A confirmed one counts already when it is of the
    same kind, however large it grew: its first windows may well have been small.
    """
    hidden: list[Alert] = []
    confirmed: list[str] = []
    for alert in alerts:
        if alert.id == suppression.alert_id or alert.workload != suppression.workload:
            continue
        strongest = as_deviation(alert)
        if _is_like(suppression, strongest) and not suppressions.is_beyond(suppression, strongest):
            hidden.append(alert)
        if alert.disposition is Disposition.CONFIRMED and _begins_like(suppression, alert):
            confirmed.append(alert.id)
    days = Counter(rfc3339(alert.opened_at)[:10] for alert in hidden)
    families = Counter(family for alert in hidden for family in alert.families)
    return Preview(
        since=since,
        alerts=tuple(alert.id for alert in hidden),
        windows=sum(alert.windows for alert in hidden),
        days=tuple(sorted(days.items())),
        families=tuple(families.most_common()),
        confirmed=tuple(confirmed),
    )


def previewed(books: Books, suppression: Suppression, *, now: float) -> Preview:
    """``preview`` over the last 30 days of the books."""
    since = now - LOOK_BACK_S
    found = _every(lambda after: books.alerts.find(
        workload=suppression.workload, since=since, limit=_PAGE, after=after
    ))  # fmt: skip
    return preview(suppression, found, since=since)


def make(books: Books, suppression: Suppression, *, accepts_hiding_confirmed: bool, now: float) -> Suppression:
    """Store it with an audit row.

    Raises NotAllowed when it would have hidden a confirmed attack and nobody said that this is accepted.
    """
    found = previewed(books, suppression, now=now)
    if found.confirmed and not accepts_hiding_confirmed:
        named = ", ".join(found.confirmed[:_IDS_TOLD]) + (", ..." if len(found.confirmed) > _IDS_TOLD else "")
        raise NotAllowed(
            f"it would have hidden confirmed attacks ({named}): narrow the scope, or accept hiding confirmed alerts"
        )
    made = books.suppressions.add(suppression)
    detail = {
        "alert": made.alert_id, "workload": str(made.workload), "scope": made.scope.value,
        "families": sorted(made.families), "expires_at": made.expires_at, "reason": made.reason,
        "would_have_hidden": len(found.alerts), "confirmed_accepted": list(found.confirmed),
    }  # fmt: skip
    _audit(books, now, made.by, "suppression.make", made.id, detail)
    return made


def revoke(
    books: Books, suppression_id: str, *, by: str, now: float, note: str = "", revision: int | None = None
) -> Suppression:
    """End it now; NotAllowed when it has ended, StaleRevision when it is not at ``revision`` any more."""
    stored = books.suppressions.get(suppression_id)
    if revision is not None and stored.revision != revision:
        raise StaleRevision("suppression", suppression_id, expected=revision, actual=stored.revision)
    over = books.suppressions.update(suppressions.revoked(stored, by=by, now=now))
    _audit(books, now, by, "suppression.revoke", over.id, {"alert": over.alert_id, "note": note})
    return over


def revoke_of(books: Books, alert_id: str, *, by: str, now: float) -> None:
    """End what a dismissal made, because its alert is an attack after all."""
    found = _every(lambda after: books.suppressions.find(alert_id=alert_id, limit=_PAGE, after=after))
    for one in list(found):
        if one.state(now=now) is State.ACTIVE:
            revoke(books, one.id, by=by, now=now, note="its alert was confirmed")


def as_deviation(alert: Alert) -> Deviation:
    """The alert as one deviation, of the length of its strongest window."""
    start, end = next(
        ((start, end) for start, end, p in alert.timeline if p == alert.p), (alert.window_start, alert.window_end)
    )
    return Deviation(
        workload=alert.workload, window_start=start, window_end=end, p=alert.p, threshold=alert.threshold,
        family=alert.family, families=alert.families, reasons=alert.reasons, edges=alert.edges,
        maturity=alert.maturity, model_set=alert.model_set, voices=alert.voices,
    )  # fmt: skip


def newest_of(books: Books, alert_id: str) -> Suppression | None:
    """What the alert's newest dismissal with a scope made."""
    found = books.suppressions.find(alert_id=alert_id, limit=1).items
    return found[0] if found else None


class Standing:
    """Suppressions by workload, to ask for every deviation."""

    def __init__(self, found: Iterable[Suppression] = ()) -> None:
        self._by_workload: dict[WorkloadId, list[Suppression]] = {}
        self._dismissed: dict[str, float] = {}
        for one in sorted(found, key=lambda each: (each.made_at, each.id)):
            self._by_workload.setdefault(one.workload, []).append(one)
            self._dismissed.setdefault(one.alert_id, one.made_at)

    def active(self, at: float) -> int:
        """How many speak for a window that ends at this event time."""
        return sum(one.is_active(at) for group in self._by_workload.values() for one in group)

    def covering(self, deviation: Deviation) -> Suppression | None:
        """The oldest suppression that covers it."""
        known = self._by_workload.get(deviation.workload, ())
        return next(
            (one for one in known if suppressions.covers(one, deviation, slot=_slot(one, deviation))), None
        )  # fmt: skip

    def closed(self, deviation: Deviation) -> frozenset[str]:
        """Alerts of its workload that were dismissed with a scope before the window's end: what comes now and is not
        covered goes beyond them, and must not vanish into them.
        """
        known = self._by_workload.get(deviation.workload, ())
        return frozenset(one.alert_id for one in known if self._dismissed[one.alert_id] <= deviation.window_end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Divided:
    """Deviations to show, and those that a suppression keeps from people."""

    shown: list[Deviation]
    silenced: list[tuple[Suppression, Deviation]]

    def silences(self) -> list[Silence]:
        """What the books keep of the silenced ones."""
        return [
            Silence(one.id, (deviation.window_start, deviation.window_end, deviation.p))
            for one, deviation in self.silenced
        ]


def divided(deviations: Sequence[Deviation], standing: Standing) -> Divided:
    """Divide deviations, in order."""
    shown: list[Deviation] = []
    silenced: list[tuple[Suppression, Deviation]] = []
    for deviation in deviations:
        over = standing.covering(deviation)
        if over is None:
            shown.append(deviation)
        else:
            silenced.append((over, deviation))
    return Divided(shown=shown, silenced=silenced)


def never_teach(books: Books) -> list[tuple[WorkloadId, float, float]]:
    """Workload and interval of everything that must not be learned from: confirmed alerts, and what a dismissal of
    them silenced before they were known. Dismissed and silenced windows teach.
    """
    said = books.feedback.since(0.0)
    attacks = {one.alert_id: one for one in said if one.disposition is Disposition.CONFIRMED}
    found = [(one.workload, one.window_start, one.window_end) for one in attacks.values()]
    for one in _every(lambda after: books.suppressions.find(limit=_PAGE, after=after)):
        if one.alert_id in attacks and one.silenced.count:
            found += _silenced(one)
    return found


def _silenced(one: Suppression) -> Iterator[tuple[WorkloadId, float, float]]:
    """Windows kept by name; everything between the first and the oldest of them, when there were more."""
    windows = one.silenced.windows
    if one.silenced.count > len(windows):
        yield one.workload, one.silenced.first_at, float(windows[0][1])
    for start, end, _ in windows:
        yield one.workload, float(start), float(end)


def _is_like(suppression: Suppression, deviation: Deviation) -> bool:
    return suppressions.matches(suppression, deviation, slot=_slot(suppression, deviation))


def _begins_like(suppression: Suppression, alert: Alert) -> bool:
    """Whether any window of the alert is of what was dismissed, as far as hours tell them apart."""
    whole = as_deviation(alert)
    windows = [(start, end) for start, end, _ in alert.timeline] or [(alert.window_start, alert.window_end)]
    return any(_is_like(suppression, replace(whole, window_start=start, window_end=end)) for start, end in windows)


def _slot(suppression: Suppression, deviation: Deviation) -> int:
    return calendar.slot(deviation.window_start, zone=suppression.zone)


def _every(find: Callable[[str | None], Page[_T]]) -> Iterator[_T]:
    page = find(None)
    yield from page.items
    while page.after is not None:
        page = find(page.after)
        yield from page.items


def _audit(books: Books, now: float, by: str, action: str, suppression_id: str, detail: Mapping[str, object]) -> None:
    target = f"suppression/{suppression_id}"
    books.audit.append(AuditEntry(at=now, actor=by, action=action, target=target, detail=detail))
