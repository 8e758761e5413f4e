"""Numbers of many windows: what models are fitted on and score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baseline.domain.workload import WorkloadId

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowTable:
    """Feature vectors of one workload at one horizon, in time order.

    starts : int64, shape (n,), epoch seconds of the window starts, strictly increasing.
    values : float64, shape (n, n_features), in ``features.schema`` order, finite.
    quiet  : bool, shape (n,), windows in which nothing was seen though somebody looked.
    """

    workload: WorkloadId
    horizon_s: int
    starts: IntArray
    values: FloatArray
    quiet: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.starts)
