"""What only the SQL books have: migrations, stored formats, a database that is away, locks that outlive nobody."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from multiprocessing.synchronize import Event as ProcessEvent
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, inspect, text

from baseline.adapters.sql import codec, cursor
from baseline.adapters.sql.engine import parse
from baseline.adapters.sql.library import SqlLibrary, open_library
from baseline.adapters.sql.migrate import downgrade, head, migrate
from baseline.adapters.sql.tables import METADATA
from baseline.domain.alert import Alert
from baseline.domain.errors import BookRejected, Conflict, Invalid, Unavailable
from baseline.domain.restriction import Restriction
from baseline.ports import Role, Token
from tests.contracts.libraries import GROUND, SQL_KINDS, url_of
from tests.contracts.nouns import T0, a_restriction, an_alert
from tests.ground.postgres import PostgresServer
from tests.ground.waiting import eventually


@pytest.fixture(params=SQL_KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty, migrated database of each kind."""
    return url_of(request.param, request, tmp_path)


@pytest.fixture
def library(url: str) -> Iterator[SqlLibrary]:
    """A library on it."""
    library = open_library(url)
    yield library
    library.close()


@pytest.fixture(params=SQL_KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that was never migrated."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new.db"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.new_database()


class TestMigrations:
    def test_an_empty_database_comes_to_this_version(self, empty_url: str) -> None:
        """Not ready before, ready after, and doing it again changes nothing."""
        library = open_library(empty_url)
        with pytest.raises(Unavailable, match="baseline migrate"):
            library.check()
        migrate(empty_url)
        migrate(empty_url)
        library.check()
        with library.transaction() as books:
            books.alerts.put(an_alert())
        library.close()

    def test_two_processes_may_migrate_at_once(self, empty_url: str) -> None:
        """The second waits for the first and finds nothing to do."""
        spawn = multiprocessing.get_context("spawn")
        both = [spawn.Process(target=migrate, args=(empty_url,)) for _ in range(2)]
        for process in both:
            process.start()
        for process in both:
            process.join(60)
        assert [process.exitcode for process in both] == [0, 0]
        library = open_library(empty_url)
        library.check()
        library.close()

    def test_migrated_tables_are_those_of_the_code(self, url: str) -> None:
        """Alembic finds no difference between the last migration and the tables."""
        engine = create_engine(url)
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, METADATA) == []
        engine.dispose()

    def test_going_back_leaves_nothing(self, empty_url: str) -> None:
        """Down to base and up again."""
        migrate(empty_url)
        downgrade(empty_url, to="base")
        engine = create_engine(empty_url)
        assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
        engine.dispose()
        migrate(empty_url)
        library = open_library(empty_url)
        library.check()
        library.close()

    def test_a_database_of_a_newer_version_is_not_served(self, url: str) -> None:
        """Rather than misread."""
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        library = open_library(url)
        with pytest.raises(Unavailable, match="9999"):
            library.check()
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head()})
        library.check()
        library.close()
        engine.dispose()

    def test_an_unmigrated_database_is_unavailable(self, empty_url: str) -> None:
        """Not a crash with a driver's error."""
        library = open_library(empty_url)
        with pytest.raises(Unavailable), library.transaction() as books:
            books.alerts.find()
        library.close()


class TestStoredFormats:
    @pytest.mark.parametrize(
        "stored",
        [
            "", "{", "null", "[]", "7", '{"noun": {}}', '{"format": 1}', '{"format": 1, "noun": {}}',
            '{"format": 2, "noun": {}}', '{"format": "1", "noun": null}',
        ],
    )  # fmt: skip
    def test_a_row_that_cannot_be_read_is_refused_by_name(self, stored: str) -> None:
        """Never half read."""
        with pytest.raises(BookRejected, match="alert 'a-1'"):
            codec.read(stored, Alert, key="a-1")

    def test_wrong_types_and_unsafe_restrictions_are_refused(self) -> None:
        """A stored restriction that selects everything is never read as one."""
        for field, value in (("selector", []), ("state", "gone"), ("ttl_s", "x"), ("workload", None), ("rules", {})):
            envelope = json.loads(codec.write(a_restriction()))
            envelope["noun"][field] = value
            with pytest.raises(BookRejected, match="damaged"):
                codec.read(json.dumps(envelope), Restriction, key="r")

    @given(
        words=st.text(),
        numbers=st.lists(st.floats(allow_nan=False), min_size=3, max_size=3),
        labels=st.lists(st.tuples(st.text(), st.text()), max_size=4),
    )
    @hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
    def test_nouns_come_back_as_they_were(
        self, words: str, numbers: list[float], labels: list[tuple[str, str]]
    ) -> None:
        """Whatever text and finite or infinite numbers they hold."""
        alert = an_alert(sentence=words, p=numbers[0], local_labels=tuple(labels), timeline=((1, 2, numbers[2]),))
        assert codec.read(codec.write(alert), Alert, key="a") == alert
        restriction = a_restriction(detail=words, selector=(("app", words), *labels))
        assert codec.read(codec.write(restriction), Restriction, key="r") == restriction

    def test_a_number_that_is_none_stays_none(self) -> None:
        """NaN survives the row, though it equals nothing."""
        assert math.isnan(codec.read(codec.write(an_alert(p=math.nan)), Alert, key="a").p)

    @given(
        position=st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=50)),
        tie=st.text(max_size=50),
    )
    def test_page_keys_come_back_as_they_were(self, position: float | str, tie: str) -> None:
        """Numbers to the last bit."""
        key = cursor.encode(position, tie)
        if isinstance(position, str):
            assert cursor.decode_text(key) == position
        else:
            assert cursor.decode_number(key) == (position, tie)

    @given(after=st.text(max_size=100))
    def test_forged_page_keys_are_invalid(self, after: str) -> None:
        """Never another error."""
        said = ""
        try:
            at, _ = cursor.decode_number(after)
        except Invalid as error:
            said = str(error)
        else:
            said = f"a key of {at}"
        assert said


class TestDatabaseAway:
    @pytest.mark.parametrize("bad", ["sqlite://", "sqlite:///:memory:", "mysql://x/y", "not a url", "", "postgresql"])
    def test_a_url_we_cannot_use_is_invalid(self, bad: str) -> None:
        """Said at the start, and without the password that may be in it."""
        with pytest.raises(Invalid):
            parse(bad)

    def test_both_spellings_of_postgresql_mean_our_driver(self) -> None:
        """As hosting providers hand them out."""
        for scheme in ("postgresql", "postgresql+psycopg2", "postgresql+psycopg"):
            assert parse(f"{scheme}://u:p@h/d").drivername == "postgresql+psycopg"

    def test_nobody_listening_is_unavailable(self) -> None:
        """Transaction, check and lock alike, without the URL's password in the message."""
        library = open_library("postgresql://user:hunter2@127.0.0.1:1/none")
        for act in (library.transaction, lambda: library.advisory_lock("x")):
            with pytest.raises(Unavailable) as caught, act():
                raise AssertionError("it must not come to this")
            assert "hunter2" not in str(caught.value)
        with pytest.raises(Unavailable):
            library.check()
        library.close()

    def test_a_folder_that_is_not_there_is_unavailable(self, tmp_path: Path) -> None:
        """SQLite makes files, not folders."""
        library = open_library(f"sqlite:///{tmp_path}/no/books.db")
        with pytest.raises(Unavailable):
            library.check()
        with pytest.raises(Unavailable), library.advisory_lock("x"):
            raise AssertionError("it must not come to this")
        library.close()

    def test_a_rule_of_the_database_is_a_conflict(self, library: SqlLibrary) -> None:
        """Two tokens with one secret."""
        with library.transaction() as books:
            books.tokens.add(Token(name="a", role=Role.VIEWER, hash="same", created_at=T0))
        with pytest.raises(Conflict), library.transaction() as books:
            books.tokens.add(Token(name="b", role=Role.VIEWER, hash="same", created_at=T0))

    @pytest.mark.parametrize("kind", [pytest.param("postgresql", marks=GROUND)])
    def test_a_server_that_restarts_is_found_again(
        self, kind: str, request: pytest.FixtureRequest, tmp_path: Path
    ) -> None:
        """Unavailable while it is away, nothing half done, then as before, without a new library."""
        server: PostgresServer = request.getfixturevalue("postgres_server")
        library = open_library(url_of(kind, request, tmp_path))
        with library.transaction() as books:
            books.alerts.put(an_alert())
        with library.advisory_lock("control") as is_held:
            assert is_held
            server.stop()
            try:
                with pytest.raises(Unavailable), library.transaction() as books:
                    books.alerts.put(an_alert(1))
                with pytest.raises(Unavailable):
                    library.check()
            finally:
                server.start()

        def is_back() -> bool:
            library.check()
            return True

        eventually(is_back, ignore=(Unavailable,))
        with library.transaction() as books:
            assert [alert.id for alert in books.alerts.find().items] == [an_alert().id]
        with library.advisory_lock("control") as again:
            assert again
        library.close()


class TestLocks:
    def test_two_processes_have_one_holder_and_a_killed_one_lets_go(self, url: str) -> None:
        """kill -9 of the holder frees the lock: nobody has to clean up after it."""
        spawn = multiprocessing.get_context("spawn")
        held = spawn.Event()
        holder = spawn.Process(target=_hold, args=(url, held), daemon=True)
        holder.start()
        assert held.wait(30)
        library = open_library(url)
        with library.advisory_lock("control") as is_ours:
            assert not is_ours
        assert holder.pid is not None
        os.kill(holder.pid, signal.SIGKILL)
        holder.join(30)

        def is_free() -> bool:
            with library.advisory_lock("control") as is_ours:
                return is_ours

        assert eventually(is_free)
        library.close()

    def test_locks_of_two_databases_are_two(self, url: str, tmp_path: Path) -> None:
        """One installation does not stop another's control."""
        other = f"sqlite:///{tmp_path}/other.db"
        migrate(other)
        with ExitStack() as stack:
            first, second = open_library(url), open_library(other)
            assert stack.enter_context(first.advisory_lock("control"))
            assert stack.enter_context(second.advisory_lock("control"))
        first.close()
        second.close()


def _hold(url: str, held: ProcessEvent) -> None:
    """Hold the lock until killed (a process of its own)."""
    never: Any = multiprocessing.get_context("spawn").Event()
    with open_library(url).advisory_lock("control") as is_ours:
        if is_ours:
            held.set()
        never.wait(60)
