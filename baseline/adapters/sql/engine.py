"""SQLAlchemy engines for the two databases, and their errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Connection as SqliteConnection

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc
from sqlalchemy.engine import make_url

from baseline.domain.errors import Conflict, Invalid, Unavailable

CONNECT_S = 5
STATEMENT_S = 15
LOCK_S = 10  # how long a writer waits for another one; SQLite and PostgreSQL alike


def parse(url: str) -> URL:
    """The URL with our driver filled in; Invalid for other databases and for SQLite without a file."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise Invalid("the books' URL is not a URL (write sqlite:///PATH or postgresql://USER@HOST/NAME)") from error
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() != "sqlite":
        raise Invalid(f"the books need sqlite or postgresql, not {parsed.get_backend_name()}")
    if not parsed.database or parsed.database == ":memory:":
        raise Invalid("SQLite books need a file: write sqlite:///PATH")
    return parsed.set(drivername="sqlite")


def connect(url: str) -> Engine:
    """An engine; no connection is opened yet."""
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    options = f"-c statement_timeout={STATEMENT_S * 1000} -c lock_timeout={LOCK_S * 1000}"
    return create_engine(
        parsed,
        pool_pre_ping=True,
        pool_timeout=CONNECT_S,
        connect_args={"connect_timeout": CONNECT_S, "options": options, "application_name": "baseline"},
    )


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": LOCK_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: SqliteConnection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves: the driver's own comes too late to prevent a race
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", f"busy_timeout={LOCK_S * 1000}"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # Taking the write lock at once: a read that turns into a write later fails at random under WAL.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def translated() -> Iterator[None]:
    """Run a block with the driver's errors raised as ours."""
    try:
        yield
    except exc.IntegrityError as error:
        raise Conflict(f"the books refuse it: {_first_line(error)}") from error
    except exc.DataError as error:
        raise Invalid(f"the books cannot hold it: {_first_line(error)}") from error
    except (exc.DBAPIError, exc.TimeoutError) as error:
        raise Unavailable(f"the books cannot be used: {_first_line(error)}", retry_after_s=1.0) from error


def _first_line(error: Exception) -> str:
    """What the driver says, without the statement and its values."""
    origin = getattr(error, "orig", None) or error
    return str(origin).strip().partition("\n")[0][:200]
