"""Rivals that watch one number over time. Ours, after their documented behaviour.

Each takes one partition's values (n,) in order of time, of which the first ``learned`` are the past that it may fit
on, and scores all of them: any monotone scale, higher = more unusual. No score looks at a later value.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from baseline.features.table import FloatArray, IntArray

SeriesRival = Callable[[FloatArray, IntArray, int], FloatArray]  # values, starts (epoch s), learned -> scores

THEIA_ALPHA = 0.5
THEIA_FEWEST_NEIGHBOURS = 4  # min_samples of its DBSCAN
MEMORY = 6 * 7 * 24  # values that what is refitted looks back on
REFIT = 7 * 24  # values between two refits
PERIOD_S = 7 * 86_400
LARGEST = 700.0  # -ln p that doubles can tell


def theia_ewma_style(values: FloatArray, _starts: IntArray, learned: int) -> FloatArray:
    """Theia's EWMA: alpha 0.5, the average holds the value itself, alert where they are a standard deviation apart.

    In standard deviations of what was learned, so its own alert is above 1 (antrea-io/theia,
    ``docs/throughput-anomaly-detection.md``, ``anomaly_detection.py``).
    """
    average, found = 0.0, np.empty(len(values))
    for place, value in enumerate(values):
        average = (1 - THEIA_ALPHA) * average + THEIA_ALPHA * float(value)
        found[place] = abs(float(value) - average)
    return found / _deviation(values[:learned])


def theia_arima_style(values: FloatArray, _starts: IntArray, learned: int) -> FloatArray:
    """Theia's ARIMA(1, 1, 1) on transformed throughput, one step ahead, alert a standard deviation off.

    Where Theia refits on all of the past at each value after the third, the coefficients here are fitted once, on the
    whole learned part (Hannan and Rissanen 1982); its Box-Cox is the logarithm.
    """
    steps = np.diff(np.log1p(values), prepend=np.log1p(values[:1]))
    phi, theta = _arma(steps[1:learned])
    found, error = np.zeros(len(values)), 0.0
    for place in range(1, len(values)):
        step = phi * steps[place - 1] + theta * error
        error = steps[place] - step
        expected = np.expm1(min(float(np.log1p(values[place - 1]) + step), 60.0))
        found[place] = abs(float(values[place]) - float(expected))
    return found / _deviation(values[:learned])


def theia_dbscan_style(values: FloatArray, _starts: IntArray, learned: int) -> FloatArray:
    """Theia's DBSCAN on throughput alone, min_samples 4.

    The score is the smallest eps that would not make the value noise beside what was learned: the distance that holds
    ``min_samples`` values, itself included. Theia's own eps is 250,000,000, whatever is measured.
    """
    known = np.sort(values[:learned])
    found = np.empty(len(values))
    for place, value in enumerate(values):
        others = THEIA_FEWEST_NEIGHBOURS if place < learned else THEIA_FEWEST_NEIGHBOURS - 1  # a learned one is its own
        at = int(np.searchsorted(known, value))
        near = np.sort(np.abs(known[max(0, at - others) : at + others] - value))
        found[place] = near[min(others, len(near)) - 1]
    return found


def elastic_style(values: FloatArray, starts: IntArray, learned: int) -> FloatArray:
    """Elastic's ``high_count`` job: -ln of the chance of so many or more in a bucket, each partition by itself.

    Its own job of that name has one partition for all traffic and buckets of 15 minutes; here every workload is one
    and a bucket is what the protocol has, which is kinder. Daily and weekly shape is modelled from two weeks on
    (elastic/kibana, ``security_network``; "anomaly score" in Elastic's docs): here the hours of weekdays and of
    weekends, refitted every week on six.
    """
    logs = np.log1p(values)
    found = np.zeros(len(values))
    slots = _slots(starts) if len(values) and starts[learned - 1] - starts[0] >= 2 * PERIOD_S else np.zeros_like(starts)
    for begin in [0, *range(learned, len(values), REFIT)]:
        end = learned if begin == 0 else min(begin + REFIT, len(values))
        past = slice(0, learned) if begin == 0 else slice(max(0, begin - MEMORY), begin)
        overall = float(np.std(logs[past])) + 1e-3
        for slot in np.unique(slots[begin:end]):
            here = begin + np.flatnonzero(slots[begin:end] == slot)
            alike = logs[past][slots[past] == slot]
            if len(alike) < 2:
                alike = logs[past]
            spread = max(float(np.std(alike)), 0.1 * overall)
            found[here] = _surprise((logs[here] - float(np.mean(alike))) / spread)
    return found


def _surprise(z: FloatArray) -> FloatArray:
    """-ln of a normal's upper tail."""
    from scipy.stats import norm

    return np.minimum(-np.asarray(norm.logsf(z), dtype=np.float64), LARGEST)


def _slots(starts: IntArray) -> IntArray:
    is_weekend = (starts // 86_400 + 3) % 7 >= 5  # day 0 of the epoch was a Thursday
    return np.asarray(starts // 3600 % 24 + 24 * is_weekend, dtype=np.int64)


def _deviation(learned: FloatArray) -> float:
    return max(float(np.std(learned)), 1.0)


def _arma(steps: FloatArray) -> tuple[float, float]:
    """Coefficients of an ARMA(1, 1) by two least squares; zeros for a series that never moves."""
    if len(steps) < 10 or not np.any(steps):
        return 0.0, 0.0
    first = float(steps[:-1] @ steps[1:] / (steps[:-1] @ steps[:-1] + 1e-12))
    errors = np.concatenate([[0.0], steps[1:] - first * steps[:-1]])
    past = np.column_stack([steps[:-1], errors[:-1]])
    phi, theta = np.linalg.lstsq(past, steps[1:], rcond=None)[0]
    return float(np.clip(phi, -0.99, 0.99)), float(np.clip(theta, -0.99, 0.99))
