"""Where the books are kept: one engine, transactions, and locks that die with their holder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

from sqlalchemy import Engine, text

from baseline.adapters.sql import engine as engines
from baseline.adapters.sql.books import SqlBooks
from baseline.adapters.sql.migrate import head, stored_version
from baseline.domain.errors import Unavailable

LOCK_SPACE = 0x63616C69  # first half of PostgreSQL's 64-bit advisory keys, so that ours never meet another program's


class SqlLibrary:
    """A ``Library`` on SQLite or PostgreSQL."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def transaction(self) -> Iterator[SqlBooks]:
        """One transaction: committed on leaving without an error, rolled back otherwise.

        SQLite has one writer at a time and is locked from the start; never open a second one inside.
        """
        with engines.translated(), self._engine.begin() as connection:
            yield SqlBooks(connection)

    def check(self) -> None:
        """Raise Unavailable unless the database answers and is at this version's migration."""
        with engines.translated(), self._engine.connect() as connection:
            version = stored_version(connection)
        if version != head():
            raise Unavailable(f"the books are at migration {version}, not {head()}: run `baseline migrate`")

    @contextmanager
    def advisory_lock(self, name: str) -> Iterator[bool]:
        """Try to be the only holder of a name; the lock falls when the holder's connection or process does."""
        if self._engine.dialect.name == "sqlite":
            assert self._engine.url.database is not None  # engine.parse asks for a file
            with _file_lock(Path(f"{self._engine.url.database}.{name}.lock")) as is_held:
                yield is_held
        else:
            with self._server_lock(name) as is_held:
                yield is_held

    @contextmanager
    def _server_lock(self, name: str) -> Iterator[bool]:
        keys = {"space": LOCK_SPACE, "name": crc32(name.encode()) - 2**31}
        with engines.translated():
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            with engines.translated():
                locked = connection.execute(text("SELECT pg_try_advisory_lock(:space, :name)"), keys).scalar_one()
            yield bool(locked)
        finally:
            # Not back to the pool: closing the session is what frees the lock, even when an UNLOCK could not be sent.
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def open_library(url: str) -> SqlLibrary:
    """The library at this URL; no connection is opened yet."""
    return SqlLibrary(engines.connect(url))


@contextmanager
def _file_lock(path: Path) -> Iterator[bool]:
    """Lock a file beside the database; the operating system frees it when the process ends, however it ends."""
    try:
        file = path.open("a+b")
    except OSError as error:
        raise Unavailable(f"the lock file cannot be opened: {error}") from error
    with file:
        yield _try_lock(file.fileno())


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
