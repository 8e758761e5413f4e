"""Workloads in SQL: thousands are seen again every minute, so reading and writing go in blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select

from baseline.adapters.sql import codec, cursor, rules
from baseline.adapters.sql.statements import upsert
from baseline.adapters.sql.tables import WORKLOADS
from baseline.domain.errors import NotFound
from baseline.domain.workload import WorkloadId
from baseline.ports import Page, WorkloadFacts

BLOCK = 500  # rows a statement; SQLite takes at most 32766 parameters


class SqlWorkloads:
    """A ``WorkloadBook`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def see(self, facts: Sequence[WorkloadFacts]) -> None:
        """Insert or widen; what changes nothing is not written. In order of key, so that two writers never deadlock."""
        seen: dict[str, WorkloadFacts] = {}
        for one in facts:
            key = codec.column(one.workload.key)
            seen[key] = rules.widened(seen[key], one) if key in seen else one
        keys = sorted(seen)
        for start in range(0, len(keys), BLOCK):
            self._see_block({key: seen[key] for key in keys[start : start + BLOCK]})

    def _see_block(self, seen: Mapping[str, WorkloadFacts]) -> None:
        query = (
            select(WORKLOADS.c.workload, WORKLOADS.c.noun)
            .where(WORKLOADS.c.workload.in_(list(seen)))
            .order_by(WORKLOADS.c.workload)
            .with_for_update()
        )
        stored = {row.workload: _facts(row.noun, row.workload) for row in self._connection.execute(query)}
        changed = []
        for key, one in seen.items():
            wider = rules.widened(stored[key], one) if key in stored else one
            if key not in stored or wider is not stored[key]:
                changed.append(_row(key, wider))
        upsert(self._connection, WORKLOADS, changed)

    def get(self, workload: WorkloadId) -> WorkloadFacts:
        """NotFound when never seen."""
        key = codec.column(workload.key)
        noun = self._connection.execute(
            select(WORKLOADS.c.noun).where(WORKLOADS.c.workload == key)
        ).scalar_one_or_none()
        if noun is None:
            raise NotFound("workload", workload.key)
        return _facts(noun, key)

    def find(
        self,
        *,
        namespace: str | None = None,
        seen_since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[WorkloadFacts]:
        """In order of key."""
        limit = cursor.bounded(limit)
        query = select(WORKLOADS.c.workload, WORKLOADS.c.noun).order_by(WORKLOADS.c.workload)
        if namespace is not None:
            query = query.where(WORKLOADS.c.namespace == codec.column(namespace))
        if seen_since is not None:
            query = query.where(WORKLOADS.c.last_seen >= seen_since)
        if after is not None:
            query = query.where(WORKLOADS.c.workload > codec.column(cursor.decode_text(after)))
        found = [_facts(row.noun, row.workload) for row in self._connection.execute(query.limit(limit + 1))]
        return cursor.page(found, limit=limit, key=lambda one: cursor.encode(one.workload.key, ""))

    def count(self, *, seen_since: float) -> Mapping[str, int]:
        """Workloads seen since, by namespace."""
        query = (
            select(WORKLOADS.c.namespace, func.count().label("number"))
            .where(WORKLOADS.c.last_seen >= seen_since)
            .group_by(WORKLOADS.c.namespace)
        )
        return {row.namespace: row.number for row in self._connection.execute(query)}


def _row(key: str, facts: WorkloadFacts) -> dict[str, Any]:
    return {
        "workload": key,
        "namespace": codec.column(facts.workload.namespace),
        "last_seen": facts.last_seen,
        "noun": codec.write(facts),
    }


def _facts(noun: str, key: str) -> WorkloadFacts:
    return codec.read(noun, WorkloadFacts, key=key)
