"""The demo's report: what was read, learned, alerted, restricted and ended, and beside it what the labels say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baseline.adapters.metrics import PrometheusMetrics
from baseline.demo import truth
from baseline.demo.operator import Act
from baseline.demo.player import Player
from baseline.demo.product import RELAXED
from baseline.demo.source import Source
from baseline.domain.alert import Alert
from baseline.domain.restriction import Restriction
from baseline.domain.units import rfc3339

NOTES = (
    "The models learned from the first part as it was, attacks included and unlabelled, as in life.",
    (
        "The player dropped what the restrictions in force would have denied: simulated, because the recording does "
        "not know our policies. In a cluster, established connections would go on."
    ),
    "The demo runs mode auto-narrow with the guards below relaxed. The shipped default, recommend, never acts alone.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What happened."""

    source: Source
    metrics: PrometheusMetrics
    alerts: Sequence[Alert]
    restrictions: Sequence[Restriction]
    acts: Sequence[Act]
    player: Player
    left_over: Sequence[str]
    trained: Mapping[str, Any]
    is_clean: bool


def build(facts: Facts, *, events: Sequence[truth.Event] | None, seconds: float) -> dict[str, Any]:
    """The report as plain data."""
    metrics, source = facts.metrics, facts.source
    alerts = sorted(facts.alerts, key=lambda alert: (alert.opened_at, alert.id))
    restrictions = sorted(facts.restrictions, key=lambda one: (one.created_at, one.id))
    report: dict[str, Any] = {
        "format": 1,
        "recording": {
            "file": source.path.name,
            "clean": facts.is_clean,
            "start": rfc3339(source.start),
            "learned_until": rfc3339(source.cut),
            "end": rfc3339(source.end),
            "lines": source.lines,
        },
        "notes": list(NOTES),
        "guards_relaxed": RELAXED,
        "learned": dict(facts.trained),
        "records": {
            "fed": int(metrics.value("agent_records_sent_total")),
            "consumed": int(metrics.value("flows_consumed_total", result="ok")),
            "dead_letters": int(
                metrics.total("dead_letters_total") + metrics.value("agent_lines_total", result="dead")
            ),
            "late_dropped": int(metrics.value("late_records_total", result="dropped")),
        },
        "windows": int(metrics.total("windows_closed_total")),
        "alerts": [_alert(alert) for alert in alerts],
        "restrictions": [_restriction(one, facts) for one in restrictions],
        "applied": sum(1 for one in restrictions if one.applied_at),
        "prevented": {
            "simulated": True,
            "records": facts.player.prevented.records,
            "connections": facts.player.prevented.connections,
            "records_by_policy": dict(facts.player.by_policy),
        },
        "left_over": list(facts.left_over),
        "seconds": round(seconds, 1),
    }
    if events is not None:
        report["labels"] = truth.compare(alerts, restrictions, events, since=source.cut, until=source.end)
    return report


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "workload": str(alert.workload),
        "opened_at": rfc3339(alert.opened_at),
        "window_start": rfc3339(alert.window_start),
        "updated_at": rfc3339(alert.updated_at),
        "windows": alert.windows,
        "p": alert.p,
        "sentence": alert.sentence,
        "reasons": [reason.sentence for reason in alert.reasons],
        "families": [family.value for family in alert.families],
        "edges": [str(evidence.edge) for evidence in alert.edges[:10]],
        "disposition": alert.disposition.value,
        "decided_by": alert.decision.by if alert.decision else "",
    }


def _restriction(one: Restriction, facts: Facts) -> dict[str, Any]:
    act = next((act for act in facts.acts if act.restriction == one.id), None)
    return {
        "id": one.id,
        "alert": one.alert_id,
        "workload": str(one.workload),
        "state": one.state.value,
        "created_at": rfc3339(one.created_at),
        "applied_at": rfc3339(one.applied_at) if one.applied_at else "",
        "expires_at": rfc3339(one.expires_at) if one.expires_at else "",
        "ended_at": rfc3339(one.ended_at) if one.ended_at else "",
        "ended_by": one.ended_by,
        "lived_s": round(one.ended_at - one.applied_at, 1) if one.applied_at and one.ended_at else None,
        "person": act.verb if act else "",
        "approved_by": one.approved_by,
        "detail": one.detail,
        "guards": list(one.guards),
        "denied": [f"{rule.direction.value} {rule.peer} {rule.protocol}" for rule in one.rules],
        "manifest": facts.player.manifests.get(one.object_name),
    }
