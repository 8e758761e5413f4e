"""In-memory twin of the Kafka adapters: topics with partitions, consumer groups, dead letters. Shipped, for tests.

Same promises as Kafka within one process: order per partition, keys that stay on their partition, groups whose
partitions move when members come and go, positions committed by hand. Safe for use from several threads.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from threading import Condition

from baseline.domain.errors import Conflict, Missing, Unavailable
from baseline.ports import DeadLetter, Partition, Record

Told = Callable[[Sequence[Partition]], None]
RECORDS_MAX = 5_000  # of one poll


def _nobody(_: Sequence[Partition]) -> None:
    """Nobody wants to know."""


class MemoryLog:
    """The broker. ``is_up`` may be set to False: everything then raises Unavailable, and nothing is lost."""

    def __init__(self, topics: Mapping[str, int] | None = None, *, now: Callable[[], float] = lambda: 0.0) -> None:
        """``topics`` maps names to partitions; ``now`` stamps records that carry no time."""
        self.is_up = True
        self.now = now
        self.changed = Condition()
        self.groups: dict[tuple[str, str], MemoryGroup] = {}
        self._topics: dict[str, list[list[Record]]] = {}
        for name, partitions in (topics or {}).items():
            self.create(name, partitions)

    def create(self, topic: str, partitions: int) -> None:
        """Make a topic unless it exists."""
        self._topics.setdefault(topic, [[] for _ in range(partitions)])

    def topic(self, name: str) -> list[list[Record]]:
        """The records of every partition; Unavailable while down, Missing when there is no such topic."""
        if not self.is_up:
            raise Unavailable("the log is down")
        if name not in self._topics:
            raise Missing(f"no topic {name!r}")
        return self._topics[name]

    def append(self, topic: str, number: int, record: Record) -> None:
        """Add at the end of a partition; the offset is set here."""
        with self.changed:
            records = self.topic(topic)[number]
            records.append(record._replace(partition=Partition(topic, number), offset=len(records)))
            self.changed.notify_all()

    def records(self, topic: str) -> list[Record]:
        """Everything in a topic, partition by partition: what tests look at."""
        return [record for partition in self._topics[topic] for record in partition]


class MemoryGroup:
    """A consumer group: members in order of joining, committed positions, and a generation that grows."""

    def __init__(self) -> None:
        self.members: list[MemoryFlowSource] = []
        self.generation = 0
        self.committed: dict[Partition, int] = {}


class MemoryFlowSource:
    """See ports.FlowSource. Joins at the first poll, as a Kafka member does."""

    def __init__(
        self,
        log: MemoryLog,
        topic: str,
        group: str,
        *,
        on_assigned: Told = _nobody,
        on_revoked: Told = _nobody,
    ) -> None:
        self._log = log
        self._topic = topic
        self._group = log.groups.setdefault((topic, group), MemoryGroup())
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._generation = -1
        self._positions: dict[Partition, int] = {}

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """The next records of our partitions."""
        self._join()
        with self._log.changed:
            found = self._take()
            if not found and timeout_s > 0:
                self._log.changed.wait(timeout_s)
                found = self._take()
        return found

    def seek(self, partition: Partition, offset: int) -> None:
        """Continue there."""
        if partition not in self._positions:
            raise Conflict(f"{partition} is not assigned to this member")
        self._positions[partition] = offset

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Remember for the group; Conflict from a member that was put out."""
        self._log.topic(self._topic)
        if self not in self._group.members:
            raise Conflict("not a member of the group")
        self._group.committed.update(positions)

    def end_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last record."""
        return {partition: len(self._log.topic(partition.topic)[partition.number]) for partition in partitions}

    def generation(self) -> int:
        """-1 before the first poll."""
        return self._generation

    def close(self) -> None:
        """Leave; the others get our partitions at their next poll."""
        if self in self._group.members:
            self._group.members.remove(self)
            self._group.generation += 1
        self._positions.clear()

    def _join(self) -> None:
        """Take part, and tell our owner what came and went since the last poll."""
        partitions = len(self._log.topic(self._topic))
        if self not in self._group.members:
            self._group.members.append(self)
            self._group.generation += 1
        if self._generation == self._group.generation:
            return
        self._generation = self._group.generation
        rank, count = self._group.members.index(self), len(self._group.members)
        ours = {Partition(self._topic, number) for number in range(partitions) if number % count == rank}
        gone, new = sorted(set(self._positions) - ours), sorted(ours - set(self._positions))
        if gone:
            self._on_revoked(gone)
            for partition in gone:
                del self._positions[partition]
        for partition in new:
            self._positions[partition] = self._group.committed.get(partition, 0)
        if new:
            self._on_assigned(new)

    def _take(self) -> list[Record]:
        found: list[Record] = []
        topic = self._log.topic(self._topic)
        for partition, position in self._positions.items():
            records = topic[partition.number][position : position + RECORDS_MAX - len(found)]
            found.extend(records)
            self._positions[partition] = position + len(records)
        return found


class MemoryFlowSink:
    """See ports.FlowSink. Queued records reach the log at flush, and stay queued while it is down."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._queued: list[tuple[str, int, Record]] = []

    def send(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Queue one record."""
        number = zlib.crc32(key) % len(self._log.topic(topic)) if partition is None else partition
        stamped = self._log.now() if timestamp is None else timestamp
        record = Record(Partition(topic, number), -1, stamped, key, value, tuple(headers))
        self._queued.append((topic, number, record))

    def flush(self, timeout_s: float) -> None:
        """Append everything queued, in order."""
        while self._queued:
            self._log.append(*self._queued[0])
            del self._queued[0]

    def partitions(self, topic: str) -> Sequence[int]:
        """Numbers of the topic's partitions."""
        return range(len(self._log.topic(topic)))

    def close(self) -> None:
        """Flush if the log is up."""
        if self._log.is_up:
            self.flush(0.0)


class MemoryDeadLetters:
    """See ports.DeadLetters: a list."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep them."""
        self.letters.extend(letters)
