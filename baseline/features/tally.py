"""The open and the recently closed windows of one cluster in one partition.

Pure. Records lie folded in base cells (60, 300 or 3600 s, by export interval) until nothing may correct them any more;
then a cell is sealed: merged into its hour and dropped. Windows of every horizon are merges of cells and of that hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from baseline.domain.edge import Peer
from baseline.domain.flow import Flow
from baseline.domain.units import DAY_S, HOUR_S, MINUTE_S
from baseline.domain.window import HORIZONS_S, EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features.closing import Clocks
from baseline.features.folding import Cell, Labels, Route, Router, Seen
from baseline.features.partial import Partial

_NONE = EdgeCounts()  # shared by all windows without overflow; nobody adds to the counts of a closed window


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowOptions:
    """How windows open and close; defaults are those of the design."""

    grace_s: float = 20.0  # a window closes when every live reporter's clock is this far past its end
    lateness_s: int = 600  # records up to this late (event time, after the close) still correct history
    silence_after_s: float = 60.0  # a reporter whose clock stands still this long (processing time) is not waited for
    alive_within_s: float = 60.0  # a sign of life this short before a window's end makes no flows a zero
    retire_after_s: int = DAY_S  # a workload without flows this long gets no more empty windows
    future_s: float = 60.0  # a record that ends later than this after it was received is refused
    edges_cap: int = 4096  # distinct edges a window; the rest is summed up


class Arrival(StrEnum):
    """What became of a record."""

    ON_TIME = "on_time"
    CORRECTED = "corrected"  # its window was closed: history is corrected, nothing is scored twice
    DROPPED = "dropped"  # too late for anything
    FOREIGN = "foreign"  # its own end is no workload: a host endpoint, a network


class Tally:
    """One cluster's workloads, clocks, cells and hours."""

    def __init__(self, options: WindowOptions) -> None:
        self.options = options
        self.workloads: dict[WorkloadId, Seen] = {}
        self.peer_labels: dict[Peer, tuple[float, Labels]] = {}  # event time they were seen, newest labels
        self.clocks = Clocks()
        self.closed_until: int | None = None  # a multiple of 60; every window that ends by then was closed
        self.cells: dict[tuple[int, int], dict[Seen, Cell]] = {}  # (start, base) -> workload -> records
        self.hours: dict[int, dict[Seen, Partial]] = {}  # start of the hour -> sealed cells
        self.missing: dict[tuple[int, int], set[Seen]] = {}  # (start, horizon) -> known, but nobody alive to look
        self.late_first: dict[tuple[int, int], set[Seen]] = {}  # emitted late, for the first time
        self.dirty: set[tuple[int, int, Seen]] = set()  # (start, horizon, workload): closed, then corrected
        self.windows_missing = 0

    def add(self, route: Route, flow: Flow) -> Arrival:
        """Count one record; the caller has told ``clocks`` of it."""
        event = flow.event_time
        length = flow.end - flow.start
        base = MINUTE_S if length <= MINUTE_S else 300 if length <= 300 else HOUR_S
        start = event - event % base
        closed = self.closed_until
        is_late = closed is not None and start + base <= closed
        if closed is not None and start + base + self.options.lateness_s <= closed:
            return Arrival.DROPPED
        seen = route.variant.seen
        bucket = self.cells.get((start, base))
        if bucket is None:
            bucket = self.cells[start, base] = {}
        cell = bucket.get(seen)
        if cell is None:
            cell = bucket[seen] = Cell()
        cell.add(route.variant, flow)
        self._remember(route, flow, event, base)
        if is_late:
            self._mark_dirty(seen, event, base)
            return Arrival.CORRECTED
        return Arrival.ON_TIME

    def _remember(self, route: Route, flow: Flow, event: int, base: int) -> None:
        seen = route.variant.seen
        seen.first_seen = min(seen.first_seen, event)
        seen.last_seen = max(seen.last_seen, event)
        for index, horizon in enumerate(HORIZONS_S):
            if base <= horizon and event < seen.first[index]:
                seen.first[index] = event
        span = seen.hosts.get(flow.host)
        if span is None:
            seen.hosts[flow.host] = [event, event]
        elif event > span[1]:
            span[1] = event
        elif event < span[0]:
            span[0] = event
        if route.version:
            seen.versions.saw(route.version, event)
        labels = route.local_labels
        if labels is not None and (event, labels) > (seen.labels_at, seen.labels):
            seen.labels_at, seen.labels = event, labels
        if route.peer_labels is not None:
            peer = route.variant.edge.peer
            if (event, route.peer_labels) > self.peer_labels.get(peer, (float("-inf"), ())):
                self.peer_labels[peer] = (event, route.peer_labels)

    def _mark_dirty(self, seen: Seen, event: int, base: int) -> None:
        assert self.closed_until is not None
        for horizon in HORIZONS_S:
            start = event - event % horizon
            if horizon >= base and start + horizon <= self.closed_until:
                self.dirty.add((start, horizon, seen))

    def close_until(self, frontier: float, router: Router) -> Iterator[Window]:
        """Close, minute by minute, every window that ends by ``frontier``."""
        if self.closed_until is None:
            if not self.cells:
                return
            self.closed_until = min(start for start, _ in self.cells)
        target = int(min(frontier, 1e12)) // MINUTE_S * MINUTE_S
        while self.closed_until < target:
            end = self.closed_until + MINUTE_S
            alive = self.clocks.alive(end, within_s=self.options.alive_within_s)
            for index, horizon in enumerate(HORIZONS_S):
                if end % horizon == 0:
                    yield from self._close(end - horizon, index, alive)
            self.closed_until = end
            self._seal(end)
            if end % HOUR_S == 0:
                self._retire(end, router)
                self._leap(target)

    def _leap(self, target: int) -> None:
        """Pass over the time in which nobody is expected and nothing was counted, in whole hours.

        One record of a wrong clock lies years from all others; walking there by minutes would take that many seconds.
        """
        assert self.closed_until is not None
        here = self.closed_until
        if self.hours or any(max(seen.active) > here - self.options.retire_after_s for seen in self.workloads.values()):
            return
        there = min([target, *(start for start, _ in self.cells)]) // HOUR_S * HOUR_S
        if there > here:
            for seen in self.workloads.values():
                seen.since = [None] * len(HORIZONS_S)
            self.closed_until = there

    def _close(self, start: int, index: int, alive: set[str]) -> Iterator[Window]:
        horizon = HORIZONS_S[index]
        end = start + horizon
        active = self._merged(start, horizon)
        oldest = end - self.options.retire_after_s
        closed: list[tuple[str, Window]] = []
        for seen in self.workloads.values():
            body = active.get(seen)
            if body is not None:
                seen.active[index] = max(seen.active[index], end)
                closed.append((seen.key, window_of(seen, start, end, body)))
            elif seen.first[index] >= start or seen.active[index] <= oldest:
                if seen.active[index] <= oldest:
                    seen.since[index] = None
                continue
            elif alive.isdisjoint(seen.hosts):
                self.missing.setdefault((start, horizon), set()).add(seen)
                self.windows_missing += 1
                continue
            else:
                hosts = frozenset(alive.intersection(seen.hosts))
                closed.append((seen.key, Window(workload=seen.workload, start=start, end=end, edges={},
                                                overflow=_NONE, hosts=hosts)))  # fmt: skip
            if seen.since[index] is None:
                seen.since[index] = start
        closed.sort(key=lambda row: row[0])
        for _, window in closed:
            yield window

    def _merged(self, start: int, horizon: int, only: Seen | None = None) -> dict[Seen, Partial]:
        """Counts of every workload (or one) with records in the window; a single part is not copied."""
        cap = self.options.edges_cap
        parts: dict[Seen, list[Partial]] = {}
        if horizon == HOUR_S:
            for seen, partial in self.hours.get(start, {}).items():
                if only is None or seen is only:
                    parts.setdefault(seen, []).append(partial)
        for base in HORIZONS_S:
            if base <= horizon:
                for part_start in range(start, start + horizon, base):
                    for seen, cell in self.cells.get((part_start, base), {}).items():
                        if only is None or seen is only:
                            parts.setdefault(seen, []).append(cell.partial(cap))
        return {seen: bodies[0] if len(bodies) == 1 else _joined(bodies, cap) for seen, bodies in parts.items()}

    def corrected(self) -> tuple[list[Window], list[Window]]:
        """Windows changed by late records since the last call: those never emitted before, and corrections."""
        first: list[Window] = []
        again: list[Window] = []
        for start, horizon, seen in sorted(self.dirty, key=lambda row: (row[0] + row[1], row[1], row[2].key)):
            index = HORIZONS_S.index(horizon)
            window = window_of(seen, start, start + horizon, self._merged(start, horizon, seen)[seen])
            if self._was_emitted(seen, start, index):
                again.append(window)
                continue
            self.late_first.setdefault((start, horizon), set()).add(seen)
            seen.active[index] = max(seen.active[index], start + horizon)
            first.append(window)
        self.dirty.clear()
        return first, again

    def _was_emitted(self, seen: Seen, start: int, index: int) -> bool:
        slot = (start, HORIZONS_S[index])
        if seen in self.late_first.get(slot, ()):
            return True
        since = seen.since[index]
        return since is not None and start >= since and seen not in self.missing.get(slot, ())

    def _seal(self, closed: int) -> None:
        """Merge cells that nothing may correct any more into their hour; drop hours that are over for good."""
        horizon = closed - self.options.lateness_s
        for start, base in sorted(slot for slot in self.cells if slot[0] + slot[1] <= horizon):
            hour = self.hours.setdefault(start - start % HOUR_S, {})
            for seen, cell in self.cells.pop((start, base)).items():
                hour.setdefault(seen, Partial()).add(cell.partial(self.options.edges_cap), self.options.edges_cap)
        for start in [start for start in self.hours if start + HOUR_S <= horizon]:
            del self.hours[start]
        for slots in (self.missing, self.late_first):
            for slot in [slot for slot in slots if slot[0] + slot[1] <= horizon]:
                del slots[slot]

    def _retire(self, end: int, router: Router) -> None:
        """Forget workloads, hosts and peers that were silent for long; once an hour of event time."""
        oldest = end - self.options.retire_after_s - HOUR_S
        self.clocks.forget_before(end - HOUR_S, retire_after_s=self.options.retire_after_s)
        self.peer_labels = {peer: row for peer, row in self.peer_labels.items() if row[0] >= oldest}
        gone = {seen for seen in self.workloads.values() if seen.last_seen < oldest}
        if gone:
            self.workloads = {key: seen for key, seen in self.workloads.items() if seen not in gone}
            router.forget(gone)
        for seen in self.workloads.values():
            seen.hosts = {host: span for host, span in seen.hosts.items() if span[1] >= oldest}


def window_of(seen: Seen, start: int, end: int, body: Partial) -> Window:
    """The window that shares the body's counts; the body is not changed afterwards."""
    return Window(
        workload=seen.workload,
        start=start,
        end=end,
        edges=body.edges,
        overflow=body.overflow,
        overflow_edges=len(body.overflow_hashes),
        hosts=frozenset(body.hosts),
        policy_hits=body.hits,
    )


def _joined(bodies: list[Partial], cap: int) -> Partial:
    joined = Partial()
    for body in bodies:
        joined.add(body, cap)
    return joined
