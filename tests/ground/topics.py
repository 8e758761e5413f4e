"""Topics for tests, created through the client that the product uses."""

from __future__ import annotations

from collections.abc import Mapping

from kafka.admin import KafkaAdminClient, NewTopic

from tests.ground.waiting import eventually


def create_topic(bootstrap: str, name: str, partitions: int, *, configs: Mapping[str, str] | None = None) -> None:
    """Create a topic of replication factor 1 and wait until the broker describes all its partitions."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        topic = NewTopic(name=name, num_partitions=partitions, replication_factor=1, topic_configs=dict(configs or {}))
        admin.create_topics([topic])
        eventually(lambda: _has_partitions(admin, name, partitions), 10.0, message=f"topic {name} is described")
    finally:
        admin.close()


def _has_partitions(admin: KafkaAdminClient, name: str, partitions: int) -> bool:
    described = admin.describe_topics([name])
    return any(topic["name"] == name and len(topic["partitions"]) == partitions for topic in described)
