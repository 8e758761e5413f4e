"""Topics we need, made with explicit settings: a broker's own defaults are not ours to trust."""

from __future__ import annotations

import time
from collections.abc import Mapping

from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from baseline.adapters.kafka.connection import KafkaConnection, connected, translated
from baseline.domain.errors import Unavailable

VISIBLE_WITHIN_S = 10.0
_PAUSE_S = 0.05


def ensure_topics(
    connection: KafkaConnection, topics: Mapping[str, int], *, retention_s: float, replication: int = 1
) -> tuple[str, ...]:
    """Make those topics (name -> partitions) that do not exist; the names that were made.

    An existing topic is left as it is. Returns when every topic can be written to.
    """
    admin = connected(KafkaAdminClient, connection)
    try:
        made = tuple(name for name in topics if _make(admin, name, topics[name], retention_s, replication))
        _await_visible(admin, set(topics))
    except KafkaError as error:
        raise translated(error) from error
    finally:
        admin.close()
    return made


def topic_names(connection: KafkaConnection) -> frozenset[str]:
    """Names of all topics there are; Unavailable when no broker answers."""
    admin = connected(KafkaAdminClient, connection)
    try:
        return frozenset(admin.list_topics())
    except KafkaError as error:
        raise translated(error) from error
    finally:
        admin.close()


def _make(admin: KafkaAdminClient, name: str, partitions: int, retention_s: float, replication: int) -> bool:
    configs = {"retention.ms": str(int(retention_s * 1000)), "cleanup.policy": "delete"}
    topic = NewTopic(name=name, num_partitions=partitions, replication_factor=replication, topic_configs=configs)
    try:
        admin.create_topics([topic])
    except TopicAlreadyExistsError:
        return False
    return True


def _await_visible(admin: KafkaAdminClient, names: set[str]) -> None:
    deadline = time.monotonic() + VISIBLE_WITHIN_S
    while True:
        described = {topic["name"] for topic in admin.describe_topics(sorted(names)) if topic["partitions"]}
        if names <= described:
            return
        if time.monotonic() > deadline:
            raise Unavailable(f"topics not visible yet: {sorted(names - described)}")
        time.sleep(_PAUSE_S)
