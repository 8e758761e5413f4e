"""Third voice: isolation forests on residuals, for oddities that lie in combinations. One forest is the fleet's, and
each workload with enough history has one of its own.

The fleet's can be had at once, because residuals share one scale, and an attack that one workload learned as its own
habit stays odd to it. A workload's own knows what this workload never combines. A row is as unusual as the forest
that finds it more so. Measured on the pods of a real cluster (46 pods, 550 windows learned, three features
moved together, average precision over base rate 0.016, 4 seeds): fleet 0.090, own 0.117, the larger 0.108; where a
tenth of a pod's own history was such an attack: fleet 0.114, own 0.088, the larger 0.102; the mean of the two was
no better than the larger in either.

scikit-learn fits, or ``forest_grow`` for fleets; packed arrays score, equal to ``score_samples``. A tenth of uniform
background noise is mixed in while fitting: without it a forest has no cuts outside the training range and cannot tell
far from near (measured: average precision 0.20 → 0.45 on seasonal flows).
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from baseline.detectors import forest_kernel, forest_layout
from baseline.detectors.forest_layout import NONE, Ints
from baseline.detectors.protocol import Arrays, Rows
from baseline.features.table import FloatArray

Builder = Literal["sklearn", "fast"]
BUILDERS: tuple[Builder, ...] = get_args(Builder)

TREES = 100
SAMPLES = 512
BACKGROUND = 0.1  # uniform rows added, as a share
REACH = 15.0  # residuals are clipped to this, and the background fills it
MOST_ROWS = 60_000  # rows a fit looks at: a forest of 512-row trees learns nothing from more
FEWEST_ROWS = 64
# Rows of a line from which on it has its own forest: a tree's sample. With fewer, every tree is grown on the same
# rows, and a line's own forest was no better than the fleet's with 256 of them and worse with 128 (same measurement).
OWN_ROWS = SAMPLES


class Forest:
    """Isolation forests over clipped residuals: the fleet's, and one of each line with OWN_ROWS rows."""

    name = "forest"

    def __init__(self, builder: Builder = "sklearn") -> None:
        """``builder`` fits: scikit-learn, or our own compiled one (docs/decisions/0013)."""
        self._builder = builder

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """Packed forests (``forest_layout``); none (not ready) with fewer than FEWEST_ROWS rows.

        A line's forest depends on its own rows, the seed and its number alone.
        """
        rows.check()
        own = np.full(lines + 1, NONE, dtype=np.int64)
        forests: list[forest_layout.Forest] = []
        if len(rows) >= FEWEST_ROWS:
            order = np.argsort(rows.workloads, kind="stable")
            bounds = np.searchsorted(rows.workloads[order], np.arange(lines + 1))
            for line in np.flatnonzero(np.diff(bounds) >= OWN_ROWS):
                own[line] = len(forests)
                part = rows.residuals[order[bounds[line] : bounds[line + 1]]]
                forests.append(self._fitted(part, seed=[seed % 2**64, int(line) + 1]))
            own[-1] = len(forests)
            forests.append(self._fitted(rows.residuals, seed=[seed % 2**64, 0]))
        return forest_layout.joined(forests, own) | {"schema": rows.schema.mark.copy()}

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """The larger of what the line's own forest and the fleet's say, each minus ``score_samples``.

        In (0, 1], higher = more unusual; the fleet's alone where a line has no forest; NaN without forests.
        """
        rows.check(arrays)
        own, fleet = self._asked(arrays, rows)
        return np.fmax(*self._both(arrays, rows, own, fleet))

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """Credit for shortened paths, by the feature that was cut, in the forest that found the row more unusual."""
        rows.check(arrays)
        own, fleet = self._asked(arrays, rows)
        by_own, by_fleet = self._both(arrays, rows, own, fleet)
        which = np.where(np.nan_to_num(by_own) >= by_fleet, own, fleet)
        return np.maximum(forest_kernel.credit(arrays, which, clipped(rows.residuals)), 0.0)

    def _asked(self, arrays: Arrays, rows: Rows) -> tuple[Ints, Ints]:
        """Own forest and the fleet's of each row; a newcomer has none of its own."""
        every = np.asarray(arrays["own"])
        fleet = np.full(len(rows), every[-1], dtype=np.int64)
        own = np.where(rows.workloads >= 0, every[rows.workloads], NONE)
        return own, fleet

    def _both(self, arrays: Arrays, rows: Rows, own: Ints, fleet: Ints) -> tuple[FloatArray, FloatArray]:
        values = clipped(rows.residuals)
        return forest_kernel.score(arrays, own, values), forest_kernel.score(arrays, fleet, values)

    def _fitted(self, residuals: FloatArray, *, seed: list[int]) -> forest_layout.Forest:
        """One forest on some rows and their background."""
        rng = np.random.default_rng(seed)
        if len(residuals) > MOST_ROWS:
            residuals = residuals[np.sort(rng.choice(len(residuals), MOST_ROWS, replace=False))]
        width = residuals.shape[1]
        noise = rng.uniform(-REACH, REACH, size=(max(1, int(BACKGROUND * len(residuals))), width))
        taught = np.vstack([clipped(residuals), noise.astype(np.float32)])
        samples, dice = min(SAMPLES, len(residuals)), int(rng.integers(2**32))
        if self._builder == "fast":
            from baseline.detectors import forest_grow  # compiles; fits only

            return forest_grow.grown(taught, trees=TREES, samples=samples, seed=dice)
        from sklearn.ensemble import IsolationForest  # fits only: never imported by the stream

        fitted = IsolationForest(n_estimators=TREES, max_samples=samples, random_state=dice, n_jobs=1)
        return forest_layout.packed(fitted.fit(taught))


def clipped(residuals: FloatArray) -> npt.NDArray[np.float32]:
    """Residuals within REACH, as float32: what scikit-learn fits on and scores anyway."""
    return np.clip(residuals, -REACH, REACH).astype(np.float32)
