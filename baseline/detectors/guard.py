"""Poisoning guard: how far what is normal at an hour may move from one fit to the next.

An attacker who raises a workload's traffic slowly walks its baseline along. Retraining more often would only let him
walk faster, so the centre of each hour may move by ``MOST_A_DAY`` of its old scale for each day between the fits,
whatever the new rows say; who wanted more is reported. Pure: arrays of ``seasonal`` in, arrays of ``seasonal`` out.

What it does not hold: a ceiling (what came back on a second day) moves at once, because a nightly job must not alert
for a week; and a workload whose old table is young, or had one slot for all hours, is still finding its level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baseline.detectors import seasonal
from baseline.detectors.protocol import UNKNOWN, Arrays
from baseline.domain.units import DAY_S
from baseline.features import calendar
from baseline.features.schema import PRODUCT, Schema
from baseline.features.table import FloatArray, IntArray

MOST_A_DAY = 1.0  # scales that the centre of a slot may move in a day


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One feature of one workload that wanted to move further than it may."""

    line: int  # in the new tables
    feature: str
    slots: int  # hours that were held back
    wanted: float  # scales, of the farthest of them; positive for upwards
    allowed: float  # scales


def limited(
    new: Arrays, old: Arrays, *, old_lines: IntArray, elapsed_s: float, of: Schema = PRODUCT,
) -> tuple[dict[str, npt.NDArray[np.generic]], list[Held]]:  # fmt: skip
    """The new tables with centres no further from the old ones than the days between them allow, and who was held.

    Parameters
    ----------
    new, old : arrays of ``seasonal.fit``, ``centre`` and ``scale`` of shape (lines + 1, slots, width), scales positive.
    old_lines : int64 (lines,), line in ``old`` of each line of ``new``; UNKNOWN for those that are not to be held
        (newcomers, and whoever is not mature).
    elapsed_s : event time between the ends of the two fits; 0 or less holds everything where it was.

    Tables of other numbers of slots are compared hour by hour of the week. The fleet's own line is never held: it is
    nobody's baseline but a newcomer's.
    """
    centre = np.array(new["centre"], dtype=np.float64)
    kept = dict(new)
    if old["centre"].shape[1] == 1 or old["centre"].shape[2] != centre.shape[2]:
        return kept, []
    known = np.flatnonzero(old_lines != UNKNOWN)
    if not len(known):
        return kept, []
    slots = centre.shape[1]
    before = _at_slots(np.asarray(old["centre"], dtype=np.float64)[old_lines[known]], slots)
    scale = _at_slots(np.asarray(old["scale"], dtype=np.float64)[old_lines[known]], slots)
    scale = np.maximum(np.maximum(scale, of.noise), seasonal.small_number_noise(before, of))
    allowed = MOST_A_DAY * max(0.0, elapsed_s) / DAY_S
    wanted = (centre[known] - before) / scale
    centre[known] = before + np.clip(wanted, -allowed, allowed) * scale
    is_held = np.abs(wanted) > allowed
    kept["centre"] = np.where(_whole(is_held, known, centre.shape), centre, new["centre"]).astype(np.float32)
    return kept, _held(wanted, is_held, known, allowed, of)


def _whole(is_held: npt.NDArray[np.bool_], known: IntArray, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """Who is held, on all lines: the others keep their very bytes."""
    found = np.zeros(shape, dtype=np.bool_)
    found[known] = is_held
    return found


def _at_slots(table: FloatArray, slots: int) -> FloatArray:
    """A table (n, slots of its own, width) as one of ``slots``: the mean of the hours of the week that share one."""
    if table.shape[1] == slots:
        return table
    hours = np.arange(calendar.SLOTS, dtype=np.int64)
    by_hour = table[:, seasonal.fold(hours, table.shape[1])]
    target = seasonal.fold(hours, slots)
    return np.stack([by_hour[:, target == slot].mean(axis=1) for slot in range(slots)], axis=1)


def _held(
    wanted: FloatArray, is_held: npt.NDArray[np.bool_], known: IntArray, allowed: float, of: Schema
) -> list[Held]:
    """One entry for each workload and feature, in their order."""
    found = []
    for at, column in zip(*np.nonzero(is_held.any(axis=1)), strict=True):
        moves = wanted[at, :, column]
        farthest = float(moves[np.argmax(np.abs(moves))])
        found.append(
            Held(
                line=int(known[at]), feature=of.names[column], slots=int(is_held[at, :, column].sum()), wanted=farthest,
                allowed=allowed,
            )
        )  # fmt: skip
    return found
