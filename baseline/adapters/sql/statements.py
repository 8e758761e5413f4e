"""The few statements the two databases spell differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, or_
from sqlalchemy.dialects import postgresql, sqlite


def insert_absent(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """INSERT unless the primary key exists; True when this call inserted. Two at once: exactly one does."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.primary_key]
    statement = insert(table).values(**row).on_conflict_do_nothing(index_elements=keys)
    # RETURNING and not rowcount: drivers do not count an INSERT reliably.
    return connection.execute(statement.returning(*table.primary_key)).first() is not None


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """INSERT, or replace every column but the primary key."""
    if not rows:
        return
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.primary_key]
    statement = insert(table)
    replaced = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=replaced), list(rows))


def before(position: ColumnElement[Any], tie: ColumnElement[Any], *, at: float | str, key: str) -> ColumnElement[bool]:
    """Rows that come after (at, key) in a listing sorted by position and tie, both descending."""
    return or_(position < at, and_(position == at, tie < key))
