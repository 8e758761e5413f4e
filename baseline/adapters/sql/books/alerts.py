"""Alerts in SQL. The stream writes what it sees, people write decisions, control notes what it has planned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from baseline.adapters.sql import codec, cursor, rules
from baseline.adapters.sql.statements import before, insert_absent
from baseline.adapters.sql.tables import ALERTS
from baseline.domain.alert import Alert, Decision, Disposition, decided
from baseline.domain.errors import NotFound, StaleRevision
from baseline.domain.workload import WorkloadId
from baseline.ports import Page


class SqlAlerts:
    """An ``AlertBook`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, alert_id: str) -> Alert:
        """NotFound when there is none."""
        return self._read(alert_id, is_locked=False)

    def put(self, alert: Alert) -> bool:
        """Insert, or update with what is newer; True when it is new."""
        if insert_absent(self._connection, ALERTS, {**_row(alert), "planned_revision": 0}):
            return True
        stored = self._read(alert.id, is_locked=True)
        newer = rules.advanced(stored, alert)
        if newer is not stored:
            self._write(newer)
        return False

    def decide(self, alert_id: str, decision: Decision, *, revision: int | None) -> Alert:
        """Store a decision, if the alert still is at ``revision``."""
        stored = self._read(alert_id, is_locked=True)
        if revision is not None and revision != stored.revision:
            raise StaleRevision("alert", alert_id, expected=revision, actual=stored.revision)
        alert = decided(stored, decision)
        self._write(alert)
        return alert

    def find(
        self,
        *,
        disposition: Disposition | None = None,
        workload: WorkloadId | None = None,
        since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Alert]:
        """Newest first."""
        limit = cursor.bounded(limit)
        query = select(ALERTS.c.id, ALERTS.c.noun).order_by(ALERTS.c.opened_at.desc(), ALERTS.c.id.desc())
        if disposition is not None:
            query = query.where(ALERTS.c.disposition == disposition.value)
        if workload is not None:
            query = query.where(ALERTS.c.workload == codec.column(workload.key))
        if since is not None:
            query = query.where(ALERTS.c.opened_at >= since)
        if after is not None:
            at, key = cursor.decode_number(after)
            query = query.where(before(ALERTS.c.opened_at, ALERTS.c.id, at=at, key=codec.column(key)))
        found = [_alert(row.noun, row.id) for row in self._connection.execute(query.limit(limit + 1))]
        return cursor.page(found, limit=limit, key=lambda alert: cursor.encode(alert.opened_at, alert.id))

    def unplanned(self, limit: int) -> Sequence[Alert]:
        """Not dismissed and changed since they were planned, oldest first."""
        query = (
            select(ALERTS.c.id, ALERTS.c.noun)
            .where(ALERTS.c.disposition != Disposition.DISMISSED.value, ALERTS.c.planned_revision < ALERTS.c.revision)
            .order_by(ALERTS.c.opened_at, ALERTS.c.id)
            .limit(limit)
        )
        return [_alert(row.noun, row.id) for row in self._connection.execute(query)]

    def planned(self, alert_id: str, *, revision: int) -> None:
        """Note a planned revision; an older one than noted changes nothing."""
        noted = (
            update(ALERTS)
            .where(ALERTS.c.id == codec.column(alert_id), ALERTS.c.planned_revision < revision)
            .values(planned_revision=revision)
        )
        if self._connection.execute(noted).rowcount == 0:
            self._read(alert_id, is_locked=False)

    def _read(self, alert_id: str, *, is_locked: bool) -> Alert:
        query = select(ALERTS.c.id, ALERTS.c.noun).where(ALERTS.c.id == codec.column(alert_id))
        row = self._connection.execute(query.with_for_update() if is_locked else query).one_or_none()
        if row is None:
            raise NotFound("alert", alert_id)
        return _alert(row.noun, row.id)

    def _write(self, alert: Alert) -> None:
        self._connection.execute(update(ALERTS).where(ALERTS.c.id == codec.column(alert.id)).values(**_row(alert)))


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "id": codec.column(alert.id),
        "workload": codec.column(alert.workload.key),
        "disposition": alert.disposition.value,
        "opened_at": alert.opened_at,
        "updated_at": alert.updated_at,
        "revision": alert.revision,
        "noun": codec.write(alert),
    }


def _alert(noun: str, key: str) -> Alert:
    return codec.read(noun, Alert, key=key)
