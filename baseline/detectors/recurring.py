"""Ceilings: what came back at this hour, or in every other hour, is a habit however rare its windows are.

A nightly job of ten minutes never moves a median, and must not alert. What one day alone did is no habit.
"""

from __future__ import annotations

import numpy as np

from baseline.detectors.slots import BY_KIND_OF_DAY, around, by_slot
from baseline.features import calendar
from baseline.features.table import FloatArray, IntArray

NEVER = -1e9  # ceiling where nothing recurred; finite, because model sets hold finite numbers only
FEWEST_HOURS = 4  # hours of history below which nothing recurs hourly
HABIT = 0.1  # share of the days that something must come back on, two days at least; by judgement


def by_hour(excess: FloatArray, slots: IntArray, days: IntArray, count: int) -> FloatArray:
    """How far above its centre something came back on other days at (or within an hour of) each slot, (slots, width).

    A slot that has seen fewer than two days of its own takes the hour of the day on any day: a nightly job is known
    on its first Saturday. With hours of the week, its kind of day decides first.
    """
    habit = np.full((count, excess.shape[1]), NEVER)
    of_slot = by_slot(slots, count)
    for slot in range(count):
        near = around(of_slot, slot)
        if count == calendar.SLOTS or len(np.unique(days[of_slot[slot]])) < 2:
            hour = slot % calendar.HOURS
            alike = [
                of_slot[other]
                for other in range(count)
                if min((other - hour) % calendar.HOURS, (hour - other) % calendar.HOURS) <= 1
                and (count == BY_KIND_OF_DAY or (other // calendar.HOURS >= 5) == (slot // calendar.HOURS >= 5))
            ]
            near = np.concatenate(alike)
        if len(near):
            habit[slot] = _recurring(excess[near], days[near])
    return habit


def hourly(excess: FloatArray, hours: IntArray) -> FloatArray:
    """The median of the hourly maxima, (width,): how far above its centre every other hour reaches is a habit."""
    order = np.argsort(hours, kind="stable")
    _, begins = np.unique(hours[order], return_index=True)
    if len(begins) < FEWEST_HOURS:
        return np.full(excess.shape[1], NEVER)
    return np.asarray(np.median(np.maximum.reduceat(excess[order], begins, axis=0), axis=0))


def _recurring(excess: FloatArray, days: IntArray) -> FloatArray:
    """What the daily maxima reach on a tenth of the days, on two at least: an odd day a month is no habit."""
    order = np.argsort(days, kind="stable")
    _, begins = np.unique(days[order], return_index=True)
    if len(begins) < 2:
        return np.full(excess.shape[1], NEVER)
    maxima = np.maximum.reduceat(excess[order], begins, axis=0)
    place = max(2, round(HABIT * len(begins)))
    return np.asarray(np.partition(maxima, -place, axis=0)[-place])
