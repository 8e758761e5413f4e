"""Which workloads have moved away from what was learned: a proposal to fit them anew, never an act.

Residuals of each of the last days are compared with those of the time the set was made from, feature by feature
(``detectors.drift``). A workload is proposed when enough features moved on every one of these days and nobody
confirmed an attack meanwhile: an attacker who stays must not be offered as the new normal.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from baseline.detectors import drift, seasonal
from baseline.detectors.combine import under
from baseline.detectors.fitted import FittedSet
from baseline.domain.units import DAY_S
from baseline.domain.workload import WorkloadId
from baseline.features import schema
from baseline.features.table import FloatArray, WindowTable
from baseline.ports import History
from baseline.services.promote import rows_of_table
from baseline.services.train import Exclusion, without

DAYS = 3  # that a workload must have moved on, each by itself
FEATURES = 3  # that must have moved
REFERENCE_S = 14 * DAY_S  # of learning that is compared with: its newest part


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One workload compared: on how many of the days it moved, and in which features on all of them."""

    workload: WorkloadId
    days_moved: int
    days: int  # that had enough windows to say
    features: tuple[str, ...]

    @property
    def is_proposed(self) -> bool:
        """Whether to fit it anew."""
        return self.days == DAYS and self.days_moved == DAYS and len(self.features) >= FEATURES


def drifts(
    model: FittedSet, history: History, *, horizon_s: int, now: float,
    attacks: Collection[Exclusion] = (),
) -> list[Drift]:  # fmt: skip
    """Every workload of the set with windows since, in order of its key; workloads under attack are left out."""
    trained = model.manifest.trained_until
    found = []
    for workload in sorted(model.lines, key=lambda one: one.key):
        if any(who == workload and until > now - DAYS * DAY_S for who, _, until in attacks):
            continue
        then = history.windows(workload, horizon_s=horizon_s, since=trained - REFERENCE_S, until=trained)
        reference = _residuals(model, without(then, attacks))
        recent = history.windows(workload, horizon_s=horizon_s, since=max(trained, now - DAYS * DAY_S), until=now)
        if len(recent):
            found.append(_compared(workload, reference, recent, _residuals(model, recent), now))
    return found


def _compared(
    workload: WorkloadId, reference: FloatArray, recent: WindowTable, residuals: FloatArray, now: float
) -> Drift:
    day = ((now - recent.starts) // DAY_S).astype(np.int64)
    by_day = [drift.stability(reference, residuals[day == number]) for number in range(DAYS)]
    said = [index for index in by_day if np.isfinite(index).any()]
    always = np.all([index > drift.MOVED_PSI for index in said], axis=0) if said else np.zeros(schema.WIDTH, np.bool_)
    return Drift(
        workload=workload,
        days_moved=sum(int((index > drift.MOVED_PSI).sum()) >= FEATURES for index in said),
        days=len(said),
        features=tuple(name for name, moved in zip(schema.NAMES, always, strict=True) if moved),
    )


def _residuals(model: FittedSet, table: WindowTable) -> FloatArray:
    if not len(table):
        return np.zeros((0, schema.WIDTH))
    tables = under(model.horizons[table.horizon_s], "seasonal")
    return seasonal.residuals(tables, rows_of_table(model, table))
