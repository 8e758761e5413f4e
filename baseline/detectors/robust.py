"""Robust centres and scales that stand contamination: attacks may lie in what we learn from."""

from __future__ import annotations

import numpy as np

from baseline.features.table import FloatArray

MAD_TO_SIGMA = 1.4826
_THIRD_TO_SIGMA = 2 * 0.4307  # length of the central third of a unit normal
QUIET_SHARE = 1 / 3  # of the rows make the densest stretch that a short history is read by


def median_mad(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Median and scaled MAD of each column of (n, f), n >= 1: breaks down past half of the rows."""
    centre = np.median(values, axis=0)
    return centre, MAD_TO_SIGMA * np.median(np.abs(values - centre), axis=0)


def densest(values: FloatArray, *, share: float = QUIET_SHARE) -> tuple[FloatArray, FloatArray]:
    """Middle and scale of the shortest stretch that holds ``share`` of the rows, for each column of (n, f), n >= 1.

    The lowest one where several are equally short. An hour of history may be under attack for more than half of its
    minutes (the recording of the demo is); what a workload does when left alone still repeats more closely than
    anything else. With a third, contamination may reach almost two thirds.
    """
    ordered = np.sort(values, axis=0)
    count = len(ordered)
    inside = max(2, int(np.ceil(share * count))) if count > 1 else 1
    lengths = ordered[inside - 1 :] - ordered[: count - inside + 1]
    begins = np.argmin(lengths, axis=0)
    columns = np.arange(values.shape[1])
    low, high = ordered[begins, columns], ordered[begins + inside - 1, columns]
    return (low + high) / 2, (high - low) / (_THIRD_TO_SIGMA * share / QUIET_SHARE)
