"""One verb a process. Each serves /livez, /readyz and /metrics, and ends cleanly on SIGTERM and SIGINT.

Wiring is imported where a verb begins, so that each process loads what it needs: the janitor has no database driver.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from baseline.adapters import logs
from baseline.adapters.clock import SystemClock
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.ops import OpsServer
from baseline.domain.units import rfc3339
from baseline.settings import Settings

log = structlog.get_logger()

STUCK_S = 300.0  # a loop that has not come round for this long is stuck; the longest pauses and batches take far less


def register(root: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (agent, stream, control, janitor, web, feed, migrate):
        root.command()(verb)
    root.command("expire-history")(expire_history)


class FlowOrigin(StrEnum):
    """Where an agent reads flow records."""

    FILE = "file"


def agent(
    source: Annotated[FlowOrigin, typer.Option(help="Where to read: `file` tails the flow logs of agent.paths.")] = (
        FlowOrigin.FILE
    ),
) -> None:
    """Tail this node's flow logs into Kafka."""
    from baseline.wiring import agent as wired

    settings, clock, metrics = _begin("agent")
    log.info("agent_source", source=source.value)
    with wired.agent(settings, clock=clock, metrics=metrics) as running, _ops(settings, metrics, running.ready, clock):
        running.run()


def stream(
    shadow: Annotated[bool, typer.Option("--shadow", help="Judge by the candidate set and tell nobody.")] = False,
) -> None:
    """Consume flow records: windows, scores, alerts."""
    from baseline.stream import collector
    from baseline.wiring import stream as wired

    settings, clock, metrics = _begin("shadow" if shadow else "stream")
    collector.settle()
    wire = wired.shadow if shadow else wired.stream
    with wire(settings, clock=clock, metrics=metrics) as running, _ops(settings, metrics, running.ready, clock):
        running.run()


def control() -> None:
    """Plan, guard, apply, expire and release restrictions; tell the channels. A second one stands by."""
    from baseline.wiring import control as wired

    settings, clock, metrics = _begin("control")
    with (
        wired.control(settings, clock=clock, metrics=metrics) as running,
        _ops(settings, metrics, running.ready, clock),
    ):
        running.run()


def janitor(
    once: Annotated[bool, typer.Option("--once", help="One pass, for a CronJob.")] = False,
) -> None:
    """End expired restrictions even when everything else is dead: needs the cluster, no database and no Kafka."""
    from baseline.wiring import cluster as wired

    settings, clock, metrics = _begin("janitor")
    running = wired.janitor(settings, clock=clock, metrics=metrics)
    if once:
        typer.echo(f"ended {running.run_once()} restrictions")
        return
    with _ops(settings, metrics, running.ready, clock):
        running.run()


def web() -> None:
    """Serve the REST API."""
    from baseline.wiring import web as wired

    settings, clock, metrics = _begin("web")
    with wired.web(settings, clock=clock, metrics=metrics) as running:
        running.run()


def feed(
    files: Annotated[list[Path], typer.Argument(help="Recordings: JSON lines, .gz or .zst.", exists=True)],
    speed: Annotated[
        float, typer.Option(help="Seconds of the recording a second; 0: as fast as possible.", min=0)
    ] = 0.0,
) -> None:
    """Feed recordings through the agent's path, with the heartbeats their hosts would have sent."""
    from baseline.wiring import agent as wired

    settings, clock, metrics = _begin("feed")
    fed = wired.feed(settings, files, speed=speed or None, clock=clock, metrics=metrics)
    typer.echo(f"{fed.sent} flows sent, {fed.dead} dead letters, up to {rfc3339(fed.event_time)}")


def migrate(
    topics: Annotated[bool, typer.Option(help="Also make the Kafka topics.")] = True,
) -> None:
    """Bring the database to this version, and make missing topics with an explicit retention."""
    from baseline.wiring import stores as wired

    settings, _, _ = _begin("migrate")
    for line in wired.migrate(settings, topics=topics):
        typer.echo(line)


def expire_history() -> None:
    """Delete history past its retention."""
    from baseline.wiring import stores as wired

    settings, clock, _ = _begin("expire-history")
    typer.echo(f"deleted {wired.expire_history(settings, now=clock.now())} files")


def _begin(process: str) -> tuple[Settings, SystemClock, PrometheusMetrics]:
    settings = Settings()
    logs.configure(process=process, level=settings.log.level, form=settings.log.format)
    clock = SystemClock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: clock.stop())
    return settings, clock, PrometheusMetrics()


@contextmanager
def _ops(
    settings: Settings,
    metrics: PrometheusMetrics,
    ready: Callable[[], tuple[bool, Mapping[str, Any]]],
    clock: SystemClock,
) -> Iterator[None]:
    """The pages of this process; alive means that its loop came round lately."""
    server = OpsServer(
        settings.ops.host, settings.ops.port, metrics=metrics, ready=ready,
        live=lambda: clock.since_last_wait_s() < STUCK_S,
    )  # fmt: skip
    log.info("started", ops=server.address)
    try:
        yield
    finally:
        server.close()
        log.info("stopped")
