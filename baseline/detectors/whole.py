"""The whole of one horizon as one detector: what the suite of checks judges like any voice."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import combine
from baseline.detectors.fit import fit_horizon
from baseline.detectors.protocol import Arrays, Rows
from baseline.detectors.tail import Tail
from baseline.features.table import FloatArray


class Combined:
    """Seasonal residuals, three voices, one calibrated p-value."""

    name = "combined"

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """See ``fit.fit_horizon``."""
        return fit_horizon(rows, lines=lines, seed=seed)

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """-ln p, (n,), higher = more unusual; NaN where not ready."""
        return np.asarray(-np.log(combine.judge(arrays, rows).p))

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """The tail's evidence: exact, and in units a person can check."""
        return Tail().explain(combine.under(arrays, "tail"), combine.residual_rows(arrays, rows))
