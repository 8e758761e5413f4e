"""Events for the outbox: what each kind tells, under an id that depends on nothing but what happened.

Telling the same fact twice (a replay, control and a person at once) is one event, because its id is the same.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid5

from baseline.domain.alert import NAMESPACE, Alert
from baseline.domain.restriction import Restriction
from baseline.domain.units import rfc3339
from baseline.ports import Event, EventKind

EDGES_TOLD = 8  # enough to act on; the alert itself has all


def alert_opened(alert: Alert, *, now: float) -> Event:
    """An alert opened."""
    payload: dict[str, Any] = {
        "alert_id": alert.id,
        "cluster": alert.workload.cluster,
        "workload": str(alert.workload),
        "family": alert.family.value,
        "sentence": alert.sentence,
        "opened_at": rfc3339(alert.opened_at),
        "p": alert.p,
        "edges": [str(evidence.edge) for evidence in alert.edges[:EDGES_TOLD]],
        "rise": alert.explanation.rise.sentence if alert.explanation.rise else None,
        "looks_like": [f"{one.id} {one.name} ({one.confidence})" for one in alert.explanation.techniques],
    }
    return Event(
        id=event_id(EventKind.ALERT_OPENED, alert.id),
        kind=EventKind.ALERT_OPENED,
        subject=alert.id,
        at=now,
        payload=payload,
    )


def restriction_changed(kind: EventKind, restriction: Restriction, *, now: float) -> Event:
    """A restriction was applied, released, failed or is about to expire.

    Its creation time is part of the id: a restriction that was asked for again after its end is told again.
    """
    payload: dict[str, Any] = {
        "restriction_id": restriction.id,
        "alert_id": restriction.alert_id,
        "cluster": restriction.workload.cluster,
        "workload": str(restriction.workload),
        "level": restriction.level.value,
        "state": restriction.state.value,
        "approved_by": restriction.approved_by,
        "expires_at": rfc3339(restriction.expires_at) if restriction.expires_at else None,
        "ended_by": restriction.ended_by,
        "detail": restriction.detail,
    }
    return Event(
        id=event_id(kind, f"{restriction.id}|{restriction.created_at!r}"),
        kind=kind,
        subject=restriction.id,
        at=now,
        payload=payload,
    )


def event_id(kind: EventKind, subject: str) -> str:
    """Deterministic from kind and subject."""
    return str(uuid5(NAMESPACE, f"event|{kind}|{subject}"))
