"""A candidate judges live traffic beside the current set: what would people have been told instead?

The candidate's stream keeps its alerts in books of its own, where no person and no control looks. Two alerts are the
same when they are of one workload and their times touch within the merge interval; their ids differ when the windows
that opened them do.
"""

from __future__ import annotations

from dataclasses import dataclass

from baseline.domain.alert import MERGE_WITHIN_S, Alert
from baseline.domain.errors import GateRefused
from baseline.domain.units import DAY_S, WEEK_S
from baseline.ports import AuditEntry, Books, Library
from baseline.services.suppress import Standing, as_deviation

BEGAN = "shadow.begin"
TARGET = "shadow"
PAGE = 500
FEWEST_DAYS = 1.0  # of shadow below which its alerts gate nothing
EXTRA_FACTOR = 3.0  # alerts only the candidate raised, against what its whole budget allows; and three at least
EXTRA_FEWEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Alerts of both sets over one interval of event time."""

    since: float
    until: float
    both: tuple[Alert, ...]  # the candidate's
    only_candidate: tuple[Alert, ...]
    only_current: tuple[Alert, ...]

    @property
    def days(self) -> float:
        """Compared; 0 when the shadow has seen nothing since the candidate was made."""
        return max(0.0, self.until - self.since) / DAY_S

    def refusal(self, *, workloads: int, alerts_per_week: float) -> str | None:
        """Why the candidate must not become current, or None."""
        if self.days < FEWEST_DAYS:
            return None
        budget = workloads * alerts_per_week * self.days * DAY_S / WEEK_S
        most = max(EXTRA_FEWEST, EXTRA_FACTOR * budget)
        if len(self.only_candidate) > most:
            return (
                f"in {self.days:.1f} days of shadow the candidate raised {len(self.only_candidate)} alerts that the "
                f"current set did not, {most:.0f} allowed"
            )
        return None


def began(library: Library, *, now: float) -> None:
    """Note in the shadow's books from when on it watches; what came before was not compared."""
    with library.transaction() as books:
        books.audit.append(AuditEntry(at=now, actor="shadow", action=BEGAN, target=TARGET))


def difference(current: Library, shadow: Library, *, set_id: str, made_at: float) -> Difference:
    """What the candidate ``set_id``, made at ``made_at``, raised in shadow beside what people were told.

    The shadow knows no dismissals: what people had silenced is left out, because they would not have been told of it.

    Raises GateRefused when the shadow never ran.
    """
    with shadow.transaction() as books:
        since = max(made_at, _began_at(books))
        until = max((sign.watermark for sign in books.signs.since(0.0) if sign.watermark is not None), default=since)
        proposed = [alert for alert in _alerts(books, since, until) if alert.model_set == set_id]
    with current.transaction() as books:
        told = _alerts(books, since - MERGE_WITHIN_S, until)
        standing = Standing(books.suppressions.standing(ending_after=since))
    proposed = [alert for alert in proposed if standing.covering(as_deviation(alert)) is None]
    both = tuple(alert for alert in proposed if any(_touch(alert, other) for other in told))
    return Difference(
        since=since,
        until=until,
        both=both,
        only_candidate=tuple(alert for alert in proposed if alert not in both),
        only_current=tuple(
            alert for alert in told if alert.opened_at >= since and not any(_touch(alert, one) for one in proposed)
        ),
    )


def _began_at(books: Books) -> float:
    page = books.audit.find(target=TARGET, limit=PAGE)
    found = [entry.at for entry in page.items if entry.action == BEGAN]
    if not found:
        raise GateRefused("no stream has run in shadow: start one with `baseline stream --shadow`")
    return min(found)


def _alerts(books: Books, since: float, until: float) -> list[Alert]:
    found: list[Alert] = []
    after: str | None = None
    while True:
        page = books.alerts.find(since=since, limit=PAGE, after=after)
        found += [alert for alert in page.items if alert.opened_at <= until]
        after = page.after
        if after is None:
            return found


def _touch(one: Alert, other: Alert) -> bool:
    if one.workload != other.workload:
        return False
    apart = max(one.window_start - other.updated_at, other.window_start - one.updated_at)
    return apart <= MERGE_WITHIN_S
