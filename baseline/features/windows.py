"""Flows -> windows: what the stream, backfill and evaluation share.

Pure: the same records give the same windows, in any order within the lateness and however they are cut into batches.
A record is attributed to its reporting workload, folded (copies and re-sends change nothing) and counted in event time
(``end - 1``). Windows are emitted once, when every live reporter's clock has passed their end. A workload seen within
``retire_after_s`` gets an empty window when one of its hosts was alive; otherwise the window is missing and counted.
A workload's first window may be partial (it starts when the workload does) and is emitted all the same: a decrease is
judged later, on windows that follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baseline.domain.edge import Peer
from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Flow, Heartbeat
from baseline.domain.window import HORIZONS_S, Window
from baseline.domain.workload import WorkloadId
from baseline.features import snapshot
from baseline.features.folding import Labels, Router
from baseline.features.tally import Arrival, Tally, WindowOptions

_NEVER = float("inf")

__all__ = ["Arrival", "SeenWorkload", "WindowOptions", "Windower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenWorkload:
    """What the log showed of one workload, beside its flows. Times are event times in epoch seconds."""

    workload: WorkloadId
    first_seen: float
    last_seen: float
    labels: Labels  # of its pods, sorted, newest seen
    hosts: frozenset[str]
    shortest_s: int  # its shortest horizon with windows: 60, 300 or 3600 s
    peer_labels: Mapping[Peer, Labels]  # of every workload peer in its cluster (one mapping, shared)
    rollout_at: float | None = None  # when its newest version was first seen; None when there was only one


class Windower:
    """All windows of one partition."""

    def __init__(self, options: WindowOptions | None = None) -> None:
        self.options = options or WindowOptions()
        self._tallies: dict[str, Tally] = {}
        self._router = Router()
        self._corrections: list[Window] = []

    def add_flow(self, flow: Flow, *, received_at: float) -> Arrival:
        """Count one record.

        Parameters
        ----------
        received_at : when the log took the record, epoch seconds; also the processing time of its reporter's silence.

        Raises
        ------
        MalformedRecord
            ``from_the_future``: it ends more than ``future_s`` after it was received. One wrong clock would otherwise
            close everybody's windows.
        """
        if flow.end > received_at + self.options.future_s:
            raise MalformedRecord("from_the_future", field="end_time", value=flow.end)
        tally = self._tally(flow.cluster)
        tally.clocks.saw(flow.host, until=flow.end, interval_s=flow.end - flow.start, received_at=received_at)
        if self._router.is_full():
            self._router.keep_only(
                fold[0]
                for one in self._tallies.values()
                for bucket in one.cells.values()
                for cell in bucket.values()
                for fold in cell.folds
            )
        route = self._router.find(flow, tally.workloads)
        if route is None:
            return Arrival.FOREIGN
        return tally.add(route, flow)

    def add_heartbeat(self, heartbeat: Heartbeat, *, received_at: float) -> None:
        """Note that a node's agent is alive and has shipped everything up to the heartbeat's event time.

        Raises
        ------
        MalformedRecord
            ``from_the_future``, as for flows.
        """
        if heartbeat.event_time > received_at + self.options.future_s:
            raise MalformedRecord("from_the_future", field="event_time", value=heartbeat.event_time)
        clocks = self._tally(heartbeat.cluster).clocks
        clocks.saw(heartbeat.host, until=heartbeat.event_time, interval_s=0, received_at=received_at)

    def advance(self, *, now: float) -> list[Window]:
        """Windows that are closed by now and were never emitted, in order of end, horizon and workload key.

        ``now`` is processing time on the clock of ``received_at``: while a backlog is read, the newest record's time.
        """
        windows: list[Window] = []
        for tally in self._tallies.values():
            windows += self._emit(
                tally,
                tally.clocks.frontier(
                    now=now, grace_s=self.options.grace_s, silence_after_s=self.options.silence_after_s
                ),
            )
        return _ordered(windows)

    def finish(self) -> list[Window]:
        """Close what a recording's end closes: every window that ends by its cluster's newest clock, no grace.

        Windows the recording ends in the middle of are not emitted: they would look like a decrease.
        """
        windows: list[Window] = []
        for tally in self._tallies.values():
            windows += self._emit(tally, tally.clocks.newest)
        return _ordered(windows)

    def corrections(self) -> list[Window]:
        """Windows emitted before and changed by late records since the last call: for history only, never scored."""
        corrections, self._corrections = self._corrections, []
        return _ordered(corrections)

    def facts(self) -> Mapping[WorkloadId, SeenWorkload]:
        """Everything known of the workloads that are not retired."""
        facts: dict[WorkloadId, SeenWorkload] = {}
        for tally in self._tallies.values():
            peer_labels = {peer: labels for peer, (_, labels) in tally.peer_labels.items()}
            for seen in tally.workloads.values():
                if seen.last_seen >= seen.first_seen:
                    facts[seen.workload] = SeenWorkload(
                        workload=seen.workload,
                        first_seen=seen.first_seen,
                        last_seen=seen.last_seen,
                        labels=seen.labels,
                        hosts=frozenset(seen.hosts),
                        shortest_s=next(
                            length for length, first in zip(HORIZONS_S, seen.first, strict=True) if first < _NEVER
                        ),
                        peer_labels=peer_labels,
                        rollout_at=seen.versions.rollout_at,
                    )
        return facts

    @property
    def closed_until(self) -> float | None:
        """The event time up to which every cluster's windows are closed; None before the first close."""
        closed = [tally.closed_until for tally in self._tallies.values() if tally.closed_until is not None]
        return float(min(closed)) if closed else None

    @property
    def windows_missing(self) -> int:
        """Windows of known workloads that do not exist because nobody was alive to look; since construction."""
        return sum(tally.windows_missing for tally in self._tallies.values())

    @property
    def open_windows(self) -> int:
        """Base cells held, closed but correctable ones included."""
        return sum(len(bucket) for tally in self._tallies.values() for bucket in tally.cells.values())

    @property
    def tracked(self) -> int:
        """Workloads that are not retired."""
        return sum(len(tally.workloads) for tally in self._tallies.values())

    def snapshot(self) -> bytes:
        """Everything that ``restore`` needs to go on exactly here."""
        return snapshot.pack(self._tallies)

    def restore(self, payload: bytes) -> None:
        """Replace all state by a snapshot's.

        Raises
        ------
        CheckpointRejected
            Damaged, or of a newer format; the state is as it was.
        """
        router = Router()
        self._tallies = snapshot.unpack(payload, options=self.options, router=router)
        self._router = router
        self._corrections = []

    def _tally(self, cluster: str) -> Tally:
        tally = self._tallies.get(cluster)
        if tally is None:
            tally = self._tallies[cluster] = Tally(self.options)
        return tally

    def _emit(self, tally: Tally, frontier: float) -> list[Window]:
        first, again = tally.corrected()
        self._corrections += again
        return [*first, *tally.close_until(frontier, self._router)]


def _ordered(windows: Sequence[Window]) -> list[Window]:
    return sorted(windows, key=lambda window: (window.end, window.horizon_s, window.workload.key))
