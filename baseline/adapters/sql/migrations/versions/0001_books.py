"""The first books.

Revision: 0001, after nothing. Written out in full and never edited: later revisions change, this one stays.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")
_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make every table."""
    _alerts()
    _restrictions()
    _workloads_and_feedback()
    _audit()
    _outbox()
    _tokens_and_answers()
    _signs()


def downgrade() -> None:
    """Remove every table, with what is in it."""
    for table in ("signs", "answers", "tokens", "outbox", "audit", "feedback", "workloads", "restrictions", "alerts"):
        op.drop_table(table)


def _alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("workload", _NAME, nullable=False),
        sa.Column("disposition", _NAME, nullable=False),
        sa.Column("opened_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("planned_revision", sa.Integer(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_opened_at_id", "alerts", ["opened_at", "id"])
    op.create_index("ix_alerts_workload_opened_at", "alerts", ["workload", "opened_at"])
    op.create_index("ix_alerts_disposition_opened_at", "alerts", ["disposition", "opened_at"])


def _restrictions() -> None:
    op.create_table(
        "restrictions",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("alert_id", _NAME, nullable=False),
        sa.Column("workload", _NAME, nullable=False),
        sa.Column("state", _NAME, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_restrictions"),
    )
    op.create_index("ix_restrictions_created_at_id", "restrictions", ["created_at", "id"])
    op.create_index("ix_restrictions_state_created_at", "restrictions", ["state", "created_at"])
    op.create_index("ix_restrictions_alert_id", "restrictions", ["alert_id"])
    op.create_index("ix_restrictions_workload_created_at", "restrictions", ["workload", "created_at"])


def _workloads_and_feedback() -> None:
    op.create_table(
        "workloads",
        sa.Column("workload", _NAME, nullable=False),
        sa.Column("namespace", _NAME, nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("workload", name="pk_workloads"),
    )
    op.create_index("ix_workloads_namespace_workload", "workloads", ["namespace", "workload"])
    op.create_index("ix_workloads_last_seen", "workloads", ["last_seen"])
    op.create_table(
        "feedback",
        sa.Column("alert_id", _NAME, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_at", "feedback", ["at"])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("number", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", _NAME, nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_target_number", "audit", ["target", "number"])


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("event_id", _NAME, nullable=False),
        sa.Column("channel", _NAME, nullable=False),
        sa.Column("kind", _NAME, nullable=False),
        sa.Column("subject", _NAME, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double()),
        sa.Column("delivered_at", sa.Double()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("event_id", "channel", name="pk_outbox"),
    )
    op.create_index("ix_outbox_due", "outbox", ["due"])


def _tokens_and_answers() -> None:
    op.create_table(
        "tokens",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("role", _NAME, nullable=False),
        sa.Column("hash", _NAME, nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double()),
        sa.Column("revoked_at", sa.Double()),
        sa.PrimaryKeyConstraint("name", name="pk_tokens"),
    )
    op.create_index("ix_tokens_hash", "tokens", ["hash"], unique=True)
    op.create_table(
        "answers",
        sa.Column("token", _NAME, nullable=False),
        sa.Column("key", _NAME, nullable=False),
        sa.Column("request_hash", _NAME, nullable=False),
        sa.Column("claimed_at", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("headers", sa.Text()),
        sa.PrimaryKeyConstraint("token", "key", name="pk_answers"),
    )
    op.create_index("ix_answers_claimed_at", "answers", ["claimed_at"])


def _signs() -> None:
    op.create_table(
        "signs",
        sa.Column("member", _NAME, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("member", name="pk_signs"),
    )
