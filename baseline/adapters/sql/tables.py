"""Tables of the books. Columns are what is queried; ``noun`` holds the whole noun as text (see ``codec``).

Times are epoch seconds in double precision. Text is compared bytewise on both databases, so that both page in the
same order.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

METADATA = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "pk": "pk_%(table_name)s"},
)
Name = String().with_variant(String(collation="C"), "postgresql")
Serial = BigInteger().with_variant(Integer(), "sqlite")  # SQLite numbers rows by itself only for INTEGER

ALERTS = Table(
    "alerts",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("workload", Name, nullable=False),
    Column("disposition", Name, nullable=False),
    Column("opened_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("planned_revision", Integer, nullable=False),
    Column("noun", Text, nullable=False),
    Index("ix_alerts_opened_at_id", "opened_at", "id"),
    Index("ix_alerts_workload_opened_at", "workload", "opened_at"),
    Index("ix_alerts_disposition_opened_at", "disposition", "opened_at"),
)

RESTRICTIONS = Table(
    "restrictions",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("alert_id", Name, nullable=False),
    Column("workload", Name, nullable=False),
    Column("state", Name, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("noun", Text, nullable=False),
    Index("ix_restrictions_created_at_id", "created_at", "id"),
    Index("ix_restrictions_state_created_at", "state", "created_at"),
    Index("ix_restrictions_alert_id", "alert_id"),
    Index("ix_restrictions_workload_created_at", "workload", "created_at"),
)

WORKLOADS = Table(
    "workloads",
    METADATA,
    Column("workload", Name, primary_key=True),
    Column("namespace", Name, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("noun", Text, nullable=False),
    Index("ix_workloads_namespace_workload", "namespace", "workload"),
    Index("ix_workloads_last_seen", "last_seen"),
)

FEEDBACK = Table(
    "feedback",
    METADATA,
    Column("alert_id", Name, primary_key=True),
    Column("at", Double, nullable=False),
    Column("noun", Text, nullable=False),
    Index("ix_feedback_at", "at"),
)

SUPPRESSIONS = Table(
    "suppressions",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("alert_id", Name, nullable=False),
    Column("workload", Name, nullable=False),
    Column("made_at", Double, nullable=False),
    Column("ends_at", Double, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("noun", Text, nullable=False),
    Column("silenced", Text, nullable=False),  # apart: the stream writes it, people write the rest
    Index("ix_suppressions_made_at_id", "made_at", "id"),
    Index("ix_suppressions_workload_made_at", "workload", "made_at"),
    Index("ix_suppressions_alert_id", "alert_id"),
    Index("ix_suppressions_ends_at", "ends_at"),
)

WEIGHTINGS = Table(
    "weightings",
    METADATA,
    Column("group_key", Name, nullable=False),
    Column("version", Integer, nullable=False),
    Column("noun", Text, nullable=False),
    PrimaryKeyConstraint("group_key", "version"),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Name, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_audit_target_number", "target", "number"),
    sqlite_autoincrement=True,
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("event_id", Name, nullable=False),
    Column("channel", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("subject", Name, nullable=False),
    Column("at", Double, nullable=False),
    Column("payload", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("due", Double),  # NULL: delivered or given up
    Column("delivered_at", Double),
    Column("error", Text),
    PrimaryKeyConstraint("event_id", "channel"),
    Index("ix_outbox_due", "due"),
)

TOKENS = Table(
    "tokens",
    METADATA,
    Column("name", Name, primary_key=True),
    Column("role", Name, nullable=False),
    Column("hash", Name, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Index("ix_tokens_hash", "hash", unique=True),
)

ANSWERS = Table(
    "answers",
    METADATA,
    Column("token", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("request_hash", Name, nullable=False),
    Column("claimed_at", Double, nullable=False),
    Column("status", Integer),  # NULL: being answered
    Column("body", LargeBinary),
    Column("headers", Text),
    PrimaryKeyConstraint("token", "key"),
    Index("ix_answers_claimed_at", "claimed_at"),
)

SIGNS = Table(
    "signs",
    METADATA,
    Column("member", Name, primary_key=True),
    Column("at", Double, nullable=False),
    Column("noun", Text, nullable=False),
)
