"""The topic read by the product's own path: Kafka source, decoder, windows; no judging, no books, no checkpoint."""

from __future__ import annotations

import time
from collections.abc import Sequence

from baseline.adapters.kafka import KafkaConnection, KafkaFlowSource
from baseline.adapters.metrics import PrometheusMetrics
from baseline.features.windows import WindowOptions
from baseline.ports import Partition, Record
from baseline.stream import steps
from baseline.stream.work import Work, fresh
from benchmarks.reading import HORIZON_S, Reading
from benchmarks.topic import TAIL_NAMESPACE, TOPIC

PATIENCE_S = 60.0  # without any progress; a run that hangs must not hang the benchmark


def read(*, bootstrap: str, group: str, expected: int) -> Reading:
    """Read ``expected`` records to closed windows, as `baseline.stream.loop` does."""
    began, wall = time.process_time(), time.monotonic()
    works: dict[Partition, Work] = {}

    def assigned(partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            works[partition] = fresh(partition, options=WindowOptions(), generation=0, now=0.0)

    source = KafkaFlowSource(KafkaConnection(bootstrap=bootstrap), TOPIC, group, on_assigned=assigned)
    decode, metrics = steps.PlainDecoder(cluster="bench"), PrometheusMetrics()
    windows = edges = bytes_out = shorter = dead = position = 0
    moved = time.monotonic()
    while position < expected:
        batches: dict[Partition, list[Record]] = {}
        for record in source.poll(0.2):
            batches.setdefault(record.partition, []).append(record)
        for partition, batch in batches.items():
            steps.take(works[partition], batch, decode=decode, now=time.time(), metrics=metrics)
        for work in works.values():
            dead += len(work.dead)
            work.dead = []
            for window in work.windower.advance(now=work.log_time):
                if window.is_quiet or window.workload.namespace == TAIL_NAMESPACE:
                    continue
                if window.horizon_s == HORIZON_S:
                    windows += 1
                    edges += len(window.edges)
                    bytes_out += sum(counts.bytes_out for counts in window.edges.values())
                else:
                    shorter += 1
        if batches:
            moved = time.monotonic()
        elif time.monotonic() - moved > PATIENCE_S:
            raise TimeoutError(f"{position} of {expected} records after {PATIENCE_S:.0f} s without any")
        position = sum(work.position for work in works.values())
    cpu_s, wall_s = time.process_time() - began, time.monotonic() - wall
    source.close()
    return Reading(
        records=position, cpu_s=cpu_s, wall_s=wall_s, windows=windows, edges=edges, bytes_out=bytes_out,
        other_windows=shorter, rejected=dead,
    )  # fmt: skip
