"""The cluster's alerts a day: the most unusual ones are told."""

from __future__ import annotations

from dataclasses import replace

from baseline.adapters.memory.books import MemoryLibrary
from baseline.domain.alert import Alert
from baseline.domain.workload import WorkloadId
from baseline.services.budget import is_told, of_the_day
from tests.contracts.nouns import an_alert


def alert(number: int, p: float, **changes: object) -> Alert:
    """One that opened ``number`` minutes after T0, with a threshold of 1e-4."""
    return replace(an_alert(number), p=p, **changes)  # type: ignore[arg-type]  # as the test says


def test_the_most_unusual_alerts_of_the_day_are_told() -> None:
    """By how far past its threshold each lies; the day's third strongest is one too many for a budget of two."""
    others = [alert(1, 5e-5), alert(2, 4e-5)]
    assert is_told(alert(3, 3e-5), others, most=2)
    assert is_told(alert(3, 4.5e-5), others, most=2)
    assert not is_told(alert(3, 6e-5), others, most=2)


def test_strength_is_measured_against_each_ones_own_threshold() -> None:
    """Windows of an hour have a larger one than windows of a minute."""
    hourly = alert(1, 1e-3, threshold=1e-2)
    assert is_told(alert(2, 5e-5), [hourly], most=2)
    assert not is_told(alert(2, 5e-5), [hourly], most=1)


def test_of_equal_ones_the_earlier_is_told() -> None:
    """Order of arrival breaks ties, so that a replay tells the same."""
    assert is_told(alert(1, 5e-5), [alert(2, 5e-5)], most=1)
    assert not is_told(alert(2, 5e-5), [alert(1, 5e-5)], most=1)


def test_an_alert_that_could_restrict_by_itself_is_always_told() -> None:
    """Whatever else the day brought."""
    assert is_told(alert(3, 1e-6), [alert(1, 1e-7), alert(2, 1e-8)], most=1)


def test_the_day_is_of_one_cluster_and_up_to_the_alert() -> None:
    """Neither yesterday's, nor another cluster's, nor later ones count, and a long day is read to its end."""
    library = MemoryLibrary()
    other = WorkloadId("west", "shop", "checkout")
    with library.transaction() as books:
        for number in range(250):
            books.alerts.put(alert(number, 5e-5))
        books.alerts.put(alert(10, 5e-5, id="w", workload=other))
        books.alerts.put(alert(-25 * 60, 5e-5))
        books.alerts.put(alert(5000, 5e-5))
        found = of_the_day(books.alerts, alert(249, 5e-5))
    assert len(found) == 249
