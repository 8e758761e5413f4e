"""Restrictions in SQL: inserted once, then replaced revision by revision."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select, update

from baseline.adapters.sql import codec, cursor
from baseline.adapters.sql.statements import before, insert_absent
from baseline.adapters.sql.tables import RESTRICTIONS
from baseline.domain.errors import NotFound, StaleRevision
from baseline.domain.restriction import Restriction, State
from baseline.domain.workload import WorkloadId
from baseline.ports import Page


class SqlRestrictions:
    """A ``RestrictionBook`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, restriction_id: str) -> Restriction:
        """NotFound when there is none."""
        return self._read(restriction_id, is_locked=False)

    def add(self, restriction: Restriction) -> Restriction:
        """Insert if absent; the stored one either way."""
        if insert_absent(self._connection, RESTRICTIONS, _row(restriction)):
            return restriction
        return self.get(restriction.id)

    def update(self, restriction: Restriction) -> Restriction:
        """Replace the revision before this one; StaleRevision when another stands there."""
        replaced = (
            update(RESTRICTIONS)
            .where(
                RESTRICTIONS.c.id == codec.column(restriction.id),
                RESTRICTIONS.c.revision == restriction.revision - 1,
            )
            .values(**_row(restriction))
        )
        if self._connection.execute(replaced).rowcount == 0:
            # Locked, so that the writer who was too late wins with its next try, however often others write.
            actual = self._read(restriction.id, is_locked=True).revision
            raise StaleRevision("restriction", restriction.id, expected=restriction.revision - 1, actual=actual)
        return restriction

    def find(
        self,
        *,
        states: Iterable[State] | None = None,
        alert_id: str | None = None,
        workload: WorkloadId | None = None,
        ended_since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Restriction]:
        """Newest first."""
        limit = cursor.bounded(limit)
        table = RESTRICTIONS.c
        query = select(table.id, table.noun).order_by(table.created_at.desc(), table.id.desc())
        if states is not None:
            query = query.where(table.state.in_([state.value for state in states]))
        if alert_id is not None:
            query = query.where(table.alert_id == codec.column(alert_id))
        if workload is not None:
            query = query.where(table.workload == codec.column(workload.key))
        if ended_since is not None:
            query = query.where(table.ended_at > 0, table.ended_at >= ended_since)
        if after is not None:
            at, key = cursor.decode_number(after)
            query = query.where(before(table.created_at, table.id, at=at, key=codec.column(key)))
        found = [_restriction(row.noun, row.id) for row in self._connection.execute(query.limit(limit + 1))]
        return cursor.page(found, limit=limit, key=lambda one: cursor.encode(one.created_at, one.id))

    def _read(self, restriction_id: str, *, is_locked: bool) -> Restriction:
        query = select(RESTRICTIONS.c.id, RESTRICTIONS.c.noun).where(RESTRICTIONS.c.id == codec.column(restriction_id))
        row = self._connection.execute(query.with_for_update() if is_locked else query).one_or_none()
        if row is None:
            raise NotFound("restriction", restriction_id)
        return _restriction(row.noun, row.id)


def _row(restriction: Restriction) -> dict[str, Any]:
    return {
        "id": codec.column(restriction.id),
        "alert_id": codec.column(restriction.alert_id),
        "workload": codec.column(restriction.workload.key),
        "state": restriction.state.value,
        "created_at": restriction.created_at,
        "ended_at": restriction.ended_at,
        "revision": restriction.revision,
        "noun": codec.write(restriction),
    }


def _restriction(noun: str, key: str) -> Restriction:
    return codec.read(noun, Restriction, key=key)
