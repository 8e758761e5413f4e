"""Window → vector, in ``schema`` order. Pure; about ten microseconds an edge."""

from __future__ import annotations

from collections.abc import Sequence
from math import log, log1p

import numpy as np

from baseline.domain.edge import Direction, EdgeKey
from baseline.domain.window import EdgeCounts, Window
from baseline.features import schema
from baseline.features.table import FloatArray


def connections(counts: EdgeCounts) -> int:
    """Connections tried on an edge: what was started, or refused and unanswered where the log counts only those."""
    return max(counts.started, counts.denied + counts.attempts)


def failed(counts: EdgeCounts) -> int:
    """Connections that policy refused or nobody answered."""
    return counts.denied + counts.attempts


def vector(window: Window) -> FloatArray:
    """The window's features.

    Returns
    -------
    float64 array, shape (schema.WIDTH,), finite. A connection that stays open counts in ``carried`` once for every
    record that shows it: mean duration in intervals of export, as near as a flow log comes to one. Edges past the
    window's cap count in the egress block: only an initiator makes thousands of them.
    """
    sides: dict[Direction, list[tuple[EdgeKey, EdgeCounts]]] = {Direction.EGRESS: [], Direction.INGRESS: []}
    for key, counts in window.edges.items():
        sides[key.direction].append((key, counts))
    overflow = window.overflow if window.overflow.records else None
    found = {
        **_block(sides[Direction.EGRESS], "out", overflow=overflow, overflow_edges=window.overflow_edges),
        **_block(sides[Direction.INGRESS], "in", overflow=None, overflow_edges=0),
    }
    return np.array([found[name] for name in schema.NAMES], dtype=np.float64)


def vectors(windows: Sequence[Window]) -> FloatArray:
    """Vectors of many windows, shape (n, schema.WIDTH)."""
    if not windows:
        return np.zeros((0, schema.WIDTH))
    return np.stack([vector(window) for window in windows])


def _block(
    edges: Sequence[tuple[EdgeKey, EdgeCounts]], side: str, *, overflow: EdgeCounts | None, overflow_edges: int
) -> dict[str, float]:
    total = EdgeCounts()
    external_bytes = busiest = tried = lost = 0
    for key, counts in edges:
        total.add(counts)
        here = connections(counts)
        tried += here
        lost += failed(counts)
        busiest = max(busiest, here)
        if key.peer.is_external:
            external_bytes += counts.bytes_out
    if overflow is not None:
        total.add(overflow)
        tried += connections(overflow)
        lost += failed(overflow)
    peers = {key.peer for key, _ in edges}
    return _scaled(
        side,
        total,
        pairs=len(edges) + overflow_edges,
        tried=tried,
        lost=lost,
        busiest=busiest,
        peers=len(peers),
        external_peers=sum(peer.is_external for peer in peers),
        namespaces=len({peer.namespace for peer in peers if peer.namespace}),
        ports=len({(key.port, key.protocol) for key, _ in edges if key.port is not None}),
        external_bytes=external_bytes,
    )


def _scaled(  # noqa: PLR0913 - the sums of one block, by name
    side: str, total: EdgeCounts, *, pairs: int, tried: int, lost: int, busiest: int, peers: int, external_peers: int,
    namespaces: int, ports: int, external_bytes: int,
) -> dict[str, float]:  # fmt: skip
    pseudo, page, packets = schema.PSEUDO, schema.BYTES_UNIT, schema.PACKETS_UNIT
    out, back = max(0, total.bytes_out), max(0, total.bytes_in)
    peers_or_none = max(peers, 1)
    return {
        f"connections_{side}": log1p(tried),
        f"peers_{side}": log1p(peers),
        f"external_peers_{side}": log1p(external_peers),
        f"ports_{side}": log1p(ports),
        f"edges_{side}": log1p(pairs),
        f"namespaces_{side}": log1p(namespaces),
        f"busiest_edge_{side}": log1p(busiest),
        f"bytes_out_{side}": log1p(out / page),
        f"bytes_in_{side}": log1p(back / page),
        f"external_bytes_{side}": log1p(max(0, external_bytes) / page),
        f"largest_bytes_{side}": log1p(max(0, total.largest_bytes_out) / page),
        f"packets_out_{side}": log1p(max(0, total.packets_out) / packets),
        f"packets_in_{side}": log1p(max(0, total.packets_in) / packets),
        f"failed_{side}": log1p(lost),
        f"failed_share_{side}": schema.SHARE_SCALE * min(1.0, lost / (tried + pseudo)),
        f"bytes_per_connection_{side}": log((out + back + pseudo * 1000.0) / (tried + pseudo)),
        f"connections_per_peer_{side}": log((tried + pseudo) / (peers_or_none + pseudo)),
        f"edges_per_peer_{side}": log((pairs + pseudo) / (peers_or_none + pseudo)),
        f"upload_{side}": log((out + pseudo * page) / (back + pseudo * page)),
        f"carried_{side}": log((max(0, total.flows) + pseudo) / (max(0, total.started) + pseudo)),
    }
