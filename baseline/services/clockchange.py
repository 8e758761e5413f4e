"""After a change of the clock half of the habits stay where they were: people move, jobs that run by UTC do not.

For two weeks after a change each window is judged by its hour of the new local time and by the hour it would have been
before, and the more ordinary of the two counts. By then a fit has seen the new hours often enough.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baseline.detectors import combine
from baseline.detectors.combine import Verdict
from baseline.detectors.protocol import Arrays, Rows
from baseline.domain.units import DAY_S
from baseline.features.calendar import Calendar

SETTLES_S = 14 * DAY_S


def judge(arrays: Arrays, rows: Rows, *, calendar: Calendar) -> tuple[Rows, Verdict]:
    """The verdict by ``combine.judge``, and the rows with the hour that each was judged by."""
    verdict = combine.judge(arrays, rows)
    before = calendar.slots_as_of(rows.starts, rows.starts - SETTLES_S)
    if np.array_equal(before, rows.slots):
        return rows, verdict
    earlier = replace(rows, slots=before)
    other = combine.judge(arrays, earlier)
    is_calmer = other.p > verdict.p
    return replace(rows, slots=np.where(is_calmer, before, rows.slots)), Verdict(
        p=np.where(is_calmer, other.p, verdict.p),
        total=np.where(is_calmer, other.total, verdict.total),
        residuals=np.where(is_calmer[:, None], other.residuals, verdict.residuals),
        voices={name: np.where(is_calmer, other.voices[name], p) for name, p in verdict.voices.items()},
    )
