"""Scores of windows held to an alert budget: what a row compares detectors by that have no budget of their own.

Events are counted on the found side, alerts (merged within an hour) on the false side, as ``services.outcome`` does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baseline.domain.deviation import Deviation, Family, Maturity
from baseline.domain.window import Window
from baseline.features.table import FloatArray
from baseline.services import outcome
from baseline.services.outcome import Label, Outcome

RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Windows and how unusual a detector finds each: any monotone scale, higher = more unusual, (n,)."""

    windows: Sequence[Window]
    scores: FloatArray
    hours: float  # of the clock

    def raised(self, threshold: float) -> list[Deviation]:
        """The windows above the threshold, without hysteresis."""
        return [
            _deviation(window, float(score), threshold)
            for window, score in zip(self.windows, self.scores, strict=True)
            if score > threshold
        ]

    def outcome(self, threshold: float, labels: Sequence[Label]) -> Outcome:
        """What is found above the threshold."""
        since = min(window.start for window in self.windows)
        until = max(window.end for window in self.windows) + 1
        return outcome.compare(self.raised(threshold), labels, since=since, until=until)

    def threshold(self, *, alerts_per_hour: float, labels: Sequence[Label] = ()) -> float:
        """The lowest threshold that keeps the budget on these windows.

        Without labels every alert counts against the budget, which is what one knows on the part one learns from. With
        them only false ones do, which nobody knows on the part that is judged: that is the bound, not a way to work.
        A part of an alert is a whole one, in favour of who is judged.
        """
        allowed = math.ceil(alerts_per_hour * self.hours)
        is_event = np.array(
            [outcome.windows_in_events(w.workload, w.start, w.end, labels) for w in self.windows], dtype=np.bool_
        )
        limits = np.unique(self.scores[~is_event])[::-1] if len(labels) else np.unique(self.scores)[::-1]
        kept = float(np.max(self.scores, initial=0.0))
        for limit in limits:
            if len(self.outcome(float(limit), labels).false_alerts) > allowed:
                break
            kept = float(limit)
        return kept


def _deviation(window: Window, score: float, threshold: float) -> Deviation:
    return Deviation(
        workload=window.workload, window_start=window.start, window_end=window.end, p=1.0 / (2.0 + abs(score)),
        threshold=threshold, family=Family.TIMING, families=(Family.TIMING,), reasons=(), edges=(),
        maturity=Maturity.LEARNING, model_set="",
    )  # fmt: skip


def counted(hits: Sequence[bool] | FloatArray, *, seed: int) -> tuple[float, float]:
    """95 % interval of a number of events found, by bootstrap over the events."""
    drawn = np.random.default_rng(seed).choice(np.asarray(hits, dtype=np.float64), size=(RESAMPLES, len(hits)))
    low, high = np.quantile(drawn.sum(axis=1), (0.025, 0.975))
    return float(low), float(high)


def recalled(hits: Sequence[bool] | FloatArray | npt.NDArray[np.bool_], *, seed: int) -> tuple[float, float]:
    """95 % interval of a share of events found, likewise."""
    low, high = counted(np.asarray(hits, dtype=np.float64), seed=seed)
    return low / len(hits), high / len(hits)
