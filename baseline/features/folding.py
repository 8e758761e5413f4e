"""Flow records -> counts per edge: folding copies, counting denies and attempts, merging partials.

Pure. A *variant* is everything of ``Flow.identity`` but the times, together with the workload and the edge it counts
for; records of one variant with the same start and end are one flow whose counters Felix copied: their per-field
maximum is the truth (measured on Felix v3.32.1). The same rule makes duplicates and re-sends harmless.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from baseline.domain.attribution import denied_connections, edge_key, reporting_workload
from baseline.domain.edge import Direction, EdgeKey, PeerKind
from baseline.domain.flow import Action, Flow, PolicyHit
from baseline.domain.window import EdgeCounts
from baseline.domain.workload import WorkloadId, template
from baseline.features.partial import Partial
from baseline.features.versions import Versions

Labels = tuple[tuple[str, str], ...]

ROUTES_KEPT = 262_144  # attribution cache; past it the cache starts anew (by memory, about 200 MB)


class Seen:
    """What we remember of one workload; mutable, one per workload, compared by identity."""

    __slots__ = (
        "active", "first", "first_seen", "hosts", "key", "labels", "labels_at", "last_seen", "since", "versions",
        "workload",
    )  # fmt: skip

    def __init__(self, workload: WorkloadId) -> None:
        self.workload = workload
        self.key = workload.key
        self.first_seen = float("inf")
        self.last_seen = float("-inf")
        self.labels: Labels = ()
        self.labels_at = float("-inf")
        self.versions = Versions()
        self.hosts: dict[str, list[float]] = {}  # host -> [first, last] event time it reported this workload
        # By horizon (same order as HORIZONS_S): first event time that counts there, start of the first window emitted,
        # end of the newest window with flows.
        self.first: list[float] = [float("inf")] * 3
        self.since: list[int | None] = [None] * 3
        self.active: list[int] = [0] * 3


class Variant:
    """One distinguishable stream of records, routed to its workload and edge; compared by identity."""

    __slots__ = ("edge", "host", "is_attemptable", "is_denied", "is_mirrored", "seen", "static")

    def __init__(self, seen: Seen, edge: EdgeKey, static: tuple[Any, ...]) -> None:
        self.seen = seen
        self.edge = edge
        self.static = static
        self.host: str = static[0]
        self.is_denied = static[2] == Action.DENY
        self.is_mirrored = bool(static[3])
        self.is_attemptable = not self.is_denied and edge.direction == Direction.EGRESS


def static_identity(flow: Flow) -> tuple[Any, ...]:
    """``Flow.identity`` without the times, flat and made of primitives, so that a snapshot can hold it."""
    return (
        flow.host, flow.reporter.value, flow.action.value, flow.mirrored, *flow.source[:5], *flow.dest[:5],
        flow.dest_port, flow.protocol, flow.process, *(flow.service or (None,)),
    )  # fmt: skip


class Route:
    """Where a record goes, and the labels and version it shows (they are no part of a variant)."""

    __slots__ = ("local_labels", "peer_labels", "variant", "version")

    def __init__(self, variant: Variant, local_labels: Labels | None, peer_labels: Labels | None, version: str) -> None:
        self.variant = variant
        self.local_labels = local_labels
        self.peer_labels = peer_labels
        self.version = version


class Router:
    """Cached attribution: one dictionary look-up a record instead of an owner derivation."""

    def __init__(self) -> None:
        self._routes: dict[tuple[Any, ...], Route | None] = {}
        self._variants: dict[tuple[Seen, EdgeKey, tuple[Any, ...]], Variant] = {}

    def find(self, flow: Flow, workloads: dict[WorkloadId, Seen]) -> Route | None:
        """The record's route; None when its own end is no workload (host endpoints, networks)."""
        key = (
            flow.cluster, flow.host, flow.reporter, flow.action, flow.mirrored, flow.source, flow.dest, flow.dest_port,
            flow.protocol, flow.process, flow.service, flow.domains,
        )  # fmt: skip
        try:
            return self._routes[key]
        except KeyError:
            route = self._routes[key] = self._make(flow, workloads)
            return route

    def _make(self, flow: Flow, workloads: dict[WorkloadId, Seen]) -> Route | None:
        workload = reporting_workload(flow)
        if workload is None:
            return None
        seen = workloads.get(workload)
        if seen is None:
            seen = workloads[workload] = Seen(workload)
        edge = edge_key(flow)
        variant = self.variant(seen, edge, static_identity(flow))
        peer_labels = flow.remote.labels if edge.peer.kind is PeerKind.WORKLOAD else None
        local = flow.local
        version = template(name_aggr=local.name_aggr, pod_name=local.name, labels=dict(local.labels or ()))
        return Route(variant, local.labels, peer_labels, version)

    def variant(self, seen: Seen, edge: EdgeKey, static: tuple[Any, ...]) -> Variant:
        """The one variant object of these three."""
        key = (seen, edge, static)
        variant = self._variants.get(key)
        if variant is None:
            variant = self._variants[key] = Variant(seen, edge, static)
        return variant

    def forget(self, gone: set[Seen]) -> None:
        """Drop retired workloads; none of them has an open cell."""
        self._routes = {key: route for key, route in self._routes.items() if route and route.variant.seen not in gone}
        self._variants = {key: variant for key, variant in self._variants.items() if variant.seen not in gone}

    def is_full(self) -> bool:
        """Whether the cache should be thinned."""
        return len(self._routes) > ROUTES_KEPT or len(self._variants) > ROUTES_KEPT

    def keep_only(self, used: Iterable[Variant]) -> None:
        """Forget everything but the variants of open cells (they must stay the same objects)."""
        self._routes.clear()
        self._variants = {(variant.seen, variant.edge, variant.static): variant for variant in used}


# A fold: packets in, packets out, bytes in, bytes out, flows, started, completed, denied connections: maxima.
Fold = list[int]
FoldKey = tuple[Variant, int, int]


class Cell:
    """The records of one workload in one base interval, folded, with the partial built from them."""

    __slots__ = ("_partial", "folds", "hits")

    def __init__(self) -> None:
        self.folds: dict[FoldKey, Fold] = {}
        self.hits: dict[tuple[FoldKey, tuple[PolicyHit, ...]], int] = {}
        self._partial: Partial | None = None

    def add(self, variant: Variant, flow: Flow) -> None:
        """Fold one record in."""
        p_in, p_out, b_in, b_out, flows, started, completed = flow.counts
        if variant.is_mirrored:  # in and out are the reporter's; the copy is counted for the other end
            p_in, p_out, b_in, b_out = p_out, p_in, b_out, b_in
        denied = denied_connections(flow) if variant.is_denied else 0
        key = (variant, flow.start, flow.end)
        fold = self.folds.get(key)
        if fold is None:
            self.folds[key] = [p_in, p_out, b_in, b_out, flows, started, completed, denied]
        else:
            fresh = (p_in, p_out, b_in, b_out, flows, started, completed, denied)
            for index, value in enumerate(fresh):
                if value > fold[index]:  # noqa: PLR1730 -- max() doubles the time of the hottest loop
                    fold[index] = value
        if flow.enforced:
            hit = (key, flow.enforced)
            connections = denied if variant.is_denied else started
            self.hits[hit] = max(connections, self.hits.get(hit, 0))
        self._partial = None

    def partial(self, cap: int) -> Partial:
        """Counts per edge; cached until another record comes."""
        if self._partial is None:
            self._partial = _count(self, cap)
        return self._partial


def _count(cell: Cell, cap: int) -> Partial:
    partial = Partial()
    edges = partial.edges
    for (variant, _start, end), fold in cell.folds.items():
        p_in, p_out, b_in, b_out, flows, started, completed, denied = fold
        partial.hosts.add(variant.host)
        if variant.is_denied and not p_in and not p_out and not started:
            continue  # a stale deny: Felix re-sends dead ones for minutes
        counts = edges.get(variant.edge)
        if counts is None:
            counts = edges[variant.edge] = EdgeCounts(first_seen=end - 1)
        elif end - 1 < counts.first_seen:
            counts.first_seen = end - 1
        counts.last_seen = max(counts.last_seen, end - 1)
        counts.records += 1
        counts.flows += flows
        counts.started += started
        counts.completed += completed
        counts.packets_in += p_in
        counts.packets_out += p_out
        counts.bytes_in += b_in
        counts.bytes_out += b_out
        counts.denied += denied
        if variant.is_attemptable and p_out and not p_in:
            counts.attempts += started
        counts.largest_bytes_out = max(counts.largest_bytes_out, b_out)
    _count_hits(cell, partial)
    partial.trim(cap)
    return partial


def _count_hits(cell: Cell, partial: Partial) -> None:
    """Connections per enforced hit: the maximum over a flow's copies that show the hit, summed over flows."""
    largest: dict[tuple[FoldKey, PolicyHit], int] = {}
    for (key, enforced), connections in cell.hits.items():
        if key[0].edge in partial.edges:
            for hit in enforced:
                largest[key, hit] = max(connections, largest.get((key, hit), 0))
    for ((variant, _start, _end), hit), connections in largest.items():
        partial.hits[variant.edge, hit] = partial.hits.get((variant.edge, hit), 0) + connections
