"""The hours of one workload: centres of hours of the day and slots, each shrunk to the coarser one, and scales."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from baseline.detectors import medians
from baseline.detectors.medians import Cells, Groups
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
class Hours:
    """The hours of one workload: centres, and how far they lie from their parents'."""

    cells: Cells  # rows by slot
    days: IntArray  # of all rows
    hour_apart: FloatArray  # (24, width), variance of the mixture of an hour and all hours
    apart: FloatArray  # (slots, width)
    centre: FloatArray  # (slots, width)

    def scales(self, rest: FloatArray, spread: FloatArray) -> FloatArray:
        """Scale of each slot (slots, width), from what following left of the rows there and in the hours beside.

        rest : of all rows. spread : over all hours, (width,).
        """
        count = len(self.cells)
        parents = self._mixed(rest, _near_hours(count), spread, self.hour_apart, strength=K_TIME)
        parent = parents[np.arange(count) % calendar.HOURS]
        return self._mixed(rest, _near_slots(count), parent, self.apart, strength=K_SLOT_SCALE)

    def _mixed(
        self, rest: FloatArray, groups: Groups, parent: FloatArray, apart: FloatArray, *, strength: float
    ) -> FloatArray:
        """Own scales shrunk to the parent's, widened by how far the centres are apart."""
        _, mad = medians.medians_mads(rest, self.cells, groups)
        hours = NEAR_HOURS * medians.distinct(self.days, self.cells, groups)[:, None]
        share = np.where(groups.sizes(self.cells)[:, None] < FEWEST_NEAR, 0.0, hours / (hours + strength))
        return np.asarray(np.sqrt(share * (MAD_TO_SIGMA * mad) ** 2 + (1 - share) * parent**2 + apart))


def centred(values: FloatArray, cells: Cells, days: IntArray, centre: FloatArray) -> Hours:
    """Centres of hours of the day and slots.

    values : of all rows, without their trend. cells : the workload's rows by slot. days : of all rows. centre : over
    all its hours, (width,).
    """
    count = len(cells)
    hour_apart, parents = _shrunk(values, cells, _hours(count), days, np.broadcast_to(centre, (24, len(centre))))
    apart, own = _shrunk(values, cells, Groups.single(count), days, parents[np.arange(count) % calendar.HOURS])
    return Hours(cells=cells, days=days, hour_apart=hour_apart, apart=apart, centre=own)


def _shrunk(
    values: FloatArray, cells: Cells, groups: Groups, days: IntArray, parent: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Variance of the mixture with the parent, and centre, each (groups, width)."""
    own = medians.medians(values, cells, groups)
    weight = HOUR_WEIGHT * medians.distinct(days, cells, groups)[:, None]
    share = weight / (weight + K_TIME)
    has_rows = weight > 0
    apart = np.where(has_rows, share * (1 - share) * (own - parent) ** 2, 0.0)
    return apart, np.where(has_rows, share * own + (1 - share) * parent, parent)


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
def _near_slots(count: int) -> Groups:
    return near_slots(count)


def near_slots(count: int) -> Groups:
    """A slot and the slots beside it."""
    return Groups.of([[beside(slot, step, count) for step in (-1, 0, 1)] for slot in range(count)])
