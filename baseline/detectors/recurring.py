"""Ceilings: what came back at this hour, or in every other hour, is a habit however rare its windows are.

A nightly job of ten minutes never moves a median, and must not alert. What one day alone did is no habit.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from baseline.detectors import medians
from baseline.detectors.hours import near_slots
from baseline.detectors.medians import Cells, Groups
from baseline.detectors.slots import BY_KIND_OF_DAY
from baseline.domain.units import HOUR_S
from baseline.features import calendar
from baseline.features.table import FloatArray, IntArray

NEVER = -1e9  # ceiling where nothing recurred; finite, because model sets hold finite numbers only
WEEKEND = 5  # day of the week that it begins with
FEWEST_HOURS = 4  # hours of history below which nothing recurs hourly
HABIT = 0.1  # share of the days that something must come back on, two days at least; by judgement


def by_hour(excess: FloatArray, cells: Cells, days: IntArray) -> FloatArray:
    """How far above its centre something came back on other days at (or within an hour of) each slot, (slots, width).

    excess, days : of all rows. cells : the workload's rows by slot.

    A slot that has seen fewer than two days of its own takes the hour of the day on any day: a nightly job is known
    on its first Saturday. With hours of the week, its kind of day decides first.
    """
    count = len(cells)
    near, alike = near_slots(count), _alike(count)
    if count == calendar.SLOTS:
        return _recurring(excess, cells, days, alike)[_kinds(count)]
    is_young = medians.distinct(days, cells, Groups.single(count)) < 2
    habit = _recurring(excess, cells, days, near)
    if is_young.any():
        habit[is_young] = _recurring(excess, cells, days, alike)[_kinds(count)][is_young]
    return habit


def hourly(excess: FloatArray, places: IntArray, starts: IntArray) -> FloatArray:
    """The median of the hourly maxima, (width,): how far above its centre every other hour reaches is a habit.

    excess, starts : of all rows. places : of the workload's.
    """
    hours = starts[places] // HOUR_S
    order = np.argsort(hours, kind="stable")
    _, begins = np.unique(hours[order], return_index=True)
    if len(begins) < FEWEST_HOURS:
        return np.full(excess.shape[1], NEVER)
    cells = Cells(order=places[order], bounds=np.append(begins, len(order)))
    tops = medians.maxima(excess, cells)
    return np.asarray(medians.medians(tops, Cells.whole(len(tops)), Groups.single(1))[0], dtype=np.float64)


def _recurring(excess: FloatArray, cells: Cells, days: IntArray, groups: Groups) -> FloatArray:
    """What the daily maxima reach on a tenth of the days, on two at least: an odd day a month is no habit."""
    place = np.maximum(2, np.rint(HABIT * medians.distinct(days, cells, groups))).astype(np.int64)
    return medians.ranked_maxima(excess, days, cells, groups, place, without=NEVER)


@lru_cache
def _alike(count: int) -> Groups:
    """Slots within an hour of each hour of the day: on any day, or with hours of the week on weekdays and weekends."""
    return Groups.of([
        [
            other
            for other in range(count)
            if min((other - hour) % calendar.HOURS, (hour - other) % calendar.HOURS) <= 1
            and (count == BY_KIND_OF_DAY or (other // calendar.HOURS >= WEEKEND) == is_weekend)
        ]
        for is_weekend in (False, True)
        for hour in range(calendar.HOURS)
    ])  # fmt: skip


def _kinds(count: int) -> IntArray:
    """The group of ``_alike`` that each slot belongs to."""
    slot = np.arange(count)
    return slot % calendar.HOURS + np.where(slot // calendar.HOURS >= WEEKEND, calendar.HOURS, 0)
