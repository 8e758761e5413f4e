"""History's rows <-> Arrow tables: columns, types and order of the Parquet files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.flow import PolicyHit, PolicyKind
from baseline.domain.window import SUMS, EdgeCounts, Window
from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features.partial import edge_order
from baseline.features.table import FloatArray, IntArray, WindowTable
from baseline.ports import EdgeRow

_TEXT = pa.dictionary(pa.int32(), pa.string())
_WORKLOAD = [("cluster", _TEXT), ("namespace", _TEXT), ("workload", _TEXT), ("kind", _TEXT)]
PLACE = [*(name for name, _ in _WORKLOAD), "start"]
_INTEGERS = (*SUMS, "largest_bytes_out")
EDGES = pa.schema([
    *_WORKLOAD, ("hour", pa.int64()), ("slot", pa.int64()), ("direction", _TEXT), ("peer_kind", _TEXT),
    ("peer_namespace", _TEXT), ("peer_name", _TEXT), ("port", pa.int32()), ("protocol", _TEXT),
    *((name, pa.int64()) for name in _INTEGERS), ("first_seen", pa.float64()), ("last_seen", pa.float64()),
    ("policy_hits", _TEXT), ("local_labels", _TEXT), ("peer_labels", _TEXT),
])  # fmt: skip


def by_horizon_and_day(
    windows: Sequence[tuple[Window, FloatArray]],
) -> Mapping[tuple[int, str], list[tuple[Window, FloatArray]]]:
    """Windows by the folder they go to."""
    groups: dict[tuple[int, str], list[tuple[Window, FloatArray]]] = {}
    for window, vector in windows:
        groups.setdefault((window.horizon_s, _day(window.start)), []).append((window, vector))
    return groups


def by_day(edges: Sequence[EdgeRow]) -> Mapping[str, list[EdgeRow]]:
    """Edge rows by the folder they go to."""
    groups: dict[str, list[EdgeRow]] = {}
    for row in edges:
        groups.setdefault(_day(row.hour), []).append(row)
    return groups


def windows_table(windows: Sequence[tuple[Window, FloatArray]]) -> pa.Table:
    """Windows of one horizon, by workload and start; of two with the same place the later one is kept."""
    placed = {(window.workload.key, window.start): (window, vector) for window, vector in windows}
    ordered = [placed[place] for place in sorted(placed)]
    values = np.array([vector for _, vector in ordered], dtype=np.float64)
    schema = pa.schema([
        *_WORKLOAD, ("start", pa.int64()), ("quiet", pa.bool_()), ("values", pa.list_(pa.float64(), values.shape[1])),
    ])  # fmt: skip
    columns = [
        *_workload_columns([window.workload for window, _ in ordered]),
        pa.array([window.start for window, _ in ordered], pa.int64()),
        pa.array([window.is_quiet for window, _ in ordered], pa.bool_()),
        pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1]),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def window_tables(tables: Sequence[pa.Table], horizon: int) -> Mapping[str, WindowTable]:
    """All workloads' windows out of files in name order; of rows with the same place the last is kept."""
    if not tables:
        return {}
    coded = [_workload_codes(table) for table in tables]
    known = {one.key: one for ids, _ in coded for one in ids}
    names = sorted(known)
    places = {name: place for place, name in enumerate(names)}
    numbers = np.concatenate([
        np.array([places[one.key] for one in ids], dtype=np.int64)[codes] for ids, codes in coded
    ])  # fmt: skip
    starts = np.concatenate([table["start"].to_numpy() for table in tables])
    quiet = np.concatenate([table["quiet"].to_numpy(zero_copy_only=False) for table in tables])
    values = np.concatenate([_matrix(table) for table in tables])
    order = np.lexsort((np.arange(len(starts)), starts, numbers))  # stable: file order within a place
    is_last = np.ones(len(order), dtype=np.bool_)
    is_last[:-1] = (numbers[order][1:] != numbers[order][:-1]) | (starts[order][1:] != starts[order][:-1])
    order = order[is_last]
    bounds = np.searchsorted(numbers[order], np.arange(len(names) + 1))
    return {
        name: WindowTable(
            workload=known[name], horizon_s=horizon, starts=starts[rows], values=values[rows], quiet=quiet[rows]
        )
        for name, rows in ((name, order[bounds[at] : bounds[at + 1]]) for at, name in enumerate(names))
    }


def workloads_within(table: pa.Table, *, since: float, until: float) -> dict[str, WorkloadId]:
    """Workloads by key that have a window in [since, until); the table needs the columns of ``PLACE`` only."""
    starts = table["start"].to_numpy()
    inside = table.filter(pa.array((starts >= since) & (starts < until)))
    distinct = inside.select([name for name, _ in _WORKLOAD]).group_by([name for name, _ in _WORKLOAD]).aggregate([])
    return {one.key: one for one in _workload_ids(distinct)}


def filter_of(workloads: Collection[WorkloadId]) -> pc.Expression:
    """What rows of these workloads pass; it may let others through that only share a name."""
    return pc.field("workload").isin(sorted({workload.name for workload in workloads}))


def empty_table(workload: WorkloadId, horizon: int) -> WindowTable:
    """No windows."""
    return WindowTable(
        workload=workload, horizon_s=horizon, starts=np.empty(0, np.int64), values=np.empty((0, 0)),
        quiet=np.empty(0, np.bool_),
    )  # fmt: skip


def edges_table(edges: Sequence[EdgeRow]) -> pa.Table:
    """Edge rows by workload, slot and edge."""
    ordered = sorted(edges, key=lambda row: (row.workload.key, _slot(row), edge_order(row.key)))
    text = {
        "direction": [row.key.direction.value for row in ordered],
        "peer_kind": [row.key.peer.kind.value for row in ordered],
        "peer_namespace": [row.key.peer.namespace for row in ordered],
        "peer_name": [row.key.peer.name for row in ordered],
        "protocol": [row.key.protocol for row in ordered],
        "policy_hits": [_json(sorted(row.policy_hits)) for row in ordered],
        "local_labels": [_json(row.local_labels) for row in ordered],
        "peer_labels": [_json(row.peer_labels) for row in ordered],
    }
    columns: dict[str, Any] = dict(
        zip(
            ("cluster", "namespace", "workload", "kind"),
            _workload_columns([row.workload for row in ordered]),
            strict=True,
        )
    )
    columns |= {name: pa.array(values).dictionary_encode() for name, values in text.items()}
    columns["hour"] = [row.hour for row in ordered]
    columns["slot"] = [_slot(row) for row in ordered]
    columns["port"] = [row.key.port for row in ordered]
    for name in (*_INTEGERS, "first_seen", "last_seen"):
        columns[name] = [getattr(row.counts, name) for row in ordered]
    return pa.Table.from_arrays(
        [columns[field.name] if isinstance(columns[field.name], pa.Array) else pa.array(columns[field.name], field.type)
         for field in EDGES],
        schema=EDGES,
    )  # fmt: skip


def edge_rows(table: pa.Table, *, since: float, until: float, workload: WorkloadId | None) -> Iterable[EdgeRow]:
    """The rows of one file that lie in [since, until)."""
    columns = {name: table[name].to_pylist() for name in table.column_names}
    labels: dict[str, tuple[tuple[str, str], ...]] = {}
    hits: dict[str, tuple[tuple[PolicyHit, int], ...]] = {}
    for at, (hour, one) in enumerate(zip(columns["hour"], _workload_ids(table), strict=True)):
        if not since <= hour < until or (workload is not None and one != workload):
            continue
        counts = EdgeCounts(**{name: columns[name][at] for name in (*_INTEGERS, "first_seen", "last_seen")})
        peer = Peer(PeerKind(columns["peer_kind"][at]), columns["peer_namespace"][at], columns["peer_name"][at])
        yield EdgeRow(
            workload=one,
            hour=hour,
            key=EdgeKey(Direction(columns["direction"][at]), peer, columns["port"][at], columns["protocol"][at]),
            counts=counts,
            policy_hits=_once(hits, columns["policy_hits"][at], _parse_hits),
            local_labels=_once(labels, columns["local_labels"][at], _parse_labels),
            peer_labels=_once(labels, columns["peer_labels"][at], _parse_labels),
            slot=columns["slot"][at],
        )


def _slot(row: EdgeRow) -> int:
    return row.hour if row.slot is None else row.slot


def _day(time_s: float) -> str:
    return datetime.fromtimestamp(time_s, tz=UTC).date().isoformat()


def _workload_columns(workloads: Sequence[WorkloadId]) -> list[pa.Array]:
    return [
        pa.array([str(getattr(one, name)) for one in workloads]).dictionary_encode()
        if name != "kind"
        else pa.array([one.kind.value for one in workloads]).dictionary_encode()
        for name in ("cluster", "namespace", "name", "kind")
    ]


def _workload_ids(table: pa.Table) -> list[WorkloadId]:
    made: dict[tuple[str, str, str, str], WorkloadId] = {}
    ids = []
    for row in zip(*(table[name].to_pylist() for name in ("cluster", "namespace", "workload", "kind")), strict=True):
        one = made.get(row)
        if one is None:
            one = made[row] = WorkloadId(row[0], row[1], row[2], OwnerKind(row[3]))
        ids.append(one)
    return ids


def _workload_codes(table: pa.Table) -> tuple[list[WorkloadId], IntArray]:
    """The distinct workloads, and the number of each row's (n,): without a Python object a row."""
    columns = [
        table[name].unify_dictionaries().combine_chunks() for name in ("cluster", "namespace", "workload", "kind")
    ]
    texts = [column.dictionary.to_pylist() for column in columns]
    mixed = np.zeros(len(table), dtype=np.int64)
    for column, text in zip(columns, texts, strict=True):
        mixed = mixed * len(text) + column.indices.to_numpy()
    _, firsts, codes = np.unique(mixed, return_index=True, return_inverse=True)
    rows = zip(*(
        [text[at] for at in column.indices.to_numpy()[firsts]] for column, text in zip(columns, texts, strict=True)
    ), strict=True)  # fmt: skip
    return [WorkloadId(cluster, namespace, name, OwnerKind(kind)) for cluster, namespace, name, kind in rows], codes


def _matrix(table: pa.Table) -> FloatArray:
    values = table["values"].combine_chunks()
    width = values.type.list_size
    flat: FloatArray = np.asarray(values.flatten().to_numpy(), dtype=np.float64)
    return flat.reshape(-1, width)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _parse_labels(text: str) -> tuple[tuple[str, str], ...]:
    return msgspec.json.decode(text, type=tuple[tuple[str, str], ...])


def _parse_hits(text: str) -> tuple[tuple[PolicyHit, int], ...]:
    return tuple((PolicyHit(PolicyKind(hit[0]), *hit[1:]), count) for hit, count in msgspec.json.decode(text))


def _once(made: dict[str, Any], text: str, parse: Any) -> Any:  # noqa: ANN401 -- labels or hits, by the parser
    if text not in made:
        made[text] = parse(text)
    return made[text]
