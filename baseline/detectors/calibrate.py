"""Raw scores → p-values: quantiles for the body, a generalised Pareto tail beyond, each workload shrunk to the fleet.

A p-value below what the data can resolve comes from the tail's shape, which is clipped to [0, 0.5] and shrunk to an
exponential one: twenty excesses cannot say more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors.pool import Pool
from baseline.detectors.protocol import UNKNOWN, Arrays
from baseline.domain.units import HOUR_S
from baseline.features.table import FloatArray, IntArray

KNOTS = np.array([0.98, 0.8, 0.5, 0.2, 0.1, 0.05, 0.02])  # p of the quantiles kept
TAIL = float(KNOTS[-1])
SHAPE_RANGE = (0.0, 0.5)  # negative shapes end somewhere: past their end everything would be impossible, not rare
SHAPE_PRIOR, SHAPE_STRENGTH = 0.0, 100.0  # shape that few excesses are shrunk to, and its weight in hours with excesses
SCALE_STRENGTH = 10.0  # hours with excesses at which their own scale weighs as much as the body's
MOST_HOURS = 10_000_000  # of the clock, since 1970
FEWEST = 40  # scores below which a line says nothing of its own
OWN_HOURS = 24.0  # hours of history at which a workload's own distribution weighs as much as the fleet's
ELDER_SCORES = 400.0  # scores at which a horizon's own distribution weighs as much as the shorter horizon's
SMALLEST = 1e-15


def fit(
    scores: FloatArray,
    workloads: IntArray,
    *,
    lines: int,
    hours: FloatArray,
    starts: IntArray | None = None,
    elder: Arrays | None = None,
    trimmed: float = 0.0,
    pool: Pool | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """Quantiles and tails of every line, the last one the fleet's; NaN scores are left out.

    starts : (n,), epoch seconds, if known: excesses of one workload in one hour count once, because they hang together.
    hours : (lines,), hours of history behind each line. Without FEWEST scores at all the set is not ready (NaN p).
    elder : the calibration of a shorter horizon, which has more windows; the fleet is shrunk to it, because scores of
    all horizons are made of residuals and share one scale.
    trimmed : share of the largest excesses left out of the tail: what a short history, which may be under attack for
    much of its time, cannot be trusted with.
    pool : what the fleet says; found in these scores by default.
    """
    known = np.isfinite(scores)
    scores, workloads = scores[known], workloads[known]
    marks = np.arange(len(scores)) if starts is None else workloads * MOST_HOURS + starts[known] // HOUR_S
    quantiles = np.zeros((lines + 1, len(KNOTS)))
    tails = np.ones((lines + 1, 2))
    pool = Pool.whole(lines) if pool is None else pool
    fleet = pool.of("fleet", lambda: _fleet(scores, marks, elder, trimmed) if len(scores) >= FEWEST else None)
    if fleet is not None:
        quantiles[:], tails[:] = fleet
        order = np.argsort(workloads, kind="stable")
        bounds = np.searchsorted(workloads[order], np.arange(lines + 1))
        for line in range(lines):
            own = order[bounds[line] : bounds[line + 1]]
            if len(own) >= FEWEST:
                weight = hours[line] / (hours[line] + OWN_HOURS)
                own_quantiles, own_tail = _distribution(scores[own], marks[own], trimmed)
                quantiles[line] = weight * own_quantiles + (1 - weight) * quantiles[-1]
                tails[line] = weight * own_tail + (1 - weight) * tails[-1]
    return {"quantiles": quantiles, "tails": tails, "ready": np.array([int(fleet is not None)], dtype=np.int64)}


def _fleet(scores: FloatArray, marks: IntArray, elder: Arrays | None, trimmed: float) -> tuple[FloatArray, FloatArray]:
    """Quantiles and tail of everybody, shrunk to the elder's."""
    quantiles, tail = _distribution(scores, marks, trimmed)
    if elder is not None and int(elder["ready"][0]):
        trust = len(scores) / (len(scores) + ELDER_SCORES)
        quantiles = trust * quantiles + (1 - trust) * np.asarray(elder["quantiles"][-1])
        tail = trust * tail + (1 - trust) * np.asarray(elder["tails"][-1])
    return quantiles, tail


def p_values(arrays: Arrays, workloads: IntArray, scores: FloatArray) -> FloatArray:
    """P of each score (n,), in [SMALLEST, 1]; NaN where the score is NaN or the calibration not ready."""
    if not int(arrays["ready"][0]):
        return np.full(len(scores), np.nan)
    lines = np.where(workloads == UNKNOWN, arrays["quantiles"].shape[0] - 1, workloads)
    knots = np.asarray(arrays["quantiles"], dtype=np.float64)[lines]
    scale, shape = np.asarray(arrays["tails"], dtype=np.float64)[lines].T
    found = np.ones(len(scores))
    log_p = np.log(KNOTS)
    for step in range(len(KNOTS) - 1):
        low, high = knots[:, step], knots[:, step + 1]
        inside = scores >= low
        part = np.clip((scores - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
        found = np.where(inside, np.exp(log_p[step] + part * (log_p[step + 1] - log_p[step])), found)
    excess = scores - knots[:, -1]
    beyond = TAIL * _survival(np.maximum(excess, 0.0), scale, shape)
    return np.where(np.isfinite(scores), np.maximum(np.where(excess > 0, beyond, found), SMALLEST), np.nan)


def _survival(excess: FloatArray, scale: FloatArray, shape: FloatArray) -> FloatArray:
    near_zero = np.abs(shape) < 1e-6
    safe = np.where(near_zero, 1.0, shape)
    inner = np.maximum(1.0 + safe * excess / scale, 1e-300)
    return np.where(near_zero, np.exp(-excess / scale), np.exp(-np.log(inner) / safe))


def _distribution(scores: FloatArray, marks: IntArray, trimmed: float) -> tuple[FloatArray, FloatArray]:
    """Knots, and scale and shape of the tail; ``marks`` tell the hours apart that excesses lie in."""
    knots = np.quantile(scores, 1 - KNOTS)
    knots = np.maximum.accumulate(knots + 1e-9 * np.arange(len(KNOTS)))  # constant scores still order
    is_beyond = scores > knots[-1]
    excesses = np.sort(scores[is_beyond] - knots[-1])
    excesses = excesses[: len(excesses) - int(np.ceil(trimmed * len(excesses)))]
    body = max(float(knots[-1] - knots[2]) / np.log(KNOTS[2] / TAIL), 1e-3)  # the exponential that the body suggests
    if len(excesses) < 3:
        return knots, np.array([body, SHAPE_PRIOR])
    told = min(len(excesses), len(np.unique(marks[is_beyond])))
    weight = told / (told + SHAPE_STRENGTH)
    shape = float(np.clip(weight * _shape(excesses) + (1 - weight) * SHAPE_PRIOR, *SHAPE_RANGE))
    own = max(float(excesses.mean()) * (1 - shape), 1e-3)
    trust = told / (told + SCALE_STRENGTH)
    return knots, np.array([trust * own + (1 - trust) * body, shape])


def _shape(excesses: FloatArray) -> float:
    """Shape by probability-weighted moments (Hosking and Wallis 1987) of sorted excesses."""
    count = len(excesses)
    rank = (np.arange(1, count + 1) - 0.35) / count
    mean, weighted = float(excesses.mean()), float((excesses * (1 - rank)).mean())
    if mean - 2 * weighted <= 1e-12:
        return SHAPE_RANGE[1]
    return 2.0 - mean / (mean - 2 * weighted)
