"""Alertmanager's v2 API: ``POST /api/v2/alerts``.

Alertmanager knows alerts by their labels, so labels hold only what never changes for one subject; the rest are
annotations. Telling the same twice is one alert there. An opened alert is told with an end a day ahead, a restriction
with its expiry, so that neither outlives us; released and failed restrictions resolve the one that was applied.
"""

from __future__ import annotations

import json
from typing import Any

from baseline.adapters.notify.http import TIMEOUT_S, HttpPost
from baseline.domain.units import DAY_S, rfc3339
from baseline.ports import Event, EventKind

CHANNEL = "alertmanager"
_NAMES = {
    EventKind.ALERT_OPENED: "BaselineDeviation",
    EventKind.RESTRICTION_APPLIED: "BaselineRestriction",
    EventKind.RESTRICTION_RELEASED: "BaselineRestriction",
    EventKind.RESTRICTION_FAILED: "BaselineRestrictionFailed",
    EventKind.RESTRICTION_EXPIRING: "BaselineRestrictionExpiring",
}
_SEVERITY = {
    EventKind.ALERT_OPENED: "warning",
    EventKind.RESTRICTION_APPLIED: "info",
    EventKind.RESTRICTION_RELEASED: "info",  # the label of the one it resolves
    EventKind.RESTRICTION_FAILED: "critical",
    EventKind.RESTRICTION_EXPIRING: "critical",
}


class Alertmanager:
    """A ``Notifier`` for one Alertmanager. ``url`` is its address without the API's path."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._post = HttpPost(url.rstrip("/") + "/api/v2/alerts", timeout_s=timeout_s)

    @property
    def channel(self) -> str:
        """Name, as in the outbox."""
        return CHANNEL

    def send(self, event: Event) -> None:
        """Deliver once."""
        body = json.dumps([posted(event)], ensure_ascii=True).encode()
        self._post.send(body, {"Content-Type": "application/json", "Idempotency-Key": event.id})

    def close(self) -> None:
        """Close the connection."""
        self._post.close()


def posted(event: Event) -> dict[str, Any]:
    """The event as Alertmanager's ``postableAlert``."""
    told = event.payload
    is_alert = event.kind is EventKind.ALERT_OPENED
    labels = {
        "alertname": _NAMES[event.kind],
        "severity": _SEVERITY[event.kind],
        "cluster": str(told.get("cluster", "")),
        "workload": str(told.get("workload", "")),
        "alert_id" if is_alert else "restriction_id": event.subject,
    }
    if is_alert:
        labels["family"] = str(told.get("family", ""))
    else:
        labels["level"] = str(told.get("level", ""))
    annotations = {"summary": _summary(event), "event_id": event.id}
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": annotations,
        **_span(event),
    }


def _span(event: Event) -> dict[str, str]:
    """From when to when it is firing. A resolution carries only its end: the start stays the first one's."""
    if event.kind is EventKind.RESTRICTION_RELEASED:
        return {"endsAt": rfc3339(event.at)}
    ends = event.payload.get("expires_at") if event.kind is EventKind.RESTRICTION_APPLIED else None
    return {"startsAt": rfc3339(event.at), "endsAt": str(ends or rfc3339(event.at + DAY_S))}


def _summary(event: Event) -> str:
    told = event.payload
    workload = told.get("workload", "")
    if event.kind is EventKind.ALERT_OPENED:
        return f"{workload}: {told.get('sentence', '')}"
    words = {
        EventKind.RESTRICTION_APPLIED: f"restricted until {told.get('expires_at')} by {told.get('approved_by')}",
        EventKind.RESTRICTION_RELEASED: f"no longer restricted: {told.get('ended_by')}",
        EventKind.RESTRICTION_FAILED: f"could not be restricted: {told.get('detail')}",
        EventKind.RESTRICTION_EXPIRING: f"restriction ends at {told.get('expires_at')} while the attempts go on",
    }
    return f"{workload}: {words[event.kind]}"
