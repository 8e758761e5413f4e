"""Isolation forests of a whole fleet in one set of flat arrays: 8 bytes a cut, nothing for a leaf.

``nodes`` int64 (cuts,): a cut is one word, so that a walk touches one cache line where separate arrays touch four.
From the top: 32 bits threshold, 8 bits feature, 12 bits where a value at or below the threshold goes, 12 bits where
one above goes. A side below LEAF is the distance to the next cut, which always lies further on; from LEAF on it is a
leaf, and LEAF less is the number of training rows in it.
``trees`` int64 (trees + 1,): first cut of each tree; a tree without cuts is a root that nothing could divide.
``forests`` int64 (forests + 1,): first tree of each forest. ``samples`` int64 (forests,): rows each tree was grown on.
``own`` int64 (lines + 1,): forest of each line, NONE where it has none; the last one is the fleet's.

A threshold is kept as the order-preserving integer of the next float32 at or below it: scikit-learn compares float32
values, so every comparison comes out the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from baseline.features.table import FloatArray

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest
    from sklearn.tree._tree import Tree

Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.int32]
Forest = dict[str, npt.NDArray[Any]]

NAMES = ("nodes", "trees", "forests", "samples", "own")
NONE = -1  # forest of a line that has none
LEAF = 1024
MOST_SAMPLES = LEAF  # rows a tree may be grown on: it then has fewer cuts than the largest distance
MOST_FEATURES = 256
SIDE_BITS, FEATURE_AT, KEY_AT = 12, 24, 32
SIDE_MASK, FEATURE_MASK = (1 << SIDE_BITS) - 1, MOST_FEATURES - 1
_CHUNK = 1 << 20  # cuts that are checked at once: bounds the memory of checking
_EULER = 0.5772156649015329  # numpy's euler_gamma, as scikit-learn uses it
_SKLEARN_LEAF = -1


def average_path(samples: npt.NDArray[Any]) -> FloatArray:
    """Expected depth of an unsuccessful search among n samples (Liu, Ting, Zhou 2008, equation 1)."""
    count = samples.astype(np.float64)
    safe = np.maximum(count, 3.0)
    long = 2.0 * (np.log(safe - 1.0) + _EULER) - 2.0 * (safe - 1.0) / safe
    return np.where(count <= 1, 0.0, np.where(count == 2, 1.0, long))


PATHS = average_path(np.arange(MOST_SAMPLES + 1))  # by the number of rows in a leaf


def keys(values: npt.NDArray[Any]) -> Keys:
    """Integers in the order of the values as float32; both zeros are one."""
    bits = np.ascontiguousarray(values.astype(np.float32) + np.float32(0.0)).view(np.int32)
    return np.asarray(bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF)), dtype=np.int32)


def from_keys(ordered: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The float32 values behind ``keys``."""
    bits = ordered.astype(np.int32)
    return np.ascontiguousarray(bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).view(np.float32)


def threshold_keys(thresholds: FloatArray) -> Keys:
    """Keys of the largest float32 at or below each threshold."""
    near = thresholds.astype(np.float32)
    return keys(np.where(near.astype(np.float64) > thresholds, np.nextafter(near, np.float32(-np.inf)), near))


def words(
    *, key: npt.NDArray[Any], feature: npt.NDArray[Any], below: npt.NDArray[Any], above: npt.NDArray[Any]
) -> Ints:
    """Cuts as words; see the head of this file."""
    sides = (below.astype(np.int64) << SIDE_BITS) | above.astype(np.int64)
    return np.asarray((key.astype(np.int64) << KEY_AT) | (feature.astype(np.int64) << FEATURE_AT) | sides)


def packed(fitted: IsolationForest) -> Forest:
    """One fitted IsolationForest as ``nodes``, ``trees`` and ``samples``.

    Raises ValueError for one with more rows a tree or features than the layout holds.
    """
    samples = int(fitted.max_samples_)
    if not 2 <= samples <= MOST_SAMPLES or fitted.n_features_in_ > MOST_FEATURES:
        raise ValueError(f"{samples} rows a tree of {fitted.n_features_in_} features")
    trees = [
        _packed_tree(tree.tree_, columns)
        for tree, columns in zip(fitted.estimators_, fitted.estimators_features_, strict=True)
    ]
    return {
        "nodes": np.concatenate([np.zeros(0, dtype=np.int64), *trees]),
        "trees": np.cumsum([0, *(len(tree) for tree in trees)]),
        "samples": np.array([samples]),
    }


def _packed_tree(tree: Tree, columns: npt.NDArray[Any]) -> Ints:
    """The cuts of one tree; scikit-learn numbers nodes parents first, left before right, and so do we."""
    is_cut = tree.children_left != _SKLEARN_LEAF
    place = np.cumsum(is_cut) - 1
    cuts = np.flatnonzero(is_cut)

    def side(children: npt.NDArray[Any]) -> npt.NDArray[Any]:
        child = children[cuts]
        found = np.where(is_cut[child], place[child] - place[cuts], LEAF + tree.n_node_samples[child])
        return np.asarray(found)

    return words(
        key=threshold_keys(tree.threshold[cuts]), feature=columns[tree.feature[cuts]],
        below=side(tree.children_left), above=side(tree.children_right),
    )  # fmt: skip


def joined(forests: Sequence[Forest], own: Ints) -> Forest:
    """Forests as the arrays of one fleet; ``own`` as in the head of this file."""
    cuts = np.cumsum([0, *(len(forest["nodes"]) for forest in forests)])
    trees = [forest["trees"][:-1] + first for forest, first in zip(forests, cuts, strict=False)]
    return {
        "nodes": np.concatenate([np.zeros(0, dtype=np.int64), *(forest["nodes"] for forest in forests)]),
        "trees": np.concatenate([*trees, cuts[-1:]]).astype(np.int64),
        "forests": np.cumsum([0, *(len(forest["trees"]) - 1 for forest in forests)]).astype(np.int64),
        "samples": np.concatenate([np.zeros(0, dtype=np.int64), *(forest["samples"] for forest in forests)]),
        "own": own.astype(np.int64),
    }


def wrong(arrays: Mapping[str, npt.NDArray[Any]], *, lines: int, width: int) -> str | None:
    """What is wrong with the arrays, None when every walk ends and stays inside its own tree."""
    parts = {name: np.asarray(arrays[name]) for name in NAMES}
    if any(part.dtype != np.int64 or part.ndim != 1 for part in parts.values()):
        return "not int64 in one dimension"
    nodes, trees, forests, samples, own = parts.values()
    for bounds, end in ((trees, len(nodes)), (forests, len(trees) - 1)):
        if not len(bounds) or bounds[0] != 0 or bounds[-1] != end or bool((bounds[1:] < bounds[:-1]).any()):
            return "bounds of trees or forests"
    if len(samples) != len(forests) - 1 or bool(((samples < 2) | (samples > MOST_SAMPLES)).any()):
        return "rows of a tree"
    if bool((forests[1:] == forests[:-1]).any()):
        return "a forest without trees"
    if own.shape != (lines + 1,) or bool(((own < NONE) | (own >= len(samples))).any()):
        return "forest of a line out of range"
    return _wrong_nodes(nodes, trees, width=width)


def _wrong_nodes(nodes: Ints, trees: Ints, *, width: int) -> str | None:
    begin = 0
    while begin < len(trees) - 1:  # some trees at a time, a million cuts or one tree at least
        end = max(begin + 1, int(np.searchsorted(trees, trees[begin] + _CHUNK, side="right")) - 1)
        first, cuts = trees[begin], nodes[trees[begin] : trees[end]]
        if bool((((cuts >> FEATURE_AT) & FEATURE_MASK) >= width).any()):
            return "feature out of range"
        last = np.repeat(trees[begin + 1 : end + 1], np.diff(trees[begin : end + 1])) - first
        room = last - np.arange(len(cuts))
        for shift in (SIDE_BITS, 0):
            side = (cuts >> shift) & SIDE_MASK
            is_leaf = side >= LEAF
            right = np.where(is_leaf, (side > LEAF) & (side <= LEAF + MOST_SAMPLES), (side > 0) & (side < room))
            if not bool(right.all()):
                return "child out of range"
        begin = end
    return None
