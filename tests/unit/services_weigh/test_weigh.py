"""Weights in the books: versions with the decision that made them, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from baseline.adapters.memory.books import MemoryLibrary
from baseline.domain.alert import Alert
from baseline.domain.errors import NotFound, StaleRevision
from baseline.domain.workload import WorkloadId
from baseline.ports import Books, Weighting
from baseline.services import decide, weigh
from tests.contracts.nouns import SHOP, T0, an_alert

GROUP = SHOP.key
ALONE = (("tail", 1e-9), ("forest", 0.4), ("edges", 1.0))


def told(number: int = 0, **changes: Any) -> Alert:
    """An alert that the tail raised alone."""
    return an_alert(number, voices=ALONE, **changes)


@pytest.fixture(name="books")
def _books() -> Iterator[Books]:
    """Books with twenty such alerts."""
    with MemoryLibrary().transaction() as books:
        for number in range(20):
            books.alerts.put(told(number))
        yield books


def in_force(books: Books) -> Weighting:
    """The newest version."""
    newest = books.weightings.newest(GROUP)
    assert newest is not None
    return newest


def test_every_decision_makes_a_version_that_names_it(books: Books) -> None:
    """Who, when, why, about which alert; the former ones stay."""
    decide.dismiss(books, told(0).id, by="ada", now=T0 + 100, note="backup")
    decide.confirm(books, told(1).id, by="ben", now=T0 + 200)
    second, first = books.weightings.versions(GROUP).items
    assert (first.version, first.cause, first.by, first.at, first.note) == (1, "dismiss", "ada", T0 + 100, "backup")
    assert (second.version, second.cause, second.by, second.alert_id) == (2, "confirm", "ben", told(1).id)
    assert dict(first.weights) == pytest.approx({"voice:tail": 4**-0.1, "family:fan-out": 4**-0.1})
    assert dict(second.weights) == pytest.approx({"voice:tail": 1.0, "family:fan-out": 1.0})


def test_no_number_of_dismissals_goes_past_the_bound(books: Books) -> None:
    """Twenty of them end at a quarter."""
    for number in range(20):
        decide.dismiss(books, told(number).id, by="ada", now=T0 + number)
    assert dict(in_force(books).weights) == {"voice:tail": 0.25, "family:fan-out": 0.25}
    assert in_force(books).version == 20


def test_a_changed_mind_takes_the_former_lesson_back(books: Books) -> None:
    """Dismissed, then confirmed, is as far up as confirmed alone."""
    decide.dismiss(books, told(0).id, by="ada", now=T0)
    decide.confirm(books, told(0).id, by="ada", now=T0 + 5)
    assert dict(in_force(books).weights)["voice:tail"] == pytest.approx(4**0.1)


def test_an_alert_that_knows_no_voices_teaches_no_weight(books: Books) -> None:
    """Those of before voices were kept."""
    books.alerts.put(an_alert(50, voices=()))
    decide.dismiss(books, an_alert(50).id, by="ada", now=T0)
    assert books.weightings.newest(GROUP) is None


def test_a_workloads_decisions_move_nobody_elses_weights(books: Books) -> None:
    """A group is a workload."""
    cart = WorkloadId("east", "shop", "cart")
    books.alerts.put(told(0, workload=cart))
    decide.dismiss(books, told(0, workload=cart).id, by="ada", now=T0)
    assert books.weightings.newest(GROUP) is None
    assert set(weigh.in_force(books)) == {cart.key}


def test_reset_lets_everything_count_one_and_keeps_the_past(books: Books) -> None:
    """A version of its own, with an audit row; learning goes on from there."""
    decide.dismiss(books, told(0).id, by="ada", now=T0)
    made = weigh.reset(books, GROUP, by="ben", now=T0 + 9, note="wrong", version=1)
    assert (made.version, made.weights, made.cause, made.alert_id) == (2, (), "reset", "")
    assert len(books.weightings.versions(GROUP).items) == 2
    entry = books.audit.find().items[0]
    assert (entry.actor, entry.action, entry.target) == ("ben", "weights.reset", f"weights/{GROUP}")
    decide.dismiss(books, told(1).id, by="ada", now=T0 + 20)
    assert dict(in_force(books).weights)["voice:tail"] == pytest.approx(4**-0.1)


def test_only_what_was_read_is_reset(books: Books) -> None:
    """A version that moved on is stale; a group that never learned is not found."""
    with pytest.raises(NotFound):
        weigh.reset(books, GROUP, by="ben", now=T0)
    decide.dismiss(books, told(0).id, by="ada", now=T0)
    decide.dismiss(books, told(1).id, by="ada", now=T0)
    with pytest.raises(StaleRevision):
        weigh.reset(books, GROUP, by="ben", now=T0, version=1)


def test_who_is_overtaken_learns_from_the_newer_version(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another decision about the group lands between our reading and our writing: both count."""
    decide.dismiss(books, told(0).id, by="ada", now=T0)
    stale = in_force(books)
    decide.dismiss(books, told(1).id, by="ada", now=T0)
    answers = iter([stale])
    real = books.weightings.newest
    monkeypatch.setattr(books.weightings, "newest", lambda group: next(answers, None) or real(group))
    decide.dismiss(books, told(2).id, by="ben", now=T0)
    assert in_force(books).version == 3
    assert dict(in_force(books).weights)["voice:tail"] == pytest.approx(4**-0.3)


def test_what_a_fit_reads_is_the_newest_of_each_group(books: Books) -> None:
    """More groups than a page holds."""
    for number in range(1003):
        books.weightings.add(
            Weighting(group=f"g{number:04d}", version=1, weights=(("voice:tail", 0.5),), cause="dismiss", by="a", at=T0)
        )
    books.weightings.add(Weighting(group="g0000", version=2, weights=(), cause="reset", by="a", at=T0))
    found = weigh.in_force(books)
    assert len(found) == 1003
    assert (found["g0000"], found["g1002"]) == ({}, {"voice:tail": 0.5})
