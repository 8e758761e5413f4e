"""Detectors that know nothing: what any figure must be held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from baseline.detectors.protocol import Arrays, Rows
from baseline.domain.deviation import Deviation, Family, Maturity
from baseline.domain.window import Window
from baseline.features.table import FloatArray


class Null:
    """Finds everything equally normal."""

    name = "null"

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """Nothing."""
        rows.check()
        return {"seed": np.array([seed], dtype=np.int64), "schema": rows.schema.mark.copy()}

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """Zero for every row."""
        rows.check(arrays)
        return np.zeros(len(rows))

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """Nothing."""
        rows.check()
        return np.zeros((len(rows), rows.schema.width))

    def p_values(self, starts: npt.NDArray[np.int64], *, seed: int) -> FloatArray:
        """One for every window."""
        return np.ones(len(starts))


class Random:
    """Finds anything, by the dice: uniform p-values, a function of seed, workload line and time alone."""

    name = "random"

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """The seed."""
        rows.check()
        return {"seed": np.array([seed], dtype=np.int64), "schema": rows.schema.mark.copy()}

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """-ln of a uniform number."""
        rows.check(arrays)
        marks = rows.starts * 1_000_003 + rows.workloads
        return np.asarray(-np.log(self.p_values(marks, seed=int(arrays["seed"][0]))))

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """Nothing."""
        rows.check()
        return np.zeros((len(rows), rows.schema.width))

    def p_values(self, starts: npt.NDArray[np.int64], *, seed: int) -> FloatArray:
        """Uniform in (0, 1), each a hash of its mark and the seed (splitmix64)."""
        mixed = starts.astype(np.uint64) + np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15 % 2**63)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
        return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53 + 2.0**-54


class Floor(Protocol):
    """A detector that needs no features."""

    @property
    def name(self) -> str:
        """Of the detector."""
        ...

    def p_values(self, starts: npt.NDArray[np.int64], *, seed: int) -> FloatArray:
        """p of each window."""
        ...


def deviations(
    detector: Floor, windows: Sequence[Window], *, alpha: Callable[[int], float], seed: int
) -> list[Deviation]:
    """Windows past the threshold by a detector that knows nothing, without hysteresis (generous to it)."""
    names = {window.workload: None for window in windows}
    order = {workload: line for line, workload in enumerate(sorted(names, key=lambda workload: workload.key))}
    marks = np.array(
        [window.start * 1_000_003 + window.horizon_s * 10_007 + order[window.workload] for window in windows],
        dtype=np.int64,
    )
    p = detector.p_values(marks, seed=seed)
    return [
        Deviation(
            workload=window.workload, window_start=window.start, window_end=window.end, p=float(value),
            threshold=alpha(window.horizon_s), family=Family.TIMING, families=(Family.TIMING,), reasons=(), edges=(),
            maturity=Maturity.LEARNING, model_set=detector.name,
        )
        for window, value in zip(windows, p, strict=True)
        if value < alpha(window.horizon_s)
    ]  # fmt: skip
