"""What the stream holds of one partition, and its checkpoint.

A checkpoint is one atomic unit: the position (next offset) and the state that every record before it led to. Its
sequence number names the history files that are written with it, so that a replay writes the same names again.
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
from baseline.ports import DeadLetter, EdgeRow, HistoryBatch, Partition, WorkloadFacts
from baseline.services.score import JudgeState
from baseline.services.triage import TriageState

FORMAT = 1


@dataclass(slots=True, kw_only=True)
class Work:
    """One partition: state that a checkpoint holds, and results that wait to be stored before the next one."""

    partition: Partition
    windower: Windower
    judge: JudgeState = field(default_factory=JudgeState)
    triage: TriageState = field(default_factory=TriageState)
    position: int = 0  # next offset
    sequence: int = 0  # of the checkpoint that is written next
    fence: int = 0  # what our checkpoints are fenced by: above everything written before us
    # Not in the checkpoint:
    log_time: float = 0.0  # newest record timestamp seen
    is_caught_up: bool = False
    is_changed: bool = False  # since the last checkpoint
    checkpointed_at: float = 0.0
    dead: list[DeadLetter] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    seen: list[WorkloadFacts] = field(default_factory=list)
    windows: list[tuple[Window, FloatArray]] = field(default_factory=list)
    edges: list[EdgeRow] = field(default_factory=list)
    told: dict[WorkloadId, tuple[float, Maturity]] = field(default_factory=dict)  # what the book last heard

    @property
    def batch(self) -> HistoryBatch:
        """What history gets with the next checkpoint."""
        name = f"{self.partition.topic}-{self.partition.number:05d}-{self.sequence:012d}"
        return HistoryBatch(name, self.windows, self.edges)

    def payload(self) -> bytes:
        """The checkpoint that follows from here."""
        return msgspec.msgpack.encode(
            _Checkpoint(
                format=FORMAT,
                position=self.position,
                sequence=self.sequence + 1,
                fence=self.fence,
                windower=self.windower.snapshot(),
                judge=self.judge.to_bytes(),
                triage=self.triage.to_bytes(),
            )
        )

    def stored(self, *, now: float) -> None:
        """The checkpoint is durable: the next one begins."""
        self.sequence += 1
        self.windows, self.edges = [], []
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


def fence_of(payload: bytes | None) -> int:
    """The fence a stored checkpoint was written under; -1 for none, or one that cannot be read (it fences nobody)."""
    try:
        return msgspec.msgpack.decode(payload, type=_Checkpoint).fence if payload is not None else -1
    except msgspec.MsgspecError:
        return -1


def fresh(partition: Partition, *, options: WindowOptions, generation: int, now: float) -> Work:
    """A partition nobody has worked on."""
    return Work(partition=partition, windower=Windower(options), fence=max(0, generation), checkpointed_at=now)


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
    work = Work(
        partition=partition,
        windower=Windower(options),
        judge=JudgeState.from_bytes(stored.judge),
        triage=TriageState.from_bytes(stored.triage),
        position=stored.position,
        sequence=stored.sequence,
        fence=max(generation, stored.fence + 1),
        checkpointed_at=now,
    )
    work.windower.restore(stored.windower)
    return work
