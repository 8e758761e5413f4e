"""Runs that did not come: what a recurrence is, and when a silence is one."""

from __future__ import annotations

import json

import numpy as np
import pytest

from baseline.detectors.sequential import runs
from baseline.detectors.sequential.runs import Missing, Runs
from baseline.domain.units import DAY_S, HOUR_S

T0 = 1_767_571_200


def told(
    begins: list[int], *, until: int, is_job: bool = True, lasts_s: int = 120, watched_since: int = 0
) -> list[Missing]:
    """Everything told while these runs come and time passes."""
    kept, found = Runs(), []
    for now in range(T0, until, 60):
        if any(begin <= now < begin + lasts_s for begin in begins):
            kept.see(now, end=now + 60, is_job=is_job)
        one = kept.missing(now=now + 60, watched_since=watched_since)
        if one is not None:
            found.append(one)
    return found


def test_an_hourly_job_that_stays_away_is_missed_once() -> None:
    """Told when it is late, not again while it stays away."""
    begins = [T0 + hour * HOUR_S for hour in range(10)]
    found = told(begins, until=T0 + 15 * HOUR_S)
    assert [(one.due, one.every_s, one.came, one.slots) for one in found] == [(T0 + 10 * HOUR_S, 3600.0, 9, 9)]


def test_a_nightly_job_is_missed_within_the_hour() -> None:
    """Six nights are enough to know it."""
    begins = [T0 + 3 * HOUR_S + night * DAY_S for night in range(7)]
    found = told(begins, until=T0 + 7 * DAY_S + 5 * HOUR_S)
    assert [one.due for one in found] == [T0 + 7 * DAY_S + 3 * HOUR_S]
    assert told(begins[:6], until=T0 + 6 * DAY_S + 5 * HOUR_S) == []


def test_two_runs_a_day_at_odd_hours_recur_by_the_day() -> None:
    """Intervals of nine and fifteen hours have no typical one; the day has."""
    begins = [T0 + hour * HOUR_S + day * DAY_S for day in range(8) for hour in (3, 12)]
    del begins[-1]
    assert [one.due for one in told(begins, until=T0 + 7 * DAY_S + 14 * HOUR_S)] == [T0 + 7 * DAY_S + 12 * HOUR_S]


def test_a_job_that_came_back_may_be_missed_again() -> None:
    """Once for each time it stays away, as long as it nearly always came."""
    hours = [hour for hour in range(40) if hour not in (20, 36)]
    found = told([T0 + hour * HOUR_S for hour in hours], until=T0 + 40 * HOUR_S)
    assert [(one.due - T0) // HOUR_S for one in found] == [20, 36]


def test_runs_at_odd_times_are_never_missed() -> None:
    """No recurrence, no expectation."""
    rng = np.random.default_rng(1)
    begins = np.cumsum(rng.integers(1200, 9000, size=60)) + T0
    assert told([int(one) // 60 * 60 for one in begins], until=T0 + 6 * DAY_S) == []


def test_a_late_run_is_no_missing_one() -> None:
    """A tenth of the interval either way, ten minutes at least."""
    rng = np.random.default_rng(2)
    begins = [T0 + hour * HOUR_S + 60 * int(rng.integers(0, 9)) for hour in range(40)]
    assert told(begins, until=T0 + 40 * HOUR_S) == []


def test_a_run_that_lasts_into_the_next_slot_is_there() -> None:
    """It has no beginning of its own, but it is no silence."""
    begins = [T0 + hour * HOUR_S for hour in range(10)]
    kept = Runs()
    for begin in begins:
        kept.see(begin, end=begin + 60, is_job=True)
    for now in range(begins[-1], begins[-1] + 2 * HOUR_S, 60):
        kept.see(now, end=now + 60, is_job=True)
        assert kept.missing(now=now + 60, watched_since=0) is None


def test_a_workload_that_is_no_job_needs_twice_the_evidence() -> None:
    """Fourteen runs, every one followed."""
    begins = [T0 + hour * HOUR_S for hour in range(10)]
    assert told(begins, until=T0 + 15 * HOUR_S, is_job=False) == []
    more = [T0 + hour * HOUR_S for hour in range(16)]
    assert len(told(more, until=T0 + 20 * HOUR_S, is_job=False)) == 1


@pytest.mark.parametrize("hole", [9, 9.95])
def test_a_slot_nobody_watched_is_not_missed(hole: float) -> None:
    """Silence is evidence only where somebody listened since before it was due."""
    begins = [T0 + hour * HOUR_S for hour in range(10)]
    since = T0 + int(hole * HOUR_S)
    assert len(told(begins, until=T0 + 15 * HOUR_S, watched_since=since)) == (hole == 9)


def test_the_memory_is_bounded_and_comes_back_from_json() -> None:
    """The newest runs are kept."""
    kept = Runs()
    for hour in range(500):
        kept.see(T0 + hour * HOUR_S, end=T0 + hour * HOUR_S + 60, is_job=True)
    assert len(kept.begins) == runs.BEGINS_KEPT
    assert Runs.from_plain(json.loads(json.dumps(kept.to_plain()))) == kept
