"""Memory and SQLite told the same, in any order, hold the same: the twin may stand in for the real one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.sql.library import open_library
from baseline.adapters.sql.migrate import migrate
from baseline.adapters.sql.tables import METADATA
from baseline.domain import restriction as restrictions
from baseline.domain import suppression as suppressions
from baseline.domain.alert import Decision, Disposition
from baseline.domain.deviation import Maturity
from baseline.domain.errors import BaselineError
from baseline.domain.restriction import State
from baseline.ports import Books, Library, Silence, Weighting
from tests.contracts.nouns import T0, a_restriction, a_suppression, an_alert, some_facts

Step = Callable[[Books], object]

small = st.integers(0, 3)
times = st.sampled_from([-120.0, 0.0, 60.0, 120.0])


def _put(number: int, later: float, windows: int) -> Step:
    base = an_alert(number)
    alert = replace(base, updated_at=base.updated_at + later, windows=windows, recorded_at=T0 + windows)
    return lambda books: books.alerts.put(alert)


def _decide(number: int, disposition: Disposition, revision: int | None) -> Step:
    decision = Decision(disposition=disposition, by="ada", at=T0)
    return lambda books: books.alerts.decide(an_alert(number).id, decision, revision=revision)


def _planned(number: int, revision: int) -> Step:
    return lambda books: books.alerts.planned(an_alert(number).id, revision=revision)


def _add(number: int, created: float) -> Step:
    return lambda books: books.restrictions.add(a_restriction(an_alert(number), now=T0 + created))


def _end(number: int, revision: int) -> Step:
    over = restrictions.ended(a_restriction(an_alert(number)), state=State.RELEASED, by="ada", now=T0)
    return lambda books: books.restrictions.update(replace(over, revision=revision))


def _see(number: int, seen: float, maturity: Maturity) -> Step:
    facts = some_facts(f"w{number}", last_seen=T0 + seen, maturity=maturity)
    return lambda books: books.workloads.see([facts])


def _suppress(number: int, made: float) -> Step:
    return lambda books: books.suppressions.add(a_suppression(an_alert(number), now=T0 + 100 + made))


def _revoke(number: int, made: float, revision: int) -> Step:
    over = suppressions.revoked(a_suppression(an_alert(number), now=T0 + 100 + made), by="ada", now=T0 + 300)
    return lambda books: books.suppressions.update(replace(over, revision=revision))


def _silence(number: int, made: float, starts: list[int]) -> Step:
    one = a_suppression(an_alert(number), now=T0 + 100 + made)
    told = [Silence(one.id, (60 * start, 60 * start + 60, 1e-6)) for start in starts]
    return lambda books: books.suppressions.note(told)


def _weigh(number: int, version: int) -> Step:
    made = Weighting(group=f"g{number}", version=version, weights=(("voice:tail", 0.5),), cause="dismiss", by="a", at=0)
    return lambda books: books.weightings.add(made)


steps = st.one_of(
    st.builds(_suppress, small, times),
    st.builds(_revoke, small, times, st.integers(1, 3)),
    st.builds(_silence, small, times, st.lists(st.integers(0, 200), max_size=150)),
    st.builds(_weigh, small, st.integers(1, 3)),
    st.builds(_put, small, times, st.integers(1, 5)),
    st.builds(_decide, small, st.sampled_from(list(Disposition)[1:]), st.one_of(st.none(), st.integers(1, 4))),
    st.builds(_planned, small, st.integers(1, 4)),
    st.builds(_add, small, times),
    st.builds(_end, small, st.integers(1, 4)),
    st.builds(_see, small, times, st.sampled_from(list(Maturity))),
)


@pytest.fixture(scope="module")
def sqlite() -> Iterator[tuple[Library, Callable[[], None]]]:
    """A SQLite library, and what empties it."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder)}/books.db"
        migrate(url)
        library, engine = open_library(url), create_engine(url)

        def empty() -> None:
            with engine.begin() as connection:
                for table in METADATA.sorted_tables:
                    connection.execute(table.delete())

        yield library, empty
        library.close()
        engine.dispose()


@given(told=st.lists(steps, max_size=25))
@hypothesis_settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_both_say_and_hold_the_same(sqlite: tuple[Library, Callable[[], None]], told: list[Step]) -> None:
    """Every answer, every refusal with its words, and everything that can be read afterwards."""
    real, empty = sqlite
    empty()
    memory = MemoryLibrary()
    for step in told:
        assert _said(memory, step) == _said(real, step)
    for look in LOOKS:
        assert _said(memory, look) == _said(real, look)


LOOKS: list[Step] = [
    lambda books: books.alerts.find(limit=2),
    lambda books: books.alerts.find(disposition=Disposition.CONFIRMED),
    lambda books: books.alerts.unplanned(10),
    lambda books: books.restrictions.find(limit=2),
    lambda books: books.restrictions.find(states=[State.PROPOSED]),
    lambda books: books.restrictions.find(ended_since=T0),
    lambda books: books.suppressions.find(limit=2),
    lambda books: books.suppressions.standing(ending_after=T0 + 250),
    lambda books: books.weightings.in_force(limit=2),
    lambda books: books.weightings.versions("g1"),
    lambda books: books.workloads.find(limit=2),
    lambda books: books.workloads.count(seen_since=T0 + 1),
]


def _said(library: Library, step: Step) -> object:
    try:
        with library.transaction() as books:
            return step(books)
    except BaselineError as error:
        return type(error), str(error)
