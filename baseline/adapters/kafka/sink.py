"""FlowSink and DeadLetters on Kafka: acknowledged by all replicas, idempotent, lz4.

What was queued is remembered until it is acknowledged and sent again by the next flush, so a broker may go and come
back without a record lost. A record may then stand twice in the log; readers take the maximum over equal records.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from kafka import KafkaProducer, errors

from baseline.adapters.kafka.connection import KafkaConnection, connected, translated
from baseline.adapters.kafka.topics import topic_names
from baseline.domain.errors import Invalid, Missing, Unavailable
from baseline.ports import DeadLetter

BLOCK_S = 5.0  # how long send waits for room or for metadata
PENDING_MAX = 10_000  # records not acknowledged yet: bounds memory at about 10 MB of Enterprise records
DEAD_LETTER_MAX_BYTES = 64 * 1024
HEADER_MAX_CHARS = 1_000
FLUSH_TIMEOUT_S = 10.0
FORCED_CLOSE_S = 1.0


class _Queued(NamedTuple):
    topic: str
    key: bytes
    value: bytes
    partition: int | None
    timestamp_ms: int | None
    headers: list[tuple[str, bytes]]


class KafkaFlowSink:
    """See ports.FlowSink. Connects at the first use."""

    def __init__(
        self,
        connection: KafkaConnection,
        *,
        linger_s: float = 0.05,
        delivery_timeout_s: float = 30.0,
        pending_max: int = PENDING_MAX,
    ) -> None:
        self._connection = connection
        self._options: dict[str, object] = {
            "acks": "all",
            "enable_idempotence": True,
            "compression_type": "lz4",
            "linger_ms": int(linger_s * 1000),
            "batch_size": 256 * 1024,
            "max_request_size": 1024 * 1024,
            "max_block_ms": int(BLOCK_S * 1000),
            "request_timeout_ms": int(min(10.0, delivery_timeout_s / 2) * 1000),
            "delivery_timeout_ms": int(delivery_timeout_s * 1000),
            "allow_auto_create_topics": False,
            "metrics_enabled": False,
        }
        self._pending_max = pending_max
        self._pending: list[tuple[_Queued, Any]] = []  # with the future; None: to be sent (again)
        self._producer: KafkaProducer | None = None

    def send(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Queue one record. Raises Unavailable (the record was not queued), Invalid or Missing (it never will be)."""
        if len(self._pending) >= self._pending_max:
            self.flush(BLOCK_S)
        timestamp_ms = None if timestamp is None else round(timestamp * 1000)
        queued = _Queued(topic, key, value, partition, timestamp_ms, list(headers))
        self._pending.append((queued, self._handed_over(queued)))

    def flush(self, timeout_s: float) -> None:
        """Return when everything is acknowledged; on Unavailable everything that is not stays queued."""
        if not self._pending:
            return
        self._resend()
        producer = self._connected()
        try:
            producer.flush(timeout=timeout_s)
        except errors.KafkaError as error:
            raise translated(error) from error
        failed = [future for _, future in self._pending if not future.succeeded()]
        if not failed:
            self._pending.clear()
            return
        # A batch that failed leaves a gap in the producer's sequence numbers: begin anew with what is left.
        self._pending = [(queued, None) for queued, future in self._pending if not future.succeeded()]
        self._let_go(timeout_s=0)
        first = failed[0].exception
        raise translated(first) if first is not None else Unavailable("not acknowledged in time")

    def partitions(self, topic: str) -> Sequence[int]:
        """Numbers of the topic's partitions; Missing when a broker answers and there is no such topic."""
        try:
            found = self._connected().partitions_for(topic)
        except errors.KafkaTimeoutError as error:
            if topic not in topic_names(self._connection):
                raise Missing(f"no topic {topic!r}") from error
            raise translated(error) from error
        except errors.KafkaError as error:
            raise translated(error) from error
        if not found:
            raise Missing(f"no topic {topic!r}")
        return sorted(found)

    def close(self) -> None:
        """Flush for a moment; what cannot be sent is the caller's to send again from its saved position."""
        self._let_go(timeout_s=BLOCK_S)

    def _connected(self) -> KafkaProducer:
        if self._producer is None:
            self._producer = connected(KafkaProducer, self._connection, **self._options)
        return self._producer

    def _handed_over(self, queued: _Queued) -> Any:  # noqa: ANN401 - kafka-python's future
        try:
            future = self._connected().send(
                queued.topic,
                value=queued.value,
                key=queued.key,
                headers=queued.headers,
                partition=queued.partition,
                timestamp_ms=queued.timestamp_ms,
            )
        except errors.KafkaError as error:
            raise translated(error) from error
        except (ValueError, TypeError, AssertionError) as error:
            raise Invalid(str(error)) from error
        if future.failed():
            raise translated(future.exception)
        return future

    def _resend(self) -> None:
        """Hand over again what an earlier producer failed to deliver."""
        for place, (queued, future) in enumerate(self._pending):
            if future is None:
                self._pending[place] = (queued, self._handed_over(queued))

    def _let_go(self, *, timeout_s: float) -> None:
        """Close the producer, delivering what it can until then.

        kafka-python's close gives up before it has stopped its thread when something cannot be delivered in time.
        """
        producer, self._producer = self._producer, None
        if producer is None:
            return
        try:
            producer.close(timeout=timeout_s)
        except errors.KafkaError:
            producer._sender.force_close()
            producer.close(timeout=FORCED_CLOSE_S)


class KafkaDeadLetters:
    """Unreadable records in a topic: the first 64 KiB, with class, reason, detail and position as headers."""

    def __init__(self, sink: KafkaFlowSink, topic: str) -> None:
        self._sink = sink
        self._topic = topic

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep them; raises OutsideError when they are not safely kept (send the same again then)."""
        for letter in letters:
            headers = {
                "class": "MalformedRecord",
                "reason": letter.reason,
                "detail": letter.detail,
                "position": letter.position,
            }
            self._sink.send(
                self._topic,
                key=letter.position.encode(),
                value=letter.value[:DEAD_LETTER_MAX_BYTES],
                headers=[(name, text[:HEADER_MAX_CHARS].encode()) for name, text in headers.items()],
            )
        self._sink.flush(FLUSH_TIMEOUT_S)
