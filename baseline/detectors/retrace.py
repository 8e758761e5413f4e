"""Judging a past at once as the stream would have: the level follows what was not suspicious.

Whether a window moves the level depends on its p, and p on the level. Instead of going window by window, all are judged
with every window moving, then again without those that turned out suspicious, until nothing changes. As each level
depends on earlier windows only, what is reached is what going window by window gives.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baseline.detectors import combine, level, seasonal
from baseline.detectors.combine import Verdict, under
from baseline.detectors.protocol import Arrays, Rows


def judge(arrays: Arrays, rows: Rows, *, alpha: float, is_after: bool) -> tuple[Verdict, Rows]:
    """What the combination says of rows, and the rows with the levels they were judged by.

    is_after : the rows follow upon what the set was fitted on, so that they begin where its level ended; otherwise each
    workload begins at the median of its first day.
    """
    tables = under(arrays, "seasonal")
    verdict, levelled = combine.judge(arrays, rows), rows
    if float(tables["half_life_s"][0]) <= 0:
        return verdict, levelled
    moves = np.ones(len(rows), dtype=np.bool_)
    for _ in range(len(rows) + 1):  # each pass makes one more window final at least; two or three are usual
        levelled = replace(rows, levels=seasonal.followed(tables, rows, moves, is_after=is_after))
        verdict = combine.judge(arrays, levelled)
        may = level.may_move(verdict.p, alpha)
        if np.array_equal(may, moves):
            break
        moves = may
    return verdict, levelled
