"""Dismissals that reach further: preview, making, revoking, and what the stream is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from baseline.adapters.memory.books import MemoryLibrary
from baseline.domain.alert import Alert, Decision, Disposition, alert_id
from baseline.domain.deviation import Family
from baseline.domain.errors import NotAllowed, NotFound, StaleRevision
from baseline.domain.suppression import Scope, State
from baseline.domain.units import DAY_S
from baseline.domain.workload import WorkloadId
from baseline.ports import Books, Silence
from baseline.services import decide, suppress
from baseline.services.suppress import Asked, Standing, divided
from baseline.services.triage import TriageState, triage
from tests.contracts.nouns import SHOP, T0, a_deviation, a_suppression, an_alert

NOW = T0 + 100
EDGE = Asked(scope=Scope.EDGE)
DAY = 24 * 60  # minutes


def before(number: int, **changes: Any) -> Alert:
    """An alert ``number`` minutes before the one that is dismissed."""
    return an_alert(-number, **changes)


def confirmed(alert: Alert) -> Alert:
    """The alert as an attack."""
    return replace(alert, decision=Decision(disposition=Disposition.CONFIRMED, by="ada", at=T0))


@pytest.fixture(name="books")
def _books() -> Iterator[Books]:
    """Books that hold the alert to dismiss, in one transaction."""
    with MemoryLibrary().transaction() as books:
        books.alerts.put(an_alert())
        yield books


def dismissed(books: Books, asked: Asked = EDGE, *, note: str = "backup", now: float = NOW) -> Alert:
    """A person dismisses the alert."""
    return decide.dismiss(books, an_alert().id, by="ada", now=now, note=note, asked=asked)


class TestDismissal:
    def test_once_makes_no_suppression(self, books: Books) -> None:
        """The default is this alert and nothing later; feedback says so."""
        decide.dismiss(books, an_alert().id, by="ada", now=NOW)
        assert not books.suppressions.find().items
        assert books.feedback.since(0)[0].scope == "once"

    def test_once_has_no_end(self, books: Books) -> None:
        """A time that would mean nothing is refused instead of being overlooked."""
        with pytest.raises(NotAllowed, match="no end"):
            dismissed(books, Asked(scope=Scope.ONCE, until=NOW + 60))

    @pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.ONCE])
    def test_a_wider_scope_is_written_with_who_why_and_until_when(self, books: Books, scope: Scope) -> None:
        """In the books and in the audit trail, beside the decision itself."""
        alert = dismissed(books, Asked(scope=scope, until=NOW + DAY_S))
        (made,) = books.suppressions.find().items
        assert (made.alert_id, made.workload, made.scope) == (alert.id, SHOP, scope)
        assert (made.reason, made.by, made.made_at, made.expires_at) == ("backup", "ada", NOW, NOW + DAY_S)
        entry, decision = books.audit.find().items
        assert (entry.actor, entry.action, entry.target) == ("ada", "suppression.make", f"suppression/{made.id}")
        assert (entry.detail["reason"], entry.detail["scope"]) == ("backup", scope.value)
        assert (decision.action, decision.detail["scope"]) == ("alert.dismiss", scope.value)

    def test_without_a_reason_nothing_is_decided(self) -> None:
        """The alert stays open: all of it happens or none."""
        library = MemoryLibrary()
        with library.transaction() as books:
            books.alerts.put(an_alert())
        with pytest.raises(NotAllowed, match="reason"), library.transaction() as books:
            dismissed(books, note=" ")
        with library.transaction() as books:
            assert books.alerts.get(an_alert().id).is_open

    def test_hours_are_those_of_the_clusters_zone(self, books: Books) -> None:
        """T0 is a Monday, 14 h in UTC and 16 h in Berlin."""
        dismissed(books, Asked(scope=Scope.HOUR, zone="Europe/Berlin"))
        (made,) = books.suppressions.find().items
        assert (made.slots, made.zone) == (frozenset({16}), "Europe/Berlin")
        standing = Standing([made])
        assert standing.covering(a_deviation(7 * DAY)) is made
        assert standing.covering(a_deviation(7 * DAY + 120)) is None

    def test_confirming_takes_it_back(self, books: Books) -> None:
        """An attack after all: from now on it is shown again."""
        dismissed(books)
        decide.confirm(books, an_alert().id, by="ben", now=NOW + 500)
        (over,) = books.suppressions.find().items
        assert (over.state(now=NOW + 500), over.revoked_by, over.revoked_at) == (State.REVOKED, "ben", NOW + 500)
        assert books.audit.find().items[0].action == "suppression.revoke"


class TestPreview:
    def test_it_tells_what_the_last_month_would_have_lost(self) -> None:
        """By alert, day and family; the alert itself, and others' alerts, are not counted."""
        same, yesterday = before(60), before(DAY, windows=3)
        other = before(90, families=(Family.VOLUME,))
        elsewhere = before(95, workload=WorkloadId("east", "shop", "cart"))
        found = suppress.preview(a_suppression(), [an_alert(), same, yesterday, other, elsewhere], since=0.0)
        assert found.alerts == (same.id, yesterday.id)
        assert found.windows == 4
        assert found.days == (("2026-09-20", 1), ("2026-09-21", 1))
        assert dict(found.families) == {Family.FAN_OUT: 2, Family.NOVELTY: 2}
        assert not found.confirmed

    def test_the_books_of_thirty_days_are_read(self, books: Books) -> None:
        """Every page of them, and no older alert."""
        for number in (29 * DAY, 31 * DAY):
            books.alerts.put(before(number))
        assert suppress.previewed(books, a_suppression(), now=NOW).alerts == (before(29 * DAY).id,)

    def test_a_larger_one_would_have_been_seen(self) -> None:
        """What goes beyond is not hidden, so it is not counted."""
        large = before(60, p=1e-12)
        assert not suppress.preview(a_suppression(), [large], since=0.0).alerts

    def test_a_confirmed_one_counts_however_large_it_grew(self) -> None:
        """Its first windows may have been small: hiding its beginning is hiding it."""
        attack = confirmed(before(60, p=1e-12))
        found = suppress.preview(a_suppression(), [attack], since=0.0)
        assert (found.alerts, found.confirmed) == ((), (attack.id,))

    def test_an_attack_that_only_began_in_the_hour_counts(self) -> None:
        """Its strongest window came two hours later, the first one would have been hidden."""
        start = before(60 * 24 * 7).window_start
        attack = confirmed(
            before(60 * 24 * 7, timeline=((start, start + 60, 1e-5), (start + 7200, start + 7260, 1e-6)))
        )
        found = suppress.preview(a_suppression(scope=Scope.HOUR), [attack], since=0.0)
        assert (found.alerts, found.confirmed) == ((), (attack.id,))

    def test_nothing_is_changed(self, books: Books) -> None:
        """Looking decides nothing."""
        made = suppress.asked(books.alerts.get(an_alert().id), EDGE, reason="preview", by="ada", now=NOW)
        suppress.previewed(books, made, now=NOW)
        assert not books.suppressions.find().items
        assert not books.audit.find().items


class TestRefusal:
    def test_hiding_a_confirmed_attack_is_refused_by_name(self, books: Books) -> None:
        """The safe answer is no, and it says which attack."""
        attack = before(60)
        books.alerts.put(attack)
        decide.confirm(books, attack.id, by="ben", now=NOW - 10)
        with pytest.raises(NotAllowed, match=attack.id):
            dismissed(books)

    def test_who_accepts_it_is_on_record(self, books: Books) -> None:
        """It can be wanted; the audit trail says whose attack was accepted to be hidden."""
        attack = before(60)
        books.alerts.put(attack)
        decide.confirm(books, attack.id, by="ben", now=NOW - 10)
        dismissed(books, replace(EDGE, accepts_hiding_confirmed=True))
        entry = books.audit.find(target=f"suppression/{books.suppressions.find().items[0].id}").items[0]
        assert entry.detail["confirmed_accepted"] == [attack.id]

    def test_a_changed_mind_about_the_alert_itself_is_no_hiding(self, books: Books) -> None:
        """The last word counts: a confirmed alert may be dismissed with a scope."""
        decide.confirm(books, an_alert().id, by="ben", now=NOW - 10)
        assert dismissed(books).disposition is Disposition.DISMISSED


class TestRevoking:
    def test_it_is_written_with_who_and_why(self, books: Books) -> None:
        """And only on the revision that was read."""
        dismissed(books)
        (made,) = books.suppressions.find().items
        with pytest.raises(StaleRevision):
            suppress.revoke(books, made.id, by="ben", now=NOW + 60, revision=2)
        over = suppress.revoke(books, made.id, by="ben", now=NOW + 60, note="moved", revision=1)
        entry = books.audit.find().items[0]
        assert (entry.actor, entry.action, entry.detail["note"]) == ("ben", "suppression.revoke", "moved")
        assert books.suppressions.get(made.id) == over
        with pytest.raises(NotFound):
            suppress.revoke(books, "none", by="ben", now=NOW)


class TestStream:
    def test_what_is_covered_is_counted_and_not_shown(self) -> None:
        """Every deviation is in one of the two lists, in order."""
        made = a_suppression()
        over, beyond = a_deviation(5), a_deviation(6, p=1e-11)
        parted = divided([over, beyond], Standing([made]))
        assert parted.shown == [beyond]
        assert parted.silences() == [Silence(made.id, (over.window_start, over.window_end, over.p))]

    def test_what_goes_beyond_opens_an_alert_of_its_own(self) -> None:
        """It must not vanish into the alert that was dismissed, though that is a minute old and about the same peer."""
        state, standing = TriageState(), Standing([a_suppression()])
        (first,) = triage([a_deviation()], state=state, now=1.0)
        assert first.id == an_alert().id
        (opened,) = triage([a_deviation(6, p=1e-11)], state=state, now=1.0, standing=standing)
        assert opened.id == alert_id(SHOP, Family.FAN_OUT, a_deviation(6).window_start) != first.id
        (grown,) = triage([a_deviation(7, p=1e-11)], state=state, now=1.0, standing=standing)
        assert (grown.id, grown.windows) == (opened.id, 2)

    def test_windows_of_before_the_dismissal_still_grow_their_alert(self) -> None:
        """A window that ended before is part of what the person saw."""
        state, standing = TriageState(), Standing([a_suppression(now=T0 + 300)])
        triage([a_deviation()], state=state, now=1.0)
        (grown,) = triage([a_deviation(2)], state=state, now=1.0, standing=standing)
        assert (grown.id, grown.windows) == (an_alert().id, 2)

    def test_it_does_not_matter_when_one_asks(self) -> None:
        """With everything that was ever decided at hand, a replay parts each window as the first reading did."""
        made = a_suppression(now=T0 + 200, until=T0 + 1000)
        over = replace(made, revoked_at=T0 + 600, revoked_by="ben", revision=2)
        stream = [a_deviation(number) for number in range(15)]

        def known(at: float) -> Standing:
            """What the books held at this time."""
            return Standing([] if at < T0 + 200 else [made if at < T0 + 600 else over])

        first = [one for one in stream if divided([one], known(one.window_end)).shown]
        assert divided(stream, Standing([over])).shown == first
        assert [stream.index(one) for one in first] == [0, 1, 2, 9, 10, 11, 12, 13, 14]

    def test_the_oldest_of_several_counts(self) -> None:
        """So that a replay counts on the same one."""
        old, new = a_suppression(now=T0 + 90), a_suppression(now=T0 + 100)
        assert Standing([new, old]).covering(a_deviation(5)) is old
        assert Standing([new, old]).active(T0 + 95) == 1


class TestTeaching:
    def test_dismissed_and_silenced_windows_teach(self, books: Books) -> None:
        """Nothing of them is left out of a fit."""
        dismissed(books)
        (made,) = books.suppressions.find().items
        books.suppressions.note([Silence(made.id, (int(T0) + 300, int(T0) + 360, 1e-6))])
        assert suppress.never_teach(books) == []

    def test_confirmed_later_what_was_silenced_never_teaches(self, books: Books) -> None:
        """The alert's own windows and those that the dismissal hid."""
        dismissed(books)
        (made,) = books.suppressions.find().items
        books.suppressions.note([Silence(made.id, (int(T0) + 300, int(T0) + 360, 1e-6))])
        alert = decide.confirm(books, an_alert().id, by="ben", now=NOW + 500)
        assert suppress.never_teach(books) == [
            (SHOP, float(alert.window_start), alert.updated_at),
            (SHOP, T0 + 300, T0 + 360),
        ]

    def test_more_than_are_kept_by_name_are_left_out_as_one_stretch(self, books: Books) -> None:
        """From the first silenced window to the oldest that is named."""
        dismissed(books)
        (made,) = books.suppressions.find().items
        books.suppressions.note([
            Silence(made.id, (int(T0) + 60 * at, int(T0) + 60 * at + 60, 1e-6)) for at in range(5, 205)
        ])  # fmt: skip
        decide.confirm(books, an_alert().id, by="ben", now=NOW + 500)
        _, stretch, *named = suppress.never_teach(books)
        assert stretch == (SHOP, T0 + 300, T0 + 300 + 81 * 60)
        assert len(named) == 120
