"""Deciding with control's own plan and guards behind it, as the API and the command line do."""

from __future__ import annotations

import pytest

from baseline.adapters.memory.books import MemoryLibrary
from baseline.domain import restriction as restrictions
from baseline.domain.alert import Alert
from baseline.domain.errors import NotAllowed
from baseline.domain.restriction import Level, Mode, State, restriction_id
from baseline.domain.workload import WorkloadId
from baseline.ports import Books, NamespaceFacts
from baseline.services import decide, restrict
from tests.contracts.nouns import SHOP, an_alert, some_facts

ALERT = an_alert()
NOW = ALERT.updated_at + 5
AROUND = restrict.Surroundings(
    namespaces={name: NamespaceFacts(name, Mode.RECOMMEND, is_protected=False) for name in ("shop", "data")}, lag_s=1.0
)


def planner(books: Books, now: float, around: restrict.Surroundings = AROUND) -> decide.Planner:
    """As wiring makes it."""
    options = restrict.RestrictOptions()
    return lambda alert: restrict.considered(books, alert, now=now, options=options, around=around, automatic=False)


@pytest.fixture
def library() -> MemoryLibrary:
    """An alert of a workload among others."""
    library = MemoryLibrary()
    with library.transaction() as books:
        books.alerts.put(ALERT)
        books.workloads.see([some_facts(f"w{number}", last_seen=NOW) for number in range(60)])
        books.workloads.see([some_facts(last_seen=NOW), some_facts("ledger", namespace="data", last_seen=NOW)])
    return library


def ask(books: Books, alert: Alert = ALERT, *, now: float = NOW) -> restrictions.Restriction:
    """A person asks for ten minutes of R1."""
    return decide.restrict(books, alert.id, level=Level.R1, ttl_s=600.0, by="ada", now=now, planner=planner(books, now))


def test_a_person_gets_what_the_plan_proposes(library: MemoryLibrary) -> None:
    """Approved by the person, with what the guards said, selecting by the owner's labels."""
    with library.transaction() as books:
        approved = ask(books)
        assert books.restrictions.get(restriction_id(ALERT.id, Level.R1)) == approved
    assert (approved.state, approved.approved_by, approved.workload) == (State.APPROVED, "ada", SHOP)
    assert approved.selector == (("app", "checkout"),)
    assert approved.rules[0].ports == (22,)
    assert approved.guards


def test_what_has_run_out_can_be_asked_for_again(library: MemoryLibrary) -> None:
    """The attack goes on: planned anew with today's guards, under the same id."""
    with library.transaction() as books:
        first = ask(books)
        over = restrictions.ended(restrictions.applied(first, now=NOW), state=State.EXPIRED, by="expiry", now=NOW + 600)
        books.restrictions.update(restrictions.applied(first, now=NOW))
        books.restrictions.update(over)
        again = ask(books, now=NOW + 610)
    assert (again.id, again.state) == (first.id, State.APPROVED)
    assert again.expires_at == NOW + 610 + 600
    assert again.max_expires_at > first.max_expires_at


def test_a_protected_namespace_is_refused_to_people_too(library: MemoryLibrary) -> None:
    """With the guard's own words."""
    system = an_alert(1, workload=WorkloadId("east", "kube-system", "dns"))
    with library.transaction() as books:
        books.alerts.put(system)
        with pytest.raises(NotAllowed, match="no restriction"):
            ask(books, system)
        assert not books.restrictions.find().items
