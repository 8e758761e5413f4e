"""Weights in SQL: a row a version, only ever added."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, func, select

from baseline.adapters.sql import codec, cursor
from baseline.adapters.sql.statements import insert_absent
from baseline.adapters.sql.tables import WEIGHTINGS
from baseline.domain.errors import StaleRevision
from baseline.ports import Page, Weighting


class SqlWeightings:
    """A ``WeightingBook`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def newest(self, group: str) -> Weighting | None:
        """The version in force."""
        found = self.versions(group, limit=1).items
        return found[0] if found else None

    def add(self, weighting: Weighting) -> Weighting:
        """Insert the next version."""
        row = {
            "group_key": codec.column(weighting.group),
            "version": weighting.version,
            "noun": codec.write(weighting),
        }
        if weighting.version == self._version(weighting.group) + 1 and insert_absent(self._connection, WEIGHTINGS, row):
            return weighting
        actual = self._version(weighting.group)  # again: somebody may have been faster between our two statements
        raise StaleRevision("weighting", weighting.group, expected=weighting.version - 1, actual=actual)

    def _version(self, group: str) -> int:
        newest = self.newest(group)
        return newest.version if newest else 0

    def versions(self, group: str, *, limit: int = 100, after: str | None = None) -> Page[Weighting]:
        """Newest first."""
        limit = cursor.bounded(limit)
        table = WEIGHTINGS.c
        query = select(WEIGHTINGS).where(table.group_key == codec.column(group)).order_by(table.version.desc())
        if after is not None:
            query = query.where(table.version < int(cursor.decode_number(after)[0]))
        found = [_weighting(row) for row in self._connection.execute(query.limit(limit + 1))]
        return cursor.page(found, limit=limit, key=lambda one: cursor.encode(one.version, ""))

    def in_force(self, *, limit: int = 100, after: str | None = None) -> Page[Weighting]:
        """The newest version of each group, in order of group."""
        limit = cursor.bounded(limit)
        table = WEIGHTINGS.c
        newest = select(table.group_key, func.max(table.version).label("version")).group_by(table.group_key).subquery()
        query = (
            select(WEIGHTINGS)
            .join(newest, (table.group_key == newest.c.group_key) & (table.version == newest.c.version))
            .order_by(table.group_key)
        )
        if after is not None:
            query = query.where(table.group_key > codec.column(cursor.decode_text(after)))
        found = [_weighting(row) for row in self._connection.execute(query.limit(limit + 1))]
        return cursor.page(found, limit=limit, key=lambda one: cursor.encode(one.group, ""))


def _weighting(row: Row[Any]) -> Weighting:
    return codec.read(row.noun, Weighting, key=f"{row.group_key}, version {row.version}")
