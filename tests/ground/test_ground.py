"""Each server of the test ground does what the tests built on it rely on."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
from kafka import KafkaConsumer, KafkaProducer
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config

from tests.ground.calico import CALICO, reduced_definitions
from tests.ground.kafka import KafkaServer
from tests.ground.kube import KubeApi
from tests.ground.postgres import PostgresServer
from tests.ground.tansu import TansuBroker
from tests.ground.waiting import eventually

Broker = KafkaServer | TansuBroker


def _produce(broker: Broker, topic: str, values: Sequence[bytes]) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap, acks="all")
    try:
        for value in values:
            producer.send(topic, value).get(timeout=10)
    finally:
        producer.close()


def _consume(broker: Broker, topic: str, count: int, *, group: str) -> list[bytes]:
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=broker.bootstrap,
        group_id=group,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
    )
    seen: list[bytes] = []

    def enough() -> bool:
        for records in consumer.poll(timeout_ms=200).values():
            seen.extend(record.value for record in records)
        return len(seen) >= count

    try:
        eventually(enough, 30.0, interval_s=0.0, message=f"{count} records of {topic}")
        consumer.commit()
    finally:
        consumer.close()
    return seen


@pytest.mark.parametrize("name", ["kafka_server", "tansu_broker"])
def test_a_group_reads_what_was_produced_and_resumes_after_its_commit(
    name: str, request: pytest.FixtureRequest
) -> None:
    """A consumer group joins, reads from the start, commits, and a new member goes on behind that."""
    broker: Broker = request.getfixturevalue(name)
    topic, group = f"t-{uuid.uuid4().hex}", f"g-{uuid.uuid4().hex}"
    broker.create_topic(topic, 1)
    _produce(broker, topic, [b"one", b"two"])
    assert _consume(broker, topic, 2, group=group) == [b"one", b"two"]
    _produce(broker, topic, [b"three"])
    assert _consume(broker, topic, 1, group=group) == [b"three"]


def test_kafka_keeps_records_and_commits_over_a_stop_and_a_start(kafka_server: KafkaServer) -> None:
    """A broker that went away and came back still has its topics, its records and its groups' positions."""
    topic, group = f"t-{uuid.uuid4().hex}", f"g-{uuid.uuid4().hex}"
    kafka_server.create_topic(topic, 2)
    _produce(kafka_server, topic, [b"before"])
    assert _consume(kafka_server, topic, 1, group=group) == [b"before"]
    kafka_server.stop()
    kafka_server.start()
    _produce(kafka_server, topic, [b"after"])
    assert _consume(kafka_server, topic, 1, group=group) == [b"after"]
    assert sorted(_consume(kafka_server, topic, 2, group=f"g-{uuid.uuid4().hex}")) == [b"after", b"before"]


@contextmanager
def _engine(url: str) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def test_postgres_gives_each_test_its_own_database(postgres_server: PostgresServer) -> None:
    """What is written into one new database is not seen in another."""
    with (
        _engine(postgres_server.new_database()) as first,
        _engine(postgres_server.new_database()) as second,
    ):
        with first.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE t (n integer)"))
            connection.execute(sqlalchemy.text("INSERT INTO t VALUES (7)"))
            assert connection.execute(sqlalchemy.text("SELECT n FROM t")).scalar_one() == 7
        assert sqlalchemy.inspect(first).get_table_names() == ["t"]
        assert sqlalchemy.inspect(second).get_table_names() == []


def test_postgres_keeps_committed_rows_over_a_stop_and_a_start(postgres_server: PostgresServer) -> None:
    """A database that was cut off comes back with what was committed."""
    with _engine(postgres_server.new_database()) as engine:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE kept (n integer)"))
        postgres_server.stop()
        with pytest.raises(sqlalchemy.exc.OperationalError), engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
        postgres_server.start()
        assert sqlalchemy.inspect(engine).get_table_names() == ["kept"]


def _tier(api: KubeApi) -> None:
    body = {"apiVersion": "projectcalico.org/v3", "kind": "Tier", "metadata": {"name": "behaviour"}}
    api.create(f"{CALICO}/tiers", {**body, "spec": {"order": 50, "defaultAction": "Pass"}})


def _policy(*, action: str = "Deny", tier: str | None = "behaviour") -> dict[str, Any]:
    spec: dict[str, Any] = {"selector": "app == 'web'", "types": ["Egress"], "egress": [{"action": action}]}
    if tier is not None:
        spec |= {"tier": tier, "order": 100}
    name = f"{tier or 'default'}.{uuid.uuid4().hex[:8]}"
    return {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": name}, "spec": spec}


POLICIES = f"{CALICO}/namespaces/default/networkpolicies"


def test_a_policy_in_our_tier_is_stored_with_its_tier_label(kube_api: KubeApi) -> None:
    """Calico's mutating policy sets the label, so that a list by tier finds the policy."""
    _tier(kube_api)
    body = _policy()
    assert kube_api.request("POST", POLICIES, body=body).status_code == httpx.codes.CREATED
    listed = kube_api.request("GET", f"{POLICIES}?labelSelector=projectcalico.org/tier%3Dbehaviour").json()
    assert body["metadata"]["name"] in [item["metadata"]["name"] for item in listed["items"]]


def test_a_policy_without_a_tier_lands_in_the_default_one(kube_api: KubeApi) -> None:
    """The mutating policy fills in the tier that was not named."""
    stored = kube_api.create(POLICIES, _policy(tier=None))
    assert stored["spec"]["tier"] == "default"
    assert stored["metadata"]["labels"]["projectcalico.org/tier"] == "default"


def test_an_unknown_action_is_refused(kube_api: KubeApi) -> None:
    """The schema knows Allow, Deny, Log and Pass and no Drop."""
    answer = kube_api.request("POST", POLICIES, body=_policy(action="Drop"))
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text
    assert "Drop" in answer.json()["message"]


def test_a_built_in_tier_cannot_be_deleted(kube_api: KubeApi) -> None:
    """Calico's validating policy protects the tier that everybody relies on."""

    def refused() -> None:
        answer = kube_api.request("DELETE", f"{CALICO}/tiers/default?dryRun=All")
        assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY, answer.text

    eventually(refused, 20.0, message="deleting the default tier is refused")


def test_a_service_account_may_do_exactly_what_its_rules_say(kube_api: KubeApi) -> None:
    """A token with rights to read policies reads them and is denied a write; nobody's token is not known."""
    rule = {"apiGroups": ["projectcalico.org"], "resources": ["networkpolicies"], "verbs": ["get", "list"]}
    token = kube_api.service_account("reader", [rule])
    assert kube_api.request("GET", POLICIES, token=token).status_code == httpx.codes.OK
    assert kube_api.request("POST", POLICIES, body=_policy(), token=token).status_code == httpx.codes.FORBIDDEN
    assert kube_api.request("GET", f"{CALICO}/tiers", token=token).status_code == httpx.codes.FORBIDDEN
    assert kube_api.request("GET", POLICIES, token="nobody").status_code == httpx.codes.UNAUTHORIZED


def test_the_kubernetes_client_works_with_the_kubeconfig(kube_api: KubeApi) -> None:
    """The product's own client library verifies the certificate and is let in."""
    loaded = kubernetes_config.new_client_from_config(str(kube_api.kubeconfig()))
    with loaded:
        found = kubernetes_client.CoreV1Api(loaded).read_namespace("default")
    assert found.metadata is not None
    assert found.metadata.name == "default"


def test_the_api_server_comes_back_with_its_objects(kube_api: KubeApi) -> None:
    """Stopped, it refuses connections; started, it has what it had and takes writes at once."""
    stored = kube_api.create(POLICIES, _policy(tier=None))
    kube_api.stop()
    with pytest.raises(httpx.TransportError):
        kube_api.request("GET", POLICIES)
    kube_api.start()
    assert kube_api.request("GET", f"{POLICIES}/{stored['metadata']['name']}").status_code == httpx.codes.OK
    assert kube_api.request("POST", POLICIES, body=_policy(tier=None)).status_code == httpx.codes.CREATED


def test_the_reduced_definitions_behave_like_calicos_own(tmp_path: Path) -> None:
    """Where Calico's definitions are not at hand, ours set the tier label and refuse what Calico refuses."""
    api = KubeApi.prepare(tmp_path)
    try:
        api.start()
        api.load_calico(reduced_definitions())
        assert not api.is_official_calico
        _tier(api)
        stored = api.create(POLICIES, _policy())
        assert stored["metadata"]["labels"]["projectcalico.org/tier"] == "behaviour"
        assert stored["spec"]["egress"] == [{"action": "Deny"}]
        assert api.request("POST", POLICIES, body=_policy(action="Drop")).status_code == 422
        assert api.request("DELETE", f"{CALICO}/tiers/default?dryRun=All").status_code == 422
    finally:
        api.stop()
        api.stop_etcd()
