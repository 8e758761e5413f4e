"""The hours of one workload: centres of hours of the day and slots, each shrunk to the coarser one, and scales."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from baseline.detectors import medians
from baseline.detectors.medians import Cells, Groups, Sorted
from baseline.detectors.robust import MAD_TO_SIGMA
from baseline.detectors.slots import beside
from baseline.features import calendar
from baseline.features.table import FloatArray, IntArray

K_TIME = 8.0  # strength of a parent level in time, in equivalents of HOUR_WEIGHT (C.3)
HOUR_WEIGHT = 8.0  # what one day of one hour counts: its windows hang together, so not their number
K_SLOT_SCALE = 40.0  # strength of an hour's scale against a slot's, in hours: a MAD of eighteen hours is a rough guess
NEAR_HOURS = 3  # a slot and the hours beside it
FEWEST_NEAR = 5  # rows below which a slot's own scale says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Medians:
    """Medians of one workload's hours, before anything is shrunk."""

    middle: FloatArray  # over all hours, (width,)
    spread: FloatArray  # the same, a scale
    of_hour: FloatArray  # (24, width)
    of_slot: FloatArray  # (slots, width)
    days_of_hour: IntArray  # (24,)
    days_of_slot: IntArray  # (slots,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Centres:
    """Centres of each slot (slots, width), and the variance of the mixture with their parents."""

    centre: FloatArray
    apart: FloatArray  # (slots, width), of a slot and its hour of the day
    hour_apart: FloatArray  # (24, width), of an hour and all hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Scales of what following left over, before anything is shrunk."""

    spread: FloatArray  # over all hours, (width,)
    near_hour: FloatArray  # of an hour of the day and the hours beside it, (24, width)
    near_slot: FloatArray  # (slots, width)
    trust_of_hour: FloatArray  # what the own scale weighs against its parent's, (24, 1)
    trust_of_slot: FloatArray  # (slots, 1)


def medians_of(values: FloatArray, cells: Cells, days: IntArray) -> Medians:
    """Of the workload's rows by slot; values (without their trend) and days are of all rows."""
    count = len(cells)
    ordered = Sorted.of(values, cells)
    middle, mad = ordered.medians_mads(_everything(count))
    return Medians(
        middle=middle[0], spread=MAD_TO_SIGMA * mad[0], of_hour=ordered.medians(_hours(count)),
        of_slot=ordered.medians(Groups.single(count)), days_of_hour=medians.distinct(days, cells, _hours(count)),
        days_of_slot=medians.distinct(days, cells, Groups.single(count)),
    )  # fmt: skip


def centred(own: Medians, centre: FloatArray) -> Centres:
    """Centres of hours of the day and slots, each shrunk to the coarser one. ``centre`` : over all hours, (width,)."""
    hour_apart, parents = _shrunk(own.of_hour, own.days_of_hour, np.broadcast_to(centre, own.of_hour.shape))
    parent = parents[np.arange(len(own.of_slot)) % calendar.HOURS]
    apart, found = _shrunk(own.of_slot, own.days_of_slot, parent)
    return Centres(centre=found, apart=apart, hour_apart=hour_apart)


def widths_of(rest: FloatArray, cells: Cells, days: IntArray) -> Widths:
    """From what following left of the workload's rows by slot; rest and days are of all rows."""
    count = len(cells)
    ordered = Sorted.of(rest, cells)
    spread, near_hour, near_slot = (
        MAD_TO_SIGMA * ordered.medians_mads(groups)[1]
        for groups in (_everything(count), _near_hours(count), near_slots(count))
    )
    return Widths(
        spread=spread[0], near_hour=near_hour, near_slot=near_slot,
        trust_of_hour=_trust(cells, days, _near_hours(count), strength=K_TIME),
        trust_of_slot=_trust(cells, days, near_slots(count), strength=K_SLOT_SCALE),
    )  # fmt: skip


def scales(own: Widths, centres: Centres, spread: FloatArray) -> FloatArray:
    """Scale of each slot (slots, width), shrunk to the hour of the day's, and that to ``spread`` (width,)."""
    parents = _mixed(own.near_hour, own.trust_of_hour, spread, centres.hour_apart)
    parent = parents[np.arange(len(own.near_slot)) % calendar.HOURS]
    return _mixed(own.near_slot, own.trust_of_slot, parent, centres.apart)


def _mixed(own: FloatArray, share: FloatArray, parent: FloatArray, apart: FloatArray) -> FloatArray:
    """Own scales shrunk to the parent's, widened by how far the centres are apart."""
    return np.asarray(np.sqrt(share * own**2 + (1 - share) * parent**2 + apart))


def _trust(cells: Cells, days: IntArray, groups: Groups, *, strength: float) -> FloatArray:
    hours = NEAR_HOURS * medians.distinct(days, cells, groups)[:, None]
    return np.where(groups.sizes(cells)[:, None] < FEWEST_NEAR, 0.0, hours / (hours + strength))


def _shrunk(own: FloatArray, days: IntArray, parent: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Variance of the mixture with the parent, and centre, each (groups, width)."""
    weight = HOUR_WEIGHT * days[:, None]
    share = weight / (weight + K_TIME)
    apart = np.where(weight > 0, share * (1 - share) * (own - parent) ** 2, 0.0)
    return apart, np.where(weight > 0, share * own + (1 - share) * parent, parent)


@lru_cache
def _everything(count: int) -> Groups:
    return Groups.of([range(count)])


@lru_cache
def _hours(count: int) -> Groups:
    return Groups.of([range(hour, count, calendar.HOURS) for hour in range(calendar.HOURS)])


@lru_cache
def _near_hours(count: int) -> Groups:
    """An hour of the day on any day, and the hours beside it."""
    return Groups.of([
        [slot for step in (-1, 0, 1) for slot in range((hour + step) % calendar.HOURS, count, calendar.HOURS)]
        for hour in range(calendar.HOURS)
    ])  # fmt: skip


@lru_cache
def near_slots(count: int) -> Groups:
    """A slot and the slots beside it."""
    return Groups.of([[beside(slot, step, count) for step in (-1, 0, 1)] for slot in range(count)])
