"""Grow an isolation forest straight into the packed layout: what ``builder = "fast"`` in a recipe fits with.

The same trees as scikit-learn's ``IsolationForest`` draws, by other dice (docs/decisions/0013): each tree from rows
drawn without replacement; each cut at a uniform place of a uniformly drawn feature that still varies; down to single
rows or the depth of a balanced tree. Imported by fits only: compiles at first use, kept on disk.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numba import njit

from baseline.detectors.forest_layout import (
    FEATURE_AT,
    KEY_AT,
    LEAF,
    MOST_FEATURES,
    MOST_SAMPLES,
    SIDE_BITS,
    Forest,
    Ints,
    threshold_keys,
)
from baseline.features.table import FloatArray

Values = npt.NDArray[np.float32]
State = npt.NDArray[np.uint64]

_UNIT = 2.0**-53
_GAMMA, _FIRST_MIX, _SECOND_MIX = (
    np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB),
)  # fmt: skip


def grown(rows: Values, *, trees: int, samples: int, seed: int) -> Forest:
    """A forest of ``trees`` trees of ``samples`` rows each (all rows, if there are fewer), as ``forest_layout.packed``.

    rows : float32 (n, width), finite. The same rows and seed give the same bytes. Raises ValueError for more samples
    or features than the layout holds, or fewer than two rows.
    """
    count = min(samples, len(rows))
    if not 2 <= count <= MOST_SAMPLES or rows.shape[1] > MOST_FEATURES:
        raise ValueError(f"{count} rows a tree of {rows.shape[1]} features")
    nodes = np.zeros(trees * (count - 1), dtype=np.int64)  # a tree has fewer cuts than rows
    thresholds = np.zeros(len(nodes))
    bounds = np.zeros(trees + 1, dtype=np.int64)
    _grow(np.ascontiguousarray(rows), count, np.array([seed % 2**64], dtype=np.uint64), nodes, thresholds, bounds)
    used = int(bounds[-1])
    cuts = nodes[:used] | (threshold_keys(thresholds[:used]).astype(np.int64) << KEY_AT)
    return {"nodes": cuts, "trees": bounds, "samples": np.array([count])}


def _uniform_plain(state: State) -> float:
    """The next number in [0, 1): splitmix64 (Steele, Lea, Flood 2014)."""
    state[0] += _GAMMA
    mixed = (state[0] ^ (state[0] >> np.uint64(30))) * _FIRST_MIX
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND_MIX
    return float((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) * _UNIT


def _draw_plain(rows: Values, drawn: Ints, own: Values, state: State) -> None:
    """Put as many rows as ``own`` holds there, without replacement; ``drawn`` is any order of all rows."""
    for at in range(len(own)):
        other = at + int(_uniform(state) * (len(rows) - at))
        drawn[at], drawn[other] = drawn[other], drawn[at]
        for feature in range(rows.shape[1]):
            own[at, feature] = rows[drawn[at], feature]


def _pick_plain(own: Values, members: Ints, features: Ints, constant: int, state: State) -> tuple[int, int, float]:
    """A feature that varies among the members, or -1; how many are known to be constant now; and where to cut it.

    ``features`` holds the constant ones at its head: what is constant among rows is so among some of them.
    """
    while constant < len(features):
        at = constant + int(_uniform(state) * (len(features) - constant))
        feature = features[at]
        low = own[members[0], feature]
        high = low
        for member in members[1:]:
            low = min(low, own[member, feature])
            high = max(high, own[member, feature])
        if low < high:
            threshold = float(low) + _uniform(state) * (float(high) - float(low))
            return feature, constant, threshold if threshold < high else float(low)
        features[at] = features[constant]
        features[constant] = feature
        constant += 1
    return -1, constant, 0.0


def _part_plain(own: Values, members: Ints, feature: int, threshold: float) -> int:
    """Bring the members at or below the threshold to the head; how many they are."""
    head, tail = 0, len(members) - 1
    while head <= tail:
        if own[members[head], feature] <= threshold:
            head += 1
        else:
            members[head], members[tail] = members[tail], members[head]
            tail -= 1
    return head


def _grow_plain(rows: Values, samples: int, state: State, nodes: Ints, thresholds: FloatArray, bounds: Ints) -> None:
    """Grow as many trees as ``bounds`` has room for; thresholds stay apart, for ``threshold_keys``."""
    deepest = 0
    while (1 << deepest) < samples:
        deepest += 1
    drawn, features = np.arange(len(rows)), np.arange(rows.shape[1])
    own = np.empty((samples, rows.shape[1]), dtype=np.float32)
    # What is still to cut: members [begin, end), depth, constant features, cut above it, and which side of that.
    stack = np.empty((deepest + 2, 6), dtype=np.int64)
    used = 0
    for tree in range(len(bounds) - 1):
        _draw(rows, drawn, own, state)
        members = np.arange(samples)
        stack[0, :] = (0, samples, 0, 0, -1, 0)
        height = 1
        while height > 0:
            height -= 1
            begin, end, depth, constant, parent, shift = stack[height]
            feature, threshold = -1, 0.0
            if end - begin > 1 and depth < deepest:
                feature, constant, threshold = _pick(own, members[begin:end], features, constant, state)
            if parent >= 0:
                nodes[parent] |= (used - parent if feature >= 0 else LEAF + end - begin) << shift
            if feature < 0:
                continue
            middle = begin + _part(own, members[begin:end], feature, threshold)
            nodes[used] = feature << FEATURE_AT
            thresholds[used] = threshold
            stack[height, :] = (middle, end, depth + 1, constant, used, 0)
            stack[height + 1, :] = (begin, middle, depth + 1, constant, used, SIDE_BITS)
            height += 2
            used += 1
        bounds[tree + 1] = used


_compiled = njit(cache=True, nogil=True)
_uniform: Callable[[State], float] = _compiled(_uniform_plain)
_draw: Callable[[Values, Ints, Values, State], None] = _compiled(_draw_plain)
_pick: Callable[[Values, Ints, Ints, int, State], tuple[int, int, float]] = _compiled(_pick_plain)
_part: Callable[[Values, Ints, int, float], int] = _compiled(_part_plain)
_grow: Callable[[Values, int, State, Ints, FloatArray, Ints], None] = _compiled(_grow_plain)
