"""The node's process, and feeding recordings by its path."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from baseline.adapters.flowfile import FlowFile
from baseline.adapters.kafka import KafkaDeadLetters, KafkaFlowSink
from baseline.agent import loop as agent_loop
from baseline.agent.feed import NO_HOOKS, FeedHooks, FeedOptions, FeedProgress
from baseline.agent.feed import feed as feed_files
from baseline.agent.loop import AgentOptions
from baseline.agent.shipping import ShippingOptions
from baseline.ports import Clock, Metrics
from baseline.settings import Settings
from baseline.wiring import Ready
from baseline.wiring.stores import dead_letters, sink


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProcess:
    """The node's process, ready to run."""

    source: FlowFile
    sink: KafkaFlowSink
    letters: KafkaDeadLetters
    options: AgentOptions
    clock: Clock
    metrics: Metrics

    def run(self) -> None:
        """Until the clock is stopped."""
        agent_loop.run(
            self.source, self.sink, self.letters, options=self.options, clock=self.clock, metrics=self.metrics
        )

    def ready(self) -> Ready:
        """An agent that runs is ready: a broker that is down is waited for."""
        return True, {}


@contextmanager
def agent(settings: Settings, *, clock: Clock, metrics: Metrics) -> Iterator[AgentProcess]:
    """Tails this node's flow logs."""
    chosen = settings.agent
    shipping = ShippingOptions(
        topic=settings.kafka.flows_topic,
        cluster=settings.cluster.name,
        host=chosen.host or socket.gethostname(),
        mirror_peers=chosen.mirror_peers,
    )
    with sink(settings, process="agent") as producer:
        yield AgentProcess(
            source=FlowFile(chosen.paths, Path(chosen.position_file)),
            sink=producer,
            letters=dead_letters(settings, producer),
            options=AgentOptions(shipping=shipping, heartbeat_s=chosen.heartbeat_s),
            clock=clock,
            metrics=metrics,
        )


def feed(
    settings: Settings,
    files: Sequence[Path],
    *,
    speed: float | None,
    clock: Clock,
    metrics: Metrics,
    hooks: FeedHooks = NO_HOOKS,
    tail_s: int = 60,
    hosts: tuple[str, ...] | None = None,
) -> FeedProgress:
    """Feed recordings to their end."""
    options = FeedOptions(
        topic=settings.kafka.flows_topic, cluster=settings.cluster.name, speed=speed, tail_s=tail_s, hosts=hosts
    )
    with sink(settings, process="feed") as producer:
        letters = dead_letters(settings, producer)
        return feed_files(files, producer, letters, options=options, clock=clock, metrics=metrics, hooks=hooks)
