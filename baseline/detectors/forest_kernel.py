"""Trees as flat arrays, and the walk over them.

Same arithmetic, in the same order, as scikit-learn's ``score_samples``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from baseline.detectors.protocol import Arrays
from baseline.features.table import FloatArray

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

LEAF = -1
_EULER = 0.5772156649015329  # numpy's euler_gamma, as scikit-learn uses it


def no_trees() -> dict[str, npt.NDArray[Any]]:
    """A forest that is not ready."""
    return {
        "feature": np.zeros(0, dtype=np.int32),
        "threshold": np.zeros(0),
        "left": np.zeros(0, dtype=np.int32),
        "right": np.zeros(0, dtype=np.int32),
        "depth": np.zeros(0),
        "roots": np.zeros(0, dtype=np.int32),
        "normal_depth": np.ones(1),
    }


def pack(fitted: IsolationForest) -> dict[str, npt.NDArray[Any]]:
    """A fitted IsolationForest as arrays; child ids count over the whole forest.

    ``depth`` of a leaf is the path length scikit-learn gives it: edges walked plus the expected rest below.
    """
    parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in ("feature", "threshold", "left", "right", "depth")}
    roots, base = [], 0
    for tree, columns in zip(fitted.estimators_, fitted.estimators_features_, strict=True):
        inner = tree.tree_
        is_leaf = inner.children_left == LEAF
        parts["feature"].append(np.where(is_leaf, LEAF, columns[np.maximum(inner.feature, 0)]).astype(np.int32))
        parts["threshold"].append(np.where(is_leaf, 0.0, inner.threshold))
        parts["left"].append(np.where(is_leaf, LEAF, inner.children_left + base).astype(np.int32))
        parts["right"].append(np.where(is_leaf, LEAF, inner.children_right + base).astype(np.int32))
        walked = inner.compute_node_depths()  # the root counts 1, so this is edges + 1
        parts["depth"].append(walked + average_path(inner.n_node_samples) - 1.0)
        roots.append(base)
        base += inner.node_count
    packed = {name: np.concatenate(found) for name, found in parts.items()}
    per_tree = average_path(np.array([fitted.max_samples_]))[0]
    return packed | {
        "roots": np.array(roots, dtype=np.int32),
        "normal_depth": np.array([len(fitted.estimators_) * per_tree]),
    }


def average_path(samples: npt.NDArray[Any]) -> FloatArray:
    """Expected depth of an unsuccessful search among n samples (Liu, Ting, Zhou 2008, equation 1)."""
    count = samples.astype(np.float64)
    safe = np.maximum(count, 3.0)
    long = 2.0 * (np.log(safe - 1.0) + _EULER) - 2.0 * (safe - 1.0) / safe
    return np.where(count <= 1, 0.0, np.where(count == 2, 1.0, long))


def score(arrays: Arrays, values: FloatArray) -> FloatArray:
    """Minus ``score_samples`` of each row of (n, width); NaN without trees."""
    if not len(arrays["roots"]):
        return np.full(len(values), np.nan)
    rows = np.ascontiguousarray(values, dtype=np.float32)  # as scikit-learn casts them
    depths = _walk()(
        rows, arrays["feature"], arrays["threshold"], arrays["left"], arrays["right"], arrays["depth"], arrays["roots"]
    )
    return np.asarray(2.0 ** (-depths / arrays["normal_depth"][0]))


def credit(arrays: Arrays, values: FloatArray) -> FloatArray:
    """For each row and feature: by how much its cuts shortened the paths, summed over trees, in mean edges a tree.

    Plain Python over few rows: only raised deviations are explained.
    """
    found = np.zeros(values.shape)
    roots = arrays["roots"]
    if not len(roots):
        return found
    rows = values.astype(np.float32)
    normal = float(arrays["normal_depth"][0]) / len(roots)
    feature, threshold, left, right = (arrays[name] for name in ("feature", "threshold", "left", "right"))
    for row, value in enumerate(rows):
        for root in roots:
            node, path = int(root), []
            while feature[node] != LEAF:
                path.append(int(feature[node]))
                node = int(left[node] if value[feature[node]] <= threshold[node] else right[node])
            saved = max(0.0, normal - float(arrays["depth"][node]))
            for cut in path:
                found[row, cut] += saved / len(path) / len(roots)
    return found


Ints = npt.NDArray[np.int32]
Walk = Callable[[npt.NDArray[np.float32], Ints, FloatArray, Ints, Ints, FloatArray, Ints], FloatArray]


@cache
def _walk() -> Walk:
    """The compiled walk; compiled at first use, kept on disk."""
    from numba import njit

    compiled: Walk = njit(cache=True, nogil=True)(_walk_rows)
    return compiled


def _walk_rows(
    rows: npt.NDArray[np.float32], feature: Ints, threshold: FloatArray, left: Ints, right: Ints, depth: FloatArray,
    roots: Ints,
) -> FloatArray:  # fmt: skip
    found = np.zeros(rows.shape[0])
    for row in range(rows.shape[0]):
        total = 0.0
        for tree in range(roots.shape[0]):
            node = roots[tree]
            while feature[node] >= 0:
                node = left[node] if rows[row, feature[node]] <= threshold[node] else right[node]
            total += depth[node]
        found[row] = total
    return found
