"""The Kubernetes API with Calico, projectcalico.org/v3: behind the aggregated API server or as native resources.

Only POST, PUT with resourceVersion, and DELETE with preconditions; no server-side apply, no patch. Lists carry the
tier's label, without which older API servers list the default tier only. Nothing is retried here. What comes back is
parsed, never trusted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from baseline.adapters.calico.transport import Answer, Transport
from baseline.domain.errors import Conflict, Denied, Invalid, Missing, Unavailable
from baseline.policy import contract
from baseline.policy.selector import checked_namespace
from baseline.ports import ClusterObject, Listing, NamespaceFacts

CALICO = f"/apis/{contract.API_VERSION}"
PAGE = 250
PAGES_MAX = 400  # a server that never ends its pages is broken


class CalicoCluster:
    """One cluster, by one set of credentials."""

    def __init__(self, transport: Transport, *, namespace: str = "calico-baseline") -> None:
        """``namespace`` is ours, where the red button's ConfigMap lies."""
        self._transport = transport
        self._configmaps = f"/api/v1/namespaces/{namespace}/configmaps"
        self._namespace = namespace

    def close(self) -> None:
        """Let the connections go."""
        self._transport.close()

    def policies(self) -> Listing:
        """Every NetworkPolicy of our tier and the server's time; an entry that is no object is left out."""
        objects: list[ClusterObject] = []
        now = 0.0
        for answer in self._pages(
            f"{CALICO}/networkpolicies", {"labelSelector": f"{contract.TIER_LABEL}={contract.TIER}"}
        ):
            now = now or answer.date
            found = (_object(item) for item in _items(answer))
            objects += [obj for obj in found if obj is not None and _is_in_tier(obj)]
        return Listing(objects=objects, now=now)

    def create(self, manifest: Mapping[str, Any]) -> ClusterObject:
        """POST."""
        return _stored(self._transport.call("POST", _path(manifest["metadata"]["namespace"]), body=manifest))

    def replace(self, manifest: Mapping[str, Any], *, revision: str) -> ClusterObject:
        """PUT with resourceVersion."""
        metadata = {**manifest["metadata"], "resourceVersion": revision}
        path = _path(metadata["namespace"], metadata["name"])
        return _stored(self._transport.call("PUT", path, body={**manifest, "metadata": metadata}))

    def delete(self, obj: ClusterObject) -> None:
        """DELETE exactly the object that was read; one that is gone is fine, a changed one is a Conflict."""
        precise = {"uid": obj.uid, "resourceVersion": obj.revision}
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {k: v for k, v in precise.items() if v}}
        try:
            self._transport.call("DELETE", _path(obj.namespace, obj.name), body=body)
        except Missing:
            return

    def ensure_tier(self) -> None:
        """Create tier ``behaviour`` where it is missing; Invalid when it does not pass by default."""
        path = f"{CALICO}/tiers"
        try:
            tier = self._transport.call("GET", f"{path}/{contract.TIER}").body
        except Missing:
            try:
                tier = self._transport.call("POST", path, body=contract.tier()).body
            except Conflict:  # another process was faster
                tier = self._transport.call("GET", f"{path}/{contract.TIER}").body
        if _mapping(tier.get("spec")).get("defaultAction") != "Pass":
            raise Invalid(f"tier {contract.TIER} does not pass by default: what we restrict would lose all traffic")

    def namespaces(self) -> Mapping[str, NamespaceFacts]:
        """Mode and protection of every namespace."""
        facts = {}
        for answer in self._pages("/api/v1/namespaces", {}):
            for item in _items(answer):
                name = _mapping(item.get("metadata")).get("name")
                if isinstance(name, str):
                    labels = contract.text_map(item, "labels")
                    facts[name] = NamespaceFacts(name, contract.mode_of(labels), contract.is_protected(labels))
        return facts

    def enforcement_enabled(self) -> bool:
        """True only when the ConfigMap says ``on``; missing or forbidden means off."""
        try:
            return contract.is_enforcing(self._configmap())
        except (Missing, Denied):
            return False

    def set_enforcement(self, *, enabled: bool) -> None:
        """Write the ConfigMap; Conflict when somebody else is writing it."""
        body = contract.enforcement(self._namespace, enabled=enabled)
        try:
            revision = _mapping(self._configmap().get("metadata")).get("resourceVersion")
        except Missing:
            self._transport.call("POST", self._configmaps, body=body)
            return
        body["metadata"]["resourceVersion"] = revision
        self._transport.call("PUT", f"{self._configmaps}/{contract.ENFORCEMENT_CONFIGMAP}", body=body)

    def _configmap(self) -> Mapping[str, Any]:
        return self._transport.call("GET", f"{self._configmaps}/{contract.ENFORCEMENT_CONFIGMAP}").body

    def _pages(self, path: str, query: Mapping[str, str]) -> Iterator[Answer]:
        token = ""
        for _ in range(PAGES_MAX):
            more = {"continue": token} if token else {}
            answer = self._transport.call("GET", path, query={**query, "limit": str(PAGE), **more})
            yield answer
            token = str(_mapping(answer.body.get("metadata")).get("continue") or "")
            if not token:
                return
        raise Unavailable(f"the list of {path} did not end after {PAGES_MAX} pages")


def _path(namespace: str, name: str = "") -> str:
    """Names become part of a path, so they are checked here whoever made them."""
    if name and (name in (".", "..") or not all(c.isalnum() or c in "-." for c in name)):
        raise Invalid(f"not the name of an object: {name!r}")
    return f"{CALICO}/namespaces/{checked_namespace(namespace)}/networkpolicies" + (f"/{name}" if name else "")


def _stored(answer: Answer) -> ClusterObject:
    obj = _object(answer.body)
    if obj is None:
        raise Unavailable("the API server answered a write with something that is no object")
    return obj


def _object(manifest: Mapping[str, Any]) -> ClusterObject | None:
    metadata = _mapping(manifest.get("metadata"))
    namespace, name = metadata.get("namespace"), metadata.get("name")
    if not (isinstance(namespace, str) and isinstance(name, str) and namespace and name):
        return None
    revision, uid = str(metadata.get("resourceVersion") or ""), str(metadata.get("uid") or "")
    return ClusterObject(namespace, name, revision, uid, manifest)


def _is_in_tier(obj: ClusterObject) -> bool:
    return bool(_mapping(obj.manifest.get("spec")).get("tier") == contract.TIER)


def _items(answer: Answer) -> list[Mapping[str, Any]]:
    items = answer.body.get("items")
    if not isinstance(items, list):
        raise Unavailable("the API server answered a list with something that is no list")
    return [item for item in items if isinstance(item, Mapping)]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
