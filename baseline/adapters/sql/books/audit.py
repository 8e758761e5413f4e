"""The audit log in SQL: rows are numbered by the database and only ever added."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from baseline.adapters.sql import codec, cursor
from baseline.adapters.sql.tables import AUDIT
from baseline.ports import AuditEntry, Page


class SqlAudit:
    """An ``AuditLog`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, entry: AuditEntry) -> None:
        """Write one entry."""
        self._connection.execute(
            insert(AUDIT).values(
                at=entry.at,
                actor=codec.column(entry.actor),
                action=codec.column(entry.action),
                target=codec.column(entry.target),
                detail=codec.dumps(dict(entry.detail)),
            )
        )

    def find(self, *, target: str | None = None, limit: int = 100, after: str | None = None) -> Page[AuditEntry]:
        """Newest first, by number: the order they were written in."""
        limit = cursor.bounded(limit)
        query = select(AUDIT).order_by(AUDIT.c.number.desc())
        if target is not None:
            query = query.where(AUDIT.c.target == codec.column(target))
        if after is not None:
            query = query.where(AUDIT.c.number < int(cursor.decode_number(after)[0]))
        rows = cursor.page(
            self._connection.execute(query.limit(limit + 1)).all(),
            limit=limit,
            key=lambda row: cursor.encode(row.number, ""),
        )
        return Page([_entry(row) for row in rows.items], rows.after)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(at=row.at, actor=row.actor, action=row.action, target=row.target, detail=json.loads(row.detail))
