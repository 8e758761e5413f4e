"""Checkpoints in memory: for tests, and for runs that need not survive their process."""

from __future__ import annotations

from baseline.domain.errors import Conflict
from baseline.ports import Partition


class MemoryCheckpoints:
    """See ports.Checkpoints: a dictionary with the fence."""

    def __init__(self) -> None:
        self._stored: dict[Partition, tuple[int, bytes]] = {}

    def save(self, partition: Partition, payload: bytes, *, generation: int) -> None:
        """Replace the partition's checkpoint; Conflict when a newer generation has written."""
        stored = self._stored.get(partition)
        if stored is not None and stored[0] > generation:
            raise Conflict(f"{partition} was checkpointed by generation {stored[0]}, we are {generation}")
        self._stored[partition] = (generation, payload)

    def load(self, partition: Partition) -> bytes | None:
        """The newest checkpoint."""
        stored = self._stored.get(partition)
        return stored[1] if stored else None
