"""Stores of a process whose results somebody else already keeps: what is written is dropped.

A stream in shadow reads the same records as the stream beside it, which writes their windows to history and keeps
their dead letters. Doing so twice would double the disk and the dead letters.
"""

from __future__ import annotations

from collections.abc import Sequence

from baseline.adapters.memory.history import MemoryHistory
from baseline.ports import DeadLetter, HistoryBatch


class NoHistory(MemoryHistory):
    """A history that stays empty."""

    def write(self, batch: HistoryBatch) -> None:
        """Drop it."""


class NoDeadLetters:
    """Dead letters that another process keeps."""

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Drop them."""
