"""Bring a database to a version of the books. Run by ``baseline migrate``, never by a process that serves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from baseline.adapters.sql import engine as engines

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(url: str, *, to: str = "head") -> None:
    """Upgrade to a revision (an empty database, too). Two at once are safe: the second finds nothing to do."""
    _run(url, command.upgrade, to)


def downgrade(url: str, *, to: str) -> None:
    """Go back to a revision; ``base`` removes every table."""
    _run(url, command.downgrade, to)


@cache
def head() -> str:
    """The newest revision this version knows."""
    newest = ScriptDirectory(str(SCRIPTS)).get_current_head()
    assert newest is not None
    return newest


def stored_version(connection: Connection) -> str | None:
    """The revision the database is at; None when it was never migrated."""
    return MigrationContext.configure(connection).get_current_revision()


def _run(url: str, action: Callable[[Config, str], None], revision: str) -> None:
    engine = engines.connect(url)
    try:
        with engines.translated(), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(1667329129, 1)")  # until the commit
            config = Config()
            config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
            config.set_main_option("path_separator", "os")
            config.attributes["connection"] = connection
            action(config, revision)
    finally:
        engine.dispose()
