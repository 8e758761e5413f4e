"""Checkpoints as files behind any fsspec URL: one a partition, replaced whole, fenced by generation.

A file is a magic word, the generation that wrote it, the SHA-256 of the payload, and the payload. On a local disk it
is written beside, synchronised and renamed; object stores put whole objects by themselves. The fence is read before
each write: it stops a zombie that comes back later, not two writers in the same instant.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import fsspec
import msgspec

from baseline.domain.errors import CheckpointRejected, Conflict, Unavailable
from baseline.ports import Partition

_MAGIC = b"calico-baseline checkpoint 1\n"


class FileCheckpoints:
    """See ports.Checkpoints."""

    def __init__(self, url: str) -> None:
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")
        protocols = self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,)
        self._is_local = "file" in protocols

    def save(self, partition: Partition, payload: bytes, *, generation: int) -> None:
        """Replace the partition's checkpoint; Conflict when a newer generation has written."""
        stored = self._read(partition)
        if stored is not None and stored[0] > generation:
            raise Conflict(f"{partition} was checkpointed by generation {stored[0]}, we are {generation}")
        digest = hashlib.sha256(payload).digest()
        body = _MAGIC + msgspec.msgpack.encode([generation, digest, payload])
        try:
            self._fs.makedirs(self._root, exist_ok=True)
            if self._is_local:
                _replace(Path(self._path(partition)), body)
            else:
                self._fs.pipe_file(self._path(partition), body)
        except OSError as error:
            raise Unavailable(f"checkpoint cannot be written: {error}") from error

    def load(self, partition: Partition) -> bytes | None:
        """The newest checkpoint; CheckpointRejected when it is damaged."""
        stored = self._read(partition)
        if stored is None:
            return None
        _, digest, payload = stored
        if hashlib.sha256(payload).digest() != digest:
            raise CheckpointRejected(f"checkpoint of {partition} is damaged: its checksum does not match")
        return payload

    def _read(self, partition: Partition) -> tuple[int, bytes, bytes] | None:
        try:
            body: bytes = self._fs.cat_file(self._path(partition))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"checkpoint cannot be read: {error}") from error
        if not body.startswith(_MAGIC):
            # Nothing of ours, or cut off at the very start: its generation is unknown, so it fences nobody.
            return (-1, b"", body)
        try:
            return msgspec.msgpack.decode(body[len(_MAGIC) :], type=tuple[int, bytes, bytes])
        except msgspec.MsgspecError:
            return (-1, b"", body)

    def _path(self, partition: Partition) -> str:
        return f"{self._root}/{partition.topic}-{partition.number:05d}.checkpoint"


def _replace(path: Path, body: bytes) -> None:
    beside = path.with_suffix(".tmp")
    with beside.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY) if hasattr(os, "O_DIRECTORY") else None
    if folder is not None:  # the rename itself must survive a power cut; Windows cannot open folders
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
