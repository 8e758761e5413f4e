"""One suite over every ``Cluster``: in memory, a folder of manifests, and a real API server with Calico's resources."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from baseline.adapters.calico import CalicoCluster, connect
from baseline.adapters.clock import SystemClock
from baseline.adapters.manifests import ManifestFolder
from baseline.adapters.memory.cluster import MemoryCluster
from baseline.domain.errors import Conflict, Invalid, Missing
from baseline.policy import contract
from baseline.policy.diff import is_as_wanted
from baseline.policy.render import render
from baseline.ports import Cluster
from tests.ground.kube import KubeApi
from tests.unit.policy.making import OUTSIDE, deny, wanted

INSTANCE = "contract"


@pytest.fixture(params=["memory", "manifests", "kubernetes"])
def cluster(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Cluster]:
    """The port under test, with nothing of ours in it."""
    if request.param == "memory":
        yield MemoryCluster(SystemClock())
    elif request.param == "manifests":
        yield ManifestFolder(tmp_path / "restrictions", clock=SystemClock())
    else:
        api = request.getfixturevalue("kube_api")
        for namespace in ("shop", "calico-baseline"):
            api.create_namespace(namespace)
        real = CalicoCluster(connect(kubeconfig=str(api.kubeconfig())))
        real.ensure_tier()
        yield real
        for obj in real.policies().objects:
            real.delete(obj)
        real.close()


def manifest(**changes: Any) -> dict[str, Any]:
    """A manifest that is wanted now."""
    now = time.time()
    return render(wanted(deny(), deny(OUTSIDE), at=now, created_at=now, **changes), instance=INSTANCE, now=now)


def test_what_was_created_is_listed_as_it_was_wanted(cluster: Cluster) -> None:
    """Whatever the server adds, our spec, labels and annotations come back."""
    wished = manifest()
    created = cluster.create(wished)
    (listed,) = cluster.policies().objects
    assert (listed.namespace, listed.name) == ("shop", wished["metadata"]["name"])
    assert listed.revision == created.revision
    assert is_as_wanted(listed.manifest, wished)
    assert contract.is_ours(listed.manifest, instance=INSTANCE)


def test_the_listing_tells_the_clusters_time(cluster: Cluster) -> None:
    """Expiry is judged by it."""
    assert cluster.policies().now == pytest.approx(time.time(), abs=5)


def test_a_stored_object_knows_when_it_was_created(cluster: Cluster) -> None:
    """Without an expiry it lives at most the longest life from then."""
    created = contract.created_at(cluster.create(manifest()).manifest)
    assert created == pytest.approx(time.time(), abs=5)


def test_creating_an_existing_name_is_a_conflict(cluster: Cluster) -> None:
    """Two controls at once: one object."""
    cluster.create(manifest())
    with pytest.raises(Conflict):
        cluster.create(manifest())
    assert len(cluster.policies().objects) == 1


def test_replacing_needs_the_revision_that_was_read(cluster: Cluster) -> None:
    """Nobody's change is overwritten unread."""
    first = cluster.create(manifest())
    held = manifest()
    held["metadata"]["annotations"][contract.EXPIRES_AT] = "2100-01-01T00:00:00Z"
    second = cluster.replace(held, revision=first.revision)
    assert second.revision != first.revision
    with pytest.raises(Conflict):
        cluster.replace(manifest(), revision=first.revision)
    assert is_as_wanted(cluster.policies().objects[0].manifest, held)


def test_replacing_keeps_the_time_of_creation(cluster: Cluster) -> None:
    """Extending an object does not make it younger."""
    first = cluster.create(manifest())
    held = manifest()
    held["metadata"]["annotations"][contract.EXPIRES_AT] = "2100-01-01T00:00:00Z"
    second = cluster.replace(held, revision=first.revision)
    assert contract.created_at(second.manifest) == contract.created_at(first.manifest)
    assert second.uid == first.uid


def test_replacing_what_is_gone_does_not_bring_it_back(cluster: Cluster) -> None:
    """Somebody deleted it in the meantime."""
    created = cluster.create(manifest())
    cluster.delete(created)
    with pytest.raises((Missing, Conflict)):
        cluster.replace(manifest(), revision=created.revision)
    assert not cluster.policies().objects


def test_deleting_twice_is_deleting_once(cluster: Cluster) -> None:
    """An absent object is fine."""
    created = cluster.create(manifest())
    cluster.delete(created)
    cluster.delete(created)
    assert not cluster.policies().objects


def test_deleting_a_changed_object_is_a_conflict(cluster: Cluster) -> None:
    """It was extended after we read it."""
    created = cluster.create(manifest())
    held = manifest()
    held["metadata"]["annotations"][contract.EXPIRES_AT] = "2100-01-01T00:00:00Z"
    cluster.replace(held, revision=created.revision)
    with pytest.raises(Conflict):
        cluster.delete(created)
    assert len(cluster.policies().objects) == 1


def test_enforcement_is_off_until_somebody_says_on(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    """A missing button counts as pressed."""
    if "kubernetes" not in request.node.name:  # one real server serves all tests: there it was set before
        assert not cluster.enforcement_enabled()
    cluster.set_enforcement(enabled=True)
    assert cluster.enforcement_enabled()
    cluster.set_enforcement(enabled=False)
    assert not cluster.enforcement_enabled()


def test_the_tier_can_be_made_sure_of_twice(cluster: Cluster) -> None:
    """Every start of control does; a policy can be stored in it."""
    cluster.ensure_tier()
    cluster.ensure_tier()
    assert cluster.create(manifest()).manifest["spec"]["tier"] == contract.TIER


def test_namespaces_can_be_read(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    """Labels become mode and protection."""
    if "kubernetes" in request.node.name:
        labels = {contract.MODE_LABEL: "auto-narrow", contract.PROTECT_LABEL: "true"}
        request.getfixturevalue("kube_api").create_namespace("guarded", labels)
        assert cluster.namespaces()["guarded"].mode == "auto-narrow"
        assert cluster.namespaces()["guarded"].is_protected
        assert cluster.namespaces()["shop"].mode is None
    else:
        assert cluster.namespaces() == {}


def test_a_policy_calico_does_not_know_is_invalid(kube_api: KubeApi) -> None:
    """Refused by the real server's schema; retrying the same bytes is useless."""
    kube_api.create_namespace("shop")
    real = CalicoCluster(connect(kubeconfig=str(kube_api.kubeconfig())))
    wrong = manifest()
    wrong["spec"]["egress"][0]["action"] = "Drop"
    with pytest.raises(Invalid):
        real.create(wrong)
    real.close()
