"""The signed webhook: one CloudEvents 1.0 event a request, in structured JSON.

Headers of every request:

- ``Content-Type: application/cloudevents+json``
- ``Idempotency-Key`` and ``ce-id``: the event's id, the same on every try; keep it to hear everything once
- ``Baseline-Timestamp``: epoch seconds of this try
- ``Baseline-Signature: v1=HEX``: HMAC-SHA256, keyed with the shared secret, over ``TIMESTAMP.BODY``

A receiver computes the same over the raw body, compares in constant time, and refuses timestamps that are more than
five minutes off. ``is_genuine`` does all of that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from baseline.adapters.notify.http import TIMEOUT_S, HttpPost
from baseline.domain.errors import Invalid
from baseline.domain.units import rfc3339
from baseline.ports import Clock, Event

CHANNEL = "webhook"
TYPE_PREFIX = "io.github.calico-baseline."
TOLERANCE_S = 300.0


class Webhook:
    """A ``Notifier`` that POSTs to one URL."""

    def __init__(self, url: str, *, secret: str, source: str, clock: Clock, timeout_s: float = TIMEOUT_S) -> None:
        if len(secret) < 16:
            raise Invalid("the webhook's secret needs at least 16 characters")
        self._post = HttpPost(url, timeout_s=timeout_s)
        self._secret = secret
        self._source = source
        self._clock = clock

    @property
    def channel(self) -> str:
        """Name, as in the outbox."""
        return CHANNEL

    def send(self, event: Event) -> None:
        """Deliver once, signed."""
        body = json.dumps(cloud_event(event, source=self._source), ensure_ascii=True).encode()
        timestamp = str(int(self._clock.now()))
        headers = {
            "Content-Type": "application/cloudevents+json",
            "Idempotency-Key": event.id,
            "ce-id": event.id,
            "Baseline-Timestamp": timestamp,
            "Baseline-Signature": signature(self._secret, timestamp=timestamp, body=body),
        }
        self._post.send(body, headers)

    def close(self) -> None:
        """Close the connection."""
        self._post.close()


def cloud_event(event: Event, *, source: str) -> dict[str, Any]:
    """The event as CloudEvents 1.0; ``source`` names this installation."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": source,
        "type": TYPE_PREFIX + event.kind.value,
        "subject": event.subject,
        "time": rfc3339(event.at),
        "datacontenttype": "application/json",
        "data": dict(event.payload),
    }


def signature(secret: str, *, timestamp: str, body: bytes) -> str:
    """``v1=`` and the HMAC-SHA256 over ``timestamp.body`` in hex."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def is_genuine(secret: str, *, timestamp: str, body: bytes, presented: str, now: float) -> bool:
    """What a receiver asks: signed with our secret, and not long ago."""
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(now - int(timestamp)) > TOLERANCE_S:
        return False
    return hmac.compare_digest(signature(secret, timestamp=timestamp, body=body), presented)
