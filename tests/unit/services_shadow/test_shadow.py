"""A candidate beside the current set: which alerts are the same, and when it must not become current."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baseline.adapters.memory.books import MemoryLibrary
from baseline.domain.alert import Alert
from baseline.domain.errors import GateRefused
from baseline.domain.units import DAY_S
from baseline.domain.workload import WorkloadId
from baseline.ports import Sign
from baseline.services.shadow import Difference, began, difference
from tests.contracts.nouns import SHOP, T0, a_suppression, an_alert

SET = "0123456789abcdef"
OTHER = WorkloadId("east", "shop", "cart")


def libraries(told: list[Alert], proposed: list[Alert], *, days: float = 2.0) -> tuple[MemoryLibrary, MemoryLibrary]:
    """The books people see, and those of a shadow that began at T0."""
    current, shadow = MemoryLibrary(), MemoryLibrary()
    began(shadow, now=T0)
    for library, alerts in ((current, told), (shadow, proposed)):
        with library.transaction() as books:
            for alert in alerts:
                books.alerts.put(alert)
    with shadow.transaction() as books:
        books.signs.put(Sign(member="m", at=T0 + days * DAY_S, lag_s=0.0, watermark=T0 + days * DAY_S))
    return current, shadow


def compared(told: list[Alert], proposed: list[Alert], *, days: float = 2.0, made_at: float = T0) -> Difference:
    """Their difference for the set."""
    current, shadow = libraries(told, proposed, days=days)
    return difference(current, shadow, set_id=SET, made_at=made_at)


def test_alerts_of_one_workload_close_in_time_are_the_same() -> None:
    """Although another window opened them; those of another workload, or hours away, are not."""
    found = compared(
        [an_alert(10), an_alert(600)],
        [an_alert(13, model_set=SET), an_alert(14, workload=OTHER, model_set=SET)],
    )
    assert [alert.workload for alert in found.both] == [SHOP]
    assert [alert.workload for alert in found.only_candidate] == [OTHER]
    assert [alert.id for alert in found.only_current] == [an_alert(600).id]
    assert found.days == pytest.approx(2.0)


def test_alerts_of_an_earlier_candidate_do_not_count() -> None:
    """The shadow's books keep those of every set that stood as candidate."""
    assert compared([], [an_alert(10, model_set="ffffffffffffffff")]).only_candidate == ()


def test_what_people_had_silenced_is_no_difference() -> None:
    """The shadow knows no dismissals; a candidate is not refused for what nobody wants to see."""
    dismissed = an_alert(10)
    current, shadow = libraries([dismissed], [an_alert(600, model_set=SET), an_alert(900, p=1e-12, model_set=SET)])
    with current.transaction() as books:
        books.suppressions.add(a_suppression(dismissed, now=T0 + 700))
    found = difference(current, shadow, set_id=SET, made_at=T0)
    assert [alert.id for alert in found.only_candidate] == [an_alert(900).id]


def test_what_was_before_the_candidate_was_made_is_not_compared() -> None:
    """It could not have raised it."""
    found = compared([an_alert(10)], [], made_at=T0 + DAY_S)
    assert found.only_current == ()
    assert found.days == pytest.approx(1.0)


def test_more_alerts_than_libraries_give_at_once_are_all_compared() -> None:
    """Pages are read to their end."""
    many = [an_alert(number * 180, model_set=SET) for number in range(520)]
    assert len(compared([], many, days=70.0).only_candidate) == 520


def test_a_shadow_that_never_ran_is_no_clean_one() -> None:
    """Refused, with what to do."""
    with pytest.raises(GateRefused, match="baseline stream --shadow"):
        difference(MemoryLibrary(), MemoryLibrary(), set_id=SET, made_at=T0)


def test_a_candidate_that_alone_spends_many_budgets_is_refused() -> None:
    """Three alerts are always allowed; a shadow of hours gates nothing."""
    noisy = [an_alert(number * 120, model_set=SET) for number in range(12)]
    found = compared([], noisy)
    assert found.refusal(workloads=4, alerts_per_week=1.0) is not None
    assert found.refusal(workloads=40, alerts_per_week=1.0) is None
    assert replace(found, until=T0 + 3600).refusal(workloads=4, alerts_per_week=1.0) is None
    assert compared([], noisy[:3]).refusal(workloads=1, alerts_per_week=1.0) is None


def test_what_both_sets_raise_is_held_against_nobody() -> None:
    """An attack that lasts is found by both."""
    noisy = [an_alert(number * 120, model_set=SET) for number in range(12)]
    assert compared(noisy, noisy).refusal(workloads=1, alerts_per_week=1.0) is None
