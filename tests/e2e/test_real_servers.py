"""The main job from end to end on real servers: Apache Kafka, PostgreSQL, a kube-apiserver with Calico's resources."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from baseline.policy import contract
from tests.e2e import cluster, stage, story, traffic
from tests.ground.kafka import KafkaServer
from tests.ground.kube import KubeApi
from tests.ground.postgres import PostgresServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def deployed(kube_api: KubeApi) -> Iterator[KubeApi]:
    """deploy/ is applied, two namespaces may be restricted automatically, the red button is released."""
    cluster.apply_deploy(kube_api)
    for namespace in traffic.NAMESPACES:
        labels = {contract.MODE_LABEL: "auto-narrow"}
        cluster.apply(
            kube_api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
        )
    cluster.wait_for_the_fence(kube_api, namespace=traffic.SHOP)
    cluster.press(kube_api, enabled=True)
    yield kube_api
    cluster.press(kube_api, enabled=False)
    cluster.remove(kube_api, instance=stage.INSTANCE)


def _reach(api: KubeApi, account: str) -> dict[str, str]:
    kubeconfig = api.kubeconfig(cluster.token_of(api, account))
    return {"BASELINE_CLUSTER__KIND": "kubernetes", "BASELINE_CLUSTER__KUBECONFIG": str(kubeconfig)}


@pytest.fixture
def ground(kafka_server: KafkaServer, postgres_server: PostgresServer, deployed: KubeApi) -> stage.Ground:
    """Each process reaches the API server with the rights that deploy/ gives it, and no other."""
    return stage.Ground(
        bootstrap=kafka_server.bootstrap,
        books_url=postgres_server.new_database(),
        control=_reach(deployed, "control"),
        janitor=_reach(deployed, "janitor"),
        objects=lambda: cluster.policies(deployed, instance=stage.INSTANCE),
    )


def test_the_service_accounts_have_our_rights_and_no_other(deployed: KubeApi) -> None:
    """Asked of the API server: control writes policies, the janitor only deletes them, neither reads secrets."""
    assert set(cluster.rights(deployed, "control")) == {
        f"{verb} networkpolicies" for verb in ("list", "create", "update", "delete")
    }
    assert set(cluster.rights(deployed, "janitor")) == {"list networkpolicies", "delete networkpolicies"}


def test_the_main_job_on_real_servers(ground: stage.Ground, tmp_path: Path) -> None:
    """Alert, automatic policy, dismissal, three who apply at once, hold, expiry, release: nothing is left."""
    figures = story.tell(ground, tmp_path)
    sys.stdout.write(story.in_words(figures))
    assert figures["dismissed and gone after"] <= story.GONE_WITHIN_S
