"""Slots of a seasonal table: 1, 48 (hour of the day on weekdays or weekends) or 168 (hour of the week)."""

from __future__ import annotations

import numpy as np

from baseline.domain.units import DAY_S
from baseline.features import calendar
from baseline.features.table import IntArray

SHORT_HISTORY_S = DAY_S  # below: one slot for all hours
WEEKS_FOR_HOURS_OF_WEEK = 4
BY_KIND_OF_DAY = 48


def slots_for(span_s: float) -> int:
    """How many slots a history of this length supports."""
    if span_s < SHORT_HISTORY_S:
        return 1
    return calendar.SLOTS if span_s >= WEEKS_FOR_HOURS_OF_WEEK * 7 * DAY_S else BY_KIND_OF_DAY


def weekends(slots: IntArray, days: IntArray) -> int:
    """How many weekends the rows saw."""
    weekend = days[slots // calendar.HOURS >= 5]
    return len(np.unique((weekend - 1) // 7))  # day 1 of the calendar was a Monday


def fold(slots: IntArray, count: int) -> IntArray:
    """Hours of the week → slots of a table with 1, 48 or 168 of them."""
    if count == calendar.SLOTS:
        return slots
    if count == 1:
        return np.zeros_like(slots)
    hours, weekday = slots % calendar.HOURS, slots // calendar.HOURS
    return np.asarray(np.where(weekday >= 5, calendar.HOURS, 0) + hours, dtype=np.int64)


def by_slot(slots: IntArray, count: int) -> list[IntArray]:
    """Places of each slot."""
    order = np.argsort(slots, kind="stable")
    bounds = np.searchsorted(slots[order], np.arange(count + 1))
    return [order[bounds[slot] : bounds[slot + 1]] for slot in range(count)]


def beside(slot: int, step: int, count: int) -> int:
    """The slot an hour earlier or later, within its kind of day for 48 slots."""
    if count == calendar.SLOTS:
        return (slot + step) % count
    return slot // calendar.HOURS * calendar.HOURS + (slot + step) % calendar.HOURS


def around(of_slot: list[IntArray], slot: int) -> IntArray:
    """Places of a slot and of the hours beside it."""
    return np.concatenate([of_slot[beside(slot, step, len(of_slot))] for step in (-1, 0, 1)])
