"""The node's process: read lines, ship them, remember the position once they are acknowledged, send heartbeats.

At least once: a crash between acknowledgement and save ships lines again, which readers recognise as equal records.
A broker that is down stops reading: the files are the buffer, and memory holds one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from baseline.agent.progress import Progress
from baseline.agent.shipping import Outcome, Shipper, ShippingOptions, dead_letter
from baseline.domain.errors import OutsideError
from baseline.domain.flow import Flow, Heartbeat
from baseline.ports import Clock, DeadLetter, DeadLetters, FlowSink, Line, LineSource, Metrics

log = structlog.get_logger()

FLUSH_TIMEOUT_S = 30.0
RETRY_FIRST_S = 1.0
RETRY_MAX_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """How the agent works."""

    shipping: ShippingOptions
    heartbeat_s: float = 15.0
    batch_lines: int = 2_000
    idle_s: float = 0.5  # pause at the end of the files


def run(
    source: LineSource,
    sink: FlowSink,
    letters: DeadLetters,
    *,
    options: AgentOptions,
    clock: Clock,
    metrics: Metrics,
) -> None:
    """Ship until the clock is asked to stop. Whatever fails outside is retried with growing pauses, for ever."""
    agent = Agent(source, sink, letters, options=options, clock=clock, metrics=metrics)
    pause_s, retry_s = 0.0, RETRY_FIRST_S
    while not clock.wait(pause_s):
        try:
            pause_s = 0.0 if agent.step() else options.idle_s
            retry_s = RETRY_FIRST_S
        except OutsideError as error:
            pause_s, retry_s = retry_s, min(RETRY_MAX_S, retry_s * 2)
            metrics.count("loop_errors_total", error=type(error).__name__)
            log.warning("agent_waits", error=str(error), retry_in_s=pause_s)


class Agent:
    """One batch at a time, kept until it is acknowledged."""

    def __init__(
        self,
        source: LineSource,
        sink: FlowSink,
        letters: DeadLetters,
        *,
        options: AgentOptions,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._source = source
        self._sink = sink
        self._letters = letters
        self._options = options
        self._clock = clock
        self._metrics = metrics
        self._shipper = Shipper(sink, metrics, options.shipping)
        self._progress = Progress()
        self._batch: Sequence[Line] = ()
        self._shipped = 0  # lines of the batch that the sink or the dead letters have
        self._dead: list[DeadLetter] = []
        self._is_at_end = False
        self._next_beat = 0.0
        self._claimed = 0.0

    def step(self) -> bool:
        """Ship one batch and, when due, a heartbeat; False when there was nothing to read.

        Raises OutsideError; the same step may then be tried again and continues where it stopped.
        """
        if not self._batch:
            self._batch = self._source.read(self._options.batch_lines)
            self._is_at_end = len(self._batch) < self._options.batch_lines
        was_any = bool(self._batch)
        while self._shipped < len(self._batch):
            self._ship(self._batch[self._shipped])
            self._shipped += 1
        if self._dead:
            self._letters.put(self._dead)
            self._dead = []
        self._sink.flush(FLUSH_TIMEOUT_S)
        if was_any:
            self._source.save()
        self._batch, self._shipped = (), 0
        self._beat()
        return was_any

    def _ship(self, line: Line) -> None:
        result = Outcome.DEAD
        found = self._read(line)
        if isinstance(found, Flow):
            result = self._shipper.ship(line.value, found)
            self._progress.shipped(line.path, found)
        elif isinstance(found, DeadLetter):
            self._dead.append(found)
            self._metrics.count("dead_letters_total", reason=found.reason)
        else:
            result = found
        self._metrics.count("agent_lines_total", result=result)

    def _read(self, line: Line) -> Flow | DeadLetter | Outcome:
        position = f"{line.path}:{line.offset}"
        if line.size > len(line.value):
            detail = f"too_large: line of {line.size} bytes"
            return dead_letter("too_large", detail=detail, position=position, value=line.value)
        return self._shipper.read(line.value, position=position)

    def _beat(self) -> None:
        now = self._clock.now()
        if now < self._next_beat:
            return
        claim = self._progress.claim(now=now, is_at_end=self._is_at_end)
        if claim is not None:
            self._claimed = max(self._claimed, claim)
            shipping = self._options.shipping
            self._shipper.beat(Heartbeat(shipping.cluster, shipping.host, self._claimed))
            self._sink.flush(FLUSH_TIMEOUT_S)
        self._next_beat = now + self._options.heartbeat_s
