"""Rows that wait for history, as bytes in the checkpoint.

History gets few, larger files: rows of several checkpoints wait until they are due, and are part of each checkpoint
until then. Only what history stores of a window is kept; its edges are in the edge rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from baseline.domain.errors import CheckpointRejected
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features.table import FloatArray
from baseline.ports import EdgeRow

Rows = list[tuple[Window, FloatArray]]

_BUSY = EdgeCounts(records=1)  # stands for whatever was seen: history asks a window only whether it was quiet


class _Pending(msgspec.Struct, frozen=True, array_like=True):
    windows: list[tuple[WorkloadId, int, int, bool, bytes]]  # workload, start, end, is quiet, float64 vector
    edges: list[EdgeRow]


def bare(window: Window) -> Window:
    """The window as far as history stores it."""
    return Window(
        workload=window.workload,
        start=window.start,
        end=window.end,
        edges={},
        overflow=EdgeCounts() if window.is_quiet else _BUSY,
        hosts=window.hosts,
    )


def pack(windows: Sequence[tuple[Window, FloatArray]], edges: Sequence[EdgeRow]) -> bytes:
    """Bytes of waiting rows."""
    rows = [(one.workload, one.start, one.end, one.is_quiet, vector.tobytes()) for one, vector in windows]
    return msgspec.msgpack.encode(_Pending(rows, list(edges)))


def unpack(payload: bytes) -> tuple[Rows, list[EdgeRow]]:
    """The inverse of ``pack``; CheckpointRejected when the bytes are damaged."""
    try:
        pending = msgspec.msgpack.decode(payload, type=_Pending)
    except msgspec.MsgspecError as error:
        raise CheckpointRejected(f"rows that wait for history cannot be read: {error}") from error
    windows: Rows = [
        (
            Window(
                workload=workload, start=start, end=end, edges={}, overflow=EdgeCounts() if is_quiet else _BUSY
            ),
            np.frombuffer(vector, dtype=np.float64),
        )
        for workload, start, end, is_quiet, vector in pending.windows
    ]  # fmt: skip
    return windows, pending.edges
