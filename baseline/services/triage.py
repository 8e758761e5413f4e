"""Deviations -> alerts: what a person gets to see.

Pure and deterministic: the same deviations in the same order give the same alerts, so a replayed log doubles nothing.
Which deviations are one alert is ``domain.alert.absorbs``: same workload, about the same peers, within an hour.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from baseline.domain import alert as alerts
from baseline.domain.alert import Alert
from baseline.domain.deviation import NEW_EDGE, Deviation, EdgeEvidence
from baseline.domain.edge import Direction
from baseline.domain.errors import CheckpointRejected
from baseline.domain.units import HOUR_S, format_bytes, rfc3339
from baseline.domain.workload import WorkloadId
from baseline.services.suppress import Standing

_NAMED_EDGES = 2  # new edges spelled out in the sentence; the rest is counted


class TriageState:
    """The alerts that may still absorb a deviation, per workload; mutable, one per partition."""

    def __init__(self, recent: Iterable[Alert] = ()) -> None:
        self._recent: dict[WorkloadId, list[Alert]] = {}
        for alert in recent:
            self._recent.setdefault(alert.workload, []).append(alert)
        self._newest = max((alert.updated_at for alert in self.recent), default=0.0)

    @property
    def recent(self) -> list[Alert]:
        """All remembered alerts."""
        return [alert for group in self._recent.values() for alert in group]

    def absorbing(self, deviation: Deviation, *, closed: Collection[str] = ()) -> Alert | None:
        """The alert this deviation belongs to: the most recently updated one that takes it; none of the closed ones."""
        known = self._recent.get(deviation.workload, ())
        # Windows of several horizons may begin at the same second: what would get an alert's id belongs to it.
        same = alerts.alert_id(deviation.workload, deviation.family, deviation.window_start)
        fitting = [
            alert
            for alert in known
            if alert.id == same or (alert.id not in closed and alerts.absorbs(alert, deviation))
        ]
        return max(fitting, key=lambda alert: (alert.id == same, alert.updated_at, alert.id), default=None)

    def keep(self, alert: Alert) -> None:
        """Remember the alert's newest version, and forget those too old to absorb anything."""
        self._newest = max(self._newest, alert.updated_at)
        oldest = self._newest - 2 * HOUR_S  # the longest window, and late ones
        group = [one for one in self._recent.get(alert.workload, ()) if one.id != alert.id]
        self._recent[alert.workload] = [*group, alert]
        for workload in list(self._recent):
            kept = [one for one in self._recent[workload] if alerts.keeps_until(one) >= oldest]
            if kept:
                self._recent[workload] = kept
            else:
                del self._recent[workload]

    def to_bytes(self) -> bytes:
        """For the checkpoint."""
        return msgspec.msgpack.encode(self.recent)

    @classmethod
    def from_bytes(cls, payload: bytes) -> TriageState:
        """The inverse of ``to_bytes``; CheckpointRejected when the bytes are damaged."""
        try:
            return cls(msgspec.msgpack.decode(payload, type=list[Alert]))
        except msgspec.MsgspecError as error:
            raise CheckpointRejected(f"triage state cannot be read: {error}") from error


def triage(
    deviations: Sequence[Deviation], *, state: TriageState, now: float, standing: Standing | None = None
) -> list[Alert]:
    """Alerts opened or grown by these deviations, newest version of each, in order of first change.

    ``now`` is processing time: what a new alert's latency is measured from. An alert whose dismissal stands as a
    suppression takes no more: a deviation that goes beyond what was dismissed opens an alert of its own.
    """
    asked = standing or Standing()
    changed: dict[str, Alert] = {}
    for deviation in deviations:
        known = state.absorbing(deviation, closed=asked.closed(deviation))
        if known is None:
            alert = alerts.opened(deviation, sentence=sentence(deviation), recorded_at=now)
        else:
            alert = alerts.merged(known, deviation, sentence=sentence(deviation))
            if alert is known:
                continue
        state.keep(alert)
        changed[alert.id] = alert
    return list(changed.values())


def sentence(deviation: Deviation) -> str:
    """The one plain sentence of why: who, the strongest reason, and what was never used before."""
    what = deviation.reasons[0].sentence if deviation.reasons else f"p = {deviation.p:.2g}"
    told = f"{deviation.workload}: {what.rstrip('.')}"
    new = [evidence for evidence in deviation.edges if evidence.is_new]
    if not new:
        return told + (f"; mostly {_spelled(deviation.edges[0])}" if deviation.edges else "")
    if not deviation.reasons or deviation.reasons[0].feature != NEW_EDGE:  # whose sentence names them
        named = ", ".join(_spelled(evidence) for evidence in new[:_NAMED_EDGES])
        more = f" and {len(new) - _NAMED_EDGES} more" if len(new) > _NAMED_EDGES else ""
        told += f"; never seen before: {named}{more}"
    if deviation.rollout_at is not None:
        told += "; changed by rollout" if alerts.is_by_rollout(deviation) else "; shortly after a rollout"
    return told


def flows(evidence: EdgeEvidence) -> str:
    """The flows of one edge that are behind an alert: ``312 connections (3 usual), 300 failed, 39.1 KiB sent, ...``."""
    told = [f"{evidence.connections:,} connections ({evidence.normal_rate:,.3g} usual)"]
    if evidence.failed:
        told.append(f"{evidence.failed:,} failed")
    told += [f"{format_bytes(evidence.bytes_out)} sent", f"{format_bytes(evidence.bytes_in)} received"]
    if evidence.first_seen:
        told.append(f"{rfc3339(evidence.first_seen)} to {rfc3339(evidence.last_seen)}")
    return ", ".join(told)


def _spelled(evidence: EdgeEvidence) -> str:
    edge = evidence.edge
    way = "to" if edge.direction is Direction.EGRESS else "from"
    port = f" port {edge.port}/{edge.protocol}" if edge.port is not None else f" {edge.protocol}"
    return f"{way} {edge.peer}{port}"
