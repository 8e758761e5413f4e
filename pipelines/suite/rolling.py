"""One workload judged as in life: a set is fitted on the weeks before, judges a week, and the next set takes over.

Nothing from the future: a set sees what lies before the windows it judges, and the level is followed through windows
that were already judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from baseline.detectors import retrace
from baseline.detectors.fit import fit_horizon
from baseline.detectors.protocol import Arrays, Rows
from baseline.domain.alert import MERGE_WITHIN_S
from baseline.domain.units import WEEK_S
from baseline.features import calendar
from baseline.features.schema import Schema
from baseline.features.table import FloatArray, IntArray
from baseline.services.judging import RECENT
from baseline.services.score import SINGLE_WINDOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is learned from, in windows, and how often."""

    horizon_s: int
    learned: int  # windows that a set is fitted on at most, the calibrated ones among them
    refit: int  # windows that it judges
    least: int = 0  # windows before the first set; all of ``learned`` by default
    calibrated: int | None = None  # the last windows of those; the product's share by default
    alerts_per_week: float = 1.0

    @property
    def alpha(self) -> float:
        """Threshold of one window."""
        return self.alerts_per_week * self.horizon_s / WEEK_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Of every row: p and the parts it came from; NaN in the rows that were learned from only."""

    p: FloatArray
    largest: FloatArray  # largest absolute residual
    voices: dict[str, FloatArray] = field(default_factory=dict)


def rows_of(schema: Schema, values: FloatArray, starts: IntArray) -> Rows:
    """Windows of one workload without edges."""
    zeros = np.zeros(len(starts), dtype=np.int64)
    return Rows(
        schema=schema, workloads=zeros, starts=starts, slots=calendar.slots(starts), days=calendar.days(starts),
        values=values, residuals=np.zeros((0, schema.width)), fresh=zeros, fresh_peers=zeros,
    )  # fmt: skip


def fits(rows: Rows, plan: Plan, *, seed: int) -> dict[int, Arrays]:
    """The set that judges from each place on."""
    found: dict[int, Arrays] = {}
    for begin in range(plan.least or plan.learned, len(rows), plan.refit):
        past = rows.pick(np.arange(max(0, begin - plan.learned), begin))
        cut = None if plan.calibrated is None else float(rows.starts[begin - plan.calibrated])
        found[begin] = fit_horizon(past, lines=1, seed=seed, calibrate_from=cut)
    return found


def judged(rows: Rows, sets: dict[int, Arrays], plan: Plan) -> Judged:
    """All rows behind the first learned ones, each by the newest set before it."""
    p, largest = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    voices: dict[str, FloatArray] = {}
    for begin, arrays in sets.items():
        here = np.arange(begin, min(len(rows), begin + plan.refit))
        verdict, _ = retrace.judge(arrays, rows.pick(here), alpha=plan.alpha, is_after=True)
        p[here], largest[here] = verdict.p, np.abs(verdict.residuals).max(axis=1)
        for name, value in verdict.voices.items():
            voices.setdefault(name, np.full(len(rows), np.nan))[here] = value
    return Judged(p=p, largest=largest, voices=voices)


def alerts(starts: IntArray, p: FloatArray, plan: Plan) -> IntArray:
    """Starts of the alerts: hysteresis as in ``services.score``, what follows within an hour is the same alert."""
    found, past, last = [], [], float("-inf")
    for start, value in zip(starts.tolist(), p.tolist(), strict=True):
        if not value < plan.alpha:
            continue
        is_raised = value < plan.alpha / SINGLE_WINDOW or any(
            start - one <= RECENT * plan.horizon_s for one in past[-RECENT:]
        )
        past.append(start)
        if is_raised:
            if start - last > MERGE_WITHIN_S + plan.horizon_s - 1:
                found.append(start)
            last = start
    return np.array(found, dtype=np.int64)
