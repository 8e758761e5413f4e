"""The loops of ``medians``, compiled. Only fits import this module, because it brings numba."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit

from baseline.features.table import FloatArray, IntArray

_compiled = njit(cache=True, nogil=True)


def _select_plain(held: FloatArray, count: int, rank: int) -> float:
    """The value of this rank among the first ``count``, which are moved about: smaller ones end before it.

    Quickselect in three ways, so that ties cost nothing; moves are made whether needed or not, because a branch that
    depends on the data is dearer than a move.
    """
    left, right = 0, count
    while right - left > 1:
        first, middle, last = held[left], held[(left + right) // 2], held[right - 1]
        pivot = max(min(first, middle), min(max(first, middle), last))
        below = left
        for at in range(left, right):
            value = held[at]
            held[at] = held[below]
            held[below] = value
            below += value < pivot
        if rank < below:
            right = below
            continue
        equal = below
        for at in range(below, right):
            value = held[at]
            held[at] = held[equal]
            held[equal] = value
            equal += value <= pivot
        if rank < equal:
            return float(pivot)
        left = equal
    return float(held[left])


def _middle_plain(held: FloatArray, count: int) -> float:
    """The median of the first ``count``, as numpy has it."""
    rank = count // 2
    upper = _select_rank(held, count, rank)
    if count % 2:
        return upper
    lower = held[0]
    for at in range(1, rank):
        lower = max(lower, held[at])
    return float((lower + upper) / 2.0)


def _medians_plain(  # noqa: PLR0913, PLR0917 -- compiled: arrays, not objects
    values: FloatArray, order: IntArray, cell_bounds: IntArray, members: IntArray, group_bounds: IntArray,
    held: FloatArray, centre: FloatArray, mad: FloatArray, has_mad: bool,
) -> None:  # fmt: skip
    width = values.shape[1]
    for group in range(len(group_bounds) - 1):
        count = 0
        for member in range(group_bounds[group], group_bounds[group + 1]):
            for place in range(cell_bounds[members[member]], cell_bounds[members[member] + 1]):
                row = order[place]
                for column in range(width):
                    held[column, count] = values[row, column]
                count += 1
        if count == 0:
            continue
        for column in range(width):
            own = held[column]
            middle = _middle_of(own, count)
            centre[group, column] = middle
            if has_mad:
                for at in range(count):
                    own[at] = abs(own[at] - middle)
                mad[group, column] = _middle_of(own, count)


def _distinct_plain(
    numbers: IntArray, least: int, stamps: IntArray, order: IntArray, cell_bounds: IntArray, members: IntArray,
    group_bounds: IntArray, found: IntArray,
) -> None:  # fmt: skip
    for group in range(len(group_bounds) - 1):
        for member in range(group_bounds[group], group_bounds[group + 1]):
            for place in range(cell_bounds[members[member]], cell_bounds[members[member] + 1]):
                number = numbers[order[place]] - least
                found[group] += stamps[number] != group
                stamps[number] = group


def _ranked_maxima_plain(  # noqa: PLR0913, PLR0917
    values: FloatArray, numbers: IntArray, least: int, places: IntArray, stamps: IntArray, tops: FloatArray,
    order: IntArray, cell_bounds: IntArray, members: IntArray, group_bounds: IntArray, found: FloatArray,
) -> None:  # fmt: skip
    width = values.shape[1]
    held = np.empty(len(stamps))
    for group in range(len(group_bounds) - 1):
        count = 0
        for member in range(group_bounds[group], group_bounds[group + 1]):
            for place in range(cell_bounds[members[member]], cell_bounds[members[member] + 1]):
                row = order[place]
                number = numbers[row] - least
                if stamps[number] != group:
                    stamps[number] = group
                    count += 1
                    for column in range(width):
                        tops[number, column] = values[row, column]
                else:
                    for column in range(width):
                        tops[number, column] = max(tops[number, column], values[row, column])
        if count < places[group]:
            continue
        for column in range(width):
            at = 0
            for number in range(len(stamps)):
                if stamps[number] == group:
                    held[at] = tops[number, column]
                    at += 1
            found[group, column] = _select_rank(held, count, count - places[group])


def _maxima_plain(values: FloatArray, order: IntArray, bounds: IntArray, found: FloatArray) -> None:
    for cell in range(len(bounds) - 1):
        for place in range(bounds[cell], bounds[cell + 1]):
            for column in range(values.shape[1]):
                found[cell, column] = max(found[cell, column], values[order[place], column])


def _sums_plain(values: FloatArray, numbers: IntArray, found: FloatArray) -> None:
    for row in range(len(numbers)):
        for column in range(values.shape[1]):
            found[numbers[row], column] += values[row, column]


def _spread_out_plain(values: FloatArray, order: IntArray, bounds: IntArray, held: FloatArray) -> None:
    for cell in range(len(bounds) - 1):
        for place in range(bounds[cell], bounds[cell + 1]):
            for column in range(values.shape[1]):
                held[column, cell, place - bounds[cell]] = values[order[place], column]


def _first_plain(runs: FloatArray, run: IntArray, begin: int, end: int, centre: float, value: float) -> int:
    """The first place in [begin, end) of a run where it is not below a value; ``end`` if there is none."""
    cell, start, step = run[0], run[1], run[2]
    while begin < end:
        middle = (begin + end) // 2
        if step * (runs[cell, start + step * middle] - centre) < value:
            begin = middle + 1
        else:
            end = middle
    return begin


def _guess_plain(runs: FloatArray, which: IntArray, count: int, centre: float, share: float) -> float:
    """The value at this share of the widest open run."""
    widest = 0
    for at in range(1, count):
        if which[at, 4] - which[at, 3] > which[widest, 4] - which[widest, 3]:
            widest = at
    run = which[widest]
    length = run[4] - run[3]
    place = run[3] + min(length - 1, int(share * length))
    return float(run[2] * (runs[run[0], run[1] + run[2] * place] - centre))


def _before_plain(runs: FloatArray, which: IntArray, count: int, centre: float) -> float:
    """The largest value before where each run stands."""
    found = -np.inf
    for at in range(count):
        run = which[at]
        if run[5] > 0:
            found = max(found, run[2] * (runs[run[0], run[1] + run[2] * (run[5] - 1)] - centre))
    return found


def _step_over_plain(runs: FloatArray, which: IntArray, count: int, centre: float, pivot: float) -> int:
    """Open every run behind values equal to the pivot; how many values lie before."""
    past = 0
    for at in range(count):
        run, end = which[at], which[at, 5]
        while end < run[4] and run[2] * (runs[run[0], run[1] + run[2] * end] - centre) <= pivot:
            end += 1
        run[3] = end
        past += end
    return past


def _ranked_plain(runs: FloatArray, which: IntArray, count: int, centre: float, rank: int) -> tuple[float, float]:
    """The value of a rank in the union of ascending runs, and the one before it (itself for rank 0).

    Row i of ``which`` is a run: cell, where it starts, 1 upwards or -1 downwards, then the open part [begin, end),
    and where it stands. A value is its distance from ``centre`` in the run's direction, so that a cell gives two runs
    of distances.
    """
    before, size = 0, 0
    for at in range(count):
        size += which[at, 4]
        which[at, 3] = 0
    while True:
        pivot = _guessed(runs, which, count, centre, (rank - before) / size)
        below = 0
        for at in range(count):
            which[at, 5] = _first_of(runs, which[at], which[at, 3], which[at, 4], centre, pivot)
            below += which[at, 5]
        if below > rank:
            size = below - before
            for at in range(count):
                which[at, 4] = which[at, 5]
            continue
        past = _stepped_over(runs, which, count, centre, pivot)
        if rank < past:
            return _last_before(runs, which, count, centre) if below == rank and rank > 0 else pivot, pivot
        size -= past - before
        before = past


def _sorted_medians_plain(
    values: FloatArray, counts: IntArray, members: IntArray, bounds: IntArray, most: int, centre: FloatArray,
    mad: FloatArray, has_mad: bool,
) -> None:  # fmt: skip
    which = np.empty((2 * max(1, most), 6), dtype=np.int64)
    for column in range(values.shape[0]):
        runs = values[column]
        for group in range(len(bounds) - 1):
            total = 0
            for at in range(bounds[group], bounds[group + 1]):
                cell = members[at]
                run = which[at - bounds[group]]
                run[0], run[1], run[2], run[3], run[4], run[5] = cell, 0, 1, 0, counts[cell], 0
                total += counts[cell]
            cells = bounds[group + 1] - bounds[group]
            if total == 0:
                continue
            lower, upper = _rank_of(runs, which, cells, 0.0, total // 2)
            middle = upper if total % 2 else (lower + upper) / 2.0
            centre[group, column] = middle
            if not has_mad:
                continue
            for at in range(cells):
                cell = members[bounds[group] + at]
                up, down = which[at], which[cells + at]
                up[0], up[1], up[2], up[3], up[4] = cell, 0, 1, 0, counts[cell]
                split = _first_of(runs, up, 0, counts[cell], 0.0, middle)
                up[1], up[4] = split, counts[cell] - split
                down[0], down[1], down[2], down[3], down[4] = cell, split - 1, -1, 0, split
            lower, upper = _rank_of(runs, which, 2 * cells, middle, total // 2)
            mad[group, column] = upper if total % 2 else (lower + upper) / 2.0


_select_rank: Callable[[FloatArray, int, int], float] = _compiled(_select_plain)
_middle_of: Callable[[FloatArray, int], float] = _compiled(_middle_plain)
medians: Callable[..., None] = _compiled(_medians_plain)
distinct: Callable[..., None] = _compiled(_distinct_plain)
ranked_maxima: Callable[..., None] = _compiled(_ranked_maxima_plain)
maxima: Callable[..., None] = _compiled(_maxima_plain)
sums: Callable[..., None] = _compiled(_sums_plain)
spread_out: Callable[..., None] = _compiled(_spread_out_plain)
_first_of: Callable[[FloatArray, IntArray, int, int, float, float], int] = _compiled(_first_plain)
_guessed: Callable[[FloatArray, IntArray, int, float, float], float] = _compiled(_guess_plain)
_last_before: Callable[[FloatArray, IntArray, int, float], float] = _compiled(_before_plain)
_stepped_over: Callable[[FloatArray, IntArray, int, float, float], int] = _compiled(_step_over_plain)
_rank_of: Callable[[FloatArray, IntArray, int, float, int], tuple[float, float]] = _compiled(_ranked_plain)
sorted_medians: Callable[..., None] = _compiled(_sorted_medians_plain)
