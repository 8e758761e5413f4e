"""The consumer."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from baseline.adapters.checkpoints import FileCheckpoints
from baseline.adapters.kafka import KafkaFlowSource
from baseline.adapters.nowhere import NoDeadLetters, NoHistory
from baseline.domain.modelset import Alias
from baseline.features.windows import WindowOptions
from baseline.ports import Clock, FlowSource, Metrics
from baseline.services.score import JudgeOptions
from baseline.services.shadow import began
from baseline.settings import Settings
from baseline.stream.loop import StreamLoop, Told
from baseline.stream.modelwatch import ModelWatch
from baseline.stream.status import Stores, StreamOptions
from baseline.stream.steps import PlainDecoder
from baseline.stream.trace import MetricsTrace
from baseline.wiring import Ready
from baseline.wiring.planning import channels
from baseline.wiring.stores import dead_letters, history, kafka, library, shadow_library, shelf, sink


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProcess:
    """The consumer, ready to run."""

    loop: StreamLoop

    def run(self) -> None:
        """Until the clock is stopped; then everything is checkpointed."""
        self.loop.run()

    def ready(self) -> Ready:
        """Ready while rounds succeed."""
        status = self.loop.status()
        detail = {"partitions": status.partitions, "lag_records": status.lag_records, "model_set": status.model_set}
        return status.is_ready, {**detail, "last_error": status.last_error}


@contextmanager
def stream(settings: Settings, *, clock: Clock, metrics: Metrics) -> Iterator[StreamProcess]:
    """Consumes flow records."""
    with library(settings) as books, sink(settings, process="stream") as producer:
        stores = Stores(
            library=books,
            history=history(settings),
            checkpoints=FileCheckpoints(settings.stream.checkpoint_url),
            dead_letters=dead_letters(settings, producer),
        )
        yield _wired(
            settings, stores, clock=clock, metrics=metrics, group=settings.kafka.group, alias=Alias.CURRENT,
            told=tuple(channels(settings)),
        )  # fmt: skip


@contextmanager
def shadow(settings: Settings, *, clock: Clock, metrics: Metrics) -> Iterator[StreamProcess]:
    """Consumes the same records in a group of its own and judges them by the candidate.

    It keeps its alerts in books of its own and tells nobody; windows and dead letters are kept by the stream beside it.
    """
    with shadow_library(settings) as books:
        began(books, now=clock.now())
        stores = Stores(
            library=books,
            history=NoHistory(),
            checkpoints=FileCheckpoints(f"{settings.stream.checkpoint_url.rstrip('/')}/shadow"),
            dead_letters=NoDeadLetters(),
        )
        group = f"{settings.kafka.group}-shadow"
        yield _wired(settings, stores, clock=clock, metrics=metrics, group=group, alias=Alias.CANDIDATE, told=())


def _wired(
    settings: Settings, stores: Stores, *, clock: Clock, metrics: Metrics, group: str, alias: Alias,
    told: tuple[str, ...],
) -> StreamProcess:  # fmt: skip
    chosen = settings.stream
    options = StreamOptions(
        windows=WindowOptions(
            grace_s=chosen.window_delay_s,
            lateness_s=int(chosen.lateness_s),
            silence_after_s=chosen.silence_s,
            edges_cap=chosen.edges_max,
        ),
        judge=JudgeOptions(alerts_per_week=settings.detection.alerts_per_week),
        channels=told,
        alerts_per_day=settings.detection.cluster_alerts_per_day,
        checkpoint_interval_s=chosen.checkpoint_interval_s,
        history_interval_s=settings.history.write_interval_s,
        member=settings.kafka.instance_id or f"{socket.gethostname()}-{os.getpid()}",
    )

    def connect(assigned: Told, revoked: Told) -> FlowSource:
        return KafkaFlowSource(
            kafka(settings.kafka, process="stream"),
            settings.kafka.flows_topic,
            group,
            instance_id=settings.kafka.instance_id,
            session_timeout_s=settings.kafka.session_timeout_s,
            on_assigned=assigned,
            on_revoked=revoked,
        )

    return StreamProcess(
        loop=StreamLoop(
            connect=connect,
            stores=stores,
            models=ModelWatch(shelf(settings), metrics=metrics, reload_s=settings.models.reload_s, alias=alias),
            decode=PlainDecoder(cluster=settings.cluster.name),
            clock=clock,
            metrics=metrics,
            trace=MetricsTrace(metrics),
            options=options,
        )
    )
