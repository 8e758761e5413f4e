"""First voice: the largest weighted residual. Knows how far outside something is, and explains itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors.protocol import Arrays, Rows
from baseline.features import schema
from baseline.features.schema import Schema
from baseline.features.table import FloatArray

TOP = 4  # residuals that agree...
AGREEMENT = 0.1  # ...add this share of their mean; by judgement


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
        many = min(TOP, evidence.shape[1])
        top = -np.partition(-evidence, many - 1, axis=1)[:, :many]
        return np.asarray(top.max(axis=1) + AGREEMENT * top.mean(axis=1))

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """The score taken apart; what is credited sums to it.

        The largest by ``of_largest``, so that near equals share it, and each of the four largest its part of the mean.
        """
        rows.check(arrays)
        evidence = weighted(rows.residuals, rows.schema)
        order = np.argsort(-evidence, axis=1, kind="stable")[:, :TOP]
        found = of_largest(evidence)
        agreeing = AGREEMENT * np.take_along_axis(evidence, order, axis=1) / order.shape[1]
        np.put_along_axis(found, order, np.take_along_axis(found, order, axis=1) + agreeing, axis=1)
        return found


def of_largest(parts: FloatArray) -> FloatArray:
    """The largest of each row of (n, m), none negative, shared among all by Shapley's value: equals share alike.

    What every one reaches is shared by all, what is above by those who reach it: the airport game of Littlechild and
    Owen (1973), whose players pay for the runway.
    """
    order = np.argsort(-parts, axis=1, kind="stable")
    ranked = np.take_along_axis(parts, order, axis=1)
    above = (ranked - np.append(ranked[:, 1:], np.zeros((len(parts), 1)), axis=1)) / np.arange(1, parts.shape[1] + 1)
    found = np.zeros_like(parts)
    np.put_along_axis(found, order, np.cumsum(above[:, ::-1], axis=1)[:, ::-1], axis=1)
    return found
