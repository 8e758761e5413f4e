"""A stream on memory parts, and flow-log lines to feed it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.memory.checkpoints import MemoryCheckpoints
from baseline.adapters.memory.history import MemoryHistory
from baseline.adapters.memory.log import MemoryDeadLetters, MemoryFlowSource, MemoryLog
from baseline.domain.errors import Unavailable
from baseline.domain.modelset import Alias, Manifest
from baseline.ports import EdgeRow, FlowSource, MetricName, Partition, Record
from baseline.stream.loop import StreamLoop
from baseline.stream.modelwatch import ModelWatch
from baseline.stream.status import Stores, StreamOptions
from baseline.stream.steps import PlainDecoder
from baseline.stream.trace import Stage

TOPIC = "calico.flows"
RECORDING = Path(__file__).parents[3] / "baseline" / "recordings" / "westermo-clean.jsonl.gz"
T0 = 1_700_000_000 // 3600 * 3600


class HandClock:
    """A clock that moves only when told; waits are counted, never slept."""

    def __init__(self, now: float = T0 + 430.0) -> None:
        self.time = now
        self.waits: list[float] = []
        self.is_stopped = False

    def now(self) -> float:
        """The time set."""
        return self.time

    def wait(self, seconds: float) -> bool:
        """Returns at once."""
        self.waits.append(seconds)
        return self.is_stopped


class CountedMetrics:
    """Sums per name and labels."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self.gauges: dict[str, float] = {}

    def count(self, name: MetricName, amount: float = 1, **labels: str) -> None:
        """Add."""
        key = (name, tuple(sorted(labels.items())))
        self.counts[key] = self.counts.get(key, 0) + amount

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Set."""
        self.gauges[name] = value

    def observe(self, name: MetricName, seconds: float, **labels: str) -> None:
        """Nothing is kept of times."""

    def total(self, name: str, **labels: str) -> float:
        """The sum of one counter."""
        return self.counts.get((name, tuple(sorted(labels.items()))), 0)


class NoTrace:
    """Tells nobody."""

    def passed(self, stage: Stage, *, seconds: float) -> None:
        """Nothing."""


class EmptyShelf:
    """No model sets; ``is_up`` False makes it unreachable, ``wanted`` names a set that is not there."""

    def __init__(self) -> None:
        self.is_up = True
        self.wanted: str | None = None

    def resolve(self, alias: Alias) -> str | None:
        """What ``wanted`` says."""
        if not self.is_up:
            raise Unavailable("no shelf")
        return self.wanted

    def put(self, manifest: Manifest, files: dict[str, bytes]) -> None:
        """Never used here."""
        raise NotImplementedError

    def manifest(self, set_id: str) -> Manifest:
        """There is none."""
        raise KeyError(set_id)

    def open(self, set_id: str) -> dict[str, Any]:
        """There is none."""
        raise KeyError(set_id)

    def sets(self) -> Sequence[Manifest]:
        """None."""
        return []

    def point(self, alias: Alias, set_id: str) -> None:
        """Move the alias."""
        self.wanted = set_id


@dataclass
class Parts:
    """Everything outside one or more loops, all in memory."""

    partitions: int = 1
    clock: HandClock = field(default_factory=HandClock)
    metrics: CountedMetrics = field(default_factory=CountedMetrics)
    library: MemoryLibrary = field(default_factory=MemoryLibrary)
    history: MemoryHistory = field(default_factory=MemoryHistory)
    checkpoints: MemoryCheckpoints = field(default_factory=MemoryCheckpoints)
    dead_letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    shelf: Any = field(default_factory=EmptyShelf)

    def __post_init__(self) -> None:
        self.log = MemoryLog({TOPIC: self.partitions})
        self.sources: list[MemoryFlowSource] = []

    def loop(self, **changed: Any) -> StreamLoop:
        """A new member of the group."""

        def connect(on_assigned: Any, on_revoked: Any) -> FlowSource:
            source = MemoryFlowSource(self.log, TOPIC, "g", on_assigned=on_assigned, on_revoked=on_revoked)
            self.sources.append(source)
            return source

        parts = {
            "connect": connect,
            "stores": Stores(
                library=self.library, history=self.history, checkpoints=self.checkpoints, dead_letters=self.dead_letters
            ),
            "models": ModelWatch(self.shelf, metrics=self.metrics),
            "decode": PlainDecoder(cluster="c1"),
            "clock": self.clock,
            "metrics": self.metrics,
            "trace": NoTrace(),
            "options": StreamOptions(poll_s=0.0, channels=("hook",)),
        }
        return StreamLoop(**{**parts, **changed})

    def send(self, lines: Iterable[bytes], *, at: Callable[[bytes], float] | None = None, partition: int = 0) -> None:
        """Append lines, stamped two seconds after the interval they report unless ``at`` says otherwise."""
        for value in lines:
            stamped = at(value) if at else json.loads(value)["end_time"] + 2.0
            self.log.append(TOPIC, partition, Record(Partition(TOPIC, partition), -1, stamped, b"k", value))


def recording(path: Path = RECORDING) -> list[bytes]:
    """The lines of a recording of the package."""
    with gzip.open(path, "rb") as lines:
        return [line.rstrip(b"\n") for line in lines]


def line(
    end: int, *, source: str = "web", dest: str = "api", port: int = 80, started: int = 1, **changed: Any
) -> bytes:
    """One Enterprise flow-log line of a 15 s interval, seen by the source's node."""
    record = {
        "start_time": end - 15, "end_time": end, "source_ip": None, "source_name": "-",
        "source_name_aggr": f"{source}-*", "source_namespace": "shop", "source_port": None, "source_type": "wep",
        "source_labels": {"labels": [f"app={source}"]}, "dest_ip": None, "dest_name": "-",
        "dest_name_aggr": f"{dest}-*", "dest_namespace": "shop", "dest_port": port, "dest_type": "wep",
        "dest_labels": {"labels": [f"app={dest}"]}, "proto": "tcp", "action": "allow", "reporter": "src",
        "policies": {"all_policies": ["0|__PROFILE__|__PROFILE__.kns.shop|allow|0"]}, "bytes_in": 100,
        "bytes_out": 50, "packets_in": 4, "packets_out": 3, "num_flows": started, "num_flows_started": started,
        "num_flows_completed": started, "host": "node-1",
    }  # fmt: skip
    return json.dumps({**record, **changed}).encode()


def edges_of(history: MemoryHistory) -> list[EdgeRow]:
    """All edge rows."""
    return list(history.edges(since=0, until=1e11))
