"""A cluster in memory: the twin of the API server, with faults on demand."""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from typing import Any, Literal

from baseline.domain.errors import Conflict, Invalid, Missing, OutsideError
from baseline.domain.units import rfc3339
from baseline.policy import contract
from baseline.ports import Clock, ClusterObject, Listing, NamespaceFacts

Verb = Literal["list", "create", "replace", "delete", "tier", "namespaces", "enforcement"]


class MemoryCluster:
    """Objects as the API server would hold them. ``fail`` makes the next calls of a verb raise.

    A fault raised ``after`` the write is what a lost answer looks like: the object is there and nobody was told.
    """

    def __init__(self, clock: Clock, *, namespaces: Mapping[str, NamespaceFacts] | None = None) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._objects: dict[tuple[str, str], ClusterObject] = {}
        self._namespaces = dict(namespaces or {})
        self._enforcement: bool | None = None  # None: no ConfigMap
        self._has_tier = True
        self._revision = 0
        self._faults: list[tuple[Verb, OutsideError, bool]] = []
        self.writes: list[tuple[str, str, str]] = []  # (verb, namespace, name) of every write that happened
        self.calls: dict[str, int] = {}

    def fail(self, verb: Verb, error: OutsideError, *, times: int = 1, after: bool = False) -> None:
        """Raise ``error`` in the next ``times`` calls of this verb, before (or after) they take effect."""
        with self._lock:
            self._faults += [(verb, error, after)] * times

    def put(self, manifest: Mapping[str, Any]) -> ClusterObject:
        """Place an object as somebody else would."""
        with self._lock:
            return self._store(manifest, created=rfc3339(self._clock.now()), uid=self._next("uid"))

    def name_space(self, facts: NamespaceFacts) -> None:
        """Create or relabel a namespace."""
        with self._lock:
            self._namespaces[facts.name] = facts

    def policies(self) -> Listing:
        """All NetworkPolicies of our tier."""
        with self._lock:
            self._call("list")
            objects = sorted(self._objects.values(), key=lambda obj: (obj.namespace, obj.name))
            return Listing(objects=copy.deepcopy(objects), now=self._clock.now())

    def create(self, manifest: Mapping[str, Any]) -> ClusterObject:
        """Conflict when the name exists."""
        with self._lock:
            self._call("create")
            key = _key(manifest)
            if key in self._objects:
                raise Conflict(f"{key[0]}/{key[1]} exists")
            self.writes.append(("create", *key))
            stored = self._store(manifest, created=rfc3339(self._clock.now()), uid=self._next("uid"))
            self._call("create", after=True)
            return stored

    def replace(self, manifest: Mapping[str, Any], *, revision: str) -> ClusterObject:
        """Conflict when it was changed, Missing when it is gone."""
        with self._lock:
            self._call("replace")
            key = _key(manifest)
            found = self._objects.get(key)
            if found is None:
                raise Missing(f"{key[0]}/{key[1]} does not exist")
            if found.revision != revision:
                raise Conflict(f"{key[0]}/{key[1]} was changed")
            self.writes.append(("replace", *key))
            created = found.manifest["metadata"]["creationTimestamp"]
            stored = self._store(manifest, created=created, uid=found.uid)
            self._call("replace", after=True)
            return stored

    def delete(self, obj: ClusterObject) -> None:
        """Conflict when it is another or a changed one; an absent one is fine."""
        with self._lock:
            self._call("delete")
            key = (obj.namespace, obj.name)
            found = self._objects.get(key)
            if found is None:
                return
            if (found.uid, found.revision) != (obj.uid, obj.revision):
                raise Conflict(f"{obj.namespace}/{obj.name} was changed")
            self.writes.append(("delete", *key))
            del self._objects[key]
            self._call("delete", after=True)

    def ensure_tier(self) -> None:
        """The tier of this cluster is always there."""
        with self._lock:
            self._call("tier")

    def namespaces(self) -> Mapping[str, NamespaceFacts]:
        """Mode and protection of every namespace."""
        with self._lock:
            self._call("namespaces")
            return dict(self._namespaces)

    def enforcement_enabled(self) -> bool:
        """True only when switched on."""
        with self._lock:
            self._call("enforcement")
            return self._enforcement is True

    def set_enforcement(self, *, enabled: bool) -> None:
        """Press or release the red button."""
        with self._lock:
            self._enforcement = enabled

    def _store(self, manifest: Mapping[str, Any], *, created: str, uid: str) -> ClusterObject:
        stored = copy.deepcopy(dict(manifest))
        metadata = stored["metadata"]
        if stored.get("kind") != contract.KIND or stored.get("spec", {}).get("tier") != contract.TIER:
            raise Invalid("only NetworkPolicies of our tier are kept here")
        metadata.setdefault("labels", {})[contract.TIER_LABEL] = contract.TIER
        revision = self._next("rv")
        metadata |= {"creationTimestamp": created, "uid": uid, "resourceVersion": revision}
        obj = ClusterObject(metadata["namespace"], metadata["name"], revision, uid, stored)
        self._objects[obj.namespace, obj.name] = obj
        return copy.deepcopy(obj)

    def _next(self, kind: str) -> str:
        self._revision += 1
        return f"{kind}-{self._revision}"

    def _call(self, verb: Verb, *, after: bool = False) -> None:
        if not after:
            self.calls[verb] = self.calls.get(verb, 0) + 1
        for index, (wanted, error, is_after) in enumerate(self._faults):
            if wanted == verb and is_after is after:
                del self._faults[index]
                raise error


def _key(manifest: Mapping[str, Any]) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
