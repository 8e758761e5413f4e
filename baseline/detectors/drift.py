"""Drift: has what is normal moved, between two sets or between learning and now?

The population stability index compares shares of residuals by the deciles they had while learning:
``sum (now - then) ln(now / then)``; below 0.1 nothing happened, above 0.25 the population is another one (the usual
reading of credit scoring, where the index comes from).
"""

from __future__ import annotations

import numpy as np

from baseline.detectors.protocol import Arrays
from baseline.features.table import FloatArray

MOVED_PSI = 0.25  # above: another population
BINS = 10
FEWEST = 200  # windows on either side below which an index says more about chance than about drift
_EMPTY = 0.5  # windows imagined in every bin: an empty one would otherwise make the index infinite
_SPREAD = 1e-9


def stability(then: FloatArray, now: FloatArray) -> FloatArray:
    """Population stability index of each column of (n, f) and (m, f), shape (f,); NaN with fewer than FEWEST rows.

    Columns that hardly vary while learning have no deciles: their bins are cut where the values differ, and a column
    that was constant is compared by how many values are that constant.
    """
    width = then.shape[1]
    if min(len(then), len(now)) < FEWEST:
        return np.full(width, np.nan)
    cuts = np.quantile(then, np.arange(1, BINS) / BINS, axis=0)
    found = np.empty(width)
    for column in range(width):
        edges = np.unique(cuts[:, column])
        # One cut on either side of a lone value, so that values above and below it do not fall into one bin.
        edges = np.concatenate([edges - _SPREAD, edges + _SPREAD]) if len(edges) == 1 else edges
        before, after = (_shares(values[:, column], edges) for values in (then, now))
        found[column] = float(((after - before) * np.log(after / before)).sum())
    return found


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) + _EMPTY
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def moved(old: Arrays, new: Arrays, pairs: list[tuple[int, int]]) -> FloatArray:
    """By how many scales the farthest feature's centre lies from where it was, for each pair of lines.

    Arrays are those of ``seasonal``. ``pairs`` are (line in old, line in new); the result has their order, shape (n,).
    The scale is the median over the hours of the old one.
    """
    if not pairs:
        return np.zeros(0)
    before, after = (np.array(lines, dtype=np.int64) for lines in zip(*pairs, strict=True))
    scale = np.median(np.asarray(old["scale"], dtype=np.float64)[before], axis=1)
    distance = np.abs(np.asarray(new["level"], dtype=np.float64)[after] - np.asarray(old["level"])[before])
    return np.asarray((distance / np.maximum(scale, 1e-3)).max(axis=1))
