"""One file a book; ``SqlBooks`` holds them over one connection, which is one transaction."""

from __future__ import annotations

from sqlalchemy import Connection

from baseline.adapters.sql.books.alerts import SqlAlerts
from baseline.adapters.sql.books.answers import SqlAnswers
from baseline.adapters.sql.books.audit import SqlAudit
from baseline.adapters.sql.books.feedback import SqlFeedback
from baseline.adapters.sql.books.outbox import SqlOutbox
from baseline.adapters.sql.books.restrictions import SqlRestrictions
from baseline.adapters.sql.books.signs import SqlSigns
from baseline.adapters.sql.books.suppressions import SqlSuppressions
from baseline.adapters.sql.books.tokens import SqlTokens
from baseline.adapters.sql.books.weightings import SqlWeightings
from baseline.adapters.sql.books.workloads import SqlWorkloads


class SqlBooks:
    """All books in the transaction of this connection."""

    def __init__(self, connection: Connection) -> None:
        self.alerts = SqlAlerts(connection)
        self.restrictions = SqlRestrictions(connection)
        self.workloads = SqlWorkloads(connection)
        self.feedback = SqlFeedback(connection)
        self.suppressions = SqlSuppressions(connection)
        self.weightings = SqlWeightings(connection)
        self.signs = SqlSigns(connection)
        self.audit = SqlAudit(connection)
        self.outbox = SqlOutbox(connection)
        self.tokens = SqlTokens(connection)
        self.idempotency = SqlAnswers(connection)
