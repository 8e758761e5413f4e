"""What people do, over the books in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from baseline.adapters.memory.books import MemoryLibrary
from baseline.domain import restriction as restrictions
from baseline.domain.alert import Alert, Disposition
from baseline.domain.errors import NotAllowed, NotFound, StaleRevision
from baseline.domain.restriction import HOLD_S, MAX_TTL_S, Level, Restriction, State
from baseline.policy.plan import Refusal
from baseline.ports import Books, EventKind
from baseline.services import decide
from tests.contracts.nouns import T0, a_restriction, an_alert, an_applied

NOW = T0 + 100


@pytest.fixture
def library() -> MemoryLibrary:
    """A library that holds one alert."""
    library = MemoryLibrary()
    with library.transaction() as books:
        books.alerts.put(an_alert())
    return library


def plans(alert: Alert) -> Restriction:
    """A planner that always proposes."""
    return a_restriction(alert, now=NOW)


def refuses(alert: Alert) -> Refusal:
    """A planner that never does."""
    return Refusal(alert_id=alert.id, reason="its labels are unknown")


def stands(library: MemoryLibrary, restriction: Restriction) -> Restriction:
    """Put a restriction into the books as it is."""
    with library.transaction() as books:
        return books.restrictions.add(restriction)


def actions(books: Books) -> list[str]:
    """What the audit log says was done, oldest first."""
    return [entry.action for entry in books.audit.find().items][::-1]


def asked(books: Books, planner: decide.Planner = plans, ttl_s: float | None = 600.0, by: str = "ada") -> Restriction:
    """A person asks for an R1."""
    return decide.restrict(books, an_alert().id, level=Level.R1, ttl_s=ttl_s, by=by, now=NOW, planner=planner)


class TestConfirm:
    def test_it_is_written_with_feedback_and_audit(self, library: MemoryLibrary) -> None:
        """Who, when, why; the windows and edges never teach."""
        with library.transaction() as books:
            alert = decide.confirm(books, an_alert().id, by="ada", now=NOW, note="scan", revision=1)
            (feedback,) = books.feedback.since(0)
            (entry,) = books.audit.find().items
        assert alert.decision is not None
        assert (alert.decision.by, alert.decision.at, alert.decision.note) == ("ada", NOW, "scan")
        assert feedback.disposition is Disposition.CONFIRMED
        assert (feedback.window_start, feedback.window_end) == (alert.window_start, alert.updated_at)
        assert feedback.edges == (alert.edges[0].edge.key,)
        assert (entry.actor, entry.action, entry.target) == ("ada", "alert.confirm", f"alert/{alert.id}")

    def test_what_is_applied_is_held(self, library: MemoryLibrary) -> None:
        """Four hours from now, and never past the maximum."""
        stands(library, an_applied())
        with library.transaction() as books:
            decide.confirm(books, an_alert().id, by="ada", now=NOW)
            held = books.restrictions.get(an_applied().id)
            assert actions(books) == ["alert.confirm", "restriction.hold"]
        assert (held.state, held.expires_at, held.approved_by) == (State.HELD, NOW + HOLD_S, "ada")
        assert held.expires_at <= held.max_expires_at

    def test_what_is_only_proposed_stays_proposed(self, library: MemoryLibrary) -> None:
        """Unless the decision says otherwise."""
        stands(library, a_restriction())
        with library.transaction() as books:
            decide.confirm(books, an_alert().id, by="ada", now=NOW)
            assert books.restrictions.get(a_restriction().id).state is State.PROPOSED

    def test_with_restrict_the_proposed_one_is_approved(self, library: MemoryLibrary) -> None:
        """By the person, for the planned time."""
        stands(library, a_restriction())
        with library.transaction() as books:
            decide.confirm(books, an_alert().id, by="ada", now=NOW, restrict=True)
            approved = books.restrictions.get(a_restriction().id)
        assert (approved.state, approved.approved_by) == (State.APPROVED, "ada")
        assert approved.expires_at == NOW + approved.ttl_s

    def test_with_restrict_and_nothing_proposed_nothing_happens(self, library: MemoryLibrary) -> None:
        """The decision is not half taken."""
        with pytest.raises(NotAllowed, match="no proposed restriction"), library.transaction() as books:
            decide.confirm(books, an_alert().id, by="ada", now=NOW, restrict=True)
        with library.transaction() as books:
            assert books.alerts.get(an_alert().id).is_open
            assert not actions(books)

    def test_what_has_run_out_is_not_held(self, library: MemoryLibrary) -> None:
        """Confirming late does not revive a restriction."""
        stands(library, an_applied(now=T0 - 3600))
        with library.transaction() as books:
            decide.confirm(books, an_alert().id, by="ada", now=NOW)
            assert books.restrictions.get(an_applied().id).state is State.APPLIED

    def test_a_stale_revision_changes_nothing(self, library: MemoryLibrary) -> None:
        """No audit row, no feedback."""
        with pytest.raises(StaleRevision), library.transaction() as books:
            decide.confirm(books, an_alert().id, by="ada", now=NOW, revision=7)
        with library.transaction() as books:
            assert not actions(books)
            assert not books.feedback.since(0)


class TestDismiss:
    @pytest.mark.parametrize("make", [an_applied, a_restriction])
    def test_its_restriction_ends_at_once(self, library: MemoryLibrary, make: Callable[[], Restriction]) -> None:
        """Applied or proposed: released, by whose dismissal, now."""
        stands(library, make())
        with library.transaction() as books:
            decide.dismiss(books, an_alert().id, by="ben", now=NOW, note="backup", channels=["webhook"])
            over = books.restrictions.get(a_restriction().id)
            (feedback,) = books.feedback.since(0)
            assert actions(books) == ["alert.dismiss", "restriction.release"]
        assert (over.state, over.ended_by, over.ended_at) == (State.RELEASED, "dismissal by ben", NOW)
        assert feedback.disposition is Disposition.DISMISSED

    def test_the_end_of_what_was_live_is_told_once(self, library: MemoryLibrary) -> None:
        """One event for the channel; a proposal nobody knew of is not told of."""
        stands(library, an_applied())
        with library.transaction() as books:
            decide.dismiss(books, an_alert().id, by="ben", now=NOW, channels=["webhook"])
            decide.release(books, an_applied().id, by="ben", now=NOW + 1, channels=["webhook"])
            (told,) = books.outbox.due(now=NOW, limit=10)
        assert (told.event.kind, told.event.subject) == (EventKind.RESTRICTION_RELEASED, an_applied().id)
        assert told.event.payload["ended_by"] == "dismissal by ben"

    def test_a_confirmed_alert_can_be_dismissed_later(self, library: MemoryLibrary) -> None:
        """The last word teaches, and what was held ends."""
        stands(library, an_applied())
        with library.transaction() as books:
            decide.confirm(books, an_alert().id, by="ada", now=NOW)
            decide.dismiss(books, an_alert().id, by="ben", now=NOW + 5)
            assert books.restrictions.get(an_applied().id).state is State.RELEASED
            assert [one.disposition for one in books.feedback.since(0)] == [Disposition.DISMISSED]

    def test_control_being_faster_does_not_stop_a_dismissal(self, library: MemoryLibrary) -> None:
        """A restriction that was applied between reading and writing is read again and ended."""
        stands(library, restrictions.approved(a_restriction(), by="ada", now=T0))
        with library.transaction() as books:
            racing = Racing(books)
            decide.dismiss(racing, an_alert().id, by="ben", now=NOW)
            over = books.restrictions.get(a_restriction().id)
        assert racing.restrictions.raced
        assert (over.state, over.applied_at) == (State.RELEASED, T0 + 1)


class TestRestrict:
    def test_the_proposed_one_is_approved(self, library: MemoryLibrary) -> None:
        """For the time that was asked for."""
        stands(library, a_restriction())
        with library.transaction() as books:
            approved = asked(books)
            assert actions(books) == ["restriction.approve"]
        assert (approved.state, approved.approved_by, approved.expires_at) == (State.APPROVED, "ada", NOW + 600)

    def test_it_is_planned_on_the_spot(self, library: MemoryLibrary) -> None:
        """Where control has not proposed anything yet."""
        with library.transaction() as books:
            approved = asked(books)
            assert books.restrictions.get(approved.id) == approved
        assert approved.state is State.APPROVED

    def test_asking_twice_is_one_restriction(self, library: MemoryLibrary) -> None:
        """The second asker gets the first one's, unchanged, and leaves no second audit row."""
        with library.transaction() as books:
            first = asked(books)
            assert asked(books, by="ben", ttl_s=60.0) == first
            assert len(books.restrictions.find().items) == 1
            assert actions(books) == ["restriction.approve"]

    def test_a_refusal_says_why(self, library: MemoryLibrary) -> None:
        """The planner's reason is the error."""
        with library.transaction() as books, pytest.raises(NotAllowed, match="its labels are unknown"):
            asked(books, planner=refuses)

    def test_a_plan_that_a_guard_refused_says_why(self, library: MemoryLibrary) -> None:
        """A planner may hand back what a guard made of its plan."""
        with library.transaction() as books, pytest.raises(NotAllowed, match="protected namespace"):
            asked(books, planner=lambda alert: replace(plans(alert), state=State.REFUSED, detail="protected namespace"))

    @pytest.mark.parametrize("ttl_s", [0.0, -1.0, MAX_TTL_S + 1, float("nan"), float("inf")])
    def test_its_time_is_bounded(self, library: MemoryLibrary, ttl_s: float) -> None:
        """Positive and a day at most."""
        with library.transaction() as books, pytest.raises(NotAllowed, match="time to live"):
            asked(books, ttl_s=ttl_s)

    def test_a_dismissed_alert_is_not_restricted(self, library: MemoryLibrary) -> None:
        """Somebody said that it is normal."""
        with library.transaction() as books:
            decide.dismiss(books, an_alert().id, by="ben", now=NOW)
            with pytest.raises(NotAllowed, match="dismissed as normal"):
                asked(books)

    def test_what_has_ended_can_be_asked_for_again(self, library: MemoryLibrary) -> None:
        """The attack goes on, its restriction ran out: same id, next revision, a new maximum."""
        over = restrictions.ended(an_applied(now=T0 - 9000), state=State.EXPIRED, by="expiry", now=T0)
        stands(library, over)
        with library.transaction() as books:
            again = asked(books)
        assert (again.id, again.state, again.revision) == (over.id, State.APPROVED, over.revision + 2)
        assert again.max_expires_at == NOW + MAX_TTL_S
        assert again.ended_at == 0

    def test_the_alert_must_be_the_one_that_was_read(self, library: MemoryLibrary) -> None:
        """Unknown alerts and stale revisions."""
        with library.transaction() as books:
            with pytest.raises(NotFound):
                decide.restrict(books, "no", level=Level.R1, ttl_s=None, by="ada", now=NOW, planner=plans)
            with pytest.raises(StaleRevision):
                decide.restrict(
                    books, an_alert().id, level=Level.R1, ttl_s=None, by="ada", now=NOW, planner=plans, revision=2
                )

    def test_other_levels_are_refused(self, library: MemoryLibrary) -> None:
        """Rather than answered with another level than asked for."""
        with library.transaction() as books, pytest.raises(NotAllowed, match="level R3"):
            decide.restrict(books, an_alert().id, level=Level.R3, ttl_s=None, by="ada", now=NOW, planner=plans)


class TestHoldAndRelease:
    def test_a_hold_is_bounded_by_the_maximum(self, library: MemoryLibrary) -> None:
        """However often somebody holds."""
        stands(library, an_applied())
        with library.transaction() as books:
            for number in range(6):
                decide.hold(books, an_applied().id, by="ada", now=NOW + number * (HOLD_S - 1))
            assert books.restrictions.get(an_applied().id).expires_at == an_applied().max_expires_at

    def test_only_what_is_in_force_is_held(self, library: MemoryLibrary) -> None:
        """Not a proposal."""
        stands(library, a_restriction())
        with library.transaction() as books, pytest.raises(NotAllowed):
            decide.hold(books, a_restriction().id, by="ada", now=NOW)

    def test_a_release_ends_it_by_name(self, library: MemoryLibrary) -> None:
        """And releasing again changes nothing."""
        stands(library, an_applied())
        with library.transaction() as books:
            over = decide.release(books, an_applied().id, by="ada", now=NOW, note="done")
            assert decide.release(books, an_applied().id, by="ben", now=NOW + 1) == over
            assert actions(books) == ["restriction.release"]
        assert (over.state, over.ended_by) == (State.RELEASED, "ada")

    def test_the_revision_must_be_the_one_that_was_read(self, library: MemoryLibrary) -> None:
        """Hold and release alike."""
        stands(library, an_applied())
        with library.transaction() as books:
            for act in (decide.hold, decide.release):
                with pytest.raises(StaleRevision):
                    act(books, an_applied().id, by="ada", now=NOW, revision=1)


class RacingRestrictions:
    """A book in which control applies a restriction just before the first update."""

    def __init__(self, books: Books) -> None:
        self._book = books.restrictions
        self.raced = False
        self.get, self.find, self.add = self._book.get, self._book.find, self._book.add

    def update(self, restriction: Restriction) -> Restriction:
        """Let control be faster, once."""
        if not self.raced:
            self.raced = True
            self._book.update(restrictions.applied(self._book.get(restriction.id), now=T0 + 1))
        return self._book.update(restriction)


class Racing:
    """Books with a racing control."""

    def __init__(self, books: Books) -> None:
        self.restrictions = RacingRestrictions(books)
        self.alerts, self.workloads, self.feedback = books.alerts, books.workloads, books.feedback
        self.signs, self.suppressions, self.weightings = books.signs, books.suppressions, books.weightings
        self.audit, self.outbox, self.tokens, self.idempotency = (
            books.audit, books.outbox, books.tokens, books.idempotency,
        )  # fmt: skip
