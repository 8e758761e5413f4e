"""Rows of a small invented fleet, for every test of detectors."""

from __future__ import annotations

import numpy as np

from baseline.detectors.protocol import Rows
from baseline.features import calendar, schema

T0 = 1_767_571_200  # Monday 2026-01-05T00:00:00Z


def rows(
    *, lines: int = 4, windows: int = 120, horizon_s: int = 60, seed: int = 3, with_residuals: bool = True
) -> Rows:
    """Windows of `lines` workloads with their own levels and unit-normal residuals."""
    rng = np.random.default_rng(seed)
    starts = np.tile(T0 + horizon_s * np.arange(windows, dtype=np.int64), lines)
    workloads = np.repeat(np.arange(lines, dtype=np.int64), windows)
    level = rng.uniform(2, 6, size=(lines, schema.WIDTH))
    noise = rng.normal(size=(lines * windows, schema.WIDTH))
    return Rows(
        schema=schema.PRODUCT,
        workloads=workloads,
        starts=starts,
        slots=calendar.slots(starts),
        days=calendar.days(starts),
        values=level[workloads] + 0.3 * noise,
        residuals=noise if with_residuals else np.zeros((0, schema.WIDTH)),
        fresh=np.zeros(lines * windows, dtype=np.int64),
        fresh_peers=np.zeros(lines * windows, dtype=np.int64),
    )
