"""Session fixtures of the real servers; imported by tests/conftest.py.

Each starts on free ports, once for the run, and ends with it even if the run is killed. What is missing is told by
`tests.ground.require.missing`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

# Each fixture imports its server itself: a run of unit tests should not pay for the clients of four servers.
if TYPE_CHECKING:
    from tests.ground.kafka import KafkaServer
    from tests.ground.kube import KubeApi
    from tests.ground.postgres import PostgresServer
    from tests.ground.tansu import TansuBroker

GROUND_FIXTURES = frozenset({"kafka_server", "kube_api", "postgres_server", "tansu_broker"})


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    """One Apache Kafka node in KRaft mode."""
    from tests.ground.kafka import KafkaServer

    server = KafkaServer.prepare(tmp_path_factory.mktemp("kafka"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def tansu_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TansuBroker]:
    """The embedded in-memory broker that the demo uses."""
    from tests.ground.tansu import TansuBroker

    broker = TansuBroker.prepare(tmp_path_factory.mktemp("tansu"))
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture(scope="session")
def kube_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """A kube-apiserver on its etcd, with Calico's resources and admission policies."""
    from tests.ground.kube import KubeApi

    api = KubeApi.prepare(tmp_path_factory.mktemp("kube"))
    try:
        api.start()
        api.load_calico()
        yield api
    finally:
        api.stop()
        api.stop_etcd()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server with an empty database; ask `new_database()` for one of your own."""
    from tests.ground.postgres import PostgresServer

    server = PostgresServer.prepare(tmp_path_factory.mktemp("postgres"))
    try:
        server.start()
        yield server
    finally:
        server.remove()
