"""kill -9 of the stream at every stage of its loop: books and history equal those of an undisturbed run."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from baseline.adapters.clock import SystemClock
from baseline.adapters.history import ParquetHistory
from baseline.adapters.kafka.connection import KafkaConnection
from baseline.adapters.kafka.sink import KafkaFlowSink
from baseline.adapters.memory.log import MemoryDeadLetters
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.shelf import FolderShelf
from baseline.adapters.sql.library import open_library
from baseline.adapters.sql.migrate import migrate
from baseline.agent.feed import FeedOptions, feed
from baseline.domain.modelset import Alias
from baseline.domain.units import parse_rfc3339
from baseline.features import schema
from baseline.services import train
from baseline.stream.trace import Stage
from pipelines import backfill
from pipelines._recipe import read_recipe
from pipelines._recording import Recording

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "baseline" / "recordings" / "westermo.jsonl.gz"
LEARNED_UNTIL = parse_rfc3339("2023-03-10T10:00:00Z")
DEATHS = ((Stage.POLLED, 4), (Stage.JUDGED, 5), (Stage.WRITTEN, 6), (Stage.RECORDED, 5), (Stage.CHECKPOINTED, 4))
END = 4e9


@dataclass(frozen=True)
class Fed:
    """A topic that holds the recording, and a model set learned from its first half hour."""

    bootstrap: str
    topic: str
    shelf: str


@pytest.fixture(scope="module")
def fed(kafka_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Fed:
    """The recording in two partitions of a real Kafka."""
    folder = tmp_path_factory.mktemp("fed")
    topic = f"kill-{uuid4().hex[:8]}"
    kafka_server.create_topic(topic, 2, configs={"retention.ms": "-1"})
    sink = KafkaFlowSink(KafkaConnection(bootstrap=kafka_server.bootstrap))
    try:
        options = FeedOptions(topic=topic, cluster="c1")
        done = feed(
            [RECORDING], sink, MemoryDeadLetters(), options=options, clock=SystemClock(), metrics=PrometheusMetrics()
        )
    finally:
        sink.close()
    assert done.is_done
    return Fed(kafka_server.bootstrap, topic, _learned(folder))


def _learned(folder: Path) -> str:
    history = ParquetHistory(str(folder / "history"), schema_hash=schema.hash())
    backfill.backfill(Recording([RECORDING], cluster="c1"), history, name="b")
    recipe = replace(read_recipe(None), is_mature=True)
    lesson = train.read(history, recipe=recipe, since=0.0, until=LEARNED_UNTIL)
    manifest, files = train.fit_lesson(lesson, recipe=recipe, now=LEARNED_UNTIL, seed=1)
    shelf = FolderShelf(str(folder / "shelf"))
    shelf.put(manifest, files)
    shelf.point(Alias.CURRENT, manifest.id)
    return str(folder / "shelf")


def run(fed: Fed, folder: Path, *death: object) -> int:
    """One process until its end; its exit code."""
    command = [
        sys.executable, "-m", "tests.faults.stream_process", folder, fed.bootstrap, fed.topic, folder.name, fed.shelf,
        *death,
    ]  # fmt: skip
    with (folder / "log").open("ab") as log:
        arguments = [str(part) for part in command]
        return subprocess.run(arguments, cwd=ROOT, stdout=log, stderr=log, timeout=100, check=False).returncode


def result(folder: Path) -> dict[str, Any]:
    """Everything a run left: alerts, events, workloads, windows and edges."""
    library = open_library(f"sqlite:///{folder / 'books.sqlite'}")
    try:
        with library.transaction() as books:
            # The book's revision counts writes; how often an alert was written is the one thing that may differ.
            found = [replace(alert, revision=0) for alert in books.alerts.find(limit=1000).items]
            told = sorted(delivery.event.id for delivery in books.outbox.due(now=5e9, limit=10_000))
            workloads = [str(one.workload) for one in books.workloads.find(limit=1000).items]
    finally:
        library.close()
    history = ParquetHistory(str(folder / "history"), schema_hash=schema.hash())
    windows = {}
    for horizon in (60, 300, 3600):
        for workload in history.workloads(since=0.0, until=END):
            table = history.windows(workload, horizon_s=horizon, since=0.0, until=END)
            windows[str(workload), horizon] = (table.starts.tolist(), table.values.tolist(), table.quiet.tolist())
    edges = list(history.edges(since=0.0, until=END))
    return {
        "alerts": sorted(found, key=lambda alert: alert.id),
        "told": told,
        "workloads": workloads,
        "windows": windows,
        "edges": edges,
    }


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_stream_killed_at_every_stage_leaves_what_an_undisturbed_one_does(fed: Fed, tmp_path: Path) -> None:
    """Five deaths by SIGKILL, one after the other on the same state; nothing is lost, nothing doubled."""
    quiet, killed = tmp_path / f"quiet-{uuid4().hex[:8]}", tmp_path / f"killed-{uuid4().hex[:8]}"
    for folder in (quiet, killed):
        folder.mkdir()
        migrate(f"sqlite:///{folder / 'books.sqlite'}")
    assert run(fed, quiet) == 0, (quiet / "log").read_text()[-3000:]
    for stage, nth in DEATHS:
        assert run(fed, killed, stage.value, nth) == -signal.SIGKILL, (killed / "log").read_text()[-3000:]
    assert run(fed, killed) == 0, (killed / "log").read_text()[-3000:]
    undisturbed, disturbed = result(quiet), result(killed)
    assert len(undisturbed["alerts"]) >= 3  # the recording holds attacks: equality of nothing would prove nothing
    assert len(undisturbed["told"]) == len(undisturbed["alerts"])
    assert [alert.id for alert in disturbed["alerts"]] == [alert.id for alert in undisturbed["alerts"]]
    for what in undisturbed:
        assert disturbed[what] == undisturbed[what], what
