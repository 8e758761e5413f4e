"""What judging remembers between windows: recent verdicts, edges learnt since the fit, how far the level has moved.

One state per partition; a workload's windows live in one partition. The bytes are JSON, versioned.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from baseline.detectors.edges import edge_hash
from baseline.domain.edge import EdgeKey
from baseline.domain.errors import CheckpointRejected
from baseline.domain.workload import WorkloadId
from baseline.services.watching import Gaze, Watched

FORMAT = 1
MOST_LEARNT = 4096  # edges kept of one workload since the fit; the oldest go first
RECENT = 2  # earlier windows that hysteresis looks at


@dataclass(slots=True)
class Memory:
    """Of one workload."""

    past: dict[int, list[tuple[int, bool]]] = field(default_factory=dict)  # horizon -> (window end, was past alpha)
    learnt: dict[int, int] = field(default_factory=dict)  # edge hash -> start of the window it was first seen in
    deviated_until: int = 0  # end of the newest deviating window
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
        while len(self.learnt) > MOST_LEARNT:
            del self.learnt[next(iter(self.learnt))]

    def knows(self, key: EdgeKey, *, before: int) -> bool:
        """Whether the edge was learnt from a window that began before."""
        since = self.learnt.get(edge_hash(key))
        return since is not None and since < before


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
            if found["format"] != FORMAT:
                raise CheckpointRejected(f"judge state of format {found['format']}, this code reads {FORMAT}")
            state._gazes = {str(key): Gaze(int(since), int(until)) for key, since, until in found.get("gazes", [])}
            for key, past, learnt, until, *watched in found["workloads"]:
                cluster, namespace, name = key.split("/", 2)
                state._memories[WorkloadId(cluster, namespace, name)] = Memory(
                    past={int(horizon): [(int(end), bool(was)) for end, was in rows] for horizon, rows in past},
                    learnt={int(edge): int(at) for edge, at in learnt},
                    deviated_until=int(until),
                    watched=Watched.from_plain(watched[0]) if watched else Watched(),
                )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointRejected(f"judge state is damaged: {error!r}") from error
        return state
