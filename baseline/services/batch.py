"""Windows of one end and horizon, judged: what explaining them asks again and again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baseline.detectors import combine, seasonal
from baseline.detectors.combine import Verdict, under
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import Rows
from baseline.domain.window import Window
from baseline.features.table import FloatArray
from baseline.services.novelty import Novel


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Windows of one end and horizon, judged; everything aligned."""

    windows: Sequence[Window]
    rows: Rows
    verdict: Verdict
    novel: Sequence[Novel]
    model: FittedSet
    alpha: float

    @property
    def horizon_s(self) -> int:
        """Of all windows."""
        return self.windows[0].horizon_s

    def centre(self, at: int) -> FloatArray:
        """What is usual of each feature, (schema.WIDTH,)."""
        tables = under(self.model.horizons[self.horizon_s], "seasonal")
        centre, _, _ = seasonal.expected(
            tables, self.rows.workloads[at : at + 1], self.rows.slots[at : at + 1], levels=self.rows.levels[at : at + 1]
        )
        return np.asarray(centre[0])

    def p_values(self, rows: Rows) -> FloatArray:
        """Of changed rows, all the way through."""
        return combine.judge(self.model.horizons[self.horizon_s], rows).p
