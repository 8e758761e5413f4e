"""FlowSource: a member of a Kafka consumer group, with cooperative assignment and commits by hand.

kafka-python runs rebalances on its own thread; here they are told on the caller's thread, inside ``poll``, before any
record of a new partition is handed out. Decoding is not done here: a record is bytes with a position.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition, errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from baseline.adapters.kafka.connection import KafkaConnection, connected, translated
from baseline.domain.errors import Conflict
from baseline.ports import Partition, Record

Told = Callable[[Sequence[Partition]], None]

POLL_INTERVAL_MAX_S = 300.0  # a member that does not poll for this long is put out of the group
RECORDS_MAX = 5_000  # of one poll: about 5 MB of Enterprise records
COMMIT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 5.0
SEEK_TRIES = 3


def _nobody(_: Sequence[Partition]) -> None:
    """Nobody wants to know."""


class KafkaFlowSource:
    """See ports.FlowSource.

    Connects at the first poll, so that a broker that is down at start is an Unavailable to be waited out, not a crash.
    A poll against a broker that went away later returns nothing and the client reconnects with growing pauses.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topic: str,
        group: str,
        *,
        instance_id: str = "",
        session_timeout_s: float = 6.0,
        on_assigned: Told = _nobody,
        on_revoked: Told = _nobody,
    ) -> None:
        """``on_assigned`` may ``seek``; ``on_revoked`` is also told of partitions that were lost without asking."""
        self._connection = connection
        self._topic = topic
        self._options: dict[str, object] = {
            "group_id": group,
            "group_instance_id": instance_id or None,
            "session_timeout_ms": int(session_timeout_s * 1000),
            "heartbeat_interval_ms": int(session_timeout_s * 1000 / 3),
            "max_poll_interval_ms": int(POLL_INTERVAL_MAX_S * 1000),
            "max_poll_records": RECORDS_MAX,
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "allow_auto_create_topics": False,
            "metadata_max_age_ms": 30_000,
            "fetch_max_wait_ms": 200,
            "partition_assignment_strategy": (CooperativeStickyAssignor,),
            "metrics_enabled": False,
        }
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._changes: deque[tuple[Told, bool, tuple[TopicPartition, ...]]] = deque()
        self._owned: set[TopicPartition] = set()
        self._asked: dict[TopicPartition, tuple[int, int]] = {}  # offset of a seek not yet seen to work, tries
        self._consumer: KafkaConsumer | None = None

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """The next records; Unavailable, Denied or Invalid when there is no broker to talk to."""
        try:
            found = self._connected().poll(timeout_ms=int(timeout_s * 1000))
            changed = self._tell_changes(found)
        except errors.KafkaError as error:
            raise translated(error) from error
        return [
            Record(
                Partition(partition.topic, partition.partition),
                message.offset,
                message.timestamp / 1000.0,
                message.key,
                message.value if message.value is not None else b"",
                tuple(message.headers),
            )
            for partition, messages in found.items()
            if partition in self._owned and partition not in changed and self._is_as_asked(partition, messages)
            for message in messages
        ]

    def seek(self, partition: Partition, offset: int) -> None:
        """Continue there; Conflict when the partition is no longer ours."""
        try:
            self._connected().seek(TopicPartition(*partition), offset)
        except (ValueError, errors.KafkaError) as error:
            raise Conflict(f"{partition} is not assigned to this member") from error
        self._asked[TopicPartition(*partition)] = (offset, 0)

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Conflict when the group has moved on without us."""
        if not positions:
            return
        offsets = {TopicPartition(*partition): OffsetAndMetadata(at, "", -1) for partition, at in positions.items()}
        try:
            self._connected().commit(offsets, timeout_ms=int(COMMIT_TIMEOUT_S * 1000))
        except errors.KafkaError as error:
            raise translated(error) from error

    def end_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last record of each.

        The embedded broker (tansu 0.6) answers with the first offset of the last batch plus one, so what was seen of
        assigned partitions counts, too.
        """
        consumer = self._connected()
        wanted = [TopicPartition(*partition) for partition in partitions]
        try:
            ends = consumer.end_offsets(wanted, timeout_ms=int(COMMIT_TIMEOUT_S * 1000))
            seen = {found: consumer.highwater(found) or 0 for found in consumer.assignment()}
        except errors.KafkaError as error:
            raise translated(error) from error
        return {Partition(*found): max(ends[found], seen.get(found, 0)) for found in wanted}

    def generation(self) -> int:
        """-1 before the first join and after being put out of the group."""
        return -1 if self._consumer is None else int(self._consumer.group_metadata().generation_id)

    def close(self) -> None:
        """Leave the group at once (a static member leaves by its session timeout)."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=int(CLOSE_TIMEOUT_S * 1000))

    def _connected(self) -> KafkaConsumer:
        if self._consumer is None:
            self._consumer = connected(KafkaConsumer, self._connection, **self._options)
            self._consumer.subscribe(topics=[self._topic], listener=_Listener(self))
        return self._consumer

    def _tell_changes(self, found: Mapping[TopicPartition, Sequence[object]]) -> set[TopicPartition]:
        """Tell of assignments since the last poll; the partitions whose fetched records must be read again.

        The owner has not said yet where to begin on a partition it did not know of, so what was fetched is put back.
        """
        changes = [self._changes.popleft() for _ in range(len(self._changes))]
        changed = {partition for _, _, partitions in changes for partition in partitions}
        for partition in changed | (set(found) - self._owned):
            if partition in found:
                self._put_back(partition, found[partition])
        for tell, is_assigned, partitions in changes:
            if is_assigned:
                self._owned.update(partitions)
            else:
                self._owned.difference_update(partitions)
                for partition in partitions:
                    self._asked.pop(partition, None)
            tell([Partition(partition.topic, partition.partition) for partition in sorted(partitions)])
        return changed

    def _is_as_asked(self, partition: TopicPartition, messages: Sequence[object]) -> bool:
        """Whether reading continued where the last seek asked; asks again otherwise.

        kafka-python may still be fetching the group's committed position when we seek, and then lets that win. An
        offset that retention has deleted cannot be had, so after some tries what comes is taken.
        """
        offset, tries = self._asked.pop(partition, (-1, 0))
        first: int = getattr(messages[0], "offset", offset)
        if offset in (-1, first) or tries >= SEEK_TRIES:
            return True
        self._connected().seek(partition, offset)
        self._asked[partition] = (offset, tries + 1)
        return False

    def _put_back(self, partition: TopicPartition, messages: Sequence[object]) -> None:
        consumer = self._connected()
        first: object = getattr(messages[0], "offset", 0)
        if partition in consumer.assignment():
            consumer.seek(partition, first)

    def note(self, partitions: Iterable[TopicPartition], *, is_assigned: bool) -> None:
        """Called on kafka-python's thread: remember the change for the next poll."""
        tell = self._on_assigned if is_assigned else self._on_revoked
        self._changes.append((tell, is_assigned, tuple(partitions)))


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # kafka-python has no types
    """Hands rebalances over to the source."""

    def __init__(self, source: KafkaFlowSource) -> None:
        self._source = source

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._source.note(assigned, is_assigned=True)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._source.note(revoked, is_assigned=False)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._source.note(lost, is_assigned=False)
