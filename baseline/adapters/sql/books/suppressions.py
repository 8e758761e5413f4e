"""Suppressions in SQL: people make and revoke them, the stream notes what they have silenced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, func, select, update

from baseline.adapters.sql import codec, cursor, rules
from baseline.adapters.sql.statements import before, insert_absent
from baseline.adapters.sql.tables import SUPPRESSIONS
from baseline.domain.errors import NotFound, StaleRevision
from baseline.domain.suppression import Silenced, Suppression, noted
from baseline.domain.workload import WorkloadId
from baseline.ports import Page, Silence

_READ = (SUPPRESSIONS.c.id, SUPPRESSIONS.c.noun, SUPPRESSIONS.c.silenced)


class SqlSuppressions:
    """A ``SuppressionBook`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self, suppression_id: str) -> Suppression:
        """NotFound when there is none."""
        return self._read(suppression_id, is_locked=False)

    def add(self, suppression: Suppression) -> Suppression:
        """Insert if absent; the stored one either way."""
        row = {**_row(suppression), "silenced": codec.write(suppression.silenced)}
        if insert_absent(self._connection, SUPPRESSIONS, row):
            return suppression
        return self.get(suppression.id)

    def update(self, suppression: Suppression) -> Suppression:
        """Replace the revision before this one, but for what it has silenced."""
        stored = self._read(suppression.id, is_locked=True)
        if stored.revision != suppression.revision - 1:
            raise StaleRevision(
                "suppression", suppression.id, expected=suppression.revision - 1, actual=stored.revision
            )
        self._write(suppression.id, **_row(suppression))
        return replace(suppression, silenced=stored.silenced)

    def note(self, silences: Sequence[Silence]) -> None:
        """Add silenced windows to their suppressions' records."""
        for suppression_id, windows in rules.by_suppression(silences).items():
            query = select(*_READ).where(SUPPRESSIONS.c.id == codec.column(suppression_id)).with_for_update()
            row = self._connection.execute(query).one_or_none()
            if row is None:
                continue
            stored = codec.read(row.silenced, Silenced, key=row.id)
            more = noted(stored, windows)
            if more is not stored:
                self._write(suppression_id, silenced=codec.write(more))

    def mark(self) -> tuple[int, int]:
        """How many there are, and how many revisions of them."""
        count, revisions = self._connection.execute(
            select(func.count(), func.coalesce(func.sum(SUPPRESSIONS.c.revision), 0)).select_from(SUPPRESSIONS)
        ).one()
        return int(count), int(revisions)

    def standing(self, *, ending_after: float) -> Sequence[Suppression]:
        """All that end after this time, in order of making."""
        query = (
            select(*_READ)
            .where(SUPPRESSIONS.c.ends_at > ending_after)
            .order_by(SUPPRESSIONS.c.made_at, SUPPRESSIONS.c.id)
        )
        return [_suppression(row.id, row.noun, row.silenced) for row in self._connection.execute(query)]

    def find(
        self,
        *,
        workload: WorkloadId | None = None,
        alert_id: str | None = None,
        ending_after: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Suppression]:
        """Newest first."""
        limit = cursor.bounded(limit)
        table = SUPPRESSIONS.c
        query = select(*_READ).order_by(table.made_at.desc(), table.id.desc())
        if workload is not None:
            query = query.where(table.workload == codec.column(workload.key))
        if alert_id is not None:
            query = query.where(table.alert_id == codec.column(alert_id))
        if ending_after is not None:
            query = query.where(table.ends_at > ending_after)
        if after is not None:
            at, key = cursor.decode_number(after)
            query = query.where(before(table.made_at, table.id, at=at, key=codec.column(key)))
        found = [
            _suppression(row.id, row.noun, row.silenced) for row in self._connection.execute(query.limit(limit + 1))
        ]
        return cursor.page(found, limit=limit, key=lambda one: cursor.encode(one.made_at, one.id))

    def _read(self, suppression_id: str, *, is_locked: bool) -> Suppression:
        query = select(*_READ).where(SUPPRESSIONS.c.id == codec.column(suppression_id))
        row = self._connection.execute(query.with_for_update() if is_locked else query).one_or_none()
        if row is None:
            raise NotFound("suppression", suppression_id)
        return _suppression(row.id, row.noun, row.silenced)

    def _write(self, suppression_id: str, **values: object) -> None:
        where = SUPPRESSIONS.c.id == codec.column(suppression_id)
        self._connection.execute(update(SUPPRESSIONS).where(where).values(**values))


def _row(suppression: Suppression) -> dict[str, Any]:
    return {
        "id": codec.column(suppression.id),
        "alert_id": codec.column(suppression.alert_id),
        "workload": codec.column(suppression.workload.key),
        "made_at": suppression.made_at,
        "ends_at": suppression.ends_at,
        "revision": suppression.revision,
        "noun": codec.write(replace(suppression, silenced=Silenced())),
    }


def _suppression(key: str, noun: str, silenced: str) -> Suppression:
    return replace(codec.read(noun, Suppression, key=key), silenced=codec.read(silenced, Silenced, key=key))
