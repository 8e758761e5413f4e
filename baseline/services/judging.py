"""What judging remembers between windows: recent verdicts, edges learnt since the fit, how far the level has moved.

One state per partition; a workload's windows live in one partition. The bytes are JSON, versioned.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from baseline.detectors.edges import edge_hash
from baseline.domain.edge import EdgeKey
from baseline.domain.errors import CheckpointRejected
from baseline.domain.workload import WorkloadId
from baseline.features import calendar

FORMAT = 2
WITHOUT_LEVELS = 1  # a format that is read, too: its workloads go on from the level their set ended with
MOST_LEARNT = 4096  # edges kept of one workload since the fit; the oldest go first
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

    def of(self, workload: WorkloadId) -> Memory:
        """The workload's memory, made when there is none."""
        return self._memories.setdefault(workload, Memory())

    def deviated_until(self, workload: WorkloadId) -> int:
        """End of its newest deviating window, 0 when there is none; makes nothing."""
        found = self._memories.get(workload)
        return found.deviated_until if found else 0

    def forget(self, workloads: Iterable[WorkloadId]) -> None:
        """Drop what is remembered of workloads that left the partition or are gone."""
        for workload in workloads:
            self._memories.pop(workload, None)

    def to_bytes(self) -> bytes:
        """Everything, for a checkpoint; equal states give equal bytes."""
        rows = [
            [
                workload.key,
                sorted(memory.past.items()),
                list(memory.learnt.items()),
                memory.deviated_until,
                [_told(horizon, expected) for horizon, expected in sorted(memory.expected.items())],
            ]
            for workload, memory in sorted(self._memories.items(), key=lambda item: item[0].key)
        ]
        return json.dumps({"format": FORMAT, "workloads": rows}, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, payload: bytes) -> JudgeState:
        """The inverse; CheckpointRejected when damaged or of a newer format."""
        state = cls()
        try:
            found = json.loads(payload)
            if found["format"] not in (FORMAT, WITHOUT_LEVELS):
                raise CheckpointRejected(f"judge state of format {found['format']}, this code reads {FORMAT}")
            for key, past, learnt, until, *levels in found["workloads"]:
                cluster, namespace, name = key.split("/", 2)
                state._memories[WorkloadId(cluster, namespace, name)] = Memory(
                    past={int(horizon): [(int(end), bool(was)) for end, was in rows] for horizon, rows in past},
                    learnt={int(edge): int(at) for edge, at in learnt},
                    deviated_until=int(until),
                    expected=dict(_read(*entry) for entry in (levels[0] if found["format"] == FORMAT else ())),
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
