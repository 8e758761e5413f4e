"""The API's promises under concurrency, over every kind of library: the database decides them, not the app."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from baseline.domain.errors import StaleRevision
from baseline.domain.restriction import Level, State, restriction_id
from baseline.ports import Role
from tests.contracts.libraries import KINDS, opened
from tests.contracts.nouns import a_restriction, an_alert, an_applied
from tests.unit.web.serving import NOW, Api, served

A0 = an_alert().id
R0 = restriction_id(A0, Level.R1)


@pytest.fixture(params=KINDS)
def api(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    """The API over an empty library of each kind, with one alert."""
    for library in opened(request.param, request, tmp_path):
        with served(library) as api:
            with library.transaction() as books:
                books.alerts.put(an_alert())
            yield api


def at_once(number: int, ask: Callable[[int], httpx.Response]) -> list[httpx.Response]:
    """The answers of as many requests that start together."""
    barrier = threading.Barrier(number)

    def start(which: int) -> httpx.Response:
        barrier.wait(20)
        return ask(which)

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(start, range(number)))


def test_two_analysts_at_once_are_one_decision(api: Api) -> None:
    """Eight with the same revision: one 200, seven 412, one audit row, one feedback."""
    answers = at_once(8, lambda which: api.post(f"alerts/{A0}/{('confirm', 'dismiss')[which % 2]}"))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 412: 7}
    with api.library.transaction() as books:
        assert len(books.audit.find(target=f"alert/{A0}").items) == 1
        assert len(books.feedback.since(0)) == 1


@pytest.mark.parametrize("is_proposed", [True, False])
def test_restricting_many_times_at_once_is_one_restriction(api: Api, *, is_proposed: bool) -> None:
    """Proposed before or planned on the spot: one restriction, approved once, the same answer to all."""
    if is_proposed:
        with api.library.transaction() as books:
            books.restrictions.add(a_restriction(now=NOW))
    answers = at_once(8, lambda which: api.post(f"alerts/{A0}/restrict", role=(Role.RESPONDER, Role.ADMIN)[which % 2]))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    with api.library.transaction() as books:
        (only,) = books.restrictions.find().items
        assert (only.id, only.state, only.revision) == (R0, State.APPROVED, 2)
        assert [entry.action for entry in books.audit.find(target=f"restriction/{R0}").items] == ["restriction.approve"]


def test_the_same_request_many_times_at_once_is_one_effect(api: Api) -> None:
    """One key: whoever is not answered is told to ask again, and then gets the one answer."""
    answers = at_once(8, lambda _: api.post(f"alerts/{A0}/confirm", key="k"))
    assert {answer.status_code for answer in answers} <= {200, 409}
    last = api.post(f"alerts/{A0}/confirm", key="k")
    assert last.status_code == 200
    assert {answer.text for answer in answers if answer.status_code == 200} == {last.text}
    with api.library.transaction() as books:
        assert len(books.audit.find(target=f"alert/{A0}").items) == 1


def test_dismissing_while_control_renews_ends_it(api: Api) -> None:
    """Control bumps the restriction's revision all the time; the dismissal wins and stays."""
    with api.library.transaction() as books:
        books.restrictions.add(an_applied(now=NOW))
    over = threading.Event()

    def renew() -> None:
        while not over.is_set():
            with suppress(StaleRevision), api.library.transaction() as books:
                stored = books.restrictions.get(R0)
                if stored.has_ended:
                    return
                books.restrictions.update(replace(stored, revision=stored.revision + 1))

    with ThreadPoolExecutor(1) as pool:
        renewing = pool.submit(renew)
        answer = api.post(f"alerts/{A0}/dismiss")
        over.set()
        renewing.result(20)
    assert answer.status_code == 200
    ended = api.get(f"restrictions/{R0}").json()
    assert (ended["state"], ended["ended_by"]) == ("released", "dismissal by responder")
