"""What an administrator does before the product may act: `kubectl apply -f deploy/`, namespaces, the red button."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import yaml

from baseline.policy import contract
from tests.ground.kube import KubeApi
from tests.ground.require import CHECKOUT
from tests.ground.waiting import eventually

OURS = "calico-baseline"
POLICIES = "/apis/projectcalico.org/v3/networkpolicies"
PLURALS = {"NetworkPolicy": "networkpolicies", "ValidatingAdmissionPolicy": "validatingadmissionpolicies"}
CLUSTER_WIDE = {
    "ClusterRole", "ClusterRoleBinding", "Namespace", "Tier", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
}  # fmt: skip
FENCE_WITHIN_S = 30.0


def apply_deploy(api: KubeApi) -> list[str]:
    """Every object of deploy/ as shipped, in the order of its files; their kinds."""
    kinds = []
    for path in sorted((CHECKOUT / "deploy").glob("*.yaml")):
        for body in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if body:
                apply(api, body)
                kinds.append(body["kind"])
    return kinds


def apply(api: KubeApi, body: Mapping[str, Any]) -> None:
    """Create it, or replace the one that is there: afterwards it says exactly this."""
    collection = _collection(body)
    made = api.request("POST", collection, body=body)
    if made.status_code == httpx.codes.CONFLICT:
        path = f"{collection}/{body['metadata']['name']}"
        revision = api.request("GET", path).json()["metadata"]["resourceVersion"]
        renewed = {**body, "metadata": {**body["metadata"], "resourceVersion": revision}}
        made = api.request("PUT", path, body=renewed)
    assert made.is_success, f"{collection}: {made.status_code} {made.text}"


def token_of(api: KubeApi, account: str) -> str:
    """A token of a service account that deploy/ made, with no right but what deploy/ gives it."""
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer = api.request("POST", f"/api/v1/namespaces/{OURS}/serviceaccounts/{account}/token", body=wanted)
    assert answer.is_success, answer.text
    return str(answer.json()["status"]["token"])


def press(api: KubeApi, *, enabled: bool) -> None:
    """The red button, as `kubectl patch` does it."""
    apply(api, {"apiVersion": "v1", **contract.enforcement(OURS, enabled=enabled)})


def policies(api: KubeApi, *, instance: str) -> dict[str, Mapping[str, Any]]:
    """The policies of one installation by name, read as administrator, past our own client."""
    answer = api.request("GET", POLICIES)
    assert answer.is_success, answer.text
    items = (item for item in answer.json()["items"] if contract.is_ours(item, instance=instance))
    return {item["metadata"]["name"]: item for item in items}


def remove(api: KubeApi, *, instance: str) -> None:
    """Whatever a failed test left behind."""
    for name, found in policies(api, instance=instance).items():
        api.request("DELETE", f"{_namespaced(found['metadata']['namespace'])}/{name}")


def wait_for_the_fence(api: KubeApi, *, namespace: str) -> None:
    """An admission policy takes some moments to be in force: until it refuses control what it must refuse."""
    token = token_of(api, "control")
    wrong = {
        "apiVersion": contract.API_VERSION, "kind": contract.KIND,
        "metadata": {"name": "behaviour.probe", "namespace": namespace},
        "spec": {"tier": contract.TIER, "selector": "all()", "types": ["Egress"], "egress": [{"action": "Allow"}]},
    }  # fmt: skip

    def refused() -> bool:
        answer = api.request("POST", f"{_namespaced(namespace)}?dryRun=All", body=wrong, token=token)
        return not answer.is_success and "calico-baseline-restrictions" in answer.text

    eventually(refused, FENCE_WITHIN_S, message="the admission policy is in force")


def rights(api: KubeApi, account: str) -> Iterator[str]:
    """What the account may do to policies of namespace ``default``, asked of the API server itself, and to secrets."""
    token = token_of(api, account)
    for verb, group, resource in (
        *((verb, "projectcalico.org", "networkpolicies") for verb in ("list", "create", "update", "delete")),
        *((verb, "", "configmaps") for verb in ("get", "update")),
        ("get", "", "secrets"),
    ):
        attributes = {"verb": verb, "group": group, "resource": resource, "namespace": "default"}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes}}  # fmt: skip
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        if api.request("POST", path, body=body, token=token).json()["status"]["allowed"]:
            yield f"{verb} {resource}"


def _collection(body: Mapping[str, Any]) -> str:
    version, kind = body["apiVersion"], body["kind"]
    plural = PLURALS.get(kind, f"{kind.lower()}s")
    root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
    return f"{root}/{plural}" if kind in CLUSTER_WIDE else f"{root}/namespaces/{body['metadata']['namespace']}/{plural}"


def _namespaced(namespace: str) -> str:
    return f"/apis/projectcalico.org/v3/namespaces/{namespace}/networkpolicies"
