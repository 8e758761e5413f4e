"""The outbox in SQL: one row an event and channel. ``due`` is NULL once nothing is left to do."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from baseline.adapters.sql import codec
from baseline.adapters.sql.statements import insert_absent
from baseline.adapters.sql.tables import OUTBOX
from baseline.domain.errors import NotFound
from baseline.ports import Delivery, Event, EventKind


class SqlOutbox:
    """An ``Outbox`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, event: Event, *, channels: Sequence[str]) -> None:
        """Insert once per (event id, channel); due at once."""
        for channel in channels:
            row = {
                "event_id": codec.column(event.id),
                "channel": codec.column(channel),
                "kind": event.kind.value,
                "subject": codec.column(event.subject),
                "at": event.at,
                "payload": codec.dumps(dict(event.payload)),
                "tries": 0,
                "due": 0.0,
            }
            insert_absent(self._connection, OUTBOX, row)

    def due(self, *, now: float, limit: int, channel: str | None = None) -> Sequence[Delivery]:
        """Undelivered and not waiting for a later try, oldest event first."""
        query = (
            select(OUTBOX)
            .where(OUTBOX.c.due <= now)
            .order_by(OUTBOX.c.at, OUTBOX.c.event_id, OUTBOX.c.channel)
            .limit(limit)
        )
        if channel is not None:
            query = query.where(OUTBOX.c.channel == codec.column(channel))
        return [
            Delivery(
                event=Event(
                    id=row.event_id,
                    kind=EventKind(row.kind),
                    subject=row.subject,
                    at=row.at,
                    payload=json.loads(row.payload),
                ),
                channel=row.channel,
                tries=row.tries,
                due=row.due,
            )
            for row in self._connection.execute(query)
        ]

    def delivered(self, event_id: str, channel: str, *, at: float) -> None:
        """Done."""
        self._change(event_id, channel, due=None, delivered_at=at, tries=OUTBOX.c.tries + 1, error=None)

    def failed(self, event_id: str, channel: str, *, error: str, retry_at: float | None) -> None:
        """Try again at ``retry_at``; None gives up, and the row stays with its error."""
        self._change(event_id, channel, due=retry_at, tries=OUTBOX.c.tries + 1, error=codec.column(error)[:500])

    def _change(self, event_id: str, channel: str, **values: object) -> None:
        statement = update(OUTBOX).where(
            OUTBOX.c.event_id == codec.column(event_id), OUTBOX.c.channel == codec.column(channel)
        )
        if self._connection.execute(statement.values(**values)).rowcount == 0:
            raise NotFound("delivery", f"{event_id}/{channel}")
