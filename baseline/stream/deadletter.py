"""Records we cannot read: what is kept of them."""

from __future__ import annotations

from baseline.domain.errors import MalformedRecord
from baseline.ports import DeadLetter, Record

KEPT_BYTES = 65_536


def dead_letter(record: Record, error: MalformedRecord) -> DeadLetter:
    """The letter of one record: why, where it lies in the log, and its first 64 KiB."""
    return DeadLetter(
        reason=error.reason,
        detail=str(error),
        position=f"{record.partition.topic}/{record.partition.number}/{record.offset}",
        value=record.value[:KEPT_BYTES],
    )
