"""History in memory, and the rules of reading that every history shares.

A row's place is (workload, horizon, start) for windows and (workload, slot) for edges; the batch written under the
last name in alphabetical order wins a place. Names grow with time per partition, so a correction wins over what it
corrects, and a replay overwrites.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from baseline.domain.edge import EdgeKey
from baseline.domain.flow import PolicyHit
from baseline.domain.workload import WorkloadId
from baseline.features.partial import edge_order
from baseline.features.table import FloatArray, WindowTable
from baseline.ports import EdgeRow, HistoryBatch

Labels = tuple[tuple[str, str], ...]


class MemoryHistory:
    """The twin of the Parquet history."""

    def __init__(self) -> None:
        self._batches: dict[str, HistoryBatch] = {}

    def write(self, batch: HistoryBatch) -> None:
        """Keep the batch under its name."""
        rows = [
            edge._replace(counts=replace(edge.counts))  # counts are mutable, history is not
            for edge in batch.edges
        ]
        self._batches[batch.name] = HistoryBatch(batch.name, tuple(batch.windows), rows)

    def workloads(self, *, since: float, until: float) -> Sequence[WorkloadId]:
        """Everything with windows in [since, until), sorted by key."""
        found = {
            window.workload: None
            for batch in self._batches.values()
            for window, _ in batch.windows
            if since <= window.start < until
        }
        return sorted(found, key=lambda workload: workload.key)

    def windows(self, workload: WorkloadId, *, horizon_s: int, since: float, until: float) -> WindowTable:
        """The workload's vectors, in time order."""
        rows: dict[int, tuple[FloatArray, bool]] = {}
        for _, batch in sorted(self._batches.items()):
            for window, vector in batch.windows:
                if window.workload == workload and window.horizon_s == horizon_s and since <= window.start < until:
                    rows[window.start] = (vector, window.is_quiet)
        starts = sorted(rows)
        width = len(rows[starts[0]][0]) if starts else 0
        return WindowTable(
            workload=workload,
            horizon_s=horizon_s,
            starts=np.array(starts, dtype=np.int64),
            values=np.array([rows[start][0] for start in starts], dtype=np.float64).reshape(len(starts), width),
            quiet=np.array([rows[start][1] for start in starts], dtype=np.bool_),
        )

    def edges(self, *, since: float, until: float, workload: WorkloadId | None = None) -> Iterator[EdgeRow]:
        """Hourly edges in order of workload, hour and edge."""
        return hourly(
            (
                name,
                [
                    row
                    for row in batch.edges
                    if since <= row.hour < until and (workload is None or row.workload == workload)
                ],
            )
            for name, batch in sorted(self._batches.items())
        )

    def expire(self, *, windows_before: float, edges_before: float) -> int:
        """Drop what lies before; how many batches lost something."""
        lost = 0
        for name, batch in list(self._batches.items()):
            windows = [row for row in batch.windows if row[0].start >= windows_before]
            edges = [row for row in batch.edges if row.hour >= edges_before]
            lost += (len(windows) < len(batch.windows)) + (len(edges) < len(batch.edges))
            if windows or edges:
                self._batches[name] = HistoryBatch(name, windows, edges)
            else:
                del self._batches[name]
        return lost


def hourly(files: Iterable[tuple[str, Iterable[EdgeRow]]]) -> Iterator[EdgeRow]:
    """Rows of files in name order -> one row per workload, hour and edge.

    Within a slot the last file wins as a whole; slots of an hour are added up; labels are those of the newest slot.
    """
    slots: dict[tuple[WorkloadId, int, int], tuple[str, list[EdgeRow]]] = {}
    for name, rows in files:
        for row in rows:
            place = (row.workload, row.hour, row.hour if row.slot is None else row.slot)
            held = slots.get(place)
            if held is None or held[0] != name:
                slots[place] = (name, [row])
            else:
                held[1].append(row)
    merged: dict[tuple[WorkloadId, int, EdgeKey], EdgeRow] = {}
    for workload, hour, slot in sorted(slots, key=lambda place: (place[0].key, place[1], place[2])):
        for row in slots[workload, hour, slot][1]:
            place_of_edge = (workload, hour, row.key)
            known = merged.get(place_of_edge)
            merged[place_of_edge] = (
                _joined(known, row) if known else row._replace(counts=replace(row.counts), slot=None)
            )
    yield from sorted(merged.values(), key=lambda row: (row.workload.key, row.hour, edge_order(row.key)))


def _joined(known: EdgeRow, newer: EdgeRow) -> EdgeRow:
    known.counts.add(newer.counts)
    hits: dict[PolicyHit, int] = dict(known.policy_hits)
    for hit, connections in newer.policy_hits:
        hits[hit] = hits.get(hit, 0) + connections
    return known._replace(
        policy_hits=tuple(sorted(hits.items())),
        local_labels=newer.local_labels or known.local_labels,
        peer_labels=newer.peer_labels or known.peer_labels,
    )
