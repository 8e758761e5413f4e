"""Exact counts per edge that merge: the body of a window, bounded in the number of distinct edges.

Pure. Past the cap, edges are only summed up and counted; those first seen last go there, because a scan comes after
the rule.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from baseline.domain.edge import EdgeKey
from baseline.domain.flow import PolicyHit
from baseline.domain.window import EdgeCounts

OVERFLOW_HASHES_KEPT = 65_536  # distinct edges past the cap are counted up to here


class Partial:
    """Exact counts per edge that merge: the body of a window."""

    __slots__ = ("edges", "hits", "hosts", "overflow", "overflow_hashes")

    def __init__(self) -> None:
        self.edges: dict[EdgeKey, EdgeCounts] = {}
        self.hits: dict[tuple[EdgeKey, PolicyHit], int] = {}
        self.hosts: set[str] = set()
        self.overflow = EdgeCounts()
        self.overflow_hashes: set[int] = set()

    def add(self, other: Partial, cap: int) -> None:
        """Merge another partial in; never changes or shares what ``other`` holds."""
        for edge, counts in other.edges.items():
            mine = self.edges.get(edge)
            if mine is None:
                mine = self.edges[edge] = EdgeCounts()
            mine.add(counts)
        for hit, connections in other.hits.items():
            self.hits[hit] = self.hits.get(hit, 0) + connections
        self.hosts |= other.hosts
        if other.overflow.records:
            self.overflow.add(other.overflow)
            self._count_distinct(other.overflow_hashes)
        self.trim(cap)

    def trim(self, cap: int) -> None:
        """Move edges past the cap into the overflow: the ones first seen last, because a scan comes after the rule."""
        if len(self.edges) <= cap:
            return
        ranked = sorted((counts.first_seen, *edge_order(edge), edge) for edge, counts in self.edges.items())
        gone = {row[-1] for row in ranked[cap:]}
        for row in ranked[cap:]:
            self.overflow.add(self.edges.pop(row[-1]))
        self._count_distinct(zlib.crc32(repr(edge_order(edge)).encode()) for edge in gone)
        self.hits = {hit: count for hit, count in self.hits.items() if hit[0] not in gone}

    def _count_distinct(self, hashes: Iterable[int]) -> None:
        if len(self.overflow_hashes) < OVERFLOW_HASHES_KEPT:
            self.overflow_hashes.update(hashes)
            if len(self.overflow_hashes) > OVERFLOW_HASHES_KEPT:
                self.overflow_hashes = set(sorted(self.overflow_hashes)[:OVERFLOW_HASHES_KEPT])


def edge_order(edge: EdgeKey) -> tuple[str, str, str, str, int, str]:
    """A total order of edges: plain text and numbers, an absent port before all others."""
    peer = edge.peer
    return (edge.direction, peer.kind, peer.namespace, peer.name, -1 if edge.port is None else edge.port, edge.protocol)
