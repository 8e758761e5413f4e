"""Alembic scripts of the books."""
