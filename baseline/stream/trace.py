"""The named stages of the loop, and who is told when one is passed."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from baseline.ports import Metrics


class Stage(StrEnum):
    """In the order of the loop; everything before a stage's name has happened when it is passed."""

    POLLED = "polled"  # records decoded and counted in windows
    JUDGED = "judged"  # closed windows scored, alerts merged
    WRITTEN = "written"  # alerts, workloads and events are in the books
    RECORDED = "recorded"  # windows and edges are in history
    CHECKPOINTED = "checkpointed"  # state and position are stored
    COMMITTED = "committed"  # the group knows the position


class Trace(Protocol):
    """Told of every stage passed."""

    def passed(self, stage: Stage, *, seconds: float) -> None:
        """``seconds`` of processing since the stage before."""
        ...


class MetricsTrace:
    """Stage times as histograms."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def passed(self, stage: Stage, *, seconds: float) -> None:
        """Scoring and checkpointing have histograms of their own; the other stages have none."""
        if stage is Stage.JUDGED:
            self._metrics.observe("score_seconds", seconds)
        elif stage is Stage.CHECKPOINTED:
            self._metrics.observe("checkpoint_seconds", seconds)
