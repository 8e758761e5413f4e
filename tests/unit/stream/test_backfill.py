"""Backfill and stream: the same flows, the same history."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baseline.adapters.history import ParquetHistory
from baseline.adapters.memory.history import MemoryHistory
from baseline.adapters.memory.log import MemoryDeadLetters, MemoryFlowSink
from baseline.agent.feed import FeedOptions, feed
from baseline.features import schema
from baseline.ports import History
from baseline.stream.status import StreamOptions
from pipelines import backfill
from pipelines._recording import Recording
from tests.unit.stream.stage import RECORDING, T0, TOPIC, Parts, line, recording

OFTEN = StreamOptions(poll_s=0.0, checkpoint_interval_s=0.0, history_interval_s=0.0)


def streamed(path: Path, *, partitions: int) -> MemoryHistory:
    """History after the recording was fed through the log and the loop."""
    parts = Parts(partitions=partitions)
    options = FeedOptions(topic=TOPIC, cluster="c1")
    feed(
        [path],
        MemoryFlowSink(parts.log),
        MemoryDeadLetters(),
        options=options,
        clock=parts.clock,
        metrics=parts.metrics,
    )
    parts.clock.time = 1e10
    loop = parts.loop(options=OFTEN)
    while not loop.status().partitions or loop.status().lag_records or parts.clock.waits == []:
        loop.run_once()
        parts.clock.wait(0)
    for _ in range(20):
        loop.run_once()
    loop.close()
    return parts.history


def same(one: History, other: History) -> None:
    """Both hold the same windows, vectors and edges."""
    workloads = one.workloads(since=0, until=1e10)
    assert list(other.workloads(since=0, until=1e10)) == list(workloads) != []
    for workload in workloads:
        for horizon in (60, 300, 3600):
            left = one.windows(workload, horizon_s=horizon, since=0, until=1e10)
            right = other.windows(workload, horizon_s=horizon, since=0, until=1e10)
            assert left.starts.tolist() == right.starts.tolist(), (str(workload), horizon)
            assert np.array_equal(left.values, right.values)
            assert left.quiet.tolist() == right.quiet.tolist()
    assert list(one.edges(since=0, until=1e10)) == list(other.edges(since=0, until=1e10))


@pytest.mark.parametrize("partitions", [1, 3])
def test_backfill_and_stream_write_the_same_history(partitions: int, tmp_path: Path) -> None:
    """The packaged recording through Kafka's twin, one partition or three, and by backfill: equal to the last bit."""
    path = tmp_path / "part.jsonl"
    path.write_bytes(b"\n".join(recording()[:1500]) + b"\n")
    filled = ParquetHistory(str(tmp_path / "history"), schema_hash=schema.hash())
    backfill.backfill(Recording([path], cluster="c1"), filled, name="b")
    by_stream = streamed(path, partitions=partitions)
    assert len(by_stream.workloads(since=0, until=1e10)) > 5
    same(by_stream, filled)


def test_the_command_writes_history_and_a_report(tmp_path: Path) -> None:
    """Exit 0, a table, JSON that adds up; running it again changes nothing."""
    history, report = tmp_path / "history", tmp_path / "report.json"
    flows = tmp_path / "flows.jsonl.gz"
    with gzip.open(flows, "wb") as packed:
        packed.write(b"\n".join([*recording(RECORDING)[:600], b"{ no flow"]))
    argv = ["--flows", str(flows), "--history", str(history), "--cluster", "c1", "--report", str(report)]
    assert backfill.main(argv) == 0
    found = json.loads(report.read_text())
    assert found["windows"] == sum(sum(row.values()) for row in found["by_workload"].values()) > 0
    assert sum(found["rejected"].values()) == 1
    files = sorted(path.name for path in history.rglob("*.parquet"))
    assert backfill.main(argv) == 0
    assert sorted(path.name for path in history.rglob("*.parquet")) == files


def test_a_file_without_flows_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 and a sentence, not an empty history called done."""
    flows = tmp_path / "flows.jsonl"
    flows.write_text("{}\n")
    assert backfill.main(["--flows", str(flows), "--history", str(tmp_path / "history")]) == 1
    assert "no window was closed" in capsys.readouterr().err
    assert backfill.main(["--flows", str(tmp_path / "absent"), "--history", str(tmp_path / "history")]) == 1


def test_sums_past_what_a_column_holds_are_held_at_its_limit(tmp_path: Path) -> None:
    """A hostile log reaches 2^63 by a thousand nodes in a minute: that edge is capped, all rows are written."""
    flows, at = tmp_path / "flows.jsonl", T0 + 15
    most: dict[str, Any] = {"bytes_in": 2**53, "bytes_out": 2**53, "num_flows_started": 2**53}
    hostile = [line(at, host=f"n{number}", **most) for number in range(1100)]
    lines = [*hostile, *(line(T0 + end, source="good") for end in range(15, 1200, 15))]
    flows.write_bytes(b"\n".join(lines) + b"\n")
    history = ParquetHistory(str(tmp_path / "history"), schema_hash=schema.hash())
    backfill.backfill(Recording([flows], cluster="c1"), history, name="b")
    rows = list(history.edges(since=0, until=1e10))
    assert {row.workload.name for row in rows} == {"web", "good"}
    assert max(row.counts.bytes_in for row in rows if row.workload.name == "web") == 2**63 - 1
