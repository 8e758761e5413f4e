"""What is normal at this hour: a robust centre and scale for every workload, hour of the week and feature.

One formula carries the cold start: every level is shrunk to the coarser one, ``m = (n m_own + k m_parent) / (n + k)``,
from slot to hour of the day to all hours to the fleet. Where levels of time disagree the scale widens by the variance
of the mixture, so that one day of a nightly job already says "this hour may be loud" and three days say "it is loud".
A *ceiling* holds what came back on a second day at this hour: a job of ten minutes never moves a median.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors.protocol import UNKNOWN, Arrays, Rows
from baseline.detectors.robust import densest, median_mad
from baseline.domain.units import DAY_S, HOUR_S
from baseline.features import calendar, schema
from baseline.features.availability import masked
from baseline.features.schema import Schema
from baseline.features.table import FloatArray, IntArray

K_TIME = 8.0  # strength of a parent level in time, in equivalents of HOUR_WEIGHT (C.3)
HOUR_WEIGHT = 8.0  # what one day of one hour counts: its windows hang together, so not their number
K_FLEET = 8.0  # most windows that the fleet's centre may weigh against a workload's own
K_FLEET_SCALE = 240.0  # windows at which its own scale does
SHORT_HISTORY_S = DAY_S  # below: densest stretch instead of median, one slot for all hours
WEEKS_FOR_HOURS_OF_WEEK = 4
RESIDUAL_LIMIT = 40.0  # residuals are clipped here; past it nothing more is learned from a number
KNEE = 3.0  # residual given to anything up to the ceiling
SHORT_DRIFT = 0.25  # scale added below a day of history, log units: how far a level may move by the next hours
FEWEST_HOURS = 4  # hours of history below which nothing recurs hourly
CEILING_SCALE = 0.35  # smallest scale above the ceiling, log units: what recurs varies by a factor of 1.4 at least
NEVER = -1e9  # ceiling where nothing recurred; finite, because model sets hold finite numbers only


def slots_for(span_s: float) -> int:
    """How many slots a history of this length supports: 1, 48 (hour x weekday or weekend) or 168 (hour of the week)."""
    if span_s < SHORT_HISTORY_S:
        return 1
    return calendar.SLOTS if span_s >= WEEKS_FOR_HOURS_OF_WEEK * 7 * DAY_S else 48


def fold(slots: IntArray, count: int) -> IntArray:
    """Hours of the week → slots of a table with 1, 48 or 168 of them."""
    if count == calendar.SLOTS:
        return slots
    if count == 1:
        return np.zeros_like(slots)
    hours, weekday = slots % calendar.HOURS, slots // calendar.HOURS
    return np.asarray(np.where(weekday >= 5, calendar.HOURS, 0) + hours, dtype=np.int64)


def fit(rows: Rows, keep: npt.NDArray[np.bool_], *, lines: int, slots: int) -> dict[str, npt.NDArray[Any]]:
    """Tables of shape (lines + 1, slots, WIDTH), float32; the last line is the fleet's, for newcomers.

    keep : rows that teach centre and scale; the ceiling looks at all, because recurring is what odd things may do.

    ``level`` (lines + 1, WIDTH) keeps the centre over all hours, ``learned`` (lines + 1,) the windows behind each line.
    """
    width = rows.schema.width
    learned = np.zeros(lines + 1, dtype=np.int64)
    level, spread = np.zeros((lines + 1, width)), np.zeros((lines + 1, width))
    order = np.argsort(rows.workloads, kind="stable")
    bounds = np.searchsorted(rows.workloads[order], np.arange(lines + 1))
    everything = [order[bounds[line] : bounds[line + 1]] for line in range(lines)]
    places = [where[keep[where]] for where in everything]
    for line, where in enumerate(places):
        if len(where):
            learned[line] = len(where)
            level[line], spread[line] = (densest if slots == 1 else median_mad)(rows.values[where])
    _pool(level, spread, learned, noise=rows.schema.noise)
    shape = (lines + 1, slots, width)
    centre = np.broadcast_to(level[:, None, :], shape).copy()
    scale = np.broadcast_to(spread[:, None, :], shape).copy()
    ceiling = np.full(shape, NEVER)
    if slots > 1:
        folded = fold(rows.slots, slots)
        for line, where in enumerate(places):
            if len(where):
                centre[line], scale[line] = _line(
                    rows.values[where], folded[where], rows.days[where], level[line], spread[line], slots
                )
                every = everything[line]
                ceiling[line] = _ceilings(rows.values[every], folded[every], rows.days[every], slots)
    for line, where in enumerate(everything):
        ceiling[line] = np.maximum(ceiling[line], _hourly(rows.values[where], rows.starts[where] // HOUR_S))
    scale = np.maximum(scale, 0.1 * spread[:, None, :] + 0.02)
    if slots == 1:
        scale = np.sqrt(scale**2 + np.where(rows.schema.is_counted, SHORT_DRIFT, 0.0) ** 2)
    return {
        "centre": centre.astype(np.float32),
        "scale": scale.astype(np.float32),
        "ceiling": ceiling.astype(np.float32),
        "level": level.astype(np.float32),
        "learned": learned,
        "schema": rows.schema.mark.copy(),
    }


def residuals(arrays: Arrays, rows: Rows) -> FloatArray:
    """Robust residuals (n, WIDTH): how many scales above (or below) the normal of this workload at this hour."""
    rows.check(arrays)
    centre, scale, ceiling = expected(arrays, rows.workloads, rows.slots, of=rows.schema)
    excess = (rows.values - centre) / scale
    over = (rows.values - ceiling) / np.maximum(scale, CEILING_SCALE)
    capped = np.minimum(excess, KNEE + np.maximum(over, 0.0))
    has_ceiling = ceiling > NEVER / 2
    found = np.clip(np.where(has_ceiling & (excess > KNEE), capped, excess), -RESIDUAL_LIMIT, RESIDUAL_LIMIT)
    return found if "present" not in arrays else masked(found, arrays["present"][rows.workloads].astype(np.bool_))


def expected(
    arrays: Arrays, workloads: IntArray, slots: IntArray, *, of: Schema = schema.PRODUCT
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centre, scale and ceiling, each (n, WIDTH); scales include the noise of small numbers."""
    table = arrays["centre"]
    lines = np.where(workloads == UNKNOWN, table.shape[0] - 1, workloads)
    folded = fold(slots, table.shape[1])
    centre = np.asarray(table[lines, folded], dtype=np.float64)
    scale = np.asarray(arrays["scale"][lines, folded], dtype=np.float64)
    ceiling = np.asarray(arrays["ceiling"][lines, folded], dtype=np.float64)
    return centre, np.maximum(np.maximum(scale, of.noise), small_number_noise(centre, of)), ceiling


def small_number_noise(centre: FloatArray, of: Schema = schema.PRODUCT) -> FloatArray:
    """Scale that counts around a small normal have anyway, in log units: sqrt(mean + 1/2) / (1 + mean).

    Poisson counts have it by nature; it is what keeps "two instead of one" from being a deviation where the MAD is 0.
    """
    mean = np.expm1(np.clip(centre, 0.0, 30.0))
    return np.where(of.is_counted, np.sqrt(mean + 0.5) / (1.0 + mean), 0.0)


def _pool(level: FloatArray, spread: FloatArray, learned: IntArray, *, noise: FloatArray) -> None:
    """Shrink every workload to the fleet, and fill the fleet's own line: its scale includes how workloads differ."""
    known = learned > 0
    if not known.any():
        spread[:] = 1.0
        return
    fleet, between = median_mad(level[known])
    within = np.median(spread[known], axis=0)
    level[-1], spread[-1] = fleet, np.sqrt(within**2 + between**2)
    count = learned[:-1, None].astype(np.float64)
    own = np.where(known[:-1, None], level[:-1], fleet)
    # Where a workload lies far from the fleet, compared with how much one varies, the fleet says nothing about it.
    strength = np.minimum(K_FLEET, (within**2 + noise**2) / ((own - fleet) ** 2 + 1e-6))
    level[:-1] = (count * own + strength * fleet) / (count + strength)
    spread[:-1] = np.sqrt((count * spread[:-1] ** 2 + K_FLEET_SCALE * within**2) / (count + K_FLEET_SCALE))


def _line(
    values: FloatArray, slots: IntArray, days: IntArray, level: FloatArray, spread: FloatArray, count: int
) -> tuple[FloatArray, FloatArray]:
    """Centre and scale of one workload, each (slots, WIDTH)."""
    width = values.shape[1]
    centre, scale = np.empty((count, width)), np.empty((count, width))
    of_slot = _by_slot(slots, count)
    hours = [_hour(values, of_slot, days, hour, level, spread) for hour in range(calendar.HOURS)]
    for slot in range(count):
        hour_centre, hour_scale = hours[slot % calendar.HOURS]
        near = np.concatenate([of_slot[_beside(slot, step, count)] for step in (-1, 0, 1)])
        centre[slot], scale[slot] = _shrunk(values, of_slot[slot], near, days, hour_centre, hour_scale)
    return centre, scale


def _by_slot(slots: IntArray, count: int) -> list[IntArray]:
    order = np.argsort(slots, kind="stable")
    bounds = np.searchsorted(slots[order], np.arange(count + 1))
    return [order[bounds[slot] : bounds[slot + 1]] for slot in range(count)]


def _ceilings(values: FloatArray, slots: IntArray, days: IntArray, count: int) -> FloatArray:
    """What came back on a second day at (or within an hour of) each slot, (slots, WIDTH).

    A slot that has seen fewer than two days of its own takes the hour of the day on any day: a nightly job is known
    on its first Saturday. With hours of the week, its kind of day decides first.
    """
    ceiling = np.full((count, values.shape[1]), NEVER)
    of_slot = _by_slot(slots, count)
    for slot in range(count):
        near = np.concatenate([of_slot[_beside(slot, step, count)] for step in (-1, 0, 1)])
        if count == calendar.SLOTS or len(np.unique(days[of_slot[slot]])) < 2:
            hour = slot % calendar.HOURS
            alike = [
                of_slot[other]
                for other in range(count)
                if min((other - hour) % calendar.HOURS, (hour - other) % calendar.HOURS) <= 1
                and (count == 48 or (other // calendar.HOURS >= 5) == (slot // calendar.HOURS >= 5))
            ]
            near = np.concatenate(alike)
        if len(near):
            ceiling[slot] = _recurring(values[near], days[near])
    return ceiling


def _hour(
    values: FloatArray, of_slot: list[IntArray], days: IntArray, hour: int, level: FloatArray, spread: FloatArray
) -> tuple[FloatArray, FloatArray]:
    here = np.concatenate(of_slot[hour :: calendar.HOURS])
    near = np.concatenate([here, *of_slot[(hour - 1) % 24 :: 24], *of_slot[(hour + 1) % 24 :: 24]])
    return _shrunk(values, here, near, days, level, spread)


def _shrunk(
    values: FloatArray, here: IntArray, near: IntArray, days: IntArray, parent: FloatArray, parent_scale: FloatArray
) -> tuple[FloatArray, FloatArray]:
    if not len(here):
        return parent, parent_scale
    own = np.median(values[here], axis=0)
    own_scale = median_mad(values[near])[1] if len(near) >= 5 else parent_scale
    weight = HOUR_WEIGHT * len(np.unique(days[here]))
    share = weight / (weight + K_TIME)
    variance = share * own_scale**2 + (1 - share) * parent_scale**2 + share * (1 - share) * (own - parent) ** 2
    return share * own + (1 - share) * parent, np.sqrt(variance)


def _hourly(values: FloatArray, hours: IntArray) -> FloatArray:
    """The median of the hourly maxima: what every other hour reaches is a habit, whatever the hour of the day."""
    order = np.argsort(hours, kind="stable")
    _, begins = np.unique(hours[order], return_index=True)
    if len(begins) < FEWEST_HOURS:
        return np.full(values.shape[1], NEVER)
    return np.asarray(np.median(np.maximum.reduceat(values[order], begins, axis=0), axis=0))


def _recurring(values: FloatArray, days: IntArray) -> FloatArray:
    """The second largest of the daily maxima: what one day alone did does not count as a habit."""
    order = np.argsort(days, kind="stable")
    _, begins = np.unique(days[order], return_index=True)
    if len(begins) < 2:
        return np.full(values.shape[1], NEVER)
    maxima = np.maximum.reduceat(values[order], begins, axis=0)
    return np.asarray(np.partition(maxima, -2, axis=0)[-2])


def _beside(slot: int, step: int, count: int) -> int:
    """The slot an hour earlier or later, within its kind of day for 48 slots."""
    if count == calendar.SLOTS:
        return (slot + step) % count
    return slot // calendar.HOURS * calendar.HOURS + (slot + step) % calendar.HOURS
