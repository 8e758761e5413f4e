"""Suppressions and weights: what every library keeps of them, over memory, SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from baseline.adapters.sql.library import open_library
from baseline.adapters.sql.migrate import downgrade, migrate
from baseline.domain import suppression as suppressions
from baseline.domain.alert import Alert
from baseline.domain.edge import Peer, PeerKind
from baseline.domain.errors import Invalid, NotFound, StaleRevision
from baseline.domain.suppression import Scope, Silenced
from baseline.domain.workload import WorkloadId
from baseline.ports import Library, Silence, Weighting
from tests.contracts.libraries import KINDS, SQL_KINDS, opened, url_of
from tests.contracts.nouns import SHOP, T0, a_suppression, an_alert

HOSTILE = "x\x00'; DROP TABLE suppressions;--<script>\U0001f4a5\u202e"
MADE = T0 + 100


@pytest.fixture(params=KINDS, name="library")
def _library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """An empty library of each kind."""
    yield from opened(request.param, request, tmp_path)


def a_weighting(version: int = 1, *, group: str = SHOP.key) -> Weighting:
    """A version of a group's weights."""
    return Weighting(
        group=group, version=version, weights=(("family:volume", 0.5), ("voice:tail", 0.25)), cause="dismiss", by="ada",
        at=T0, alert_id="a", note=HOSTILE,
    )  # fmt: skip


def silence(*numbers: int, alert: Alert | None = None) -> list[Silence]:
    """Windows of these minutes."""
    made = a_suppression(alert)
    return [Silence(made.id, (int(T0) + 60 * at, int(T0) + 60 * at + 60, 1e-6)) for at in numbers]


class TestSuppressions:
    @pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.ONCE])
    def test_it_comes_back_as_it_was(self, library: Library, scope: Scope) -> None:
        """Every scope, with hostile names in edges, reason and workload."""
        workload = WorkloadId("east", HOSTILE, "näme")
        edge = replace(an_alert().edges[0].edge, workload=workload, peer=Peer(PeerKind.DOMAIN, "", HOSTILE))
        alert = an_alert(workload=workload, edges=(replace(an_alert().edges[0], edge=edge),))
        made = replace(a_suppression(alert, scope=scope), reason=HOSTILE, by=HOSTILE)
        with library.transaction() as books:
            assert books.suppressions.add(made) == made
        with library.transaction() as books:
            assert books.suppressions.get(made.id) == made
            assert books.suppressions.find(workload=workload).items == [made]

    def test_adding_twice_is_adding_once(self, library: Library) -> None:
        """The stored one is returned, whatever the second says."""
        with library.transaction() as books:
            first = books.suppressions.add(a_suppression())
            assert books.suppressions.add(replace(first, reason="second")) == first
            assert books.suppressions.get(first.id) == first

    def test_an_update_must_follow_the_stored_revision(self, library: Library) -> None:
        """Revoked once; the same again is stale, and what is not there is not found."""
        over = suppressions.revoked(a_suppression(), by="ben", now=MADE + 60)
        with library.transaction() as books:
            with pytest.raises(NotFound):
                books.suppressions.update(over)
            books.suppressions.add(a_suppression())
            assert books.suppressions.update(over) == over
            with pytest.raises(StaleRevision) as caught:
                books.suppressions.update(over)
        assert (caught.value.expected, caught.value.actual) == (1, 2)

    def test_noting_counts_once_and_moves_no_revision(self, library: Library) -> None:
        """A replayed window is the same window; a suppression that is gone keeps nobody from storing alerts."""
        made = a_suppression()
        with library.transaction() as books:
            books.suppressions.add(made)
            books.suppressions.note(silence(5, 6))
        with library.transaction() as books:
            books.suppressions.note([*silence(6, 7), Silence("gone", (0, 60, 0.1))])
            stored = books.suppressions.get(made.id)
        assert (stored.silenced.count, stored.silenced.last_at) == (3, T0 + 480)
        assert replace(stored, silenced=Silenced()) == made

    def test_revoking_keeps_what_was_silenced_meanwhile(self, library: Library) -> None:
        """A person's change is of what the person read; the stream's record is not written over."""
        made = a_suppression()
        with library.transaction() as books:
            read = books.suppressions.add(made)
            books.suppressions.note(silence(5))
            over = books.suppressions.update(suppressions.revoked(read, by="ben", now=MADE + 900))
            assert over.silenced.count == books.suppressions.get(made.id).silenced.count == 1

    def test_two_streams_may_note_at_once(self, library: Library) -> None:
        """Each window is counted, in whatever order the two come to the same suppressions."""
        others = an_alert(1)
        with library.transaction() as books:
            books.suppressions.add(a_suppression())
            books.suppressions.add(a_suppression(others))
        barrier = threading.Barrier(2)

        def note(number: int) -> None:
            both = [*silence(10 + number), *silence(10 + number, alert=others)]
            barrier.wait(10)
            with library.transaction() as books:
                books.suppressions.note(both if number else both[::-1])

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(note, range(2)))
        with library.transaction() as books:
            assert [one.silenced.count for one in books.suppressions.find().items] == [2, 2]

    def test_the_mark_moves_with_every_change_and_with_nothing_else(self, library: Library) -> None:
        """So that whoever watches reads all of them only when there is something new."""
        with library.transaction() as books:
            book = books.suppressions
            marks = [book.mark()]
            made = book.add(a_suppression())
            marks.append(book.mark())
            book.note(silence(5))
            book.add(made)
            assert book.mark() == marks[-1]
            book.update(suppressions.revoked(made, by="ben", now=MADE + 60))
            marks.append(book.mark())
            book.add(a_suppression(an_alert(1)))
            marks.append(book.mark())
        assert len(set(marks)) == 4

    def test_they_are_listed_newest_first_and_by_what_is_asked(self, library: Library) -> None:
        """By workload, alert and whether they still speak; page by page, each once."""
        cart = an_alert(workload=WorkloadId("east", "shop", "cart"))
        first = a_suppression(now=MADE, until=MADE + 60)
        second = a_suppression(cart, now=MADE + 1, until=MADE + 600)
        third = suppressions.revoked(a_suppression(now=MADE + 2, until=MADE + 600), by="ben", now=MADE + 10)
        with library.transaction() as books:
            for one in (second, third, first):
                books.suppressions.add(one)
            find = books.suppressions.find
            assert find().items == [third, second, first]
            assert find(alert_id=cart.id).items == find(workload=cart.workload).items == [second]
            assert find(ending_after=MADE + 30).items == [second, first]
            page = find(limit=2)
            assert [*page.items, *find(limit=2, after=page.after).items] == [third, second, first]
            assert books.suppressions.standing(ending_after=MADE + 30) == [first, second]
            with pytest.raises(Invalid):
                find(after="forged")


class TestWeightings:
    def test_every_version_is_kept(self, library: Library) -> None:
        """Newest first, page by page; the newest is in force."""
        with library.transaction() as books:
            assert books.weightings.newest(SHOP.key) is None
            for version in (1, 2, 3):
                books.weightings.add(a_weighting(version))
            assert books.weightings.newest(SHOP.key) == a_weighting(3)
            page = books.weightings.versions(SHOP.key, limit=2)
            rest = books.weightings.versions(SHOP.key, limit=2, after=page.after)
        assert [one.version for one in (*page.items, *rest.items)] == [3, 2, 1]
        assert rest.after is None

    @pytest.mark.parametrize("version", [0, 1, 3])
    def test_versions_follow_each_other(self, library: Library, version: int) -> None:
        """Neither twice nor with a gap."""
        with library.transaction() as books:
            books.weightings.add(a_weighting(1))
            with pytest.raises(StaleRevision) as caught:
                books.weightings.add(a_weighting(version))
        assert (caught.value.expected, caught.value.actual) == (version - 1, 1)

    def test_of_many_adding_at_once_one_adds(self, library: Library) -> None:
        """The others are told to read again."""
        barrier = threading.Barrier(4)

        def add(_: int) -> bool:
            barrier.wait(10)
            try:
                with library.transaction() as books:
                    books.weightings.add(a_weighting(1))
            except StaleRevision:
                return False
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(add, range(4))) == [False, False, False, True]

    def test_those_in_force_are_the_newest_of_each_group(self, library: Library) -> None:
        """In order of group, bytewise, page by page."""
        groups = ["b", "B", "a\x00", HOSTILE]
        with library.transaction() as books:
            for group in groups:
                books.weightings.add(a_weighting(1, group=group))
            books.weightings.add(a_weighting(2, group="b"))
            page = books.weightings.in_force(limit=3)
            rest = books.weightings.in_force(limit=3, after=page.after)
            with pytest.raises(Invalid):
                books.weightings.in_force(after="forged")
        found = [(one.group, one.version) for one in (*page.items, *rest.items)]
        assert found == [("B", 1), ("a\x00", 1), ("b", 2), (HOSTILE, 1)]
        assert rest.after is None


@pytest.mark.parametrize("kind", SQL_KINDS)
def test_books_of_the_first_version_come_to_this_one(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """With everything in them; an alert of before voices were kept is read as one without."""
    url = url_of(kind, request, tmp_path)
    downgrade(url, to="0001")
    with closing(open_library(url)) as library, library.transaction() as books:
        books.alerts.put(an_alert())
    migrate(url)
    with closing(open_library(url)) as library:
        library.check()
        with library.transaction() as books:
            assert books.alerts.get(an_alert().id) == an_alert()
            assert books.suppressions.find().items == []
            assert books.suppressions.add(a_suppression()) == a_suppression()
