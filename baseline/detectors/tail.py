"""First voice: the largest weighted residual. Knows how far outside something is, and explains itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors.protocol import Arrays, Rows
from baseline.features import schema
from baseline.features.schema import Schema
from baseline.features.table import FloatArray


def weighted(residuals: FloatArray, of: Schema = schema.PRODUCT) -> FloatArray:
    """Residuals as evidence, not negative: rises count by ``Feature.rise``, falls by ``Feature.fall``."""
    return np.asarray(np.where(residuals >= 0, residuals * of.rise, -residuals * of.fall), dtype=np.float64)


class Tail:
    """max over features of the weighted residual."""

    name = "tail"

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """Nothing to learn beyond the residuals: keeps the weights, so that a set says what it judged with."""
        rows.check()
        return {"rise": rows.schema.rise.copy(), "fall": rows.schema.fall.copy(), "schema": rows.schema.mark.copy()}

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """Largest evidence of each row plus a tenth of the mean of the four largest: agreement breaks ties."""
        rows.check(arrays)
        evidence = weighted(rows.residuals, rows.schema)
        many = min(4, evidence.shape[1])
        top = -np.partition(-evidence, many - 1, axis=1)[:, :many]
        return np.asarray(top.max(axis=1) + 0.1 * top.mean(axis=1))

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """The evidence itself."""
        rows.check(arrays)
        return weighted(rows.residuals, rows.schema)
