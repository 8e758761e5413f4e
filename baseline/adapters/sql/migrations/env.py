"""Alembic's entry: runs on the connection ``migrate`` hands over, within its transaction."""

from __future__ import annotations

from alembic import context

from baseline.adapters.sql.tables import METADATA

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
