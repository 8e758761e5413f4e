"""A folder of manifests as the cluster: for GitOps, for trials, for the demo.

``NAMESPACE/NAME.yaml`` holds one policy, ``enforcement.yaml`` the red button's ConfigMap, ``namespaces.yaml`` (yours to
write) the labels of namespaces. Every write is atomic, so that whoever applies the folder never reads half a file.
A file's modification time stands for the object's creation; it is set from the given clock.

Two processes writing one folder at the same moment are kept apart for creation only; replacing has a gap between the
check and the rename, harmless because both would write the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog
import yaml

from baseline.domain.errors import Conflict, Invalid, Missing, Unavailable
from baseline.domain.units import rfc3339
from baseline.policy import contract, selector
from baseline.ports import Clock, ClusterObject, Listing, NamespaceFacts

log = structlog.get_logger()

ENFORCEMENT_FILE = "enforcement.yaml"
NAMESPACES_FILE = "namespaces.yaml"
TIER_FILE = "tier.yaml"


class ManifestFolder:
    """A ``Cluster`` that is a folder; made when absent."""

    def __init__(self, folder: Path, *, clock: Clock, namespace: str = "calico-baseline") -> None:
        self._folder = folder
        self._clock = clock
        self._namespace = namespace

    def policies(self) -> Listing:
        """Every NetworkPolicy of our tier in the folder, whoever wrote it. Unreadable files are logged and left.

        A folder that is not there yet is empty; Unavailable when something else stands in its place.
        """
        if self._folder.exists() and not self._folder.is_dir():
            raise Unavailable(f"{self._folder} is no folder")
        objects = [obj for path in sorted(self._folder.glob("*/*.yaml")) for obj in self._read(path)]
        return Listing(objects=objects, now=self._clock.now())

    def create(self, manifest: Mapping[str, Any]) -> ClusterObject:
        """Conflict when the file exists, whatever is in it."""
        path = self._path(manifest)
        with _Draft(path, manifest, stamp=self._clock.now()) as draft:
            try:
                os.link(draft, path)
            except FileExistsError as error:
                raise Conflict(f"{path.parent.name}/{path.stem} exists") from error
            except OSError as error:
                raise Unavailable(f"{path} cannot be written: {error}") from error
        return self._one(path)

    def replace(self, manifest: Mapping[str, Any], *, revision: str) -> ClusterObject:
        """Conflict when the file was changed, Missing when it is gone."""
        path = self._path(manifest)
        if self._one(path).revision != revision:
            raise Conflict(f"{path.parent.name}/{path.stem} was changed")
        with _Draft(path, manifest, stamp=path.stat().st_mtime) as draft:
            draft.replace(path)
        return self._one(path)

    def delete(self, obj: ClusterObject) -> None:
        """Conflict when the file was changed since it was listed; an absent one is fine."""
        path = self._path(obj.manifest)
        try:
            found = self._one(path)
        except Missing:
            return
        if (found.uid, found.revision) != (obj.uid, obj.revision):
            raise Conflict(f"{obj.namespace}/{obj.name} was changed")
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable(f"{path} cannot be deleted: {error}") from error

    def ensure_tier(self) -> None:
        """Write ``tier.yaml``, so that applying the folder makes the tier; Invalid when it says otherwise."""
        path = self._folder / TIER_FILE
        found = _load(path)
        if found is None:
            with _Draft(path, contract.tier(), stamp=self._clock.now()) as draft:
                draft.replace(path)
        elif _mapping(found.get("spec")).get("defaultAction") != "Pass":
            raise Invalid(f"{path} does not pass by default: whatever we restrict would lose all other traffic")

    def namespaces(self) -> Mapping[str, NamespaceFacts]:
        """What ``namespaces.yaml`` says; nothing when there is none."""
        path = self._folder / NAMESPACES_FILE
        facts = {}
        for found in _load_all(path):
            labels = contract.text_map(found, "labels")
            name = str(_mapping(found.get("metadata")).get("name", ""))
            if found.get("kind") == "Namespace" and name:
                facts[name] = NamespaceFacts(name, contract.mode_of(labels), contract.is_protected(labels))
        return facts

    def enforcement_enabled(self) -> bool:
        """True only when ``enforcement.yaml`` says ``on``."""
        found = _load(self._folder / ENFORCEMENT_FILE)
        return found is not None and contract.is_enforcing(found)

    def set_enforcement(self, *, enabled: bool) -> None:
        """Write ``enforcement.yaml``."""
        path = self._folder / ENFORCEMENT_FILE
        with _Draft(path, contract.enforcement(self._namespace, enabled=enabled), stamp=self._clock.now()) as draft:
            draft.replace(path)

    def _path(self, manifest: Mapping[str, Any]) -> Path:
        metadata = manifest["metadata"]
        namespace, name = selector.checked_namespace(metadata["namespace"]), str(metadata["name"])
        if name != Path(name).name or name.startswith("."):
            raise Invalid(f"not the name of an object: {name!r}")
        return self._folder / namespace / f"{name}.yaml"

    def _one(self, path: Path) -> ClusterObject:
        found = list(self._read(path))
        if not found:
            raise Missing(f"{path.parent.name}/{path.stem} does not exist")
        return found[0]

    def _read(self, path: Path) -> Iterator[ClusterObject]:
        try:
            content, stamp = path.read_bytes(), path.stat().st_mtime
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("manifest_unreadable", path=str(path), error=str(error))
            return
        found = _parse(path, content)
        if found is None or found.get("kind") != contract.KIND:
            return
        spec, metadata = _mapping(found.get("spec")), _mapping(found.get("metadata"))
        if spec.get("tier") != contract.TIER:
            return
        created = rfc3339(stamp)
        uid = hashlib.sha256(f"{path.parent.name}/{path.stem}@{created}".encode()).hexdigest()[:16]
        manifest = {**found, "metadata": {**metadata, "creationTimestamp": created}}
        namespace, name = str(metadata.get("namespace", "")), str(metadata.get("name", ""))
        if (namespace, name) != (path.parent.name, path.stem):
            log.warning("manifest_ignored", path=str(path), reason="its name is not the file's")
            return
        yield ClusterObject(namespace, name, hashlib.sha256(content).hexdigest()[:16], uid, manifest)


class _Draft:
    """A complete temporary file beside its goal; gone when left."""

    def __init__(self, goal: Path, body: Mapping[str, Any], *, stamp: float) -> None:
        self._path = goal.parent / f".{goal.name}.{secrets.token_hex(6)}"
        self._body = body
        self._stamp = stamp

    def __enter__(self) -> Path:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("x", encoding="utf-8") as file:
                yaml.safe_dump(dict(self._body), file, sort_keys=False)
                file.flush()
                os.fsync(file.fileno())
            os.utime(self._path, (self._stamp, self._stamp))
        except OSError as error:
            raise Unavailable(f"{self._path.parent} cannot be written: {error}") from error
        return self._path

    def __exit__(self, *_: object) -> None:
        self._path.unlink(missing_ok=True)


def _load(path: Path) -> Mapping[str, Any] | None:
    return next(iter(_load_all(path)), None)


def _load_all(path: Path) -> list[Mapping[str, Any]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error}") from error
    try:
        return [body for body in yaml.safe_load_all(content) if isinstance(body, Mapping)]
    except (yaml.YAMLError, ValueError) as error:
        log.warning("manifest_unreadable", path=str(path), error=str(error))
        return []


def _parse(path: Path, content: bytes) -> Mapping[str, Any] | None:
    try:
        body = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError) as error:
        log.warning("manifest_unreadable", path=str(path), error=str(error))
        return None
    return body if isinstance(body, Mapping) else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
