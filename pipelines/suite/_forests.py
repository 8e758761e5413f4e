"""Plain scikit-learn isolation forests on the product's raw vectors: what anybody would try first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from baseline.features.table import FloatArray

TREES, SAMPLES = 300, 256  # of the forests that the project's evidence was gathered with
FEWEST = 20  # rows below which a device has no forest of its own

Names = npt.NDArray[np.str_]
Fitted = Callable[[FloatArray, Names], FloatArray]  # vectors (n, f) and whose they are -> scores (n,)


def fleet_forest(vectors: FloatArray, _devices: Names, *, seed: int, reach: float = np.inf) -> Fitted:
    """One forest for everybody, on robustly scaled vectors, clipped to ``reach``."""
    centre, scale = _scaling(vectors)

    def scaled(rows: FloatArray) -> FloatArray:
        return np.clip((rows - centre) / scale, -reach, reach)

    score = _forest(scaled(vectors), seed=seed)
    return lambda rows, _: score(scaled(rows))


def device_forests(vectors: FloatArray, devices: Names, *, seed: int) -> Fitted:
    """A forest for each device; each one's scores are put on one scale by the median and upper tenth it learned with.

    A device with too little history is never unusual.
    """
    known: dict[str, tuple[Fitted, float, float]] = {}
    for device in np.unique(devices):
        own = vectors[devices == device]
        if len(own) < FEWEST:
            continue
        fitted = fleet_forest(own, devices[devices == device], seed=seed)
        learned = fitted(own, devices)
        middle = float(np.median(learned))
        known[str(device)] = fitted, middle, float(np.quantile(learned, 0.9)) - middle + 1e-9

    def score(rows: FloatArray, of: Names) -> FloatArray:
        found = np.zeros(len(rows))
        for device, (fitted, middle, spread) in known.items():
            here = of == device
            if here.any():
                found[here] = (fitted(rows[here], of[here]) - middle) / spread
        return found

    return score


def _scaling(vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    low, middle, high = np.quantile(vectors, (0.25, 0.5, 0.75), axis=0)
    return middle, np.where(high > low, high - low, 1.0)


def _forest(rows: FloatArray, *, seed: int) -> Callable[[FloatArray], FloatArray]:
    from sklearn.ensemble import IsolationForest

    fitted = IsolationForest(
        n_estimators=TREES, max_samples=min(SAMPLES, len(rows)), random_state=seed % 2**32, n_jobs=1
    ).fit(rows)
    return lambda asked: np.asarray(-fitted.score_samples(asked), dtype=np.float64)


FORESTS: Sequence[tuple[str, Callable[..., Fitted]]] = (
    ("one plain forest for all", fleet_forest),
    ("a plain forest a device", device_forests),
)
