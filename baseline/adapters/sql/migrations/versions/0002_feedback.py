"""Dismissals that reach further than one alert, and what voices and families count.

Revision: 0002, after 0001. Written out in full and never edited.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NAME = sa.String().with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the two tables. What stands in the others is read as it is."""
    op.create_table(
        "suppressions",
        sa.Column("id", _NAME, nullable=False),
        sa.Column("alert_id", _NAME, nullable=False),
        sa.Column("workload", _NAME, nullable=False),
        sa.Column("made_at", sa.Double(), nullable=False),
        sa.Column("ends_at", sa.Double(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.Column("silenced", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_suppressions"),
    )
    op.create_index("ix_suppressions_made_at_id", "suppressions", ["made_at", "id"])
    op.create_index("ix_suppressions_workload_made_at", "suppressions", ["workload", "made_at"])
    op.create_index("ix_suppressions_alert_id", "suppressions", ["alert_id"])
    op.create_index("ix_suppressions_ends_at", "suppressions", ["ends_at"])
    op.create_table(
        "weightings",
        sa.Column("group_key", _NAME, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("noun", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("group_key", "version", name="pk_weightings"),
    )


def downgrade() -> None:
    """Remove both, with what is in them: everything silenced is shown again."""
    op.drop_table("weightings")
    op.drop_table("suppressions")
