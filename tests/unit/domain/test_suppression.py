"""Suppressions: what each scope covers, what goes beyond it, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.domain import suppression as suppressions
from baseline.domain.deviation import NEW_EDGE, Deviation, EdgeEvidence, Family, Reason
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import NotAllowed
from baseline.domain.suppression import LONGEST_S, SILENCED_KEPT, Scope, Silenced, State, Suppression
from baseline.domain.units import DAY_S, WEEK_S
from baseline.domain.workload import WorkloadId
from baseline.features import calendar
from tests.contracts.nouns import SUBJECT, T0, a_deviation, a_suppression, an_alert

WIDER = [scope for scope in Scope if scope is not Scope.ONCE]
LATER = 60  # minutes after the alert: after the dismissal, in the next hour of the week
A_WEEK = 7 * 24 * 60  # minutes


def is_covered(suppression: Suppression, deviation: Deviation) -> bool:
    """With the hour of the week that the stream would find."""
    return suppressions.covers(suppression, deviation, slot=calendar.slot(deviation.window_start))


def evidence(**changes: object) -> EdgeEvidence:
    """The alert's edge, changed."""
    return replace(an_alert().edges[0], **changes)  # type: ignore[arg-type]


def stranger() -> EdgeEvidence:
    """A new edge to somebody else."""
    return evidence(edge=replace(SUBJECT, peer=Peer(PeerKind.ADDRESS, "", "203.0.113.7")))


def reason(**changes: object) -> Reason:
    """The alert's reason, changed."""
    return replace(an_alert().reasons[0], **changes)  # type: ignore[arg-type]


class TestMaking:
    def test_once_makes_none(self) -> None:
        """It is about this alert and nothing later."""
        with pytest.raises(NotAllowed, match="once"):
            a_suppression(scope=Scope.ONCE)

    @pytest.mark.parametrize("scope", WIDER)
    @pytest.mark.parametrize("said", ["", "  \n"])
    def test_wider_than_once_needs_a_reason(self, scope: Scope, said: str) -> None:
        """It decides about what nobody has seen yet."""
        with pytest.raises(NotAllowed, match="reason"):
            suppressions.made(
                an_alert(), scope=scope, slots=frozenset({1}), zone="UTC", reason=said, by="ada", now=T0
            )  # fmt: skip

    @pytest.mark.parametrize(
        ("scope", "days"), [(Scope.HOUR, 28), (Scope.EDGE, 7), (Scope.WORKLOAD, 7), (Scope.ALWAYS, 90)]
    )
    def test_it_ends_by_itself(self, scope: Scope, days: int) -> None:
        """After its scope's time, where nobody said otherwise."""
        made = a_suppression(scope=scope)
        assert made.expires_at == made.made_at + days * DAY_S

    @pytest.mark.parametrize("scope", WIDER)
    @pytest.mark.parametrize("after_s", [-1.0, 0.0, LONGEST_S + 1, float("inf"), float("nan")])
    def test_no_scope_lasts_longer_than_ninety_days(self, scope: Scope, after_s: float) -> None:
        """Not even always; nor does it end before it begins."""
        with pytest.raises(NotAllowed, match="90 d"):
            a_suppression(scope=scope, now=T0, until=T0 + after_s)
        assert a_suppression(scope=scope, now=T0, until=T0 + LONGEST_S).expires_at == T0 + LONGEST_S

    @pytest.mark.parametrize("scope", [Scope.EDGE, Scope.ALWAYS])
    def test_without_edges_there_is_no_scope_of_edges(self, scope: Scope) -> None:
        """It would cover nothing, or everything."""
        with pytest.raises(NotAllowed, match="edges"):
            a_suppression(an_alert(edges=()), scope=scope)

    def test_an_alert_of_half_a_day_is_no_habit_of_an_hour(self) -> None:
        """More than three hours of the week are refused."""
        with pytest.raises(NotAllowed, match="hours"):
            suppressions.made(
                an_alert(), scope=Scope.HOUR, slots=frozenset(range(4)), zone="UTC", reason="r", by="ada", now=T0
            )  # fmt: skip

    def test_it_is_of_one_workload(self) -> None:
        """Nobody else is silenced, whatever the scope: there is no click for a cluster."""
        other = a_deviation(LATER, workload=WorkloadId("east", "shop", "cart"))
        elsewhere = a_deviation(LATER, workload=WorkloadId("west", "shop", "checkout"))
        for scope in WIDER:
            assert not is_covered(a_suppression(scope=scope), other)
            assert not is_covered(a_suppression(scope=scope), elsewhere)


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "same", "other_hour", "known_edge", "new_edge"),
        [
            (Scope.HOUR, True, False, True, False),
            (Scope.EDGE, True, True, False, False),
            (Scope.WORKLOAD, True, True, True, True),
            (Scope.ALWAYS, True, True, False, False),
        ],
    )
    def test_a_scope_covers_what_it_says(
        self, scope: Scope, same: bool, other_hour: bool, known_edge: bool, new_edge: bool
    ) -> None:
        """The same a week later; at another hour; on an edge that is known; on one nobody ever used."""
        made = a_suppression(scope=scope, until=T0 + 30 * DAY_S)
        known = replace(stranger(), is_new=False)
        assert is_covered(made, a_deviation(A_WEEK)) is same
        assert is_covered(made, a_deviation(LATER)) is other_hour
        assert is_covered(made, a_deviation(A_WEEK, edges=(known,))) is known_edge
        assert is_covered(made, a_deviation(A_WEEK, edges=(stranger(),))) is new_edge

    @pytest.mark.parametrize("scope", WIDER)
    def test_another_family_is_shown(self, scope: Scope) -> None:
        """Also when it comes with a dismissed one; less than all of them is covered."""
        made = a_suppression(scope=scope)
        assert not is_covered(made, a_deviation(A_WEEK, families=(Family.VOLUME,)))
        assert not is_covered(made, a_deviation(A_WEEK, families=(Family.FAN_OUT, Family.FAILURE)))
        at = A_WEEK if scope is Scope.HOUR else LATER
        assert is_covered(replace(made, expires_at=T0 + 30 * DAY_S), a_deviation(at, families=(Family.FAN_OUT,)))

    @pytest.mark.parametrize("scope", [Scope.EDGE, Scope.ALWAYS])
    def test_an_edge_of_little_weight_may_come_along_unless_it_is_new(self, scope: Scope) -> None:
        """A twentieth of the deviation on a known edge; a thousandth on a new one is somebody else's doing."""
        made = a_suppression(scope=scope)
        beside = replace(stranger(), is_new=False, share=0.05, connections=5)
        assert is_covered(made, a_deviation(LATER, edges=(evidence(share=0.95), beside)))
        assert not is_covered(made, a_deviation(LATER, edges=(evidence(share=0.5), replace(beside, share=0.5))))
        hidden = replace(beside, is_new=True, share=0.001)
        assert not is_covered(made, a_deviation(LATER, edges=(evidence(share=0.999), hidden)))

    @pytest.mark.parametrize("scope", [Scope.EDGE, Scope.ALWAYS, Scope.HOUR])
    def test_new_edges_that_are_only_counted_are_not_overlooked(self, scope: Scope) -> None:
        """A deviation that lists 32 edges and counts 40 new ones shows edges that nobody dismissed."""
        made = a_suppression(scope=scope, until=T0 + 30 * DAY_S)
        counted = reason(family=Family.NOVELTY, feature=NEW_EDGE, actual=2.0, share=0.01)
        assert not is_covered(made, a_deviation(A_WEEK, reasons=(reason(), counted)))
        assert is_covered(made, a_deviation(A_WEEK, reasons=(reason(), replace(counted, actual=1.0))))

    def test_a_deviation_that_names_no_edge_is_of_no_edges(self) -> None:
        """A scope of edges says nothing about it."""
        assert not is_covered(a_suppression(scope=Scope.EDGE), a_deviation(LATER, edges=()))

    def test_an_hour_is_a_local_hour(self) -> None:
        """The slot is what the caller read in the suppression's zone."""
        made = a_suppression(scope=Scope.HOUR)
        (slot,) = made.slots
        assert suppressions.covers(made, a_deviation(LATER), slot=slot)
        assert not suppressions.covers(made, a_deviation(LATER), slot=(slot + 1) % 168)


BEYOND: dict[str, Callable[[Deviation], Deviation]] = {
    "p far smaller": lambda one: replace(one, p=one.p / 1.1e4),
    "three times the connections": lambda one: replace(one, edges=(evidence(connections=940),)),
    "three times the bytes": lambda one: replace(one, edges=(evidence(bytes_out=3 * 262_144 + 1),)),
    "three times the failures": lambda one: replace(one, edges=(evidence(failed=901),)),
    "three times the feature": lambda one: replace(one, reasons=(reason(actual=937.0),)),
    "the other way round": lambda one: replace(one, reasons=(reason(actual=0.0, z=-9.0),)),
}
WITHIN: dict[str, Callable[[Deviation], Deviation]] = {
    "p smaller": lambda one: replace(one, p=one.p / 9e3),
    "a few more connections": lambda one: replace(one, edges=(evidence(connections=930),)),
    "what is too little to matter": lambda one: replace(one, edges=(evidence(bytes_in=3 * 262_144),)),
    "a feature of no weight": lambda one: replace(one, reasons=(reason(), reason(actual=1e9, share=0.09))),
    "less": lambda one: replace(one, edges=(evidence(connections=1),), reasons=(reason(actual=20.0),)),
}


class TestBeyond:
    @pytest.mark.parametrize("scope", WIDER)
    @pytest.mark.parametrize("change", BEYOND.values(), ids=BEYOND)
    def test_much_more_of_the_same_is_shown(self, scope: Scope, change: Callable[[Deviation], Deviation]) -> None:
        """Whoever hides in what was dismissed must not grow there."""
        assert not is_covered(a_suppression(scope=scope, until=T0 + 30 * DAY_S), change(a_deviation(A_WEEK)))

    @pytest.mark.parametrize("scope", WIDER)
    @pytest.mark.parametrize("change", WITHIN.values(), ids=WITHIN)
    def test_a_little_more_is_not(self, scope: Scope, change: Callable[[Deviation], Deviation]) -> None:
        """Jobs are never twice the same."""
        assert is_covered(a_suppression(scope=scope, until=T0 + 30 * DAY_S), change(a_deviation(A_WEEK)))

    def test_a_fall_that_was_dismissed_covers_no_rise(self) -> None:
        """And covers the next fall."""
        fall = reason(actual=0.0, z=-6.0)
        made = a_suppression(an_alert(reasons=(fall,)))
        assert is_covered(made, a_deviation(LATER, reasons=(fall,)))
        assert not is_covered(made, a_deviation(LATER, reasons=(reason(actual=1.0, z=6.0),)))

    @pytest.mark.parametrize("scope", WIDER)
    def test_what_a_rule_found_is_no_deviation_of_a_window(self, scope: Scope) -> None:
        """A beacon on an edge whose volume was dismissed is shown; a dismissed beacon covers the next."""
        beacon = reason(feature="beacon", actual=0.9)
        made = a_suppression(scope=scope, until=T0 + 30 * DAY_S)
        assert not is_covered(made, a_deviation(A_WEEK, reasons=(beacon,)))
        assert is_covered(made, a_deviation(A_WEEK, reasons=(beacon,), voices=(("tail", 1e-9),)))
        dismissed = a_suppression(an_alert(reasons=(beacon,)), scope=scope, until=T0 + 30 * DAY_S)
        assert is_covered(dismissed, a_deviation(A_WEEK, reasons=(beacon,)))

    def test_a_longer_window_may_hold_as_much_more_as_the_alert_lasted(self) -> None:
        """Ten minutes at 312 a minute: 3,120 in a window of an hour are the same; of a single minute they are not."""
        minute = an_alert()
        minutes = tuple((minute.window_start + 60 * at, minute.window_end + 60 * at, minute.p) for at in range(10))
        lasting = replace(minute, updated_at=minute.window_start + 600.0, timeline=minutes, windows=10)
        hour = a_deviation(LATER, horizon_s=3600, edges=(evidence(connections=3120),), reasons=(reason(actual=3120.0),))
        assert is_covered(a_suppression(lasting), hour)
        assert not is_covered(a_suppression(minute), hour)
        more = replace(hour, edges=(evidence(connections=9400),))
        assert not is_covered(a_suppression(lasting), more)

    def test_a_ratio_does_not_grow_with_the_window(self) -> None:
        """Bytes a connection are the same in a minute and in an hour."""
        ratio = reason(family=Family.SHAPE, feature="bytes_per_connection", actual=100.0)
        minute = an_alert(reasons=(ratio,), families=(Family.SHAPE,))
        lasting = replace(minute, updated_at=minute.window_start + 3600.0)
        hour = a_deviation(LATER, alert=lasting, horizon_s=3600, edges=())
        made = a_suppression(lasting, scope=Scope.WORKLOAD)
        assert is_covered(made, replace(hour, reasons=(replace(ratio, actual=290.0),)))
        assert not is_covered(made, replace(hour, reasons=(replace(ratio, actual=310.0),)))


class TestLife:
    def test_it_speaks_from_its_making_to_its_expiry_in_event_time(self) -> None:
        """Windows that ended before it was made, or end at its expiry, are shown."""
        made = a_suppression(until=T0 + 600)  # made at T0 + 100
        shown = [number for number in range(12) if not is_covered(made, a_deviation(number))]
        assert shown == [0, 9, 10, 11]  # ends at T0 + 60; at T0 + 600 and later
        assert (made.state(now=T0 + 599), made.state(now=T0 + 600)) == (State.ACTIVE, State.EXPIRED)

    def test_revoked_it_still_speaks_for_what_it_silenced(self) -> None:
        """A replay of the log is silenced where the first reading was; what ends later is shown."""
        over = suppressions.revoked(a_suppression(), by="ben", now=T0 + 400)
        assert (over.revoked_by, over.revision, over.state(now=T0)) == ("ben", 2, State.REVOKED)
        assert is_covered(over, a_deviation(5))  # ends at T0 + 360
        assert not is_covered(over, a_deviation(6))

    def test_what_has_ended_is_not_revoked(self) -> None:
        """Neither twice nor after its expiry."""
        over = suppressions.revoked(a_suppression(), by="ben", now=T0 + 400)
        with pytest.raises(NotAllowed, match="revoked already"):
            suppressions.revoked(over, by="ada", now=T0 + 500)
        with pytest.raises(NotAllowed, match="expired already"):
            suppressions.revoked(a_suppression(), by="ada", now=T0 + WEEK_S + 100)


windows = st.lists(st.tuples(st.integers(0, 400), st.sampled_from([60, 300])), max_size=300)


class TestSilenced:
    def test_it_counts_and_names_what_it_silenced(self) -> None:
        """How many, the first and the last, and the windows themselves."""
        found = suppressions.noted(Silenced(), [(60, 120, 1e-6), (0, 60, 1e-7)])
        assert (found.count, found.first_at, found.last_at) == (2, 0.0, 120.0)
        assert found.windows == ((0, 60, 1e-7), (60, 120, 1e-6))

    @given(told=windows, again=st.integers(0, 300))
    def test_noting_again_changes_nothing(self, told: list[tuple[int, int]], again: int) -> None:
        """The log is read at least once: from any place on, in order, the count stays."""
        stream = sorted({(60 * start, 60 * start + length) for start, length in told}, key=lambda row: (row[1], row[0]))
        rows = [(start, end, 1e-6) for start, end in stream]
        once = suppressions.noted(Silenced(), rows)
        assert once.count == len(rows)
        assert len(once.windows) == min(len(rows), SILENCED_KEPT)
        assert suppressions.noted(once, rows[again:]) is once

    def test_the_key_of_an_edge_is_what_is_kept(self) -> None:
        """Without its workload: that is the suppression's."""
        peer = Peer(PeerKind.WORKLOAD, "data", "ledger")
        assert a_suppression().edges == {EdgeKey(Direction.EGRESS, peer, 22, "tcp")}
