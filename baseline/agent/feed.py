"""Feeding a recording through the agent's own path, at a chosen speed.

Heartbeats are made for every host of the recording as its event time passes, so that windows close as they would have.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from baseline.agent.recording import Recorded, hosts_of, replayed
from baseline.agent.shipping import Outcome, Shipper, ShippingOptions
from baseline.domain.flow import Flow, Heartbeat
from baseline.formats.enterprise import encode
from baseline.ports import Clock, DeadLetter, DeadLetters, FlowSink, Metrics

FLUSH_EVERY = 2_000  # records, when fed as fast as possible
FLUSH_TIMEOUT_S = 30.0
PACE_S = 0.02  # waits shorter than this are saved up

Transform = Callable[[Flow], "Flow | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedOptions:
    """How to feed."""

    topic: str
    cluster: str
    host: str = "recording"  # for records that do not name theirs
    speed: float | None = None  # event seconds a second of the clock; None: as fast as possible
    hosts: tuple[str, ...] | None = None  # who sends heartbeats from the start; None: found by reading everything once
    heartbeat_s: int = 15  # event time between heartbeats
    tail_s: int = 60  # heartbeats go on for this long after the last record, so that the last windows close
    mirror_peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedProgress:
    """What has been fed so far; all of it is acknowledged."""

    sent: int = 0  # flows produced
    dropped: int = 0  # flows the transform swallowed
    changed: int = 0  # flows the transform replaced
    dead: int = 0
    skipped: int = 0  # flows that belong to no workload
    heartbeats: int = 0
    event_time: float = 0.0  # of the newest flow
    is_done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHooks:
    """What a player may want to do or know."""

    transform: Transform | None = None  # sees each flow when its time has come; its answer is sent, None drops it
    on_time: Callable[[float], None] = lambda _: None  # how far event time has come: what moves a played clock
    on_progress: Callable[[FeedProgress], None] = lambda _: None  # what is acknowledged


NO_HOOKS = FeedHooks()


def feed(
    paths: Sequence[Path],
    sink: FlowSink,
    letters: DeadLetters,
    *,
    options: FeedOptions,
    clock: Clock,
    metrics: Metrics,
    hooks: FeedHooks = NO_HOOKS,
) -> FeedProgress:
    """Feed recordings to their end, or until the clock is asked to stop (then ``is_done`` stays False).

    Raises OutsideError when the log cannot be reached.
    """
    shipping = ShippingOptions(
        topic=options.topic, cluster=options.cluster, host=options.host, mirror_peers=options.mirror_peers
    )
    feeder = _Feeder(Shipper(sink, metrics, shipping), sink, letters, options=options, clock=clock, hooks=hooks)
    feeder.hosts.update(hosts_of(paths, feeder.shipper) if options.hosts is None else options.hosts)
    newest = 0.0
    for recorded in replayed(paths, feeder.shipper):
        newest = max(newest, recorded.event_time)
        if feeder.reach(recorded.event_time):
            return feeder.flush()
        feeder.feed(recorded)
    if newest and feeder.reach(newest + options.tail_s):
        return feeder.flush()
    return feeder.flush(is_done=True)


class _Feeder:
    """The state of one feeding."""

    def __init__(
        self,
        shipper: Shipper,
        sink: FlowSink,
        letters: DeadLetters,
        *,
        options: FeedOptions,
        clock: Clock,
        hooks: FeedHooks,
    ) -> None:
        self.shipper = shipper
        self.hosts: set[str] = set()
        self._sink = sink
        self._letters = letters
        self._options = options
        self._clock = clock
        self._hooks = hooks
        self._counts: Counter[str] = Counter()
        self._event_time = 0.0  # of the newest flow
        self._dead: list[DeadLetter] = []
        self._unflushed = 0
        self._began: tuple[float, float] | None = None  # event time, clock time
        self._next_beat = 0

    def reach(self, event_time: float) -> bool:
        """Let event time pass up to there: heartbeats and waiting; True when asked to stop."""
        if not event_time:
            return False
        step = self._options.heartbeat_s
        if self._began is None:
            self._began = (event_time, self._clock.now())
            self._next_beat = (int(event_time) // step + 1) * step
        while self._next_beat < event_time:
            if self._wait_for(float(self._next_beat)):
                return True
            for host in sorted(self.hosts):
                self.shipper.beat(Heartbeat(self._options.cluster, host, float(self._next_beat)))
            self._counts["heartbeats"] += len(self.hosts)
            self._unflushed += len(self.hosts)
            self._next_beat += step
        return self._wait_for(event_time)

    def feed(self, recorded: Recorded) -> None:
        """Send one line, or keep it as a dead letter."""
        if recorded.letter is not None:
            self._dead.append(recorded.letter)
            self._counts["dead"] += 1
        if recorded.flow is not None:
            self.hosts.add(recorded.flow.host)
            self._event_time = max(self._event_time, recorded.event_time)
            self._counts[self._send(recorded.line, recorded.flow)] += 1
        self._unflushed += 1
        if self._unflushed >= FLUSH_EVERY:
            self.flush()

    def _send(self, line: bytes, flow: Flow) -> str:
        """Which count it is."""
        transform = self._hooks.transform
        wanted = flow if transform is None else transform(flow)
        if wanted is None:
            return "dropped"
        if wanted is not flow:
            self._counts["changed"] += 1
            line = encode(wanted)
        return "sent" if self.shipper.ship(line, wanted) is Outcome.SENT else "skipped"

    def flush(self, *, is_done: bool = False) -> FeedProgress:
        """Everything queued is acknowledged."""
        if self._dead:
            self._letters.put(self._dead)
            self._dead = []
        self._sink.flush(FLUSH_TIMEOUT_S)
        self._unflushed = 0
        progress = FeedProgress(**self._counts, event_time=self._event_time, is_done=is_done)
        self._hooks.on_progress(progress)
        return progress

    def _wait_for(self, event_time: float) -> bool:
        """Sleep until the clock has come to that event time; True when asked to stop."""
        if self._options.speed is not None and self._began is not None:
            began_event, began_clock = self._began
            ahead = began_clock + (event_time - began_event) / self._options.speed - self._clock.now()
            if ahead >= PACE_S:
                self.flush()
                if self._clock.wait(ahead):
                    return True
        self._hooks.on_time(event_time)
        return self._clock.wait(0.0)
