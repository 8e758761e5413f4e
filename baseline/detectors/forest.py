"""Third voice: isolation forests on residuals, for oddities that lie in combinations. One forest is the fleet's, and
each workload with enough history has one of its own.

The fleet's can be had at once, because residuals share one scale, and an attack that one workload learned as its own
habit stays odd to it. A workload's own knows what this workload never combines. Their mean is the score: on the pods of
a real cluster it kept what the own forest gains, and half of what that loses where history was attacked
(docs/detection.md; the larger of the two lost more).

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
from baseline.detectors.pool import Pool
from baseline.detectors.protocol import UNKNOWN, Arrays, Rows
from baseline.features.table import FloatArray

Builder = Literal["sklearn", "fast"]
BUILDERS: tuple[Builder, ...] = get_args(Builder)

TREES = 100
SAMPLES = 512  # rows a tree of the fleet's forest (measured: average precision 0.43, with 256 rows 0.39, on CESNET)
OWN_SAMPLES = 256  # rows a tree of a line's own: half the memory and time, and no worse beside the fleet's
BACKGROUND = 0.1  # uniform rows added, as a share
REACH = 15.0  # residuals are clipped to this, and the background fills it
MOST_ROWS = 60_000  # rows a fit looks at: a forest of 512-row trees learns nothing from more
OWN_MOST_ROWS = 4_096  # the same for a line's own, whose trees see 25,600 rows in all
FEWEST_ROWS = 64
# Rows of a line from which on it has its own forest: twice a tree's sample, so that trees see different rows. With 256
# rows a pod's own forest was no better than the fleet's, and with 128 it was worse.
OWN_ROWS = 2 * OWN_SAMPLES


class Forest:
    """Isolation forests over clipped residuals: the fleet's, and one of each line with OWN_ROWS rows."""

    name = "forest"

    def __init__(self, builder: Builder = "sklearn", *, pool: Pool | None = None) -> None:
        """``builder`` fits: scikit-learn, or our own compiled one (docs/decisions/0013).

        pool : where the fleet's forest comes from; the rows of the fit by default.
        """
        self._builder, self._pool = builder, pool

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """Packed forests (``forest_layout``); none (not ready) with fewer than FEWEST_ROWS rows.

        A line's forest depends on its own rows, the seed and its number in the fleet alone.
        """
        rows.check()
        pool = Pool.whole(lines) if self._pool is None else self._pool
        own = np.full(lines + 1, NONE, dtype=np.int64)
        forests: list[forest_layout.Forest] = []
        if pool.of("is ready", lambda: len(rows) >= FEWEST_ROWS):
            order = np.argsort(rows.workloads, kind="stable")
            bounds = np.searchsorted(rows.workloads[order], np.arange(lines + 1))
            for line in np.flatnonzero(np.diff(bounds) >= OWN_ROWS):
                own[line] = len(forests)
                part = rows.residuals[order[bounds[line] : bounds[line + 1]]]
                dice = [seed % 2**64, int(pool.lines[line]) + 1]
                forests.append(self._fitted(part, samples=OWN_SAMPLES, most=OWN_MOST_ROWS, seed=dice))
            own[-1] = len(forests)
            everybody = [seed % 2**64, 0]
            fleet = lambda: self._fitted(rows.residuals, samples=SAMPLES, most=MOST_ROWS, seed=everybody)  # noqa: E731
            forests.append(pool.of("fleet", fleet))
        return forest_layout.joined(forests, own) | {"schema": rows.schema.mark.copy()}

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """The mean of what the line's own forest and the fleet's say, each minus ``score_samples``.

        In (0, 1], higher = more unusual; the fleet's alone where a line has no forest; NaN without forests.
        """
        rows.check(arrays)
        values = clipped(rows.residuals)
        own, fleet = _asked(arrays, rows)
        by_own, by_fleet = (forest_kernel.score(arrays, which, values) for which in (own, fleet))
        return np.where(own == NONE, by_fleet, (by_own + by_fleet) / 2)

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """Credit for shortened paths, by the feature that was cut, in the mean of the forests that were asked."""
        rows.check(arrays)
        values = clipped(rows.residuals)
        own, fleet = _asked(arrays, rows)
        by_own, by_fleet = (forest_kernel.credit(arrays, which, values) for which in (own, fleet))
        both = np.where(own[:, None] == NONE, by_fleet, (by_own + by_fleet) / 2)
        return np.maximum(both, 0.0)

    def _fitted(self, residuals: FloatArray, *, samples: int, most: int, seed: list[int]) -> forest_layout.Forest:
        """One forest on at most ``most`` of the rows and their background."""
        rng = np.random.default_rng(seed)
        if len(residuals) > most:
            residuals = residuals[np.sort(rng.choice(len(residuals), most, replace=False))]
        width = residuals.shape[1]
        noise = rng.uniform(-REACH, REACH, size=(max(1, int(BACKGROUND * len(residuals))), width))
        taught = np.vstack([clipped(residuals), noise.astype(np.float32)])
        samples, dice = min(samples, len(residuals)), int(rng.integers(2**32))
        if self._builder == "fast":
            from baseline.detectors import forest_grow  # compiles; fits only

            return forest_grow.grown(taught, trees=TREES, samples=samples, seed=dice)
        from sklearn.ensemble import IsolationForest  # fits only: never imported by the stream

        fitted = IsolationForest(n_estimators=TREES, max_samples=samples, random_state=dice, n_jobs=1)
        return forest_layout.packed(fitted.fit(taught))


def _asked(arrays: Arrays, rows: Rows) -> tuple[Ints, Ints]:
    """Own forest and the fleet's of each row; a newcomer has none of its own."""
    every = np.asarray(arrays["own"])
    fleet = np.full(len(rows), every[-1], dtype=np.int64)
    return np.where(rows.workloads == UNKNOWN, NONE, every[rows.workloads]), fleet


def clipped(residuals: FloatArray) -> npt.NDArray[np.float32]:
    """Residuals within REACH, as float32: what scikit-learn fits on and scores anyway."""
    return np.clip(residuals, -REACH, REACH).astype(np.float32)
