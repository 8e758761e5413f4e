"""A shelf in memory: the twin of the folder of model sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from baseline.detectors import codec
from baseline.domain.errors import ModelSetRejected, NotFound
from baseline.domain.modelset import Alias, Manifest

KEPT = 7


class MemoryShelf:
    """See ports.Shelf."""

    def __init__(self, *, kept: int = KEPT) -> None:
        self._sets: dict[str, tuple[bytes, dict[str, bytes]]] = {}
        self._aliases: dict[Alias, str] = {}
        self._kept = kept

    def put(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Store a set. ModelSetRejected when the files are not those of the manifest."""
        if {name: codec.sha256(payload) for name, payload in files.items()} != dict(manifest.files):
            raise ModelSetRejected("the files are not those of the manifest")
        payload = codec.manifest_bytes(manifest)
        codec.read_manifest(payload)
        self._sets.setdefault(manifest.id, (payload, dict(files)))
        unnamed = [one.id for one in self.sets() if one.id not in self._aliases.values()]
        for set_id in unnamed[self._kept :]:
            del self._sets[set_id]

    def manifest(self, set_id: str) -> Manifest:
        """Read and check a manifest."""
        return codec.read_manifest(self._stored(set_id)[0])

    def open(self, set_id: str) -> Mapping[str, Mapping[str, Any]]:
        """The set's arrays, read-only."""
        found = {name: codec.decode(payload, name=name) for name, payload in sorted(self._stored(set_id)[1].items())}
        for arrays in found.values():
            for array in arrays.values():
                array.setflags(write=False)
        return found

    def sets(self) -> Sequence[Manifest]:
        """All sets, newest first."""
        manifests = [codec.read_manifest(payload) for payload, _ in self._sets.values()]
        return sorted(manifests, key=lambda manifest: (-manifest.created_at, manifest.id))

    def resolve(self, alias: Alias) -> str | None:
        """The id an alias holds."""
        return self._aliases.get(alias)

    def point(self, alias: Alias, set_id: str) -> None:
        """Move an alias."""
        self._stored(set_id)
        self._aliases[alias] = set_id

    def _stored(self, set_id: str) -> tuple[bytes, dict[str, bytes]]:
        if set_id not in self._sets:
            raise NotFound("model set", set_id)
        return self._sets[set_id]
