"""Calico's resources for the test API server, and how to see that they work.

Calico's own definitions and admission policies (v3.32.1, native projectcalico.org/v3) come from the shared data; where
those are absent, the reduced ones of `tests/ground/crds`, written from Calico's documentation, take their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.ground.require import find_shared_dir, is_everything_required, missing

REDUCED = Path(__file__).parent / "crds"
OFFICIAL = ("calico-crds", "v3.32.1")
CALICO = "/apis/projectcalico.org/v3"

# Where an object of a kind is created; the admission kinds take the version that the object names.
PATHS = {
    "CustomResourceDefinition": "customresourcedefinitions",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "MutatingAdmissionPolicyBinding": "mutatingadmissionpolicybindings",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "validatingadmissionpolicybindings",
}
# What Calico itself creates when it starts: the tier in which policies lie by default.
DEFAULT_TIER = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "Tier",
    "metadata": {"name": "default"},
    "spec": {"order": 1_000_000, "defaultAction": "Deny"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Definitions:
    """API objects with the paths to POST them to, in an order that works."""

    objects: list[tuple[str, dict[str, Any]]]
    is_official: bool


def definitions() -> Definitions:
    """The official definitions where they are, else our reduced ones (a failure where everything is required)."""
    shared = find_shared_dir()
    official = shared.joinpath(*OFFICIAL) if shared else None
    if official is not None and official.is_dir():
        return Definitions(objects=list(_objects(official)), is_official=True)
    if is_everything_required():
        missing("Calico's own definitions", enable=f"put {'/'.join(OFFICIAL)} into the shared data folder")
    return reduced_definitions()


def reduced_definitions() -> Definitions:
    """The project's own reduced definitions."""
    return Definitions(objects=list(_objects(REDUCED)), is_official=False)


def _objects(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # Definitions before the admission policies that name their kinds.
    files = sorted(folder.glob("*.yaml"), key=lambda file: (not file.name.startswith("projectcalico.org"), file.name))
    for file in files:
        for body in yaml.safe_load_all(file.read_text()):
            if body is not None:
                yield f"/apis/{body['apiVersion']}/{PATHS[body['kind']]}", body


def probe_writes(post: Callable[[str, dict[str, Any]], httpx.Response]) -> bool:
    """True when the default tier exists and a dry-run policy comes back with what admission adds to it.

    A new definition answers 404 or 503 for some seconds, and admission policies start later still.
    """
    tier = post(f"{CALICO}/tiers", DEFAULT_TIER)
    assert tier.status_code in (httpx.codes.CREATED, httpx.codes.CONFLICT), tier.text
    for kind, plural, rest in (
        ("NetworkPolicy", "namespaces/default/networkpolicies", {"selector": "app == 'probe'"}),
        ("NetworkSet", "namespaces/default/networksets", {"nets": ["192.0.2.0/24"]}),
        ("GlobalNetworkSet", "globalnetworksets", {"nets": ["192.0.2.0/24"]}),
        ("GlobalNetworkPolicy", "globalnetworkpolicies", {"selector": "app == 'probe'"}),
    ):
        body = {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": "default.probe"}, "spec": rest}
        answer = post(f"{CALICO}/{plural}?dryRun=All", body)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        stored = answer.json()
        if "Policy" in kind:
            assert stored["metadata"].get("labels", {}).get("projectcalico.org/tier") == "default", answer.text
            assert stored["spec"].get("types") == ["Ingress"], answer.text
    return True
