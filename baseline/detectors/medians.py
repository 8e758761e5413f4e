"""Medians of many groups of rows at once, compiled: numpy's own calls cost more than the numbers they look at.

Every result is bit for bit numpy's (``np.median``, ``np.maximum.reduceat``): a median is chosen among the values, or is
the mean of two of them, so the way to it leaves no trace. Groups are sets of *cells*, and a cell is a run of ``order``:
``order[bounds[cell]:bounds[cell + 1]]`` are its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from baseline.features.table import FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Rows in disjoint cells: ``order`` (n,) places of rows, ``bounds`` (cells + 1,)."""

    order: IntArray
    bounds: IntArray

    @classmethod
    def of(cls, numbers: IntArray, count: int) -> Cells:
        """Rows by their cell's number in 0..count - 1, in their order within each."""
        order = np.argsort(numbers, kind="stable").astype(np.int64, copy=False)
        return cls(order=order, bounds=np.searchsorted(numbers[order], np.arange(count + 1)).astype(np.int64))

    @classmethod
    def whole(cls, count: int) -> Cells:
        """One cell with every row."""
        return cls(order=np.arange(count, dtype=np.int64), bounds=np.array([0, count], dtype=np.int64))

    def at(self, places: IntArray) -> Cells:
        """The same cells of a selection's rows, by where those are among all rows: ``places`` (n,)."""
        return Cells(order=places[self.order], bounds=self.bounds)

    def __len__(self) -> int:
        return len(self.bounds) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Cells of each group: ``members[bounds[group]:bounds[group + 1]]``; a cell may be in several groups."""

    members: IntArray
    bounds: IntArray

    @classmethod
    def of(cls, lists: Sequence[Sequence[int]]) -> Groups:
        """Groups by their lists of cells."""
        return cls(
            members=np.array([cell for one in lists for cell in one], dtype=np.int64),
            bounds=np.cumsum([0, *(len(one) for one in lists)]).astype(np.int64),
        )

    @classmethod
    def single(cls, count: int) -> Groups:
        """Every cell is a group."""
        return cls(members=np.arange(count, dtype=np.int64), bounds=np.arange(count + 1, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def sizes(self, cells: Cells) -> IntArray:
        """Rows of each group, (groups,)."""
        total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(np.diff(cells.bounds)[self.members])])
        return np.asarray(total[self.bounds[1:]] - total[self.bounds[:-1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """Columns sorted within each cell, (width, cells, most rows of a cell), infinity behind a cell's own.

    Many groups of the same cells are then read off by searching, where selecting would look at every row again.
    """

    values: FloatArray
    counts: IntArray  # rows of each cell

    @classmethod
    def of(cls, values: FloatArray, cells: Cells) -> Sorted:
        """Of the rows of (n, width) that are in a cell."""
        counts = np.diff(cells.bounds)
        held = np.full((values.shape[1], len(cells), max(1, int(counts.max(initial=0)))), np.inf)
        _kernel().spread_out(np.ascontiguousarray(values), cells.order, cells.bounds, held)
        held.sort(axis=-1)
        return cls(values=held, counts=counts)

    def medians(self, groups: Groups) -> FloatArray:
        """As ``medians``."""
        return self._found(groups, has_mad=False)[0]

    def medians_mads(self, groups: Groups) -> tuple[FloatArray, FloatArray]:
        """As ``medians_mads``."""
        return self._found(groups, has_mad=True)

    def _found(self, groups: Groups, *, has_mad: bool) -> tuple[FloatArray, FloatArray]:
        shape = (len(groups), len(self.values))
        centre, mad = np.zeros(shape), np.zeros(shape)
        most = int(np.diff(groups.bounds).max(initial=0))
        _kernel().sorted_medians(self.values, self.counts, groups.members, groups.bounds, most, centre, mad, has_mad)
        return centre, mad


def medians(values: FloatArray, cells: Cells, groups: Groups) -> FloatArray:
    """Median of each column of (n, width) over each group's rows, (groups, width); 0 where a group has none."""
    return _spread(values, cells, groups, has_mad=False)[0]


def medians_mads(values: FloatArray, cells: Cells, groups: Groups) -> tuple[FloatArray, FloatArray]:
    """Medians, and medians of the distances from them (not scaled), each (groups, width)."""
    return _spread(values, cells, groups, has_mad=True)


def distinct(numbers: IntArray, cells: Cells, groups: Groups) -> IntArray:
    """How many different numbers (n,), which lie close together, each group's rows have, (groups,)."""
    found = np.zeros(len(groups), dtype=np.int64)
    if len(numbers):
        least = int(numbers.min())
        stamps = np.full(int(numbers.max()) - least + 1, -1, dtype=np.int64)
        _kernel().distinct(numbers, least, stamps, *_flat(cells, groups), found)
    return found


def ranked_maxima(
    values: FloatArray, numbers: IntArray, cells: Cells, groups: Groups, place: IntArray, *, without: float
) -> FloatArray:
    """Maxima over each number's rows (a day's, say) and of these the ``place``-th largest (groups,), (groups, width).

    ``without`` where a group has fewer numbers than that.
    """
    found = np.full((len(groups), values.shape[1]), without)
    if len(numbers):
        least = int(numbers.min())
        maxima = np.empty((int(numbers.max()) - least + 1, values.shape[1]))
        stamps = np.full(len(maxima), -1, dtype=np.int64)
        _kernel().ranked_maxima(
            np.ascontiguousarray(values), numbers, least, place, stamps, maxima, *_flat(cells, groups), found
        )
    return found


def maxima(values: FloatArray, cells: Cells) -> FloatArray:
    """The largest of each column over each cell's rows, (cells, width); minus infinity where a cell has none."""
    found = np.full((len(cells), values.shape[1]), -np.inf)
    _kernel().maxima(np.ascontiguousarray(values), cells.order, cells.bounds, found)
    return found


def sums(values: FloatArray, numbers: IntArray, count: int) -> FloatArray:
    """Sum of the rows of each number, (count, width), added in their order."""
    found = np.zeros((count, values.shape[1]))
    _kernel().sums(np.ascontiguousarray(values), numbers, found)
    return found


def _spread(values: FloatArray, cells: Cells, groups: Groups, *, has_mad: bool) -> tuple[FloatArray, FloatArray]:
    centre, mad = (np.zeros((len(groups), values.shape[1])) for _ in range(2))
    most = int(groups.sizes(cells).max()) if len(groups) else 0
    if most:
        held = np.empty((values.shape[1], most))
        _kernel().medians(np.ascontiguousarray(values), *_flat(cells, groups), held, centre, mad, has_mad)
    return centre, mad


def _flat(cells: Cells, groups: Groups) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    return cells.order, cells.bounds, groups.members, groups.bounds


def _kernel() -> ModuleType:
    from baseline.detectors import medians_kernel  # compiles; fits only

    return medians_kernel
