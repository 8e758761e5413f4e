"""One stream process for the kill test: reads the topic to its end, or kills itself at a stage.

``python -m tests.faults.stream_process FOLDER BOOTSTRAP TOPIC GROUP SHELF [STAGE NTH]``. Real Kafka, SQLite, Parquet
and checkpoint files; the clock stands still far in the future, so that runs differ in nothing but their deaths.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path

from baseline.adapters.checkpoints import FileCheckpoints
from baseline.adapters.history import ParquetHistory
from baseline.adapters.kafka import source as kafka_source
from baseline.adapters.kafka.connection import KafkaConnection
from baseline.adapters.memory.log import MemoryDeadLetters
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.shelf import FolderShelf
from baseline.adapters.sql.library import open_library
from baseline.features import schema
from baseline.services.score import JudgeOptions
from baseline.stream.loop import StreamLoop
from baseline.stream.modelwatch import ModelWatch
from baseline.stream.status import Stores, StreamOptions
from baseline.stream.steps import PlainDecoder
from baseline.stream.trace import Stage

NOW = 4e9
RECORDS_A_ROUND = 200  # many rounds out of a small recording
IDLE_ROUNDS = 10  # with everything read and closed
ROUNDS_MAX = 2000


class StandingClock:
    """Always the same moment, so that what is stored does not depend on when it was."""

    def now(self) -> float:
        """The moment."""
        return NOW

    def wait(self, seconds: float) -> bool:
        """At once; nobody asks us to stop."""
        return False


class DeathTrace:
    """Kills the process, as ``kill -9`` does, when a stage is passed for the nth time."""

    def __init__(self, stage: Stage | None, nth: int) -> None:
        self._stage = stage
        self._nth = nth
        self._passed: Counter[Stage] = Counter()

    def passed(self, stage: Stage, *, seconds: float) -> None:
        """Count, and perhaps die."""
        self._passed[stage] += 1
        if stage is self._stage and self._passed[stage] == self._nth:
            os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, bootstrap: str, topic: str, group: str, shelf: str, *death: str) -> int:
    """Run to the end of the topic; 0 when everything was read and stored."""
    kafka_source.RECORDS_MAX = RECORDS_A_ROUND
    metrics = PrometheusMetrics()
    library = open_library(f"sqlite:///{folder / 'books.sqlite'}")
    loop = StreamLoop(
        connect=lambda assigned, revoked: kafka_source.KafkaFlowSource(
            KafkaConnection(bootstrap=bootstrap), topic, group, instance_id="s1",
            on_assigned=assigned, on_revoked=revoked,
        ),
        stores=Stores(
            library=library,
            history=ParquetHistory(str(folder / "history"), schema_hash=schema.hash()),
            checkpoints=FileCheckpoints(str(folder / "checkpoints")),
            dead_letters=MemoryDeadLetters(),
        ),
        models=ModelWatch(FolderShelf(shelf), metrics=metrics, reload_s=1.0),
        decode=PlainDecoder(cluster="c1"),
        clock=StandingClock(),
        metrics=metrics,
        trace=DeathTrace(Stage(death[0]) if death else None, int(death[1]) if death else 0),
        options=StreamOptions(
            judge=JudgeOptions(), channels=("hook",), checkpoint_interval_s=0.0, history_interval_s=1e9,
            waiting_max=200, poll_s=0.2,
        ),
    )  # fmt: skip
    idle = rounds = 0
    while idle < IDLE_ROUNDS and rounds < ROUNDS_MAX:
        loop.run_once()
        rounds += 1
        status = loop.status()
        idle = idle + 1 if status.partitions == 2 and not status.lag_records and not status.failures else 0
    loop.close()
    library.close()
    return 0 if idle == IDLE_ROUNDS else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
