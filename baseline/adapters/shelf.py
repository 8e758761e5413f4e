"""Model sets as folders behind any fsspec URL: one folder a set, aliases as one-line files.

Layout: ``ID/manifest.json``, ``ID/*.safetensors``, and ``current``, ``candidate``, ``previous`` holding an id each.
The manifest is written last, so a folder without one is an unfinished set and invisible. Local files are
memory-mapped; a file whose checksum differs from the manifest's is refused before anything reads it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import numpy as np
import structlog

from baseline.detectors import codec
from baseline.domain.errors import ModelSetRejected, NotFound, Unavailable
from baseline.domain.modelset import Alias, Manifest

log = structlog.get_logger()

KEPT = 7  # sets kept beside those an alias names
MANIFEST = "manifest.json"
_CHUNK = 1 << 20


class FolderShelf:
    """See ports.Shelf."""

    def __init__(self, url: str, *, kept: int = KEPT) -> None:
        """``kept`` sets without an alias stay for rolling back; older ones are deleted by ``put``."""
        self._fs, root = fsspec.core.url_to_fs(url)
        self._root = str(root).rstrip("/")
        protocols = self._fs.protocol if isinstance(self._fs.protocol, tuple) else (self._fs.protocol,)
        self._is_local = "file" in protocols
        self._kept = kept

    def put(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Store a set, manifest last. ModelSetRejected when the files are not those of the manifest."""
        if set(files) != set(manifest.files):
            raise ModelSetRejected(f"files {sorted(files)} are not the manifest's {sorted(manifest.files)}")
        for name, payload in files.items():
            if codec.sha256(payload) != manifest.files[name]:
                raise ModelSetRejected(f"{name} is not the file the manifest names")
        payload = codec.manifest_bytes(manifest)
        codec.read_manifest(payload)
        try:
            if self._fs.exists(self._path(manifest.id, MANIFEST)):
                return
            self._fs.makedirs(self._path(manifest.id), exist_ok=True)
            for name, content in files.items():
                self._write(self._path(manifest.id, name), content)
            self._write(self._path(manifest.id, MANIFEST), payload)
            self._clear()
        except OSError as error:
            raise Unavailable(f"shelf cannot be written: {error}") from error

    def manifest(self, set_id: str) -> Manifest:
        """Read and check a manifest."""
        if not set_id or not set(set_id) <= set("0123456789abcdef"):
            raise NotFound("model set", set_id)
        try:
            payload: bytes = self._fs.cat_file(self._path(set_id, MANIFEST))
        except FileNotFoundError as error:
            raise NotFound("model set", set_id) from error
        except OSError as error:
            raise Unavailable(f"shelf cannot be read: {error}") from error
        found = codec.read_manifest(payload)
        if found.id != set_id:
            raise ModelSetRejected(f"the manifest of {set_id} says {found.id}")
        return found

    def open(self, set_id: str) -> Mapping[str, Mapping[str, Any]]:
        """The set's arrays, checksums verified; read-only."""
        manifest = self.manifest(set_id)
        return {name: self._arrays(set_id, name, digest) for name, digest in sorted(manifest.files.items())}

    def sets(self) -> Sequence[Manifest]:
        """All readable sets, newest first; damaged ones are logged and left out."""
        found: list[Manifest] = []
        for set_id in self._ids():
            try:
                found.append(self.manifest(set_id))
            except ModelSetRejected as error:
                log.warning("model_set_unreadable", model_set=set_id, error=str(error))
            except NotFound:
                log.info("model_set_unfinished", model_set=set_id)
        return sorted(found, key=lambda manifest: (-manifest.created_at, manifest.id))

    def resolve(self, alias: Alias) -> str | None:
        """The id an alias holds; None when nobody set it."""
        try:
            return str(self._fs.cat_file(self._path(alias.value)).decode("ascii", errors="replace")).strip() or None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable(f"shelf cannot be read: {error}") from error

    def point(self, alias: Alias, set_id: str) -> None:
        """Move an alias to a set that is there, in a single write."""
        self.manifest(set_id)
        try:
            self._write(self._path(alias.value), f"{set_id}\n".encode("ascii"))
        except OSError as error:
            raise Unavailable(f"shelf cannot be written: {error}") from error

    def _arrays(self, set_id: str, name: str, digest: str) -> Mapping[str, Any]:
        path = self._path(set_id, name)
        try:
            if self._is_local:
                with Path(path).open("rb") as file:
                    seen = _digest(file)
                if seen != digest:
                    raise ModelSetRejected(f"{set_id}/{name}: checksum does not match")
                return _mapped(Path(path), name)
            payload: bytes = self._fs.cat_file(path)
        except FileNotFoundError as error:
            raise ModelSetRejected(f"{set_id}/{name} is missing") from error
        except OSError as error:
            raise Unavailable(f"shelf cannot be read: {error}") from error
        if codec.sha256(payload) != digest:
            raise ModelSetRejected(f"{set_id}/{name}: checksum does not match")
        return _frozen(codec.decode(payload, name=name))

    def _ids(self) -> list[str]:
        try:
            entries = self._fs.ls(self._root, detail=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"shelf cannot be read: {error}") from error
        names = [str(entry["name"]).rstrip("/").rsplit("/", 1)[-1] for entry in entries if entry["type"] == "directory"]
        return sorted(name for name in names if set(name) <= set("0123456789abcdef"))

    def _clear(self) -> None:
        named = {self.resolve(alias) for alias in Alias}
        unnamed = [manifest.id for manifest in self.sets() if manifest.id not in named]
        for set_id in unnamed[self._kept :]:
            self._fs.rm(self._path(set_id), recursive=True)
            log.info("model_set_deleted", model_set=set_id)

    def _path(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    def _write(self, path: str, content: bytes) -> None:
        if not self._is_local:
            self._fs.pipe_file(path, content)
            return
        beside = Path(f"{path}.{os.getpid()}.new")
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _mapped(path: Path, name: str) -> Mapping[str, Any]:
    """The arrays of a local safetensors file as views of one read-only mapping of it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(size - 8, codec.MOST_HEADER):
            raise ModelSetRejected(f"{name}: header of {length} bytes")
        header = file.read(length)
    layout = codec.layout(header, size=size, name=name)
    mapped = np.memmap(path, dtype=np.uint8, mode="r")
    return {key: mapped[begin:end].view(dtype).reshape(shape) for key, (dtype, shape, begin, end) in layout.items()}


def _frozen(arrays: dict[str, Any]) -> Mapping[str, Any]:
    for array in arrays.values():
        array.setflags(write=False)
    return arrays
