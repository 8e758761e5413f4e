"""Following the level: how far a workload has lately been from its table, hour of the week apart.

What a workload does drifts (a tenfold in forty weeks is on record), and most of what is odd by a table of six weeks
is only today being busier. So the centre is moved by an average of the windows before: each step is clipped, it is
slow (hours), and windows that were suspicious do not move it. Within a short history nothing is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import cast

import numpy as np
import numpy.typing as npt

from baseline.detectors import medians
from baseline.detectors.medians import Cells, Groups
from baseline.domain.units import DAY_S, HOUR_S
from baseline.features.table import FloatArray, IntArray

HALF_LIVES_S = tuple(hours * HOUR_S for hours in (2, 4, 8, 16, 24))  # a fit takes the one that foretells best
STEP = 3.0  # scales that one window counts at most
TREND_DAYS = 7  # a trend is averaged over whole weeks, so that weekends are no trend
LEARNS_ABOVE = 10.0  # windows with p above alpha x this teach...
LEARNS_SURELY = 0.01  # ...and above this always
Mask = npt.NDArray[np.bool_]


def gain(horizon_s: float, half_life_s: float) -> float:
    """Share of a window's difference that the level takes; 0 where nothing is followed."""
    return 1.0 - 0.5 ** (horizon_s / half_life_s) if half_life_s > 0 else 0.0


def spacing(starts: IntArray) -> float:
    """Seconds between windows: the smallest distance of two starts; an hour where there is one start."""
    apart = np.diff(np.unique(starts))
    return float(apart.min()) if len(apart) else float(HOUR_S)


def moved(level: FloatArray, differences: FloatArray, scale: FloatArray, *, share: float) -> FloatArray:
    """The level after a window that lay ``differences`` above the table; all (..., width)."""
    limit = STEP * scale
    return np.asarray(level + share * np.clip(differences - level, -limit, limit))


def may_move(p: FloatArray, alpha: float) -> Mask:
    """Which windows teach, (n,): none past the threshold, and none that is near it. False where nothing was judged."""
    return np.asarray(p > min(alpha * LEARNS_ABOVE, LEARNS_SURELY))


def trace(
    differences: FloatArray, scale: tuple[FloatArray, IntArray], workloads: IntArray, starts: IntArray, moves: Mask,
    *, begins: FloatArray, share: float,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """The level before each row (n, width), and behind the last row of each line (lines, width).

    differences : values minus the table's centre, (n, width). scale : (m, width), with the row of it that each window
    goes by first: ``(scale, of)``, of (n,). moves : rows that may move the level. begins : the level before the first
    row of each line, (lines, width).
    """
    levels, ends = np.zeros_like(differences), begins.copy()
    if share > 0:
        order, bounds = _in_time(workloads, starts, lines=len(begins))
        _compiled(_follow)(differences, *scale, order, bounds, moves, share, levels, ends)
    return levels, ends


def foretold(
    differences: FloatArray, scale: tuple[FloatArray, IntArray], workloads: IntArray, starts: IntArray, moves: Mask,
    *, begins: FloatArray, shares: Sequence[float],
) -> FloatArray:  # fmt: skip
    """How far values lie from levels followed at each of the shares, (shares,): mean scales, up to STEP a window."""
    order, bounds = _in_time(workloads, starts, lines=len(begins))
    sums = np.zeros((len(shares), differences.shape[1]))
    for place, share in enumerate(shares):
        _compiled(_foretell)(differences, *scale, order, bounds, moves, share, begins.copy(), sums[place])
    return np.asarray(sums.sum(axis=1) / max(1, differences.size))


def first_day(differences: FloatArray, workloads: IntArray, starts: IntArray, *, lines: int) -> FloatArray:
    """The median of each line's first day, (lines, width): where following begins when nothing came before."""
    order, bounds = _in_time(workloads, starts, lines=lines)
    firsts = starts[order[np.minimum(bounds[:-1], max(len(order) - 1, 0))]] if len(order) else np.zeros(lines)
    is_first = starts[order] < firsts[workloads[order]] + DAY_S if lines else np.zeros(0, dtype=np.bool_)
    first = order[is_first]
    cells = Cells(order=first, bounds=np.searchsorted(workloads[first], np.arange(lines + 1)).astype(np.int64))
    return medians.medians(differences, cells, Groups.single(lines))


def trend(values: FloatArray, days: IntArray, moves: Mask) -> FloatArray:
    """How far each row's week lies above the last one, (n, width), for the rows of one workload; 0 below eight days.

    The mean of daily means over seven days around a row, within the history: never less than a whole week.
    """
    numbers = np.unique(days[moves])
    if len(numbers) <= TREND_DAYS:
        return np.zeros_like(values)
    place = np.searchsorted(numbers, days[moves])
    daily = medians.sums(values[moves], place, len(numbers)) / np.bincount(place, minlength=len(numbers))[:, None]
    whole = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(daily, axis=0)])
    weekly = (whole[TREND_DAYS:] - whole[:-TREND_DAYS]) / TREND_DAYS
    middle = np.clip(np.searchsorted(numbers, days) - TREND_DAYS // 2, 0, len(weekly) - 1)
    return np.asarray(weekly[middle] - weekly[-1])


def _in_time(workloads: IntArray, starts: IntArray, *, lines: int) -> tuple[IntArray, IntArray]:
    """Places of rows by line and time, and where each line begins among them (lines + 1,)."""
    order = np.lexsort((starts, workloads))
    return order, np.searchsorted(workloads[order], np.arange(lines + 1))


def _follow(  # noqa: PLR0913, PLR0917 -- compiled: arrays, not objects
    differences: FloatArray, scale: FloatArray, of: IntArray, order: IntArray, bounds: IntArray, moves: Mask,
    share: float, levels: FloatArray, ends: FloatArray,
) -> None:  # fmt: skip
    """``moved`` along each line; fills ``levels``, brings ``ends`` forward."""
    for line in range(len(bounds) - 1):
        for at in range(bounds[line], bounds[line + 1]):
            row = order[at]
            for column in range(differences.shape[1]):
                levels[row, column] = ends[line, column]
            if not moves[row]:
                continue
            for column in range(differences.shape[1]):
                level, limit = ends[line, column], STEP * scale[of[row], column]
                ends[line, column] = level + share * min(max(differences[row, column] - level, -limit), limit)


def _foretell(  # noqa: PLR0913, PLR0917 -- compiled: arrays, not objects
    differences: FloatArray, scale: FloatArray, of: IntArray, order: IntArray, bounds: IntArray, moves: Mask,
    share: float, ends: FloatArray, sums: FloatArray,
) -> None:  # fmt: skip
    """``_follow`` that only adds up what following leaves over."""
    for line in range(len(bounds) - 1):
        for at in range(bounds[line], bounds[line + 1]):
            row, factor = order[at], share if moves[order[at]] else 0.0
            for column in range(differences.shape[1]):
                level, unit = ends[line, column], scale[of[row], column]
                rest, limit = differences[row, column] - level, STEP * unit
                sums[column] += min(abs(rest) / unit, STEP)
                ends[line, column] = level + factor * min(max(rest, -limit), limit)


@cache
def _compiled(function: Callable[..., None]) -> Callable[..., None]:
    """The compiled loop; compiled at first use, kept on disk."""
    from numba import njit

    return cast("Callable[..., None]", njit(cache=True, nogil=True)(function))
