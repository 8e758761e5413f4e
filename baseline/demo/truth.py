"""The recording's labels, used only to compare: which attacks were found, how fast, and who was denied."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from baseline.domain.alert import Alert
from baseline.domain.edge import Direction
from baseline.domain.restriction import Restriction
from baseline.domain.units import HOUR_S, parse_rfc3339, rfc3339

ATTACKS = ("ssh-bruteforce", "port-scan-1", "port-scan-2")
GRACE_S = 60  # a window that ends this long after an event may still be about it: one window's length


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One labelled attack of the recording."""

    number: int
    kind: str
    start: float
    end: float
    attacker: str  # namespace/name
    victims: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An event and the first deviation that shows it; ``after_s`` from the event's start to the end of that window."""

    event: Event
    alert: str
    after_s: float


def read_events(path: Path) -> list[Event]:
    """The attacks of an events file; other kinds of event (benign logins, layer-2 mischief) are left out."""
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["kind"] in ATTACKS]
    return [
        Event(
            number=int(row["event"]),
            kind=row["kind"],
            start=parse_rfc3339(row["start"]),
            end=parse_rfc3339(row["end"]),
            attacker=row["attacker"],
            victims=frozenset(row["victims"].split()),
        )
        for row in rows
    ]


def compare(
    alerts: Sequence[Alert], restrictions: Sequence[Restriction], events: Iterable[Event], *, since: float, until: float
) -> dict[str, Any]:
    """What the labels say of what was done between ``since`` and ``until``."""
    judged = [event for event in events if since <= event.start < until]
    found = [hit for event in judged if (hit := _find(event, alerts))]
    found_numbers = {hit.event.number for hit in found}
    prevented = [event for event in judged if event.number not in found_numbers and _is_prevented(event, restrictions)]
    unseen = found_numbers | {event.number for event in prevented}
    false = [alert for alert in alerts if not any(_touches(alert, event) for event in judged)]
    delays = sorted(hit.after_s for hit in found)
    return {
        "attack_events": len(judged),
        "attack_events_found": len(found),
        "attack_events_prevented": [event.number for event in prevented],  # a restriction in force denied all of it
        "found": [
            {"event": hit.event.number, "kind": hit.event.kind, "alert": hit.alert, "seconds_to_detect": hit.after_s}
            for hit in found
        ],
        "missed": [
            {"event": event.number, "kind": event.kind, "start": rfc3339(event.start)}
            for event in judged
            if event.number not in unseen
        ],
        "seconds_to_detect_median": round(median(delays), 1) if delays else None,
        "seconds_to_detect_worst": round(delays[-1], 1) if delays else None,
        "false_alerts": [alert.id for alert in false],
        "false_alerts_per_hour": round(len(false) / max((until - since) / HOUR_S, 1e-9), 3),
        "denied_peers": [_verdict(restriction, judged) for restriction in restrictions if restriction.applied_at],
    }


def _find(event: Event, alerts: Sequence[Alert]) -> Found | None:
    hits = [
        Found(event=event, alert=alert.id, after_s=round(end - event.start, 1))
        for alert in alerts
        if _is_about(alert, event)
        for start, end, _ in alert.timeline
        if start < event.end + GRACE_S and end > event.start
    ]
    return min(hits, key=lambda hit: hit.after_s, default=None)


def _is_prevented(event: Event, restrictions: Sequence[Restriction]) -> bool:
    """A restriction that was in force all along denied the attacker every victim.

    Only what is certain counts: an event without named victims, and a rule for some ports only, prove nothing.
    """
    denied = {
        str(rule.peer)
        for one in restrictions
        if str(one.workload) == event.attacker
        and 0 < one.applied_at <= event.start
        and event.end <= (one.ended_at or one.expires_at)
        for rule in one.rules
        if rule.direction is Direction.EGRESS and not rule.ports
    }
    return bool(event.victims) and event.victims <= denied


def _touches(alert: Alert, event: Event) -> bool:
    """The alert is about a party of the event, at its time."""
    return _is_about(alert, event) and any(
        start < event.end + GRACE_S and end > event.start for start, end, _ in alert.timeline
    )


def _is_about(alert: Alert, event: Event) -> bool:
    return str(alert.workload) in {event.attacker, *event.victims}


def _verdict(restriction: Restriction, events: Sequence[Event]) -> dict[str, Any]:
    """Who was denied to whom, and what the labels call them at that time."""
    current = [
        event
        for event in events
        if event.start < (restriction.ended_at or restriction.expires_at)
        and event.end > restriction.created_at - HOUR_S
    ]
    parties = {party for event in current for party in (event.attacker, *event.victims)}
    peers = sorted({str(rule.peer) for rule in restriction.rules})
    return {
        "restriction": restriction.id,
        "workload": str(restriction.workload),
        "workload_is_attacker": any(str(restriction.workload) == event.attacker for event in current),
        "peers": [{"peer": peer, "is_labelled_party": peer in parties} for peer in peers],
    }
