"""What the stream holds of one partition, and its checkpoint.

A checkpoint is one atomic unit: the position (next offset) and the state that every record before it led to. Its
sequence number names the history files that are written next, so that a replay writes the same names again. Rows that
still wait for history are part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from baseline.domain.alert import Alert
from baseline.domain.deviation import Maturity
from baseline.domain.errors import CheckpointRejected
from baseline.domain.window import Window
from baseline.domain.workload import WorkloadId
from baseline.features.table import FloatArray
from baseline.features.windows import Windower, WindowOptions
from baseline.ports import DeadLetter, EdgeRow, HistoryBatch, Partition, Silence, WorkloadFacts
from baseline.services.score import JudgeState
from baseline.services.triage import TriageState
from baseline.stream import pending

FORMAT = 1


@dataclass(slots=True, kw_only=True)
class Work:
    """One partition: state that a checkpoint holds, and results that wait to be stored before the next one."""

    partition: Partition
    windower: Windower
    judge: JudgeState = field(default_factory=JudgeState)
    triage: TriageState = field(default_factory=TriageState)
    position: int = 0  # next offset
    sequence: int = 0  # of the history files that are written next
    windows: list[tuple[Window, FloatArray]] = field(default_factory=list)  # bare, waiting for history
    edges: list[EdgeRow] = field(default_factory=list)  # waiting for history
    fence: int = 0  # what our checkpoints are fenced by: above everything written before us
    # Not in the checkpoint:
    log_time: float = 0.0  # newest record timestamp seen
    is_caught_up: bool = False
    is_changed: bool = False  # since the last checkpoint
    checkpointed_at: float = 0.0
    recorded_at: float = 0.0  # when history was written last
    dead: list[DeadLetter] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    silences: list[Silence] = field(default_factory=list)
    seen: list[WorkloadFacts] = field(default_factory=list)
    told: dict[WorkloadId, tuple[float, Maturity]] = field(default_factory=dict)  # what the book last heard

    @property
    def batch(self) -> HistoryBatch:
        """What history gets next."""
        name = f"{self.partition.topic}-{self.partition.number:05d}-{self.sequence:012d}"
        return HistoryBatch(name, self.windows, self.edges)

    def is_checkpoint_due(self, *, now: float, interval_s: float, waiting_max: int) -> bool:
        """Something changed, and time has passed or many rows wait."""
        return self.is_changed and (now - self.checkpointed_at >= interval_s or len(self.windows) >= waiting_max)

    def is_history_due(self, *, now: float, interval_s: float, waiting_max: int) -> bool:
        """Rows wait, for long or many."""
        is_time = now - self.recorded_at >= interval_s or len(self.windows) >= waiting_max
        return is_time and bool(self.windows or self.edges)

    def payload(self) -> bytes:
        """The checkpoint of this moment."""
        return msgspec.msgpack.encode(
            _Checkpoint(
                format=FORMAT,
                position=self.position,
                sequence=self.sequence,
                fence=self.fence,
                windower=self.windower.snapshot(),
                judge=self.judge.to_bytes(),
                triage=self.triage.to_bytes(),
                waiting=pending.pack(self.windows, self.edges),
            )
        )

    def recorded(self, *, now: float) -> None:
        """History has the waiting rows; the next ones go to files of the next sequence number."""
        self.sequence += 1
        self.windows, self.edges = [], []
        self.recorded_at = now

    def stored(self, *, now: float) -> None:
        """The checkpoint is durable."""
        self.is_changed = False
        self.checkpointed_at = now


class _Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    position: int
    sequence: int
    fence: int
    windower: bytes
    judge: bytes
    triage: bytes
    waiting: bytes


def fence_of(payload: bytes | None) -> int:
    """The fence a stored checkpoint was written under; -1 for none, or one that cannot be read (it fences nobody)."""
    try:
        return msgspec.msgpack.decode(payload, type=_Checkpoint).fence if payload is not None else -1
    except msgspec.MsgspecError:
        return -1


def fresh(partition: Partition, *, options: WindowOptions, generation: int, now: float) -> Work:
    """A partition nobody has worked on."""
    return Work(
        partition=partition, windower=Windower(options), fence=max(0, generation), checkpointed_at=now, recorded_at=now
    )


def restored(payload: bytes, partition: Partition, *, options: WindowOptions, generation: int, now: float) -> Work:
    """The work a checkpoint describes.

    The fence rises above the one that wrote it even when the group's generations began anew (a broker that lost its
    group metadata), so that a new owner is never mistaken for a zombie.

    Raises
    ------
    CheckpointRejected
        Damaged, or of a newer format.
    """
    try:
        stored = msgspec.msgpack.decode(payload, type=_Checkpoint)
    except msgspec.MsgspecError as error:
        raise CheckpointRejected(f"checkpoint of {partition} cannot be read: {error}") from error
    if stored.format != FORMAT:
        raise CheckpointRejected(f"checkpoint of {partition} has format {stored.format}, this program reads {FORMAT}")
    windows, edges = pending.unpack(stored.waiting)
    work = Work(
        partition=partition,
        windower=Windower(options),
        judge=JudgeState.from_bytes(stored.judge),
        triage=TriageState.from_bytes(stored.triage),
        position=stored.position,
        sequence=stored.sequence,
        windows=windows,
        edges=edges,
        fence=max(generation, stored.fence + 1),
        checkpointed_at=now,
        recorded_at=now,
    )
    work.windower.restore(stored.windower)
    return work
