"""Windows: what one workload did in one interval of event time, as mergeable exact partials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from baseline.domain.edge import EdgeKey
from baseline.domain.flow import PolicyHit
from baseline.domain.workload import WorkloadId

HORIZONS_S = (60, 300, 3600)


@dataclass(slots=True, kw_only=True)
class EdgeCounts:
    """Sums over the flows of one edge in one window. Mutable while the window is open, merged by ``add``.

    An *attempt* is a connection that policy allowed here but that never got a packet back: refused by the peer's own
    policy, filtered, or nobody there. A *denied* connection counts only with packets or connections started: Felix
    re-sends dead denies for minutes.
    """

    records: int = 0
    flows: int = 0
    started: int = 0
    completed: int = 0
    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    denied: int = 0  # connections policy refused here
    attempts: int = 0  # connections allowed here that got no packet back
    largest_bytes_out: int = 0  # of a single record
    first_seen: float = 0.0  # event time
    last_seen: float = 0.0

    def add(self, other: EdgeCounts) -> None:
        """Merge another partial of the same edge: sums, maximum and span."""
        if not self.records:
            self.first_seen = other.first_seen
        elif other.records:
            self.first_seen = min(self.first_seen, other.first_seen)
        self.last_seen = max(self.last_seen, other.last_seen)
        self.largest_bytes_out = max(self.largest_bytes_out, other.largest_bytes_out)
        # Spelled out: a loop over SUMS takes three times as long, and features add up every edge of every window.
        self.records += other.records
        self.flows += other.flows
        self.started += other.started
        self.completed += other.completed
        self.packets_in += other.packets_in
        self.packets_out += other.packets_out
        self.bytes_in += other.bytes_in
        self.bytes_out += other.bytes_out
        self.denied += other.denied
        self.attempts += other.attempts


SUMS = (
    "records", "flows", "started", "completed", "packets_in", "packets_out", "bytes_in", "bytes_out",
    "denied", "attempts",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Flows of one workload in the half-open event-time interval [start, end).

    ``edges`` is empty in a quiet window: no flows is data. A window nobody was alive to report does not exist.
    """

    workload: WorkloadId
    start: int  # epoch seconds, UTC, a multiple of the horizon
    end: int
    edges: Mapping[EdgeKey, EdgeCounts]
    overflow: EdgeCounts = field(default_factory=EdgeCounts)  # edges past the cap on distinct edges, sums only
    overflow_edges: int = 0  # how many distinct edges the overflow holds, at least
    hosts: frozenset[str] = frozenset()  # who reported
    policy_hits: Mapping[tuple[EdgeKey, PolicyHit], int] = field(default_factory=dict)  # enforced, connections

    @property
    def horizon_s(self) -> int:
        """Length in seconds."""
        return self.end - self.start

    @property
    def is_quiet(self) -> bool:
        """Nothing was seen, though somebody looked."""
        return not self.edges and not self.overflow.records


def merge(windows: Iterable[Window], *, start: int, end: int) -> Window:
    """One window out of shorter or equal ones of the same workload that lie in [start, end)."""
    parts = list(windows)
    edges: dict[EdgeKey, EdgeCounts] = {}
    overflow = EdgeCounts()
    hits: dict[tuple[EdgeKey, PolicyHit], int] = {}
    for part in parts:
        for key, counts in part.edges.items():
            edges.setdefault(key, EdgeCounts()).add(counts)
        overflow.add(part.overflow)
        for hit, count in part.policy_hits.items():
            hits[hit] = hits.get(hit, 0) + count
    return Window(
        workload=parts[0].workload,
        start=start,
        end=end,
        edges=edges,
        overflow=overflow,
        overflow_edges=max(part.overflow_edges for part in parts),
        hosts=frozenset().union(*(part.hosts for part in parts)),
        policy_hits=hits,
    )
