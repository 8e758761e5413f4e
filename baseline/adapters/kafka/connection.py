"""How to reach the brokers, and Kafka's errors in our words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from kafka import KafkaConsumer, errors

from baseline.domain.errors import Conflict, Denied, Invalid, Missing, OutsideError, Unavailable

_Client = TypeVar("_Client")

BOOTSTRAP_TIMEOUT_S = 5.0  # a broker that is up answers in milliseconds; a caller waits at most this long to learn

_DENIED = (
    errors.AuthorizationError,
    errors.TopicAuthorizationFailedError,
    errors.GroupAuthorizationFailedError,
    errors.ClusterAuthorizationFailedError,
    errors.SaslAuthenticationFailedError,
)
_INVALID = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidTopicError,
    errors.KafkaConfigurationError,
    errors.UnsupportedVersionError,
    errors.InvalidRequestError,
    errors.InvalidReplicationFactorError,
    errors.InvalidPartitionsError,
    errors.PolicyViolationError,
)
_CONFLICT = (
    errors.CommitFailedError,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
    errors.FencedInstanceIdError,
    errors.RebalanceInProgressError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaConnection:
    """Brokers and credentials. Empty strings mean: not used."""

    bootstrap: str  # host:port, separated by commas
    client_id: str = "calico-baseline"
    security_protocol: str = "PLAINTEXT"  # PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    sasl_mechanism: str = ""  # PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
    sasl_username: str = ""
    sasl_password: str = ""

    def __repr__(self) -> str:
        """Without the password: connections end up in logs."""
        return f"KafkaConnection({self.bootstrap!r}, client_id={self.client_id!r}, {self.security_protocol})"

    def options(self) -> dict[str, Any]:
        """Keyword arguments that every client of kafka-python takes."""
        stated = {
            "ssl_cafile": self.ca_file,
            "ssl_certfile": self.cert_file,
            "ssl_keyfile": self.key_file,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
        }
        return {
            "bootstrap_servers": [broker.strip() for broker in self.bootstrap.split(",")],
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "bootstrap_timeout_ms": int(BOOTSTRAP_TIMEOUT_S * 1000),
            "reconnect_backoff_max_ms": 5_000,
            **{name: value for name, value in stated.items() if value},
        }


def connected(build: Callable[..., _Client], connection: KafkaConnection, **options: object) -> _Client:
    """A client of kafka-python that has reached a broker; blocks up to BOOTSTRAP_TIMEOUT_S.

    Raises Unavailable, Denied or Invalid, and leaves no thread or socket behind: kafka-python starts both before it
    knows whether anybody answers.
    """
    parts: list[Any] = []

    def network(**given: object) -> Any:  # noqa: ANN401 - kafka-python has no types
        parts.append(KafkaConsumer.DEFAULT_CONFIG["kafka_client"](**given))
        return parts[-1]

    try:
        return build(**connection.options(), **options, kafka_client=network)
    except errors.KafkaError as error:
        for part in parts:
            part.close()
        raise translated(error) from error


def translated(error: Exception) -> OutsideError:
    """The error of ours that says what to do about one of Kafka's."""
    told = f"{type(error).__name__}: {error}"
    if isinstance(error, _DENIED):
        return Denied(told)
    if isinstance(error, errors.UnknownTopicOrPartitionError):
        return Missing(told)
    if isinstance(error, _CONFLICT):
        return Conflict(told)
    if isinstance(error, _INVALID):
        return Invalid(told)
    return Unavailable(told)
