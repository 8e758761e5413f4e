"""What judging remembers between windows: recent verdicts, edges learnt since the fit, how far the level has moved.

One state per partition; a workload's windows live in one partition. The bytes are JSON, versioned.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from baseline.detectors.edgeuse import edge_hash
from baseline.domain.edge import EdgeKey
from baseline.domain.errors import CheckpointRejected
from baseline.domain.units import DAY_S
from baseline.domain.workload import WorkloadId
from baseline.features import calendar
from baseline.services.watching import Gaze, Watched

FORMAT = 2  # 1 had nothing behind deviated_until: read as if the set's levels stood, nobody waited
MOST_LEARNT = 4096  # edges kept of one workload since the fit; the oldest go first
MOST_HELD = 1024  # edges of newcomers that wait at one workload; what no longer fits is new again, never normal
SETTLED_S = DAY_S  # a newcomer that the fleet's baseline found normal for so long may enter others' baselines
RECENT = 2  # earlier windows that hysteresis looks at


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What was expected of a workload in a window, its level included."""

    end: int  # of the window
    slot: int  # its local hour of the week
    values: npt.NDArray[np.float32]  # (schema.width,), behind the window


@dataclass(slots=True)
class Memory:
    """Of one workload."""

    past: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)  # horizon -> (window end, was past alpha)
    learnt: dict[int, int] = field(default_factory=dict)  # edge hash -> start of the window it was first seen in
    deviated_until: int = 0  # end of the newest deviating window
    expected: dict[int, Expected] = field(default_factory=dict)  # horizon -> newest window
    held: dict[int, tuple[int, str]] = field(default_factory=dict)  # edge hash -> first window's start, caller's key
    calm_since: int = 0  # end of the first ordinary window since the newest suspicious one; 0: none yet
    watched: Watched = field(default_factory=Watched)  # what the sequential rules remember

    def past_alpha(self, horizon_s: int, end: int) -> int:
        """How many of the last RECENT windows before the one that ends at ``end`` were past the threshold."""
        oldest = end - RECENT * horizon_s
        return sum(was for at, was in self.past.get(horizon_s, []) if oldest <= at < end)

    def note(self, horizon_s: int, end: int, *, is_past: bool) -> None:
        """Remember one verdict; a window judged again replaces its own."""
        kept = [entry for entry in self.past.get(horizon_s, []) if entry[0] != end]
        self.past[horizon_s] = [*kept, (end, is_past)][-RECENT:]

    def learn(self, keys: Iterable[EdgeKey], *, at: int) -> None:
        """These edges are known from now on."""
        for key in keys:
            self.learnt.setdefault(edge_hash(key), at)
            self.held.pop(edge_hash(key), None)
        while len(self.learnt) > MOST_LEARNT:
            del self.learnt[next(iter(self.learnt))]

    def knows(self, key: EdgeKey, *, before: int) -> bool:
        """Whether the edge was learnt from a window that began before."""
        since = self.learnt.get(edge_hash(key))
        return since is not None and since < before

    def hold(self, keys: Iterable[EdgeKey], *, callers: Iterable[WorkloadId], at: int) -> None:
        """These edges of newcomers were seen; they are no part of the baseline."""
        for key, caller in zip(keys, callers, strict=True):
            self.held.setdefault(edge_hash(key), (at, caller.key))
        while len(self.held) > MOST_HELD:
            del self.held[next(iter(self.held))]

    def holds(self, key: EdgeKey, *, before: int) -> bool:
        """Whether the edge waits since a window that began before: it was counted as new there."""
        waits = self.held.get(edge_hash(key))
        return waits is not None and waits[0] < before

    def found(self, *, end: int, is_suspicious: bool) -> None:
        """Note whether a judged window was ordinary: what settles a newcomer."""
        if is_suspicious:
            self.calm_since = 0
        elif not self.calm_since:
            self.calm_since = end


class JudgeState:
    """Of one partition."""

    def __init__(self) -> None:
        self._memories: dict[WorkloadId, Memory] = {}
        self._gazes: dict[str, Gaze] = {}

    def of(self, workload: WorkloadId) -> Memory:
        """The workload's memory, made when there is none."""
        return self._memories.setdefault(workload, Memory())

    def deviated_until(self, workload: WorkloadId) -> int:
        """End of its newest deviating window, 0 when there is none; makes nothing."""
        found = self._memories.get(workload)
        return found.deviated_until if found else 0

    def is_settled(self, workload: WorkloadId, *, at: int) -> bool:
        """Whether nothing suspicious was found of it for SETTLED_S; False when this partition does not judge it."""
        found = self._memories.get(workload)
        return found is not None and bool(found.calm_since) and at - found.calm_since >= SETTLED_S

    def expel(self, caller: WorkloadId) -> None:
        """A newcomer turned out suspicious: its edges are new again wherever they wait."""
        for memory in (memory for memory in self._memories.values() if memory.held):
            memory.held = {edge: waits for edge, waits in memory.held.items() if waits[1] != caller.key}

    def memories(self, cluster: str) -> Iterator[tuple[WorkloadId, Memory]]:
        """Every memory of a cluster, in order of key."""
        found = [(workload, memory) for workload, memory in self._memories.items() if workload.cluster == cluster]
        yield from sorted(found, key=lambda row: row[0].key)

    def gaze(self, cluster: str) -> Gaze:
        """Since when the cluster's windows come without a hole."""
        return self._gazes.setdefault(cluster, Gaze())

    def forget(self, workloads: Iterable[WorkloadId]) -> None:
        """Drop what is remembered of workloads that left the partition or are gone."""
        for workload in workloads:
            self._memories.pop(workload, None)
        clusters = {workload.cluster for workload in self._memories}
        self._gazes = {cluster: gaze for cluster, gaze in self._gazes.items() if cluster in clusters}

    def to_bytes(self) -> bytes:
        """Everything, for a checkpoint; equal states give equal bytes."""
        rows = [
            [
                workload.key,
                sorted(memory.past.items()),
                list(memory.learnt.items()),
                memory.deviated_until,
                [_told(horizon, expected) for horizon, expected in sorted(memory.expected.items())],
                list(memory.held.items()),
                memory.calm_since,
                memory.watched.to_plain(),
            ]
            for workload, memory in sorted(self._memories.items(), key=lambda item: item[0].key)
        ]
        gazes = [[cluster, gaze.since, gaze.until] for cluster, gaze in sorted(self._gazes.items())]
        return json.dumps({"format": FORMAT, "workloads": rows, "gazes": gazes}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> JudgeState:
        """The inverse; CheckpointRejected when damaged or of a newer format."""
        state = cls()
        try:
            found = json.loads(payload)
            if found["format"] not in (1, FORMAT):
                raise CheckpointRejected(f"judge state of format {found['format']}, this code reads {FORMAT}")
            state._gazes = {str(key): Gaze(int(since), int(until)) for key, since, until in found.get("gazes", [])}
            for key, past, learnt, until, *newer in found["workloads"]:
                levels, held, calm_since, watched = newer if found["format"] == FORMAT else ([], [], 0, None)
                cluster, namespace, name = key.split("/", 2)
                state._memories[WorkloadId(cluster, namespace, name)] = Memory(
                    past={int(horizon): [(int(end), bool(was)) for end, was in rows] for horizon, rows in past},
                    learnt={int(edge): int(at) for edge, at in learnt},
                    deviated_until=int(until),
                    expected=dict(_read(*entry) for entry in levels),
                    held={int(edge): (int(at), str(caller)) for edge, (at, caller) in held},
                    calm_since=int(calm_since),
                    watched=Watched.from_plain(watched) if watched is not None else Watched(),
                )
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise CheckpointRejected(f"judge state is damaged: {error!r}") from error
        return state


def _told(horizon_s: int, expected: Expected) -> list[int | str]:
    packed = base64.b64encode(expected.values.astype("<f4").tobytes()).decode()
    return [horizon_s, expected.end, expected.slot, packed]


def _read(horizon_s: int, end: int, slot: int, packed: str) -> tuple[int, Expected]:
    """The inverse of ``_told``; ValueError for what cannot be."""
    values = np.frombuffer(base64.b64decode(packed, validate=True), dtype="<f4").astype(np.float32)
    if not np.isfinite(values).all() or not 0 <= int(slot) < calendar.SLOTS:
        raise ValueError(f"an expectation of slot {slot} that cannot be")
    return int(horizon_s), Expected(end=int(end), slot=int(slot), values=values)
