"""Decisions as training data, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from baseline.adapters.sql import codec
from baseline.adapters.sql.statements import upsert
from baseline.adapters.sql.tables import FEEDBACK
from baseline.ports import Feedback


class SqlFeedback:
    """A ``FeedbackBook`` over one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, feedback: Feedback) -> None:
        """Insert or replace by alert id."""
        row = {"alert_id": codec.column(feedback.alert_id), "at": feedback.at, "noun": codec.write(feedback)}
        upsert(self._connection, FEEDBACK, [row])

    def since(self, at: float) -> Sequence[Feedback]:
        """All feedback given at or after, in order of time."""
        query = (
            select(FEEDBACK.c.alert_id, FEEDBACK.c.noun)
            .where(FEEDBACK.c.at >= at)
            .order_by(FEEDBACK.c.at, FEEDBACK.c.alert_id)
        )
        return [codec.read(row.noun, Feedback, key=row.alert_id) for row in self._connection.execute(query)]
