"""What every library keeps: one suite over memory, SQLite and PostgreSQL."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from baseline.domain import restriction as restrictions
from baseline.domain.alert import Decision, Disposition
from baseline.domain.deviation import Maturity
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import Conflict, Invalid, KeyReused, NotAllowed, NotFound, StaleRevision
from baseline.domain.restriction import Restriction, State
from baseline.domain.workload import WorkloadId
from baseline.ports import (
    AuditEntry,
    Books,
    Event,
    EventKind,
    Feedback,
    Library,
    Role,
    Sign,
    StoredAnswer,
    Token,
    WorkloadFacts,
)
from tests.contracts.libraries import KINDS, opened
from tests.contracts.nouns import SHOP, T0, a_restriction, an_alert, an_explanation, some_facts

CONFIRMED = Decision(disposition=Disposition.CONFIRMED, by="ada", at=T0, note="seen before")
DISMISSED = Decision(disposition=Disposition.DISMISSED, by="ben", at=T0 + 1)
HOSTILE = "x\x00'; DROP TABLE alerts;--<script>\U0001f4a5\u202e"


@pytest.fixture(params=KINDS)
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Library]:
    """An empty library of each kind."""
    yield from opened(request.param, request, tmp_path)


class TestTransactions:
    def test_leaving_without_an_error_commits(self, library: Library) -> None:
        """What was put is there in the next transaction."""
        with library.transaction() as books:
            books.alerts.put(an_alert())
        with library.transaction() as books:
            assert books.alerts.get(an_alert().id) == an_alert()

    def test_an_error_rolls_everything_back(self, library: Library) -> None:
        """Alert, audit and outbox of a failed transaction are all absent."""

        def fail_late() -> None:
            with library.transaction() as books:
                books.alerts.put(an_alert())
                books.audit.append(AuditEntry(at=T0, actor="ada", action="alert.confirm", target="alert/1"))
                books.outbox.add(_event(), channels=["webhook"])
                books.restrictions.get("absent")

        with pytest.raises(NotFound):
            fail_late()
        with library.transaction() as books:
            assert not books.alerts.find().items
            assert not books.audit.find().items
            assert not books.outbox.due(now=T0 + 10, limit=10)

    def test_a_fresh_library_is_ready(self, library: Library) -> None:
        """Check passes on a migrated database."""
        library.check()

    def test_a_lock_has_one_holder(self, library: Library) -> None:
        """A second holder is told no until the first is gone; another name is free."""
        lock = library.advisory_lock
        with lock("control") as first, lock("control") as second, lock("notify") as other:
            assert (first, second, other) == (True, False, True)
        with library.advisory_lock("control") as again:
            assert again

    def test_two_asking_for_a_lock_at_once_are_one_holder(self, library: Library) -> None:
        """Of four threads that try at the same moment, one holds."""
        barrier, done = threading.Barrier(4), threading.Barrier(4)

        def attempt() -> bool:
            barrier.wait(10)
            with library.advisory_lock("control") as is_held:
                done.wait(10)
                return is_held

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(lambda _: attempt(), range(4))) == [False, False, False, True]


class TestAlerts:
    def test_putting_twice_is_putting_once(self, library: Library) -> None:
        """The second put of the same alert is not new and changes nothing."""
        with library.transaction() as books:
            assert books.alerts.put(an_alert())
            assert not books.alerts.put(an_alert())
            assert books.alerts.get(an_alert().id).revision == 1

    def test_an_update_keeps_the_first_write_and_raises_the_revision(self, library: Library) -> None:
        """Newer evidence replaces older; the moment of the first write stays."""
        newer = replace(an_alert(), updated_at=an_alert().updated_at + 60, windows=2, p=1e-9, recorded_at=T0 + 999)
        with library.transaction() as books:
            books.alerts.put(an_alert())
            assert not books.alerts.put(newer)
            stored = books.alerts.get(newer.id)
        assert (stored.windows, stored.p, stored.revision) == (2, 1e-9, 2)
        assert stored.recorded_at == an_alert().recorded_at

    def test_it_never_goes_back(self, library: Library) -> None:
        """An older state, as a replay brings it, changes nothing."""
        newer = replace(an_alert(), updated_at=an_alert().updated_at + 60, windows=2)
        with library.transaction() as books:
            books.alerts.put(newer)
            books.alerts.put(an_alert())
            assert books.alerts.get(newer.id) == newer

    def test_the_stream_never_touches_a_decision(self, library: Library) -> None:
        """A decision survives a newer state of the alert."""
        newer = replace(an_alert(), updated_at=an_alert().updated_at + 60, windows=2)
        with library.transaction() as books:
            books.alerts.put(an_alert())
            books.alerts.decide(newer.id, CONFIRMED, revision=1)
            books.alerts.put(newer)
            stored = books.alerts.get(newer.id)
        assert stored.decision == CONFIRMED
        assert (stored.windows, stored.revision) == (2, 3)

    def test_a_decision_asks_for_the_revision_that_was_read(self, library: Library) -> None:
        """A stale revision is refused with both numbers, and None asks for none."""
        with library.transaction() as books:
            books.alerts.put(an_alert())
            decided = books.alerts.decide(an_alert().id, CONFIRMED, revision=1)
            with pytest.raises(StaleRevision) as caught:
                books.alerts.decide(an_alert().id, DISMISSED, revision=1)
            assert books.alerts.decide(an_alert().id, DISMISSED, revision=None).decision == DISMISSED
        assert (caught.value.expected, caught.value.actual) == (1, 2)
        assert (decided.decision, decided.revision) == (CONFIRMED, 2)

    def test_deciding_the_same_twice_is_not_allowed(self, library: Library) -> None:
        """The refusal names who decided first."""
        with library.transaction() as books:
            books.alerts.put(an_alert())
            books.alerts.decide(an_alert().id, CONFIRMED, revision=None)
            with pytest.raises(NotAllowed, match="already confirmed by ada"):
                books.alerts.decide(an_alert().id, CONFIRMED, revision=None)

    def test_of_two_analysts_at_once_one_decides(self, library: Library) -> None:
        """Two threads with the same revision: one succeeds, the other is stale."""
        with library.transaction() as books:
            books.alerts.put(an_alert())
        barrier = threading.Barrier(2)

        def decide(decision: Decision) -> str:
            barrier.wait(10)
            try:
                with library.transaction() as books:
                    books.alerts.decide(an_alert().id, decision, revision=1)
            except StaleRevision:
                return "stale"
            return "decided"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(decide, (CONFIRMED, DISMISSED))) == ["decided", "stale"]

    def test_filters_narrow_a_listing(self, library: Library) -> None:
        """By disposition, workload and time."""
        other = WorkloadId("east", "shop", "cart")
        with library.transaction() as books:
            for number in range(4):
                books.alerts.put(an_alert(number, workload=SHOP if number % 2 else other))
            books.alerts.decide(an_alert(1).id, CONFIRMED, revision=1)
            find = books.alerts.find
            assert [alert.id for alert in find(workload=SHOP).items] == [an_alert(3).id, an_alert(1).id]
            assert [alert.id for alert in find(disposition=Disposition.CONFIRMED).items] == [an_alert(1).id]
            assert len(find(disposition=Disposition.NONE).items) == 3
            assert len(find(since=an_alert(2).opened_at).items) == 2

    def test_pages_hold_each_alert_once_though_others_are_inserted(self, library: Library) -> None:
        """Newest first; alerts that open while somebody pages appear on no later page, and none is skipped."""
        seen: list[str] = []
        with library.transaction() as books:
            for number in range(7):
                books.alerts.put(an_alert(number))
            page = books.alerts.find(limit=3)
            seen += [alert.id for alert in page.items]
            books.alerts.put(an_alert(100))
            while page.after is not None:
                page = books.alerts.find(limit=3, after=page.after)
                seen += [alert.id for alert in page.items]
        assert seen == [an_alert(number).id for number in range(6, -1, -1)]

    def test_alerts_of_the_same_moment_are_paged_by_id(self, library: Library) -> None:
        """Equal times neither repeat nor hide an alert."""
        same = [an_alert(0, workload=WorkloadId("east", "shop", f"w{number}")) for number in range(5)]
        seen: list[str] = []
        with library.transaction() as books:
            for alert in same:
                books.alerts.put(alert)
            page = books.alerts.find(limit=2)
            seen += [alert.id for alert in page.items]
            while page.after is not None:
                page = books.alerts.find(limit=2, after=page.after)
                seen += [alert.id for alert in page.items]
        assert seen == sorted((alert.id for alert in same), reverse=True)

    @pytest.mark.parametrize("after", ["", "%%%", "bnVsbA", "WzEsMl0", "W251bGwsIngiXQ", "WyJhIiwieCJd", "x" * 5000])
    def test_a_forged_page_key_is_invalid(self, library: Library, after: str) -> None:
        """Neither a crash nor a first page."""
        with library.transaction() as books, pytest.raises(Invalid):
            books.alerts.find(after=after)

    def test_control_sees_each_change_once(self, library: Library) -> None:
        """Unplanned: new, updated and confirmed alerts, oldest first; not what was planned, not what was dismissed."""
        newer = replace(an_alert(1), updated_at=an_alert(1).updated_at + 60)
        with library.transaction() as books:
            for number in range(3):
                books.alerts.put(an_alert(number))
            assert [alert.id for alert in books.alerts.unplanned(2)] == [an_alert(0).id, an_alert(1).id]
            for number in range(3):
                books.alerts.planned(an_alert(number).id, revision=1)
            assert not books.alerts.unplanned(10)
            books.alerts.put(newer)
            books.alerts.decide(an_alert(0).id, DISMISSED, revision=None)
            books.alerts.decide(an_alert(2).id, CONFIRMED, revision=None)
            assert [alert.id for alert in books.alerts.unplanned(10)] == [an_alert(1).id, an_alert(2).id]
            books.alerts.planned(an_alert(1).id, revision=2)
            books.alerts.planned(an_alert(1).id, revision=1)
            assert [alert.id for alert in books.alerts.unplanned(10)] == [an_alert(2).id]

    def test_absent_alerts_are_not_found(self, library: Library) -> None:
        """Get, decide and planned name what is missing."""
        with library.transaction() as books:
            for act in (
                lambda: books.alerts.get("no\x00pe"),
                lambda: books.alerts.decide("nope", CONFIRMED, revision=1),
                lambda: books.alerts.planned("nope", revision=1),
            ):
                with pytest.raises(NotFound):
                    act()

    def test_hostile_strings_and_odd_numbers_come_back_as_they_were(self, library: Library) -> None:
        """Names out of flow logs are anybody's; infinities are ours."""
        reason = replace(an_alert().reasons[0], expected_high=math.inf, sentence=HOSTILE)
        workload = WorkloadId("east", HOSTILE, "näme")
        hint = replace(an_explanation().techniques[0], sentence=HOSTILE)
        alert = an_alert(
            workload=workload,
            reasons=(reason,),
            local_labels=((HOSTILE, "\\u0000"),),
            explanation=an_explanation(techniques=(hint,)),
        )
        with library.transaction() as books:
            books.alerts.put(alert)
            assert books.alerts.get(alert.id) == alert
            assert books.alerts.find(workload=workload).items == [alert]


class TestRestrictions:
    def test_adding_twice_is_adding_once(self, library: Library) -> None:
        """The stored one is returned, whatever the second says."""
        with library.transaction() as books:
            first = books.restrictions.add(a_restriction())
            assert books.restrictions.add(a_restriction(detail="second")) == first
            assert books.restrictions.get(first.id) == first

    def test_of_many_adding_at_once_one_inserts(self, library: Library) -> None:
        """Six threads add the same restriction: all get the same one."""
        barrier = threading.Barrier(6)

        def add(number: int) -> str:
            barrier.wait(10)
            with library.transaction() as books:
                return books.restrictions.add(a_restriction(detail=f"by {number}")).detail

        with ThreadPoolExecutor(6) as pool:
            assert len(set(pool.map(add, range(6)))) == 1
        with library.transaction() as books:
            assert len(books.restrictions.find().items) == 1

    def test_an_update_must_follow_the_stored_revision(self, library: Library) -> None:
        """The next revision is stored; the same again, or one too far, is stale."""
        approved = restrictions.approved(a_restriction(), by="ada", now=T0)
        with library.transaction() as books:
            books.restrictions.add(a_restriction())
            assert books.restrictions.update(approved) == approved
            with pytest.raises(StaleRevision) as caught:
                books.restrictions.update(approved)
            with pytest.raises(StaleRevision):
                books.restrictions.update(replace(approved, revision=4))
            assert books.restrictions.get(approved.id) == approved
        assert (caught.value.expected, caught.value.actual) == (1, 2)

    def test_of_two_updates_at_once_one_is_stale(self, library: Library) -> None:
        """Control and a person change the same revision: one of them has to read again."""
        with library.transaction() as books:
            books.restrictions.add(a_restriction())
        barrier = threading.Barrier(2)

        def update(by: str) -> str:
            barrier.wait(10)
            try:
                with library.transaction() as books:
                    books.restrictions.update(restrictions.approved(a_restriction(), by=by, now=T0))
            except StaleRevision:
                return "stale"
            return "updated"

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(update, ("ada", "ben"))) == ["stale", "updated"]

    def test_absent_ones_are_not_found(self, library: Library) -> None:
        """Get and update."""
        with library.transaction() as books:
            with pytest.raises(NotFound):
                books.restrictions.get("r-0")
            with pytest.raises(NotFound):
                books.restrictions.update(a_restriction())

    def test_filters_narrow_a_listing(self, library: Library) -> None:
        """By state, alert, workload and end."""
        alerts = [an_alert(number) for number in range(3)]
        made = [a_restriction(alert, now=T0 + number) for number, alert in enumerate(alerts)]
        over = restrictions.ended(made[0], state=State.RELEASED, by="ada", now=T0 + 50)
        with library.transaction() as books:
            for one in made:
                books.restrictions.add(one)
            books.restrictions.update(over)
            find = books.restrictions.find
            assert find(states=[State.PROPOSED]).items == [made[2], made[1]]
            assert find(states=[]).items == []
            assert find(states=iter([State.RELEASED, State.HELD])).items == [over]
            assert find(alert_id=alerts[1].id).items == [made[1]]
            assert find(workload=WorkloadId("east", "shop", "nobody")).items == []
            assert find(ended_since=0.0).items == [over]
            assert find(ended_since=T0 + 51).items == []

    def test_pages_hold_each_restriction_once(self, library: Library) -> None:
        """Newest first."""
        made = [a_restriction(an_alert(number), now=T0 + number // 2) for number in range(5)]
        seen: list[Restriction] = []
        with library.transaction() as books:
            for one in made:
                books.restrictions.add(one)
            page = books.restrictions.find(limit=2)
            seen += page.items
            while page.after is not None:
                page = books.restrictions.find(limit=2, after=page.after)
                seen += page.items
        assert seen == sorted(made, key=lambda one: (one.created_at, one.id), reverse=True)


class TestWorkloads:
    def test_seeing_again_widens(self, library: Library) -> None:
        """The span widens, newer labels and maturity replace older ones."""
        later = replace(
            some_facts(), first_seen=T0, last_seen=T0 + 60, labels=(("app", "new"),), maturity=Maturity.MATURE
        )
        with library.transaction() as books:
            books.workloads.see([some_facts()])
            books.workloads.see([later])
            stored = books.workloads.get(SHOP)
        assert (stored.first_seen, stored.last_seen) == (T0 - 3600, T0 + 60)
        assert (stored.labels, stored.maturity, stored.revision) == ((("app", "new"),), Maturity.MATURE, 2)

    def test_what_a_set_measured_and_a_rollout_are_kept(self, library: Library) -> None:
        """The newest chance of a new edge; a rollout stays known to who no longer sees it."""
        with library.transaction() as books:
            books.workloads.see([some_facts(chance_new=0.5, rollout_at=T0 - 60)])
            books.workloads.see([some_facts(last_seen=T0 + 60, chance_new=0.02)])
            stored = books.workloads.get(SHOP)
        assert (stored.chance_new, stored.rollout_at) == (0.02, T0 - 60)

    def test_late_facts_only_widen(self, library: Library) -> None:
        """Facts older than the stored ones change the first sight and nothing else."""
        early = replace(some_facts(), first_seen=T0 - 9000, last_seen=T0 - 8000, labels=(("app", "old"),))
        with library.transaction() as books:
            books.workloads.see([some_facts()])
            books.workloads.see([early])
            stored = books.workloads.get(SHOP)
        assert (stored.first_seen, stored.last_seen, stored.labels) == (T0 - 9000, T0, some_facts().labels)

    def test_seeing_the_same_again_changes_nothing(self, library: Library) -> None:
        """Not even the revision."""
        with library.transaction() as books:
            books.workloads.see([some_facts(), some_facts()])
            books.workloads.see([some_facts()])
            assert books.workloads.get(SHOP) == some_facts()

    def test_a_fleet_is_seen_in_one_call(self, library: Library) -> None:
        """1,200 workloads, paged in order of key, counted by namespace."""
        fleet = [some_facts(f"w{number:04}", namespace=f"n-{number % 3}") for number in range(1200)]
        names: list[WorkloadFacts] = []
        with library.transaction() as books:
            books.workloads.see(fleet)
            assert books.workloads.count(seen_since=T0) == {"n-0": 400, "n-1": 400, "n-2": 400}
            assert books.workloads.count(seen_since=T0 + 1) == {}
            page = books.workloads.find(limit=500)
            names += page.items
            while page.after is not None:
                page = books.workloads.find(limit=500, after=page.after)
                names += page.items
        assert [one.workload.key for one in names] == sorted(one.workload.key for one in fleet)

    def test_order_is_bytewise_on_every_database(self, library: Library) -> None:
        """Hyphen, capitals and slashes sort as bytes do, so that pages agree everywhere."""
        names = ["a", "a-b", "B", "a.b", "ä", "ab"]
        with library.transaction() as books:
            books.workloads.see([some_facts(name) for name in names])
            assert [one.workload.name for one in books.workloads.find().items] == sorted(names)

    def test_filters_narrow_a_listing(self, library: Library) -> None:
        """By namespace and last sight; an unknown one is not found."""
        with library.transaction() as books:
            books.workloads.see([some_facts(), some_facts("cart", namespace="web", last_seen=T0 - 100)])
            assert [one.workload.name for one in books.workloads.find(namespace="web").items] == ["cart"]
            assert [one.workload.name for one in books.workloads.find(seen_since=T0 - 1).items] == ["checkout"]
            with pytest.raises(NotFound):
                books.workloads.get(WorkloadId("west", "shop", "checkout"))


class TestFeedbackAndAudit:
    def test_feedback_is_replaced_by_alert(self, library: Library) -> None:
        """A changed decision teaches only its last word."""
        edge = EdgeKey(Direction.EGRESS, Peer(PeerKind.ADDRESS, "", "192.0.2.7"), None, "tcp")
        first = Feedback(
            alert_id="a", workload=SHOP, disposition=Disposition.DISMISSED, window_start=T0, window_end=T0 + 60,
            by="ada", at=T0, edges=(edge,), family="fan-out",
        )  # fmt: skip
        second = replace(first, disposition=Disposition.CONFIRMED, at=T0 + 5)
        with library.transaction() as books:
            books.feedback.add(first)
            books.feedback.add(replace(first, alert_id="b", at=T0 + 2))
            books.feedback.add(second)
            assert [one.alert_id for one in books.feedback.since(0)] == ["b", "a"]
            assert books.feedback.since(T0 + 5) == [second]

    def test_audit_is_newest_first_and_filters_by_target(self, library: Library) -> None:
        """Entries keep their detail; pages hold each once."""
        entries = [
            AuditEntry(at=T0, actor="ada", action="alert.confirm", target=f"alert/{number % 2}", detail={"n": number})
            for number in range(5)
        ]
        with library.transaction() as books:
            for entry in entries:
                books.audit.append(entry)
            page = books.audit.find(limit=3)
            rest = books.audit.find(limit=3, after=page.after)
            assert [*page.items, *rest.items] == entries[::-1]
            assert rest.after is None
            assert books.audit.find(target="alert/1").items == [entries[3], entries[1]]


class TestOutbox:
    def test_an_event_waits_once_a_channel(self, library: Library) -> None:
        """Adding again changes nothing; every channel has a delivery of its own."""
        with library.transaction() as books:
            books.outbox.add(_event(), channels=["webhook", "alertmanager"])
            books.outbox.add(_event(), channels=["webhook"])
            due = books.outbox.due(now=T0, limit=10)
        assert [(one.event, one.channel, one.tries) for one in due] == [
            (_event(), "alertmanager", 0),
            (_event(), "webhook", 0),
        ]

    def test_one_channel_can_be_asked_for(self, library: Library) -> None:
        """What waits for another channel does not count against the limit."""
        with library.transaction() as books:
            for number in range(3):
                books.outbox.add(replace(_event(), id=f"e-{number}", at=T0 + number), channels=["a"])
            books.outbox.add(replace(_event(), id="e-9", at=T0 + 9), channels=["b"])
            assert [one.event.id for one in books.outbox.due(now=T0, limit=1, channel="b")] == ["e-9"]

    def test_delivered_is_over_and_stays_over(self, library: Library) -> None:
        """The same event added again is not told again."""
        with library.transaction() as books:
            books.outbox.add(_event(), channels=["webhook"])
            books.outbox.delivered("e-1", "webhook", at=T0)
            books.outbox.add(_event(), channels=["webhook"])
            assert not books.outbox.due(now=T0 + 1e6, limit=10)

    def test_failed_waits_for_its_time(self, library: Library) -> None:
        """Not due before, due after, with its tries; None is never due again."""
        with library.transaction() as books:
            books.outbox.add(_event(), channels=["webhook"])
            books.outbox.failed("e-1", "webhook", error="503", retry_at=T0 + 30)
            assert not books.outbox.due(now=T0 + 29, limit=10)
            (again,) = books.outbox.due(now=T0 + 30, limit=10)
            assert (again.tries, again.due) == (1, T0 + 30)
            books.outbox.failed("e-1", "webhook", error="503", retry_at=None)
            assert not books.outbox.due(now=T0 + 1e9, limit=10)

    def test_oldest_events_come_first_and_a_limit_holds(self, library: Library) -> None:
        """By the event's own time."""
        with library.transaction() as books:
            for number in (3, 1, 2):
                books.outbox.add(replace(_event(), id=f"e-{number}", at=T0 + number), channels=["webhook"])
            assert [one.event.id for one in books.outbox.due(now=T0, limit=2)] == ["e-1", "e-2"]
            with pytest.raises(NotFound):
                books.outbox.delivered("e-9", "webhook", at=T0)


class TestTokens:
    def test_a_name_is_taken_once(self, library: Library) -> None:
        """Found by hash, refused a second time, listed by name."""
        token = Token(name="ada", role=Role.RESPONDER, hash="h1", created_at=T0, expires_at=T0 + 5)
        with library.transaction() as books:
            books.tokens.add(token)
            books.tokens.add(Token(name="Zoe", role=Role.VIEWER, hash="h2", created_at=T0))
            with pytest.raises(Conflict):
                books.tokens.add(replace(token, hash="h3"))
            assert books.tokens.by_hash("h1") == token
            assert books.tokens.by_hash("h3") is None
            assert [one.name for one in books.tokens.all()] == ["Zoe", "ada"]

    def test_revoking_keeps_the_first_time(self, library: Library) -> None:
        """A revoked token is still found, with its end; unknown names are not."""
        with library.transaction() as books:
            books.tokens.add(Token(name="ada", role=Role.ADMIN, hash="h1", created_at=T0))
            books.tokens.revoke("ada", at=T0 + 1)
            books.tokens.revoke("ada", at=T0 + 2)
            found = books.tokens.by_hash("h1")
            assert found is not None
            assert found.revoked_at == T0 + 1
            with pytest.raises(NotFound):
                books.tokens.revoke("nobody", at=T0)


class TestIdempotency:
    answer = StoredAnswer("hash", 200, b'{"a": 1}', {"ETag": '"2"'})

    def test_the_first_claims_and_the_second_waits(self, library: Library) -> None:
        """Until it is finished, the same request is a conflict; then it is the stored answer."""
        with library.transaction() as books:
            assert _begin(books) is None
        with library.transaction() as books, pytest.raises(Conflict) as caught:
            _begin(books)
        assert not isinstance(caught.value, KeyReused)
        with library.transaction() as books:
            books.idempotency.finish(token="ada", key="k", answer=self.answer)
        with library.transaction() as books:
            assert _begin(books) == self.answer

    def test_another_request_with_the_key_is_refused(self, library: Library) -> None:
        """Finished or not; another token's key is another key."""
        with library.transaction() as books:
            _begin(books)
            with pytest.raises(KeyReused):
                books.idempotency.begin(token="ada", key="k", request_hash="other", now=T0)
            assert books.idempotency.begin(token="ben", key="k", request_hash="other", now=T0) is None

    def test_an_abandoned_claim_is_free_and_an_answer_stays(self, library: Library) -> None:
        """A failed request changes nothing, so its key may be used again."""
        with library.transaction() as books:
            _begin(books)
            books.idempotency.abandon(token="ada", key="k")
            assert _begin(books) is None
            books.idempotency.finish(token="ada", key="k", answer=self.answer)
            books.idempotency.abandon(token="ada", key="k")
            assert _begin(books) == self.answer
            with pytest.raises(NotFound):
                books.idempotency.finish(token="ada", key="k", answer=self.answer)

    def test_a_dead_claim_and_an_old_answer_are_forgotten(self, library: Library) -> None:
        """After a minute and a day."""
        with library.transaction() as books:
            _begin(books)
            assert _begin(books, now=T0 + 61) is None
            books.idempotency.finish(token="ada", key="k", answer=self.answer)
            assert _begin(books, now=T0 + 86_000) == self.answer
            assert _begin(books, now=T0 + 61 + 86_401) is None

    def test_of_many_at_once_one_claims(self, library: Library) -> None:
        """Five threads with one key: one may answer, the others are told to wait."""
        barrier = threading.Barrier(5)

        def claim(_: int) -> str:
            barrier.wait(10)
            try:
                with library.transaction() as books:
                    _begin(books)
            except Conflict:
                return "wait"
            return "claimed"

        with ThreadPoolExecutor(5) as pool:
            assert sorted(pool.map(claim, range(5))) == ["claimed", *["wait"] * 4]


def _event() -> Event:
    return Event(id="e-1", kind=EventKind.ALERT_OPENED, subject="a-1", at=T0, payload={"workload": "shop/checkout"})


def _begin(books: Books, now: float = T0) -> StoredAnswer | None:
    return books.idempotency.begin(token="ada", key="k", request_hash="hash", now=now)


class TestSigns:
    """Signs of life of the streams."""

    def test_a_member_has_one_sign_the_newest(self, library: Library) -> None:
        """A later sign replaces an earlier one; an old one is not found, and forgotten when asked."""
        with library.transaction() as books:
            books.signs.put(Sign(member="b", at=T0, lag_s=3.0))
            books.signs.put(Sign(member="a", at=T0, lag_s=9.0))
            books.signs.put(Sign(member="a", at=T0 + 5, lag_s=0.5, watermark=T0 - 20))
        with library.transaction() as books:
            assert [(sign.member, sign.lag_s) for sign in books.signs.since(T0)] == [("a", 0.5), ("b", 3.0)]
            assert [sign.member for sign in books.signs.since(T0 + 1)] == ["a"]
            books.signs.forget(before=T0 + 1)
            assert [sign.member for sign in books.signs.since(0)] == ["a"]
