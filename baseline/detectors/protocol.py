"""What every detector keeps: fit on rows, score rows, say what of a row carried the score.

A detector's knowledge is a flat mapping of array names to arrays (``Arrays``): that is what a model set stores, so
nothing executable is ever loaded. Scores are raw (any monotone scale, higher = more unusual); ``calibrate`` turns
them into p-values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from baseline.domain.errors import SchemaMismatch
from baseline.features.schema import Schema
from baseline.features.table import FloatArray, IntArray

Arrays = Mapping[str, npt.NDArray[Any]]
UNKNOWN = -1  # row number of a workload the model has never seen: judged by the fleet's line


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Windows of one horizon as numbers, for fitting or scoring.

    schema : what the columns mean.
    workloads : int64 (n,), line of the workload in the model; UNKNOWN for a newcomer.
    starts : int64 (n,), epoch seconds.
    slots : int64 (n,), local hour of the week, 0 to 167.
    days : int64 (n,), number of the local day.
    values : float64 (n, schema.width), finite.
    residuals : float64 (n, schema.width), robust residuals by ``seasonal``; empty before.
    fresh : int64 (n,), edges in the window that were never seen before it.
    fresh_peers : int64 (n,), peers among them that were never seen at all.
    levels : float64 (n, schema.width), how far the followed level lies above the tables; empty for not at all.
    rarity : float64 (n,), the largest modifier of the new edges' evidence (``rarity``); None weighs nothing.
    rollout : float64 (n,), least probability of a window with new edges after a rollout, 0 where there was none.
    """

    schema: Schema
    workloads: IntArray
    starts: IntArray
    slots: IntArray
    days: IntArray
    values: FloatArray
    residuals: FloatArray
    fresh: IntArray
    fresh_peers: IntArray
    levels: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    rarity: FloatArray | None = None
    rollout: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def pick(self, which: npt.NDArray[Any]) -> Rows:
        """The rows of a boolean mask or of positions."""
        return Rows(
            schema=self.schema,
            workloads=self.workloads[which],
            starts=self.starts[which],
            slots=self.slots[which],
            days=self.days[which],
            values=self.values[which],
            residuals=self.residuals[which] if len(self.residuals) else self.residuals,
            fresh=self.fresh[which],
            fresh_peers=self.fresh_peers[which],
            levels=self.levels[which] if len(self.levels) else self.levels,
            rarity=None if self.rarity is None else self.rarity[which],
            rollout=None if self.rollout is None else self.rollout[which],
        )

    def check(self, arrays: Arrays | None = None) -> None:
        """Raise SchemaMismatch unless the numbers are whole and ``arrays``, if given, were fitted on their schema."""
        if arrays is not None and not np.array_equal(arrays["schema"], self.schema.mark):
            raise SchemaMismatch(f"rows of schema {self.schema.hash}, fitted on {bytes(arrays['schema']).hex()}")
        if self.values.shape != (len(self), self.schema.width):
            raise SchemaMismatch(f"rows of shape {self.values.shape}, schema has {self.schema.width} features")
        if not np.isfinite(self.values).all():
            raise SchemaMismatch("rows hold numbers that are not finite")


class Detector(Protocol):
    """One voice."""

    @property
    def name(self) -> str:
        """Prefix of its arrays in a model set."""
        ...

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """Learn from rows (with residuals) of ``lines`` workloads, unchanged; same rows and seed, same bytes.

        ``schema`` among the arrays is the mark of the rows' schema.
        """
        ...

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """Raw scores (n,), higher = more unusual; NaN where the detector is not ready to say anything.

        Raises SchemaMismatch for rows of another schema than it was fitted on.
        """
        ...

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """What each feature added to the score, (n, schema.width), not negative; zeros where nothing did."""
        ...
