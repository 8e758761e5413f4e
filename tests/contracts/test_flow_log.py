"""One suite for the flow log: the in-memory twin, the embedded broker, and Apache Kafka."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from baseline.adapters.kafka import KafkaConnection, KafkaDeadLetters, KafkaFlowSink, KafkaFlowSource, ensure_topics
from baseline.adapters.memory.log import MemoryDeadLetters, MemoryFlowSink, MemoryFlowSource, MemoryLog
from baseline.domain.errors import Conflict, Missing, Unavailable
from baseline.ports import DeadLetter, FlowSink, FlowSource, Partition, Record
from tests.conftest import eventually
from tests.ground.process import free_port

PARTITIONS = 3
JOIN_S = 45.0  # the embedded broker delays a rebalance by half the session timeout, and cooperative ones take two


@dataclass
class Side:
    """One implementation of the ports over one fresh topic."""

    topic: str
    sink: Callable[[], FlowSink]
    source: Callable[..., FlowSource]
    opened: list[Any] = field(default_factory=list)

    def new_sink(self) -> FlowSink:
        """A sink that is closed after the test."""
        sink = self.sink()
        self.opened.append(sink)
        return sink

    def new_source(self, group: str = "g", **callbacks: Any) -> FlowSource:
        """A member of a group that is closed after the test."""
        source = self.source(group, **callbacks)
        self.opened.append(source)
        return source


def _kafka_side(bootstrap: str) -> Side:
    connection = KafkaConnection(bootstrap=bootstrap)
    topic = f"flows-{uuid.uuid4().hex[:8]}"
    ensure_topics(connection, {topic: PARTITIONS}, retention_s=3600)
    return Side(
        topic,
        lambda: KafkaFlowSink(connection),
        lambda group, **callbacks: KafkaFlowSource(connection, topic, f"{topic}-{group}", **callbacks),
    )


def _memory_side() -> Side:
    log = MemoryLog({"flows": PARTITIONS})
    return Side(
        "flows",
        lambda: MemoryFlowSink(log),
        lambda group, **callbacks: MemoryFlowSource(log, "flows", group, **callbacks),
    )


GROUND = (pytest.mark.ground, pytest.mark.xdist_group("ground"))  # fixtures asked for by name come too late


@pytest.fixture(
    name="side",
    params=["memory", pytest.param("embedded", marks=GROUND), pytest.param("kafka", marks=GROUND)],
)
def _side(request: pytest.FixtureRequest) -> Iterator[Side]:
    if request.param == "memory":
        side = _memory_side()
    else:
        server = request.getfixturevalue("tansu_broker" if request.param == "embedded" else "kafka_server")
        side = _kafka_side(server.bootstrap)
    yield side
    for made in reversed(side.opened):
        made.close()


def collected(source: FlowSource, count: int, *, timeout_s: float = JOIN_S) -> list[Record]:
    """Poll until that many records came."""
    found: list[Record] = []

    def enough() -> bool:
        found.extend(source.poll(0.2))
        return len(found) >= count

    eventually(enough, timeout_s, interval_s=0.0, message=f"{count} records")
    return found


def send_numbered(sink: FlowSink, topic: str, numbers: Sequence[int]) -> None:
    """Values are numbers, keys their last digit."""
    for number in numbers:
        sink.send(topic, key=f"w{number % 10}".encode(), value=str(number).encode(), timestamp=1_700_000_000.25)
    sink.flush(10.0)


def test_records_come_back_whole_and_in_order_of_their_key(side: Side) -> None:
    """Key, value, timestamp and headers; one key stays on one partition."""
    sink = side.new_sink()
    send_numbered(sink, side.topic, range(100))
    sink.send(side.topic, key=b"h", value=b"last", partition=1, timestamp=1.5, headers=[("class", b"x")])
    sink.flush(10.0)
    found = collected(side.new_source(), 101)
    assert len(found) == 101
    last = next(record for record in found if record.value == b"last")
    assert (last.partition, last.timestamp, last.headers) == (Partition(side.topic, 1), 1.5, (("class", b"x"),))
    assert {record.timestamp for record in found if record is not last} == {1_700_000_000.25}
    for digit in range(10):
        mine = [record for record in found if record.key == f"w{digit}".encode()]
        assert [int(record.value) for record in mine] == list(range(digit, 100, 10))
        assert len({record.partition for record in mine}) == 1


def test_offsets_are_dense_and_end_where_the_log_ends(side: Side) -> None:
    """Positions are offsets of a partition; the end is one past the last."""
    send_numbered(side.new_sink(), side.topic, range(60))
    source = side.new_source()
    found = collected(source, 60)
    for number in range(PARTITIONS):
        partition = Partition(side.topic, number)
        offsets = [record.offset for record in found if record.partition == partition]
        assert offsets == list(range(len(offsets)))
        if offsets:
            assert source.end_offsets([partition]) == {partition: len(offsets)}


def test_assignment_is_told_before_records_and_may_seek(side: Side) -> None:
    """What the checkpoint says decides, not what the group committed."""
    send_numbered(side.new_sink(), side.topic, range(40))
    first = side.new_source()
    ends = {record.partition: record.offset + 1 for record in collected(first, 40)}
    first.commit(dict.fromkeys(ends, 0))
    first.close()
    told: list[Partition] = []

    def seek(partitions: Sequence[Partition]) -> None:
        told.extend(partitions)
        for partition in partitions:
            source.seek(partition, ends.get(partition, 0) - 1 if partition in ends else 0)

    source = side.new_source(on_assigned=seek)
    found = collected(source, len(ends))
    assert sorted(told) == [Partition(side.topic, number) for number in range(PARTITIONS)]
    assert {record.partition: record.offset + 1 for record in found} == ends
    assert source.generation() >= 0


def test_committed_positions_are_where_the_next_member_begins(side: Side) -> None:
    """Nothing is read twice by a member that follows another."""
    sink = side.new_sink()
    send_numbered(sink, side.topic, range(30))
    first = side.new_source()
    found = collected(first, 30)
    first.commit({record.partition: record.offset + 1 for record in found})
    first.close()
    send_numbered(sink, side.topic, range(30, 40))
    assert sorted(int(record.value) for record in collected(side.new_source(), 10)) == list(range(30, 40))


class Member:
    """A member that polls on a thread of its own, as each process does, and knows what it owns."""

    def __init__(self, side: Side) -> None:
        self.owned: set[int] = set()
        self.source = side.new_source(
            on_assigned=lambda partitions: self.owned.update(part.number for part in partitions),
            on_revoked=lambda partitions: self.owned.difference_update(part.number for part in partitions),
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)
        self._thread.start()

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self.source.poll(0.2)

    def stop(self) -> None:
        """Stop polling, without leaving the group."""
        self._stopping.set()
        self._thread.join()


def test_partitions_are_shared_by_two_members_and_taken_over(side: Side) -> None:
    """Each partition has one owner; the generation grows; after one leaves the other has all."""
    everything = set(range(PARTITIONS))
    first = Member(side)
    eventually(lambda: first.owned == everything, JOIN_S, message="the first has all")
    generation = first.source.generation()
    second = Member(side)

    def shared() -> bool:
        return bool(second.owned) and sorted([*first.owned, *second.owned]) == sorted(everything)

    eventually(shared, JOIN_S, message="both have some")
    assert first.source.generation() > generation
    second.stop()
    with pytest.raises(Conflict):
        second.source.seek(Partition(side.topic, next(iter(first.owned))), 0)
    second.source.close()
    eventually(lambda: first.owned == everything, JOIN_S, message="the first has all again")
    first.stop()


def test_partitions_of_a_topic_are_named(side: Side) -> None:
    """Heartbeats go to each."""
    assert list(side.new_sink().partitions(side.topic)) == list(range(PARTITIONS))


def test_topic_that_is_not_there_is_missing(kafka_server: Any) -> None:
    """Not Unavailable: waiting does not help. (The embedded broker makes any topic that is asked for.)"""
    with pytest.raises(Missing):
        MemoryFlowSink(MemoryLog()).partitions("no-such-topic")
    sink = KafkaFlowSink(KafkaConnection(bootstrap=kafka_server.bootstrap))
    with pytest.raises(Missing):
        sink.partitions("no-such-topic")
    sink.close()


def test_memory_log_that_is_down_loses_nothing() -> None:
    """Queued records reach the log when it is back."""
    log = MemoryLog({"flows": 1})
    sink = MemoryFlowSink(log)
    sink.send("flows", key=b"k", value=b"1")
    log.is_up = False
    with pytest.raises(Unavailable):
        sink.flush(1.0)
    log.is_up = True
    sink.flush(1.0)
    assert [record.value for record in log.records("flows")] == [b"1"]


LETTER = DeadLetter(reason="not_json", detail="line='é'", position="flows/0/17", value=b"x" * 70_000)


def test_dead_letter_is_kept_in_memory() -> None:
    """The list holds it."""
    letters = MemoryDeadLetters()
    letters.put([LETTER])
    assert letters.letters == [LETTER]


def test_dead_letter_is_a_record_with_headers(tansu_broker: Any) -> None:
    """At most 64 KiB, with class, reason, detail and position."""
    side = _kafka_side(tansu_broker.bootstrap)
    sink = KafkaFlowSink(KafkaConnection(bootstrap=tansu_broker.bootstrap))
    KafkaDeadLetters(sink, side.topic).put([LETTER])
    source = side.new_source()
    (record,) = collected(source, 1)
    assert record.value == b"x" * 65_536
    assert dict(record.headers) == {
        "class": b"MalformedRecord", "reason": b"not_json", "detail": "line='é'".encode(), "position": b"flows/0/17",
    }  # fmt: skip
    source.close()
    sink.close()


def test_topics_are_made_once(tansu_broker: Any) -> None:
    """A second call leaves them as they are."""
    connection = KafkaConnection(bootstrap=tansu_broker.bootstrap)
    names = {f"a-{uuid.uuid4().hex[:8]}": 2, f"b-{uuid.uuid4().hex[:8]}": 1}
    assert set(ensure_topics(connection, names, retention_s=3600)) == set(names)
    assert ensure_topics(connection, names, retention_s=3600) == ()


def test_broker_that_is_down_at_start_is_unavailable_and_waited_out() -> None:
    """Neither side crashes or hangs; nothing listens on this port."""
    connection = KafkaConnection(bootstrap=f"127.0.0.1:{free_port()}")
    source, sink = KafkaFlowSource(connection, "t", "g"), KafkaFlowSink(connection)
    with pytest.raises(Unavailable):
        source.poll(0.1)
    with pytest.raises(Unavailable):
        sink.send("t", key=b"k", value=b"v")
    assert source.generation() == -1
    source.close()
    sink.close()


def test_sink_delivers_what_it_had_queued_once_the_broker_is_back(kafka_server: Any) -> None:
    """Through the failure of every batch: unacknowledged records are sent again, in order."""
    side = _kafka_side(kafka_server.bootstrap)
    sink = KafkaFlowSink(KafkaConnection(bootstrap=kafka_server.bootstrap), delivery_timeout_s=4.0)
    send_numbered(sink, side.topic, range(5))
    kafka_server.stop()
    try:
        for number in range(5, 10):
            sink.send(side.topic, key=b"one", value=str(number).encode(), partition=0)
        for _ in range(2):
            with pytest.raises(Unavailable):
                sink.flush(6.0)
    finally:
        kafka_server.start()

    def delivered() -> bool:
        try:
            sink.flush(10.0)
        except Unavailable:
            return False
        return True

    eventually(delivered, JOIN_S, message="everything is acknowledged")
    source = side.new_source()
    found = collected(source, 10)
    assert {int(record.value) for record in found} == set(range(10))
    later = [int(record.value) for record in found if record.key == b"one"]
    assert list(dict.fromkeys(later)) == [5, 6, 7, 8, 9]
    source.close()
    sink.close()
