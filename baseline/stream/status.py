"""What the loop is given and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from baseline.features.windows import WindowOptions
from baseline.ports import Checkpoints, DeadLetters, History, Library, Partition
from baseline.services.budget import ALERTS_PER_DAY
from baseline.services.score import JudgeOptions
from baseline.stream.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """How the loop runs."""

    windows: WindowOptions = field(default_factory=WindowOptions)
    judge: JudgeOptions = field(default_factory=JudgeOptions)
    channels: tuple[str, ...] = ()  # notification channels that hear of opened alerts
    alerts_per_day: int = ALERTS_PER_DAY  # of a cluster that the channels hear of
    checkpoint_interval_s: float = 30.0
    history_interval_s: float = 0.0  # least time between history files; 0: with every checkpoint
    waiting_max: int = 50_000  # both are due earlier when this many windows wait for history: bounds memory
    member: str = "stream"  # who gives signs of life: unique among the group's processes
    sign_interval_s: float = 5.0
    poll_s: float = 0.5
    backoff_max_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Where results go."""

    library: Library
    history: History
    checkpoints: Checkpoints
    dead_letters: DeadLetters


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """What readiness and people ask."""

    partitions: int
    lag_records: int
    lag_s: float  # age of the newest record read, 0 when caught up
    watermark: float | None  # event time up to which all windows are closed
    workloads: int
    open_windows: int
    model_set: str | None
    failures: int  # rounds in a row that failed
    last_error: str

    @property
    def is_ready(self) -> bool:
        """Has partitions or waits for some without failing."""
        return self.failures == 0


def status_of(
    works: Sequence[Work], *, lag: Mapping[Partition, int], now: float, model_set: str | None, failures: int,
    last_error: str,
) -> StreamStatus:  # fmt: skip
    """The status of a loop with these partitions; ``lag`` in records, as last measured."""
    closed = [work.windower.closed_until for work in works if work.windower.closed_until is not None]
    behind = [now - work.log_time for work in works if not work.is_caught_up and work.log_time]
    return StreamStatus(
        partitions=len(works),
        lag_records=sum(lag.get(work.partition, 0) for work in works),
        lag_s=max(0.0, *behind) if behind else 0.0,
        watermark=min(closed) if closed else None,
        workloads=sum(work.windower.tracked for work in works),
        open_windows=sum(work.windower.open_windows for work in works),
        model_set=model_set,
        failures=failures,
        last_error=last_error,
    )
