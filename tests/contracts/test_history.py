"""One suite over every history: in memory, Parquet in a folder, Parquet on fsspec's memory file system."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from baseline.adapters.history import ParquetHistory
from baseline.adapters.memory.history import MemoryHistory
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import SchemaMismatch
from baseline.domain.flow import PolicyHit, PolicyKind
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features.table import FloatArray
from baseline.ports import EdgeRow, History, HistoryBatch

DAY = 86_400
T0 = 20_000 * DAY  # midnight, UTC
WEB = WorkloadId("c1", "shop", "web", OwnerKind.DEPLOYMENT)
API = WorkloadId("c1", "shop", "api", OwnerKind.DEPLOYMENT)
TO_API = EdgeKey(Direction.EGRESS, Peer(PeerKind.WORKLOAD, "shop", "api"), 8080, "tcp")
PING = EdgeKey(Direction.EGRESS, Peer(PeerKind.PUBLIC, "", "pub"), None, "icmp")
HIT = PolicyHit(PolicyKind.NETWORK_POLICY, "default", "shop", "allow-api", "allow", 0)


@pytest.fixture(params=["memory", "folder", "fsspec-memory"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    """Every implementation of the port, empty."""
    makers: dict[str, Callable[[], History]] = {
        "memory": MemoryHistory,
        "folder": lambda: ParquetHistory(str(tmp_path / "history"), schema_hash="s1"),
        "fsspec-memory": lambda: ParquetHistory(f"memory://{uuid.uuid4()}", schema_hash="s1"),
    }
    return makers[request.param]()


def row(
    start: int, value: float, *, workload: WorkloadId = WEB, horizon: int = 60, quiet: bool = False
) -> tuple[Window, FloatArray]:
    """A window with a vector of two equal numbers."""
    edges = {} if quiet else {TO_API: EdgeCounts(records=1, started=1)}
    return Window(workload=workload, start=start, end=start + horizon, edges=edges), np.array([value, value])


def edge(slot: int, started: int, *, workload: WorkloadId = WEB, key: EdgeKey = TO_API, **kept: object) -> EdgeRow:
    """An edge row of a five-minute slot."""
    counts = EdgeCounts(records=1, started=started, first_seen=slot + 1.0, last_seen=slot + 2.0)
    made = EdgeRow(workload, slot - slot % 3600, key, counts, ((HIT, started),), (("app", "web"),), (), slot)
    return made._replace(**kept)  # type: ignore[arg-type]  # keyword names are checked by the tests themselves


def batch(name: str, *windows: tuple[Window, FloatArray], edges: list[EdgeRow] | None = None) -> HistoryBatch:
    """A batch."""
    return HistoryBatch(name, list(windows), edges or [])


def test_windows_come_back_in_time_order_with_their_vectors(history: History) -> None:
    """Rows written in any order are read by start, exact to the last bit, with their quiet flag."""
    history.write(batch("p-1", row(T0 + 120, 0.1 + 0.2), row(T0, 1.0), row(T0 + 60, 2.0, quiet=True)))
    table = history.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY)
    assert table.starts.tolist() == [T0, T0 + 60, T0 + 120]
    assert table.values[:, 0].tolist() == [1.0, 2.0, 0.1 + 0.2]
    assert table.quiet.tolist() == [False, True, False]


def test_a_range_is_half_open(history: History) -> None:
    """Since is in, until is out."""
    history.write(batch("p-1", row(T0, 1.0), row(T0 + 60, 2.0), row(T0 + 120, 3.0)))
    assert history.windows(WEB, horizon_s=60, since=T0 + 60, until=T0 + 120).starts.tolist() == [T0 + 60]


def test_horizons_and_workloads_are_kept_apart(history: History) -> None:
    """A five-minute window of another workload with the same start disturbs nothing."""
    history.write(batch("p-1", row(T0, 1.0), row(T0, 5.0, horizon=300), row(T0, 9.0, workload=API)))
    assert history.windows(WEB, horizon_s=60, since=T0, until=T0 + 1).values[:, 0].tolist() == [1.0]
    assert history.windows(WEB, horizon_s=300, since=T0, until=T0 + 1).values[:, 0].tolist() == [5.0]
    assert history.windows(WEB, horizon_s=3600, since=T0, until=T0 + 1).starts.tolist() == []
    assert [one.key for one in history.workloads(since=T0, until=T0 + 60)] == ["c1/shop/api", "c1/shop/web"]
    assert history.workloads(since=T0 + 60, until=T0 + DAY) == []


def test_writing_a_batch_again_overwrites_it(history: History) -> None:
    """A replay under the same name, with more or fewer rows, leaves what it wrote last."""
    history.write(batch("p-1", row(T0, 1.0), row(T0 + 60, 1.0), edges=[edge(T0, 3)]))
    history.write(batch("p-1", row(T0, 2.0), edges=[edge(T0, 3)]))
    assert history.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY).values[:, 0].tolist() == [2.0]
    assert [one.counts.started for one in history.edges(since=T0, until=T0 + DAY)] == [3]


def test_the_last_name_wins_a_window(history: History) -> None:
    """A correction in a later batch replaces the vector, whichever was written first."""
    history.write(batch("p-2", row(T0, 2.0)))
    history.write(batch("p-1", row(T0, 1.0), row(T0 + 60, 7.0)))
    table = history.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY)
    assert table.values[:, 0].tolist() == [2.0, 7.0]


def test_slots_of_an_hour_are_added_up_and_a_rewritten_slot_replaced(history: History) -> None:
    """Two slots of one hour sum; a second write of a slot does not count twice."""
    history.write(batch("p-1", edges=[edge(T0, 3), edge(T0 + 300, 4), edge(T0, 1, key=PING)]))
    history.write(batch("p-2", edges=[edge(T0, 5)]))
    rows = list(history.edges(since=T0, until=T0 + 3600))
    assert [(one.key, one.hour, one.counts.started) for one in rows] == [(TO_API, T0, 9)]
    assert rows[0].policy_hits == ((HIT, 9),)
    assert (rows[0].counts.first_seen, rows[0].counts.last_seen) == (T0 + 1.0, T0 + 302.0)


def test_edges_keep_ports_labels_and_hits(history: History) -> None:
    """Everything of a row comes back, an absent port included."""
    labels = (("app", "api"), ("tier", "back"))
    history.write(batch("p-1", edges=[edge(T0, 3, peer_labels=labels), edge(T0, 1, key=PING, policy_hits=())]))
    rows = {one.key: one for one in history.edges(since=T0, until=T0 + 1)}
    assert rows[TO_API].peer_labels == labels
    assert rows[TO_API].local_labels == (("app", "web"),)
    assert rows[TO_API].policy_hits == ((HIT, 3),)
    assert rows[PING].key.port is None
    assert rows[PING].workload.kind is OwnerKind.DEPLOYMENT


def test_edges_are_ordered_and_can_be_asked_for_one_workload(history: History) -> None:
    """Order is workload, hour, edge."""
    history.write(batch("p-1", edges=[edge(T0 + 3600, 1), edge(T0, 2), edge(T0, 3, workload=API)]))
    assert [(str(one.workload), one.hour) for one in history.edges(since=T0, until=T0 + DAY)] == [
        ("shop/api", T0),
        ("shop/web", T0),
        ("shop/web", T0 + 3600),
    ]
    assert [one.counts.started for one in history.edges(since=T0, until=T0 + DAY, workload=API)] == [3]


def test_reading_does_not_change_what_is_stored(history: History) -> None:
    """Merging hours twice gives the same counts."""
    history.write(batch("p-1", edges=[edge(T0, 3), edge(T0 + 300, 4)]))
    first = [one.counts.started for one in history.edges(since=T0, until=T0 + DAY)]
    assert [one.counts.started for one in history.edges(since=T0, until=T0 + DAY)] == first == [7]


def test_what_is_old_is_deleted_by_kind(history: History) -> None:
    """Windows and edges have their own ages."""
    history.write(batch("p-1", row(T0, 1.0), edges=[edge(T0, 1)]))
    history.write(batch("p-2", row(T0 + 2 * DAY, 2.0), edges=[edge(T0 + 2 * DAY, 2)]))
    assert history.expire(windows_before=T0 + DAY, edges_before=T0) == 1
    assert history.windows(WEB, horizon_s=60, since=0, until=T0 + 9 * DAY).starts.tolist() == [T0 + 2 * DAY]
    assert [one.counts.started for one in history.edges(since=0, until=T0 + 9 * DAY)] == [1, 2]


def test_an_empty_history_is_empty(history: History) -> None:
    """Reading before anything was written finds nothing and raises nothing."""
    assert history.workloads(since=0, until=T0) == []
    assert list(history.edges(since=0, until=T0)) == []
    assert len(history.windows(WEB, horizon_s=60, since=0, until=T0)) == 0


def test_vectors_of_another_schema_are_not_read(tmp_path: Path) -> None:
    """Files of another schema are skipped beside ours; when there is nothing else it is an error, not silence."""
    other = ParquetHistory(str(tmp_path), schema_hash="old")
    other.write(batch("p-1", row(T0, 1.0)))
    ours = ParquetHistory(str(tmp_path), schema_hash="new")
    with pytest.raises(SchemaMismatch):
        ours.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY)
    ours.write(batch("p-2", row(T0 + 60, 2.0)))
    assert ours.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY).starts.tolist() == [T0 + 60]


def test_a_reader_sees_what_another_process_wrote(tmp_path: Path) -> None:
    """Readings are kept only while the files stay the same."""
    writer, reader = (ParquetHistory(str(tmp_path), schema_hash="s") for _ in range(2))
    writer.write(batch("p-1", row(T0, 1.0)))
    assert len(reader.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY)) == 1
    writer.write(batch("p-2", row(T0 + 60, 1.0)))
    assert len(reader.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY)) == 2


def test_an_unfinished_file_is_not_read(tmp_path: Path) -> None:
    """What a killed writer left beside the real files disturbs nobody."""
    store = ParquetHistory(str(tmp_path), schema_hash="s")
    store.write(batch("p-1", row(T0, 1.0)))
    folder = next(tmp_path.glob("windows/horizon=60/day=*"))
    (folder / "p-2.parquet.tmp").write_bytes(b"PAR1 half a file")
    assert len(store.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY)) == 1


def test_a_reader_of_some_workloads_reads_no_others(tmp_path: Path) -> None:
    """Neither lists nor holds them, although one of another namespace shares the name."""
    writer = ParquetHistory(str(tmp_path), schema_hash="s")
    namesake = WorkloadId("c1", "elsewhere", "web", OwnerKind.DEPLOYMENT)
    writer.write(batch("p-1", row(T0, 1.0), row(T0, 2.0, workload=namesake), row(T0, 3.0, workload=API)))
    reader = ParquetHistory(str(tmp_path), schema_hash="s", only=[WEB])
    assert list(writer.workloads(since=T0, until=T0 + DAY)) == [namesake, API, WEB]
    assert list(reader.workloads(since=T0, until=T0 + DAY)) == [WEB]
    table = reader.windows(WEB, horizon_s=60, since=T0, until=T0 + DAY)
    assert table.values[:, 0].tolist() == [1.0]
    assert len(reader.windows(API, horizon_s=60, since=T0, until=T0 + DAY)) == 0
