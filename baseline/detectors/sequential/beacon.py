"""Beacon: how regularly, evenly and long an edge is used, after RITA v5 (activecm/rita, analysis/beacons.go).

Four sub-scores of weight 0.25, each in [0, 1]: regular intervals, regular sizes, hours seen, and an even histogram of
connections by the hour. A regularity is the mean of 1 - |Bowley skewness| and 1 - MAD / median.

What windows can and cannot resolve. RITA sees every connection; we see windows of one or five minutes. An interval is
the distance between the starts of windows with connections, so it is a multiple of the window: a period that is none
comes out as two neighbouring multiples, and jitter below a window is invisible. Below four windows the quartiles of
such multiples mean nothing, and only MAD / median counts. A beacon faster than two windows has connections in nearly
all of them and no intervals; there the connections in each window are looked at: as many in every one, against as many
as chance brings (variance = mean). Periods above four hours are seen in too few hours to be scored. A size is the mean
of the bytes sent a connection in a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt

from baseline.domain.units import DAY_S, HOUR_S

WEIGHT = 0.25  # of each sub-score
FEWEST_WINDOWS = 4  # with connections; RITA's unique_connection_threshold
SPAN_H = 24  # hours a score looks back
LEAST_HOURS, IDEAL_HOURS = 6, 12  # hours seen for any duration score, consecutive ones for all of it
BIMODAL_HOURS, BIMODAL_OUTLIERS, MODE_SENSITIVITY = 11, 1, 0.05  # RITA's defaults
LEAST_SPREAD = 10.0  # quartile distance (seconds, bytes) below which skewness means nothing
COARSE_WINDOWS = 4.0  # median interval in windows, below which the quartiles of intervals mean nothing
FAST_WINDOWS = 2.0  # below which there are no intervals to look at, but connections in every window
THRESHOLD = 0.9  # RITA's boundary between medium and high


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of one edge; every number in [0, 1], higher = more like a beacon."""

    intervals: float
    sizes: float
    duration: float
    histogram: float
    period_s: float  # median interval
    hours: int  # hours with connections, of the last SPAN_H

    @property
    def total(self) -> float:
        """The weighted sum."""
        return WEIGHT * (self.intervals + self.sizes + self.duration + self.histogram)


def score(
    starts: Sequence[int],
    counts: Sequence[int],
    sizes: Sequence[float],
    by_hour: Mapping[int, int],
    *,
    until: int,
    window_s: int,
) -> Score | None:
    """Score one edge, or None where it is too short or too rare for one.

    Parameters
    ----------
    starts : of the newest windows with connections, ascending, epoch seconds.
    counts : connections in each.
    sizes : bytes sent a connection in each.
    by_hour : hour (epoch seconds // 3600) -> connections.
    until : the end of the last full hour, epoch seconds; the SPAN_H hours before it count.
    """
    end = until // HOUR_S
    bars = [by_hour.get(hour, 0) for hour in range(end - SPAN_H, end)]
    seen = sum(bar > 0 for bar in bars)
    if len(starts) < FEWEST_WINDOWS or seen < LEAST_HOURS:
        return None
    intervals = [float(later - earlier) for earlier, later in pairwise(starts)]
    period_s = median(intervals)
    used = [hour for hour, bar in enumerate(bars) if bar]
    span_h = used[-1] - used[0] + 1
    return Score(
        intervals=_timing(starts, counts, intervals, period_s / window_s, window_s=window_s),
        sizes=regularity(sizes, of_nothing=0.0),
        duration=duration(bars, covered=min(1.0, span_h * HOUR_S / DAY_S)),
        histogram=evenness(bars),
        period_s=period_s,
        hours=seen,
    )


def _timing(
    starts: Sequence[int], counts: Sequence[int], intervals: Sequence[float], period: float, *, window_s: int
) -> float:
    """Regularity in time; ``period`` is the median interval in windows."""
    if period >= COARSE_WINDOWS:
        return regularity(intervals, of_nothing=1.0)
    if period >= FAST_WINDOWS:
        return steadiness(intervals, of_nothing=1.0)
    windows = (starts[-1] - starts[0]) // window_s + 1
    return sameness(counts, windows=windows)


def sameness(counts: Sequence[int], *, windows: int) -> float:
    """1 - variance / mean of connections a window, not below 0; windows without any are not in ``counts``.

    1 for as many in every window, 0 for what arrives by chance, or in bursts.
    """
    mean = sum(counts) / windows
    square = sum(count * count for count in counts) / windows
    return max(0.0, 1.0 - (square - mean * mean) / mean)


def regularity(values: Sequence[float], *, of_nothing: float) -> float:
    """The mean of 1 - |Bowley skewness| and 1 - MAD / median, in [0, 1]; at least three values."""
    return (1.0 - abs(skewness(values)) + steadiness(values, of_nothing=of_nothing)) / 2


def steadiness(values: Sequence[float], *, of_nothing: float) -> float:
    """1 - MAD / median, not below 0; ``of_nothing`` where the median is below one unit."""
    middle = median(values)
    deviation = median([abs(value - middle) for value in values])
    return max(0.0, 1.0 - deviation / middle) if middle >= 1 else of_nothing


def skewness(values: Sequence[float]) -> float:
    """Bowley's (Q1 + Q3 - 2 Q2) / (Q3 - Q1), in [-1, 1]; 0 where the quartiles are too close or coincide."""
    low, middle, high = quartiles(values)
    if high - low < LEAST_SPREAD or middle in (low, high):
        return 0.0
    return (low + high - 2 * middle) / (high - low)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Medians of the lower half, of all and of the upper half; the middle value of an odd count is in neither half."""
    ordered = sorted(values)
    half = len(ordered) // 2
    if not half:
        return ordered[0], ordered[0], ordered[0]
    return median(ordered[:half]), median(ordered), median(ordered[-half:])


def duration(bars: Sequence[int], *, covered: float) -> float:
    """The larger of the share of the span covered and the longest run of hours over IDEAL_HOURS; the span wraps."""
    if sum(bar > 0 for bar in bars) < LEAST_HOURS:
        return 0.0
    longest = run = 0
    for bar in (*bars, *bars):
        run = run + 1 if bar else 0
        longest = max(longest, run)
    return max(covered, min(1.0, min(longest, len(bars)) / IDEAL_HOURS))


def evenness(bars: Sequence[int]) -> float:
    """The larger of 1 - coefficient of variation and the share of hours in the two commonest heights."""
    mean = sum(bars) / len(bars)
    if mean <= 0:
        return 0.0
    spread = sqrt(sum((bar - mean) ** 2 for bar in bars) / len(bars))
    return max(0.0, 1.0 - spread / mean, _two_levels(bars))


def _two_levels(bars: Sequence[int]) -> float:
    used = [bar for bar in bars if bar]
    if len(used) < BIMODAL_HOURS:
        return 0.0
    step = ceil(max(used) * MODE_SENSITIVITY)
    heights: dict[int, int] = {}
    for bar in used:
        heights[bar // step] = heights.get(bar // step, 0) + 1
    commonest = sorted(heights.values(), reverse=True)[:2]
    return min(1.0, sum(commonest) / max(1, len(used) - BIMODAL_OUTLIERS))


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return float(ordered[half]) if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
