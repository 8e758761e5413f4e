"""Kafka, by kafka-python: a member of a consumer group, an idempotent producer, dead letters and topics."""

from __future__ import annotations

from baseline.adapters.kafka.connection import KafkaConnection
from baseline.adapters.kafka.sink import KafkaDeadLetters, KafkaFlowSink
from baseline.adapters.kafka.source import KafkaFlowSource
from baseline.adapters.kafka.topics import ensure_topics

__all__ = ["KafkaConnection", "KafkaDeadLetters", "KafkaFlowSink", "KafkaFlowSource", "ensure_topics"]
