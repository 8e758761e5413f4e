"""What the sequential rules remember of one workload, and what they may cost.

Part of the judge's state: bounded, brought forward by closed windows only, plain lists in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Any

from baseline.detectors.sequential.cusum import Cusum
from baseline.detectors.sequential.runs import Runs
from baseline.detectors.sequential.tracks import Tracks
from baseline.detectors.sequential.trw import Walk
from baseline.domain.units import WEEK_S

MEMORY_S = 4 * WEEK_S  # what a rule raised this long ago counts 1/e
PRIOR_ALARMS, PRIOR_WEEKS = 0.1, 4.0  # what a rule is taken to cost before anything was seen; by judgement
HOLE_S = 600  # time without any window after which a cluster counts as not watched


@dataclass(slots=True)
class Spent:
    """How often one rule raised one workload: an estimate of false alarms a week that needs no theory.

    Everything it raised counts as if it had been false. A rule that just raised is therefore held for weeks.
    """

    alarms: float = 0.0
    at: int = 0  # time of the newest
    since: int = 0  # first time it was asked

    def a_week(self, now: int) -> float:
        """Alarms a week to expect, by the past and a prior."""
        self.since = self.since or now
        weeks = (1.0 - exp(-max(0, now - self.since) / MEMORY_S)) * MEMORY_S / WEEK_S
        return (self._left(now) + PRIOR_ALARMS) / (weeks + PRIOR_WEEKS)

    def add(self, now: int) -> None:
        """It raised once more."""
        self.alarms, self.at = self._left(now) + 1.0, now

    def _left(self, now: int) -> float:
        return self.alarms * exp(-max(0, now - self.at) / MEMORY_S)


@dataclass(slots=True)
class Watched:
    """Of one workload."""

    until: int = 0  # end of the newest of its shortest windows that was taken
    hours_until: int = 0  # end of the newest hour that was taken
    walk: Walk = field(default_factory=Walk)
    tracks: Tracks = field(default_factory=Tracks)
    cusum: Cusum = field(default_factory=Cusum)
    runs: Runs = field(default_factory=Runs)
    spent: dict[str, Spent] = field(default_factory=dict)  # by rule

    def cost(self, rule: str) -> Spent:
        """What a rule cost so far."""
        return self.spent.setdefault(rule, Spent())

    def to_plain(self) -> list[Any]:
        """For the checkpoint."""
        return [
            self.until, self.hours_until, self.walk.to_plain(), self.tracks.to_plain(), self.cusum.to_plain(),
            self.runs.to_plain(), [[rule, one.alarms, one.at, one.since] for rule, one in sorted(self.spent.items())],
        ]  # fmt: skip

    @classmethod
    def from_plain(cls, row: Sequence[Any]) -> Watched:
        """The inverse; ValueError or TypeError for what is none."""
        until, hours_until, walk, tracks, cusum, runs, spent = row
        return cls(
            until=int(until), hours_until=int(hours_until), walk=Walk.from_plain(walk),
            tracks=Tracks.from_plain(tracks), cusum=Cusum.from_plain(cusum), runs=Runs.from_plain(runs),
            spent={str(rule): Spent(float(alarms), int(at), int(since)) for rule, alarms, at, since in spent},
        )  # fmt: skip


@dataclass(slots=True)
class Gaze:
    """Since when a cluster's windows come without a hole: silence before that is no evidence."""

    since: int = 0
    until: int = 0

    def saw(self, end: int) -> bool:
        """Windows that end here closed; whether these are the first ones to."""
        if end <= self.until:
            return False
        if end - self.until > HOLE_S:
            self.since = end
        self.until = end
        return True
