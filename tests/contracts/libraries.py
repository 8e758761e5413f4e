"""The three kinds of library that one contract suite runs over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.sql.library import open_library
from baseline.adapters.sql.migrate import migrate
from baseline.adapters.sql.tables import METADATA
from baseline.ports import Library

GROUND = [pytest.mark.ground, pytest.mark.xdist_group("ground")]
SQL_KINDS = ["sqlite", pytest.param("postgresql", marks=GROUND)]
KINDS = ["memory", *SQL_KINDS]

_URLS: dict[int, str] = {}  # one database a server: making and migrating one costs 0.2 s, emptying it 0.01 s


def url_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty, migrated database."""
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path}/books.db"
        migrate(url)
        return url
    server = request.getfixturevalue("postgres_server")
    if id(server) not in _URLS:
        _URLS[id(server)] = server.new_database()
        migrate(_URLS[id(server)])
    url = _URLS[id(server)]
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {', '.join(METADATA.tables)} RESTART IDENTITY"))
    engine.dispose()
    return url


def opened(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """A library of this kind, closed afterwards."""
    if kind == "memory":
        yield MemoryLibrary()
        return
    library = open_library(url_of(kind, request, tmp_path))
    yield library
    library.close()
