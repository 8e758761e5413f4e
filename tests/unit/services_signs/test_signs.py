"""How far the streams are behind, by what they last said."""

from __future__ import annotations

from baseline.adapters.memory.books import MemoryLibrary
from baseline.domain.units import DAY_S
from baseline.ports import Sign
from baseline.services import signs
from baseline.services.signs import CURRENT_S

NOW = 1_790_000_000.0


def sign(member: str, *, ago_s: float, lag_s: float) -> Sign:
    """What one stream said a while ago."""
    return Sign(member=member, at=NOW - ago_s, lag_s=lag_s)


def library_with(*given: Sign) -> MemoryLibrary:
    """Books in which these were left, in this order."""
    library = MemoryLibrary()
    for one in given:
        signs.give(library, one)
    return library


def test_without_signs_the_lag_is_unknown() -> None:
    """Unknown is not zero: nothing may be done automatically on it."""
    assert signs.lag_s(MemoryLibrary(), now=NOW) is None


def test_the_stream_that_is_most_behind_counts() -> None:
    """Its partitions' alerts are the oldest."""
    library = library_with(sign("a", ago_s=1, lag_s=0.0), sign("b", ago_s=2, lag_s=90.0), sign("c", ago_s=0, lag_s=5.0))
    assert signs.lag_s(library, now=NOW) == 90.0


def test_a_stale_sign_says_nothing() -> None:
    """A dead stream is neither behind nor caught up; exactly a minute is still fresh."""
    library = library_with(sign("dead", ago_s=CURRENT_S + 0.1, lag_s=900.0), sign("live", ago_s=CURRENT_S, lag_s=2.0))
    assert signs.lag_s(library, now=NOW) == 2.0
    assert signs.lag_s(library, now=NOW + 1) is None


def test_the_newest_sign_of_a_stream_replaces_its_last() -> None:
    """What it was behind before is over."""
    library = library_with(sign("a", ago_s=10, lag_s=300.0), sign("a", ago_s=0, lag_s=1.0))
    assert signs.lag_s(library, now=NOW) == 1.0


def test_signs_of_processes_gone_for_a_day_are_swept() -> None:
    """Dynamic members leave new names with every start."""
    library = library_with(sign("gone", ago_s=DAY_S + 1, lag_s=1.0), sign("here", ago_s=0, lag_s=1.0))
    with library.transaction() as books:
        assert [one.member for one in books.signs.since(0.0)] == ["here"]
