"""The windower's state as bytes: MessagePack in Zstandard, with a format number.

Pure. Workloads, edges, variants and policy traces are written once and referred to by number. Zstandard's checksum
finds damage; a format newer than ours is refused, because guessing would lose records silently.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

import msgspec
import zstandard

from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import CheckpointRejected
from baseline.domain.flow import PolicyHit, PolicyKind
from baseline.domain.window import SUMS, EdgeCounts
from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features.closing import HostClock
from baseline.features.folding import Cell, Labels, Router, Seen, Variant
from baseline.features.partial import Partial
from baseline.features.tally import Tally, WindowOptions

FORMAT = 2  # 1 had no versions of workloads: it is read as if none had been seen
_FIELDS = (*SUMS, "largest_bytes_out", "first_seen", "last_seen")
_INFINITE = float("inf")


class _Book:
    """Numbers things in order of first mention."""

    def __init__(self) -> None:
        self.rows: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, thing: Hashable) -> int:
        number = self._numbers.get(thing)
        if number is None:
            number = self._numbers[thing] = len(self.rows)
            self.rows.append(thing)
        return number


def pack(tallies: dict[str, Tally]) -> bytes:
    """Bytes of all clusters' state."""
    payload = msgspec.msgpack.encode([FORMAT, [[cluster, _pack(tally)] for cluster, tally in tallies.items()]])
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(payload)


def unpack(payload: bytes, *, options: WindowOptions, router: Router) -> dict[str, Tally]:
    """The inverse of ``pack``; CheckpointRejected when the bytes are damaged or newer than we are."""
    try:
        packed = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(payload))
        if packed[0] not in (1, FORMAT):
            raise CheckpointRejected(f"window state of format {packed[0]}, this program reads {FORMAT}")
        return {cluster: _unpack(body, options, router) for cluster, body in packed[1]}
    except (zstandard.ZstdError, msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
        raise CheckpointRejected(f"window state cannot be read: {error}") from error


def _pack(tally: Tally) -> dict[str, Any]:
    numbers = {seen: number for number, seen in enumerate(tally.workloads.values())}
    variants, edges, traces, hits = _Book(), _Book(), _Book(), _Book()
    cells = [
        [start, base, [_pack_cell(numbers[seen], cell, variants, traces) for seen, cell in bucket.items()]]
        for (start, base), bucket in tally.cells.items()
    ]
    hours = [
        [start, [_pack_partial(numbers[seen], partial, edges, hits) for seen, partial in bucket.items()]]
        for start, bucket in tally.hours.items()
    ]
    return {
        "closed_until": tally.closed_until,
        "workloads": [_pack_seen(seen) for seen in tally.workloads.values()],
        "peers": [[peer, at, labels] for peer, (at, labels) in tally.peer_labels.items()],
        "hosts": [
            [host, clock.clock, clock.advanced_at, clock.interval_s, sorted(clock.life)]
            for host, clock in tally.clocks.hosts.items()
        ],
        "cells": cells,
        "hours": hours,
        "missing": [[*slot, sorted(numbers[seen] for seen in gone)] for slot, gone in tally.missing.items()],
        "late_first": [[*slot, sorted(numbers[seen] for seen in late)] for slot, late in tally.late_first.items()],
        "dirty": sorted([start, horizon, numbers[seen]] for start, horizon, seen in tally.dirty),
        "variants": [[numbers[one.seen], edges.number(one.edge), one.static] for one in variants.rows],
        "edges": edges.rows,
        "traces": traces.rows,
        "hits": hits.rows,
    }


def _pack_seen(seen: Seen) -> list[Any]:
    one = seen.workload
    first = [None if value == _INFINITE else value for value in seen.first]
    first_seen = None if seen.first_seen == _INFINITE else [seen.first_seen, seen.last_seen]
    labels = None if seen.labels_at == -_INFINITE else [seen.labels_at, seen.labels]
    return [
        one.cluster, one.namespace, one.name, one.kind, first_seen, labels, seen.hosts, first, seen.since, seen.active,
        seen.versions.spans,
    ]  # fmt: skip


def _unpack_seen(row: list[Any]) -> Seen:
    cluster, namespace, name, kind, span, labels, hosts, first, since, active, *versions = row
    seen = Seen(WorkloadId(cluster, namespace, name, OwnerKind(kind)))
    if span is not None:
        seen.first_seen, seen.last_seen = span
    if labels is not None:
        seen.labels_at, seen.labels = labels[0], _labels(labels[1])
    seen.hosts = hosts
    seen.first = [_INFINITE if value is None else value for value in first]
    seen.since, seen.active = since, active
    if versions:
        seen.versions.spans = {str(version): list(span) for version, span in versions[0].items()}
    return seen


def _pack_cell(number: int, cell: Cell, variants: _Book, traces: _Book) -> list[Any]:
    folds = [[variants.number(key[0]), key[1], key[2], fold] for key, fold in cell.folds.items()]
    places = {key: place for place, key in enumerate(cell.folds)}
    hits = [[places[key], traces.number(trace), count] for (key, trace), count in cell.hits.items()]
    return [number, folds, hits]


def _pack_partial(number: int, partial: Partial, edges: _Book, hits: _Book) -> list[Any]:
    return [
        number,
        [[edges.number(edge), *_counts(counts)] for edge, counts in partial.edges.items()],
        [[edges.number(edge), hits.number(hit), count] for (edge, hit), count in partial.hits.items()],
        sorted(partial.hosts),
        _counts(partial.overflow),
        sorted(partial.overflow_hashes),
    ]


def _counts(counts: EdgeCounts) -> list[Any]:
    return [getattr(counts, name) for name in _FIELDS]


def _unpack(body: dict[str, Any], options: WindowOptions, router: Router) -> Tally:
    tally = Tally(options)
    everyone = [_unpack_seen(row) for row in body["workloads"]]
    tally.workloads = {seen.workload: seen for seen in everyone}
    tally.closed_until = body["closed_until"]
    tally.peer_labels = {_peer(peer): (at, _labels(labels)) for peer, at, labels in body["peers"]}
    for host, time_s, advanced_at, interval_s, life in body["hosts"]:
        clock = tally.clocks.hosts[host] = HostClock(clock=time_s, advanced_at=advanced_at)
        clock.interval_s, clock.life = interval_s, set(life)
    edges = [EdgeKey(Direction(one[0]), _peer(one[1]), one[2], one[3]) for one in body["edges"]]
    traces = [tuple(_hit(hit) for hit in trace) for trace in body["traces"]]
    variants = [router.variant(everyone[who], edges[edge], tuple(static)) for who, edge, static in body["variants"]]
    for start, base, bucket in body["cells"]:
        tally.cells[start, base] = {everyone[row[0]]: _unpack_cell(row, variants, traces) for row in bucket}
    hits = [_hit(hit) for hit in body["hits"]]
    for start, bucket in body["hours"]:
        tally.hours[start] = {everyone[row[0]]: _unpack_partial(row, edges, hits) for row in bucket}
    tally.missing = _slots(body["missing"], everyone)
    tally.late_first = _slots(body["late_first"], everyone)
    tally.dirty = {(start, horizon, everyone[number]) for start, horizon, number in body["dirty"]}
    return tally


def _unpack_cell(row: list[Any], variants: list[Variant], traces: list[tuple[PolicyHit, ...]]) -> Cell:
    cell = Cell()
    keys = [(variants[variant], start, end) for variant, start, end, _ in row[1]]
    cell.folds = dict(zip(keys, (fold for *_, fold in row[1]), strict=True))
    cell.hits = {(keys[place], traces[trace]): count for place, trace, count in row[2]}
    return cell


def _unpack_partial(row: list[Any], edges: list[EdgeKey], hits: list[PolicyHit]) -> Partial:
    partial = Partial()
    partial.edges = {edges[edge]: _unpack_counts(counts) for edge, *counts in row[1]}
    partial.hits = {(edges[edge], hits[hit]): count for edge, hit, count in row[2]}
    partial.hosts = set(row[3])
    partial.overflow = _unpack_counts(row[4])
    partial.overflow_hashes = set(row[5])
    return partial


def _unpack_counts(values: list[Any]) -> EdgeCounts:
    return EdgeCounts(**dict(zip(_FIELDS, values, strict=True)))


def _slots(rows: Iterable[list[Any]], everyone: list[Seen]) -> dict[tuple[int, int], set[Seen]]:
    return {(start, horizon): {everyone[number] for number in members} for start, horizon, members in rows}


def _labels(rows: list[list[str]]) -> Labels:
    return tuple((key, value) for key, value in rows)


def _peer(row: list[str]) -> Peer:
    return Peer(PeerKind(row[0]), row[1], row[2])


def _hit(row: list[Any]) -> PolicyHit:
    return PolicyHit(PolicyKind(row[0]), *row[1:])
