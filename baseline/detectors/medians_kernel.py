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
            return pivot
        left = equal
    return held[left]


def _middle_plain(held: FloatArray, count: int) -> float:
    """The median of the first ``count``, as numpy has it."""
    rank = count // 2
    upper = _select_rank(held, count, rank)
    if count % 2:
        return upper
    lower = held[0]
    for at in range(1, rank):
        lower = max(lower, held[at])
    return (lower + upper) / 2.0


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


_select_rank: Callable[[FloatArray, int, int], float] = _compiled(_select_plain)
_middle_of: Callable[[FloatArray, int], float] = _compiled(_middle_plain)
medians: Callable[..., None] = _compiled(_medians_plain)
distinct: Callable[..., None] = _compiled(_distinct_plain)
ranked_maxima: Callable[..., None] = _compiled(_ranked_maxima_plain)
maxima: Callable[..., None] = _compiled(_maxima_plain)
sums: Callable[..., None] = _compiled(_sums_plain)
