"""How many new alerts a day a cluster's people are told of: the most unusual ones, by rank and not by time.

The budget of a workload is a threshold; many workloads keep theirs and still are too much for one person. What is over
the cluster's budget is recorded, listed and counted like everything else; only the message is saved.
"""

from __future__ import annotations

from collections.abc import Sequence

from baseline.domain.alert import Alert
from baseline.domain.units import DAY_S
from baseline.ports import AlertBook

ALERTS_PER_DAY = 10  # of a cluster, by default
ALWAYS_TOLD_FACTOR = 50.0  # past its threshold by this much an alert could restrict by itself: never a matter of budget
PAGE = 100


def is_told(alert: Alert, others: Sequence[Alert], *, most: int) -> bool:
    """Whether a new alert is worth a message: fewer than ``most`` of the day's others are more unusual.

    others : alerts of the same cluster that opened in the day up to this one. Ties go to the earlier alert.
    """
    if alert.p < alert.threshold / ALWAYS_TOLD_FACTOR:
        return True
    stronger = sum(
        (other.p / other.threshold, other.opened_at, other.id) < (alert.p / alert.threshold, alert.opened_at, alert.id)
        for other in others
    )
    return stronger < most


def of_the_day(book: AlertBook, alert: Alert) -> list[Alert]:
    """The other alerts of its cluster that opened in the day up to it."""
    found: list[Alert] = []
    after: str | None = None
    while True:
        page = book.find(since=alert.opened_at - DAY_S, limit=PAGE, after=after)
        found += [
            other
            for other in page.items
            if other.id != alert.id
            and other.workload.cluster == alert.workload.cluster
            and other.opened_at <= alert.opened_at
        ]
        after = page.after
        if after is None:
            return found
