"""What our objects in the cluster look like from outside: names, labels, annotations, whose they are and until when.

One place for every word that another program (kubectl, the janitor, an admission policy in ``deploy/``) may rely on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from baseline.domain.restriction import MAX_TTL_S, Mode
from baseline.domain.units import parse_rfc3339

API_VERSION = "projectcalico.org/v3"
KIND = "NetworkPolicy"
TIER = "behaviour"
TIER_ORDER = 50  # before kube-admin (1000) and default (1000000); chosen, see docs/restrictions.md
POLICY_ORDER = 50

TIER_LABEL = "projectcalico.org/tier"
NAMESPACE_NAME_LABEL = "projectcalico.org/name"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
MANAGED_BY = "calico-baseline"
INSTANCE_LABEL = "calico-baseline/instance"
RESTRICTION_LABEL = "calico-baseline/restriction"

EXPIRES_AT = "calico-baseline/expires-at"
MAX_EXPIRES_AT = "calico-baseline/max-expires-at"
ALERT = "calico-baseline/alert"
LEVEL = "calico-baseline/level"
APPROVED_BY = "calico-baseline/approved-by"
SPEC_HASH = "calico-baseline/spec-hash"
WORKLOAD = "calico-baseline/workload"  # cluster/namespace/name
PEERS = "calico-baseline/peers"  # JSON list: the peer of each Deny rule, in order

MODE_LABEL = "calico-baseline/mode"  # on namespaces
PROTECT_LABEL = "calico-baseline/protect"  # on namespaces and pods
ENFORCEMENT_CONFIGMAP = "calico-baseline-enforcement"
ENFORCEMENT_KEY = "enforcement"


class Live(Protocol):
    """A policy as the cluster holds it; ``ports.ClusterObject`` is one."""

    @property
    def namespace(self) -> str:
        """Where it lies."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The object as plain data; anybody may have written it."""
        ...


def text_map(manifest: Mapping[str, Any], name: str) -> dict[str, str]:
    """``metadata.labels`` or ``metadata.annotations``, text only, whatever the object holds there."""
    metadata = manifest.get("metadata")
    found = metadata.get(name) if isinstance(metadata, Mapping) else None
    if not isinstance(found, Mapping):
        return {}
    return {str(key): value for key, value in found.items() if isinstance(value, str)}


def is_ours(manifest: Mapping[str, Any], *, instance: str) -> bool:
    """Made by this installation: anything else in the tier is foreign and never touched."""
    labels = text_map(manifest, "labels")
    return labels.get(MANAGED_BY_LABEL) == MANAGED_BY and labels.get(INSTANCE_LABEL) == instance


def restriction_of(manifest: Mapping[str, Any]) -> str:
    """Id of the restriction an object of ours belongs to; ``""`` when its label is gone."""
    return text_map(manifest, "labels").get(RESTRICTION_LABEL, "")


def created_at(manifest: Mapping[str, Any]) -> float | None:
    """When the cluster made the object, epoch seconds."""
    metadata = manifest.get("metadata")
    stamp = metadata.get("creationTimestamp") if isinstance(metadata, Mapping) else None
    return _time(stamp) if isinstance(stamp, str) else None


def expires_at(manifest: Mapping[str, Any]) -> float:
    """When an object of ours has to be gone, epoch seconds; readable without any database.

    The earliest of its expiry, its maximum expiry and the longest life allowed from its creation. An expiry that is
    missing or unreadable counts as that longest life; an object that tells no time at all has expired.
    """
    annotations = text_map(manifest, "annotations")
    born = created_at(manifest)
    longest = None if born is None else born + MAX_TTL_S
    told = _time(annotations.get(EXPIRES_AT, ""))
    limits = [told, _time(annotations.get(MAX_EXPIRES_AT, "")), longest]
    if told is None:
        return longest if longest is not None else 0.0
    return min(limit for limit in limits if limit is not None)


def mode_of(namespace_labels: Mapping[str, str]) -> Mode | None:
    """The mode a namespace's label asks for. A word we do not know means the most careful mode."""
    word = namespace_labels.get(MODE_LABEL)
    if word is None:
        return None
    return Mode(word) if word in set(Mode) else Mode.OBSERVE


def is_protected(labels: Mapping[str, str]) -> bool:
    """Whether a namespace's or a pod's labels forbid restricting it."""
    return labels.get(PROTECT_LABEL, "").lower() == "true"


def tier() -> dict[str, Any]:
    """Our tier: what no rule of ours decides goes on to the next tier."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Tier",
        "metadata": {"name": TIER},
        "spec": {"order": TIER_ORDER, "defaultAction": "Pass"},
    }


def enforcement(namespace: str, *, enabled: bool) -> dict[str, Any]:
    """The red button as a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": ENFORCEMENT_CONFIGMAP, "namespace": namespace},
        "data": {ENFORCEMENT_KEY: "on" if enabled else "off"},
    }


def is_enforcing(configmap: Mapping[str, Any]) -> bool:
    """True only when the ConfigMap says ``on``; YAML that meant a boolean does not."""
    held = configmap.get("data")
    return isinstance(held, Mapping) and held.get(ENFORCEMENT_KEY) == "on"


def _time(text: str) -> float | None:
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError):
        return None
