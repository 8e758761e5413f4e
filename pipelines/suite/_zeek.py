"""Zeek's conn.log of one host → Calico flow records of a workload, as its node would have exported them.

Level 2 of Calico's aggregation, the default: an address outside the cluster is ``pub`` or ``pvt``, source ports are
gone, and the connections of one peer and port in one interval are one record. A connection's bytes and packets are
spread evenly over its life.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baseline.domain.flow import Action, Counts, Endpoint, EndpointKind, Flow, Reporter

INTERVAL_S = 15
PUBLIC, PRIVATE = (Endpoint(EndpointKind.NETWORK, "", "", name, "", None) for name in ("pub", "pvt"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One connection as Zeek saw it; times in epoch seconds, bytes with their IP headers."""

    start: float
    duration_s: float
    origin: str
    responder: str
    port: int
    protocol: str
    bytes_sent: int
    bytes_back: int
    packets_sent: int
    packets_back: int


def read(path: Path) -> list[Connection]:
    """The connections of a log, JSON lines, plain or .gz, in order of their start."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        found = [_connection(json.loads(line)) for line in lines if line.strip()]
    return sorted(found, key=lambda one: one.start)


def host_of(connections: Iterable[Connection]) -> str:
    """Whose log it is: the address that most connections have at one end."""
    ends = Counter(end for one in connections for end in {one.origin, one.responder})
    return max(ends, key=lambda end: (ends[end], end))


def _connection(row: dict[str, Any]) -> Connection:
    def octets(end: str) -> int:
        return max(int(row.get(f"{end}_bytes") or 0), int(row.get(f"{end}_ip_bytes") or 0))

    return Connection(
        start=float(row["ts"]), duration_s=float(row.get("duration") or 0.0), origin=row["id_orig_h"],
        responder=row["id_resp_h"], port=int(row["id_resp_p"]), protocol=row["proto"], bytes_sent=octets("orig"),
        bytes_back=octets("resp"), packets_sent=int(row.get("orig_pkts") or 0),
        packets_back=int(row.get("resp_pkts") or 0),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the workload lives."""

    cluster: str
    node: str
    endpoint: Endpoint


def flows(
    connections: Iterable[Connection], *, host: str, outside: frozenset[str], place: Place, moved_s: float
) -> Iterator[Flow]:
    """What the workload's node reports of the host's connections, ``moved_s`` later, in order of time.

    outside : addresses that are ``pub``; every other peer is ``pvt``.
    """
    sums: dict[tuple[int, bool, str, int, str], list[float]] = defaultdict(lambda: [0.0] * 7)
    for one in connections:
        is_out = one.origin == host
        peer = one.responder if is_out else one.origin
        for number, share, is_first, is_last in _intervals(one, moved_s):
            cell = sums[number, is_out, peer, one.port, one.protocol]
            sent, back = (one.bytes_sent, one.bytes_back), (one.packets_sent, one.packets_back)
            parts = (*(share * part for part in (*sent, *back)), 1.0, float(is_first), float(is_last))
            sums[number, is_out, peer, one.port, one.protocol] = [a + b for a, b in zip(cell, parts, strict=True)]
    merged: dict[tuple[int, bool, Endpoint, int, str], list[float]] = defaultdict(lambda: [0.0] * 7)
    for (number, is_out, peer, port, protocol), cell in sums.items():
        key = (number, is_out, PUBLIC if peer in outside else PRIVATE, port, protocol)
        merged[key] = [a + b for a, b in zip(merged[key], cell, strict=True)]
    for (number, is_out, end, port, protocol), cell in sorted(
        merged.items(), key=lambda item: (item[0][0], str(item[0]))
    ):
        yield Flow(
            cluster=place.cluster, host=place.node, reporter=Reporter.SRC if is_out else Reporter.DST,
            action=Action.ALLOW, source=place.endpoint if is_out else end, dest=end if is_out else place.endpoint,
            dest_port=port, protocol=protocol, service=None, start=number * INTERVAL_S,
            end=(number + 1) * INTERVAL_S, counts=_counts(cell, is_out=is_out),
        )  # fmt: skip


def _counts(cell: list[float], *, is_out: bool) -> Counts:
    sent, back, packets_sent, packets_back, alive, started, completed = (round(part) for part in cell)
    ours, theirs = (
        ((sent, packets_sent), (back, packets_back)) if is_out else ((back, packets_back), (sent, packets_sent))
    )
    return Counts(
        packets_in=theirs[1], packets_out=ours[1], bytes_in=theirs[0], bytes_out=ours[0], flows=alive,
        started=started, completed=completed,
    )  # fmt: skip


def _intervals(one: Connection, moved_s: float) -> Iterator[tuple[int, float, bool, bool]]:
    """(interval, share of the connection's life, is it the first, is it the last)."""
    begin, end = one.start + moved_s, one.start + moved_s + one.duration_s
    first, last = int(begin // INTERVAL_S), int(end // INTERVAL_S)
    for number in range(first, last + 1):
        inside = min(end, (number + 1) * INTERVAL_S) - max(begin, number * INTERVAL_S)
        share = 1.0 if first == last else inside / one.duration_s
        yield number, share, number == first, number == last
