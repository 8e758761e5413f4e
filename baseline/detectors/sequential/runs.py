"""Runs that did not come: a job that ran at nearly every slot, and is silent at this one.

A run begins when a workload is active after ten quiet minutes. A recurrence is an interval after which nearly every run
was followed by another: the typical interval, or a day. Nothing is assumed of schedules; a job that is silent within a
run, or runs at odd times, has no recurrence and is never missed. Runs less than a quarter of an hour apart are one.
Runs more than a day apart are not watched: a workload that is silent for a day is forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from baseline.detectors.sequential.beacon import median
from baseline.domain.units import DAY_S

QUIET_S = 600  # silence that ends a run
SHORTEST_S = 900  # interval between runs
TOLERANCE_S = (600, 3300)  # how early or late a run may be, at least and at most: a tenth of the interval between
APART = 4.0  # a day is a recurrence only for runs that lie this many tolerances apart
BEGINS_KEPT = 32
FEWEST = 6  # runs whose follower could have been seen
NEARLY_ALL = 0.9  # share of them that were followed
FEWEST_UNNAMED, ALL = 14, 1.0  # the same for a workload that is not known to be a job: stricter


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A run that was due and was not seen."""

    due: int  # when it should have begun, epoch seconds
    every_s: float
    came: int  # runs that were followed by another after the interval
    slots: int  # runs that could have been


@dataclass(slots=True, kw_only=True)
class Runs:
    """Of one workload."""

    begins: list[int] = field(default_factory=list)  # starts of the newest runs, ascending
    active_until: int = 0
    is_job: bool = False  # the log showed that it is one
    told: int = 0  # when the newest run that was told missing was due; again only after a newer one came

    def see(self, start: int, *, end: int, is_job: bool) -> None:
        """A window with connections."""
        self.is_job = self.is_job or is_job
        if not self.begins or start - self.active_until >= QUIET_S:
            self.begins = [*self.begins, start][-BEGINS_KEPT:]
        self.active_until = max(self.active_until, end)

    def missing(self, *, now: int, watched_since: int) -> Missing | None:
        """The run that is overdue at ``now``, told once; the time it was due must have been watched."""
        fewest, share = (FEWEST, NEARLY_ALL) if self.is_job else (FEWEST_UNNAMED, ALL)
        if len(self.begins) <= fewest or self.told >= self.begins[-1]:
            return None
        typical = median([float(later - earlier) for earlier, later in pairwise(self.begins)])
        for every_s in (typical, float(DAY_S)):
            slack_s = min(TOLERANCE_S[1], max(TOLERANCE_S[0], every_s / 10))
            due = self._due(every_s, slack_s, now=now)
            is_crowded = every_s != typical and typical < APART * slack_s  # one would be there by chance
            if every_s < SHORTEST_S or is_crowded or due is None or due - slack_s < watched_since or due <= self.told:
                continue
            came, slots = self._followed(every_s, slack_s, until=due)
            if slots >= fewest and came >= share * slots:
                self.told = int(due)
                return Missing(due=int(due), every_s=every_s, came=came, slots=slots)
        return None

    def _due(self, every_s: float, slack_s: float, *, now: int) -> float | None:
        """When the newest run that is overdue was due: after a run that nothing followed."""
        for begin in reversed(self.begins):
            due = begin + every_s
            if due + slack_s <= now:
                is_running = begin == self.begins[-1] and self.active_until >= due - slack_s
                return None if is_running or self._has(due, slack_s) else due
        return None

    def _followed(self, every_s: float, slack_s: float, *, until: float) -> tuple[int, int]:
        """How many runs that were due before ``until`` came, and how many were due."""
        due = [begin + every_s for begin in self.begins if begin + every_s < until]
        return sum(self._has(at, slack_s) for at in due), len(due)

    def _has(self, at: float, slack_s: float) -> bool:
        return any(abs(begin - at) <= slack_s for begin in self.begins)

    def to_plain(self) -> list[Any]:
        """For the checkpoint."""
        return [self.begins, self.active_until, self.is_job, self.told]

    @classmethod
    def from_plain(cls, row: Sequence[Any]) -> Runs:
        """The inverse; ValueError or TypeError for what is none."""
        begins, active_until, is_job, told = row
        return cls(
            begins=[int(one) for one in begins], active_until=int(active_until), is_job=bool(is_job), told=int(told)
        )
