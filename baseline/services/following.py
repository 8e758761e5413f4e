"""The level of each workload between windows: where the tables are moved to, and what moves it on.

A memory keeps what was *expected* of a workload in its last window, not how far that lay from a table: so it outlives
the set it was judged by, and a new set goes on from the same level.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from baseline.detectors import level, seasonal
from baseline.detectors.protocol import UNKNOWN, Arrays, Rows
from baseline.domain.units import DAY_S
from baseline.domain.window import Window
from baseline.features.table import FloatArray, IntArray
from baseline.services.judging import Expected, JudgeState, Memory

STALE_S = DAY_S  # a level older than this is forgotten for the one the set ended with


class Following:
    """Levels of one horizon by the seasonal tables of a set."""

    def __init__(self, tables: Arrays, horizon_s: int) -> None:
        self._tables = tables
        self._horizon_s = horizon_s
        self._share = level.gain(horizon_s, float(tables["half_life_s"][0]))

    def levels(self, rows: Rows, memories: Sequence[Memory]) -> FloatArray:
        """How far each row's level lies above its table, (n, width); 0 for newcomers; empty where none is followed."""
        if self._share <= 0:
            return np.zeros((0, 0))
        ends = np.asarray(self._tables["moved"], dtype=np.float64)
        found = ends[rows.workloads]  # of UNKNOWN, the last line: 0
        lasts = [memory.expected.get(self._horizon_s) for memory in memories]
        places = [at for at, last in enumerate(lasts) if self._counts(last, rows, at)]
        if places:
            known = [last for at in places if (last := lasts[at]) is not None]
            slots = np.array([last.slot for last in known], dtype=np.int64)
            centre = self._centre(rows, rows.workloads[places], slots)
            found[places] = np.stack([last.values for last in known]) - centre
        return found

    def move(self, rows: Rows, windows: Sequence[Window], teaches: npt.NDArray[np.bool_], state: JudgeState) -> None:
        """Bring the memories forward; a window judged again, or late, changes nothing."""
        if self._share <= 0:
            return
        centre, scale, _ = seasonal.expected(self._tables, rows.workloads, rows.slots, of=rows.schema)
        after = level.moved(rows.levels, rows.values - centre, scale, share=self._share)
        values = (centre + np.where(teaches[:, None], after, rows.levels)).astype(np.float32)
        for at, window in enumerate(windows):
            kept = state.of(window.workload).expected
            last = kept.get(self._horizon_s)
            if rows.workloads[at] != UNKNOWN and (last is None or window.end > last.end):
                kept[self._horizon_s] = Expected(end=window.end, slot=int(rows.slots[at]), values=values[at].copy())

    def _centre(self, rows: Rows, workloads: IntArray, slots: IntArray) -> FloatArray:
        return seasonal.expected(self._tables, workloads, slots, of=rows.schema)[0]

    def _counts(self, last: Expected | None, rows: Rows, at: int) -> bool:
        if last is None or rows.workloads[at] == UNKNOWN or len(last.values) != rows.schema.width:
            return False
        return bool(rows.starts[at] - last.end < STALE_S)
