"""One suite over every kind of checkpoints: in memory, files in a folder, fsspec's memory file system."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from baseline.adapters.checkpoints import FileCheckpoints
from baseline.adapters.memory.checkpoints import MemoryCheckpoints
from baseline.domain.errors import CheckpointRejected, Conflict
from baseline.ports import Checkpoints, Partition

ONE = Partition("calico.flows", 0)
TWO = Partition("calico.flows", 1)


@pytest.fixture(params=["memory", "folder", "fsspec-memory"])
def checkpoints(request: pytest.FixtureRequest, tmp_path: Path) -> Checkpoints:
    """Every implementation of the port, empty."""
    makers: dict[str, Callable[[], Checkpoints]] = {
        "memory": MemoryCheckpoints,
        "folder": lambda: FileCheckpoints(str(tmp_path / "checkpoints")),
        "fsspec-memory": lambda: FileCheckpoints(f"memory://{uuid.uuid4()}"),
    }
    return makers[request.param]()


def test_nothing_stored_is_none(checkpoints: Checkpoints) -> None:
    """A partition nobody has worked on has no checkpoint."""
    assert checkpoints.load(ONE) is None


def test_the_newest_is_loaded_and_partitions_are_apart(checkpoints: Checkpoints) -> None:
    """Saving replaces the own partition's checkpoint only."""
    checkpoints.save(ONE, b"old", generation=1)
    checkpoints.save(ONE, b"\x00new", generation=1)
    checkpoints.save(TWO, b"other", generation=1)
    assert (checkpoints.load(ONE), checkpoints.load(TWO)) == (b"\x00new", b"other")


def test_a_zombie_is_fenced(checkpoints: Checkpoints) -> None:
    """A generation below the stored one cannot write, and changes nothing by trying."""
    checkpoints.save(ONE, b"new owner", generation=8)
    with pytest.raises(Conflict):
        checkpoints.save(ONE, b"zombie", generation=7)
    assert checkpoints.load(ONE) == b"new owner"


def test_a_damaged_file_is_refused_and_can_be_replaced(tmp_path: Path) -> None:
    """One changed byte anywhere in the payload is found; the next save repairs the file."""
    store = FileCheckpoints(str(tmp_path))
    store.save(ONE, b"payload " * 100, generation=3)
    path = next(tmp_path.glob("*.checkpoint"))
    body = bytearray(path.read_bytes())
    body[-5] ^= 1
    path.write_bytes(body)
    with pytest.raises(CheckpointRejected):
        store.load(ONE)
    path.write_bytes(body[:40])
    with pytest.raises(CheckpointRejected):
        store.load(ONE)
    store.save(ONE, b"again", generation=1)
    assert store.load(ONE) == b"again"
