"""What ``deploy/`` grants, on a real API server: enough for our processes, and nothing beside."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from baseline.adapters.calico import CalicoCluster, connect
from baseline.adapters.metrics import PrometheusMetrics
from baseline.control.janitor import sweep
from baseline.domain.errors import Denied, Invalid, OutsideError
from baseline.policy import contract
from baseline.policy.render import render
from tests.ground.kube import KubeApi
from tests.ground.waiting import eventually
from tests.unit.policy.making import BILLING, OUTSIDE, deny, wanted

DEPLOY = Path(__file__).parents[2] / "deploy"
PATHS = {
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "Tier": "/apis/projectcalico.org/v3/tiers",
    "ConfigMap": "/api/v1/namespaces/calico-baseline/configmaps",
}


def documents(name: str) -> list[dict[str, Any]]:
    """All objects of one file."""
    return [body for body in yaml.safe_load_all((DEPLOY / name).read_text()) if body]


def rules_of(name: str) -> list[dict[str, Any]]:
    """The rules a file grants; those of Roles too, because the fixture binds cluster-wide only."""
    return [rule for body in documents(name) if body["kind"] in ("ClusterRole", "Role") for rule in body["rules"]]


Connect = Callable[[str], CalicoCluster]


@pytest.fixture
def as_account(kube_api: KubeApi) -> Iterator[Connect]:
    """Connect as one of our service accounts, with deploy/ applied and a clean tier."""
    kube_api.create_namespace("shop")
    kube_api.create_namespace("calico-baseline")
    for name in ("10-tier.yaml", "20-enforcement.yaml", "40-admission.yaml"):
        for body in documents(name):
            kube_api.create(PATHS[body["kind"]], body)
    opened: list[CalicoCluster] = []

    def connected(account: str) -> CalicoCluster:
        token = kube_api.service_account(account, rules_of(f"{_FILES[account]}"))
        opened.append(CalicoCluster(connect(kubeconfig=str(kube_api.kubeconfig(token)))))
        return opened[-1]

    _wait_for_the_fence(connected("control"))
    yield connected
    admin = CalicoCluster(connect(kubeconfig=str(kube_api.kubeconfig())))
    for obj in admin.policies().objects:
        admin.delete(obj)
    for cluster in (*opened, admin):
        cluster.close()


_FILES = {"control": "30-rbac-control.yaml", "janitor": "31-rbac-janitor.yaml"}


def _wait_for_the_fence(control: CalicoCluster) -> None:
    """An admission policy takes some moments to be in force."""

    def refused() -> bool:
        try:
            control.create(_without_expiry())
        except OutsideError as error:
            return "until when" in str(error)
        (obj,) = control.policies().objects
        control.delete(obj)
        return False

    eventually(refused, 30, message="the admission policy is in force")


def _manifest() -> dict[str, Any]:
    now = time.time()
    return render(wanted(deny(), deny(OUTSIDE), deny(BILLING), at=now, created_at=now), instance="deploy", now=now)


def _without_expiry() -> dict[str, Any]:
    manifest = _manifest()
    del manifest["metadata"]["annotations"][contract.EXPIRES_AT]
    return manifest


def test_control_can_do_its_work_with_its_own_rights(as_account: Connect) -> None:
    """List, create, extend, delete, read namespaces and the button."""
    control = as_account("control")
    created = control.create(_manifest())
    longer = _manifest()
    longer["metadata"]["annotations"][contract.EXPIRES_AT] = "2100-01-01T00:00:00Z"
    replaced = control.replace(longer, revision=created.revision)
    control.delete(replaced)
    assert control.policies().objects == []
    assert "shop" in control.namespaces()
    assert control.enforcement_enabled() is False
    control.ensure_tier()


def _allowing(manifest: dict[str, Any]) -> None:
    manifest["spec"]["egress"].append({"action": "Allow"})


def _everything(manifest: dict[str, Any]) -> None:
    manifest["spec"]["selector"] = "all()"


def _empty(manifest: dict[str, Any]) -> None:
    manifest["spec"]["selector"] = ""


def _negative(manifest: dict[str, Any]) -> None:
    manifest["spec"]["selector"] = "app == 'web' || app != 'web'"


def _elsewhere(manifest: dict[str, Any]) -> None:
    manifest["spec"]["tier"] = "default"
    manifest["metadata"]["labels"][contract.TIER_LABEL] = "default"
    manifest["metadata"]["name"] = "default.r-0"


def _unmarked(manifest: dict[str, Any]) -> None:
    del manifest["metadata"]["labels"][contract.MANAGED_BY_LABEL]


def _endless(manifest: dict[str, Any]) -> None:
    del manifest["metadata"]["annotations"][contract.EXPIRES_AT]


def _protected(manifest: dict[str, Any]) -> None:
    manifest["metadata"]["namespace"] = "kube-system"


@pytest.mark.parametrize(
    "spoil", [_allowing, _everything, _empty, _negative, _elsewhere, _unmarked, _endless, _protected]
)
def test_the_api_server_refuses_what_control_must_never_write(
    as_account: Connect, spoil: Callable[[dict[str, Any]], None]
) -> None:
    """Whatever bug made it."""
    manifest = copy.deepcopy(_manifest())
    spoil(manifest)
    with pytest.raises((Invalid, Denied)) as refused:
        as_account("control").create(manifest)
    assert "calico-baseline-restrictions" in str(refused.value)


def test_control_cannot_touch_a_foreign_policy(as_account: Connect, kube_api: KubeApi) -> None:
    """Not even in our own tier."""
    foreign = _manifest()
    foreign["metadata"] |= {"labels": {}, "annotations": {}, "name": "behaviour.theirs"}
    kube_api.create("/apis/projectcalico.org/v3/namespaces/shop/networkpolicies", foreign)
    (obj,) = as_account("control").policies().objects
    with pytest.raises((Invalid, Denied)):
        as_account("control").delete(obj)
    mine = {**_manifest(), "metadata": {**_manifest()["metadata"], "name": "behaviour.theirs"}}
    with pytest.raises((Invalid, Denied)):
        as_account("control").replace(mine, revision=obj.revision)


def test_the_janitor_deletes_what_has_expired_and_can_create_nothing(as_account: Connect) -> None:
    """By the server's clock, with rights to list and delete only."""
    control, janitor = as_account("control"), as_account("janitor")
    past = _manifest()
    past["metadata"]["annotations"][contract.EXPIRES_AT] = "2020-01-01T00:00:00Z"
    control.create(past)
    with pytest.raises(Denied):
        janitor.create(_manifest())
    swept = sweep(janitor, instance="deploy", metrics=PrometheusMetrics())
    assert (len(swept.deleted), swept.failed) == (1, {})
    assert control.policies().objects == []


def test_our_processes_cannot_press_the_button(as_account: Connect) -> None:
    """Neither on nor off: that is a person's."""
    for account in ("control", "janitor"):
        with pytest.raises(Denied):
            as_account(account).set_enforcement(enabled=True)


def test_the_protected_namespaces_of_the_fence_are_those_of_the_guard() -> None:
    """One list in two languages."""
    fence = (DEPLOY / "40-admission.yaml").read_text()
    for word in ("'kube-system'", "'tigera-operator'", "'calico-baseline'", "startsWith('calico-')"):
        assert word in fence


def test_every_manifest_of_deploy_is_readable_and_lies_in_our_namespace() -> None:
    """Namespaced objects without a namespace would land in whatever kubectl points at."""
    cluster_wide = {
        "Namespace", "Tier", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }  # fmt: skip
    found = [body for path in sorted(DEPLOY.glob("*.yaml")) for body in documents(path.name)]
    assert len(found) >= 10
    for body in found:
        assert body["kind"] in cluster_wide or body["metadata"]["namespace"] == "calico-baseline"
