"""The life of a restriction: whatever happens, it ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.domain import restriction as restrictions
from baseline.domain.errors import NotAllowed, UnsafeRestriction
from baseline.domain.restriction import ENDED, LIVE, MAX_TTL_S, RULES_MAX, Restriction, State
from tests.unit.policy.making import NOW, deny, proposed, wanted

SPANS = st.floats(0.001, 10 * MAX_TTL_S)
ACTS = st.lists(st.tuples(st.sampled_from(["apply", "hold", "renew", "end"]), SPANS, SPANS), max_size=30)


@given(SPANS, ACTS)
def test_no_sequence_of_acts_makes_a_restriction_outlive_its_maximum(
    ttl_s: float, acts: list[tuple[str, float, float]]
) -> None:
    """24 hours after a person or we ourselves said yes, it is over, whoever extends how often."""
    restriction, now = restrictions.approved(proposed(), by="auto", now=NOW, ttl_s=ttl_s), NOW
    for act, pause_s, span_s in acts:
        now += pause_s / 100
        before = restriction
        restriction = _act(restriction, act, now, span_s)
        assert restriction.revision >= before.revision
        assert restriction.max_expires_at == NOW + MAX_TTL_S
        assert before.expires_at <= restriction.expires_at <= restriction.max_expires_at
        if before.has_ended:
            assert restriction == before
    assert not restrictions.is_wanted(restriction, now=NOW + MAX_TTL_S)


def _act(restriction: Restriction, act: str, now: float, span_s: float) -> Restriction:
    if act == "apply":
        return restrictions.applied(restriction, now=now)
    if act == "renew":
        return restriction if restriction.has_ended else restrictions.renewed(restriction, until=now + span_s)
    if act == "end":
        return restrictions.ended(restriction, state=State.RELEASED, by="ada", now=now)
    if not restrictions.is_wanted(restriction, now=now):
        with pytest.raises(NotAllowed):
            restrictions.held(restriction, by="ada", now=now, hold_s=span_s)
        return restriction
    return restrictions.held(restriction, by="ada", now=now, hold_s=span_s)


@given(st.sampled_from(State))
def test_a_state_is_live_or_ended_or_proposed(state: State) -> None:
    """Nothing is two of them."""
    assert (state in LIVE) + (state in ENDED) + (state is State.PROPOSED) == 1


def test_a_proposal_is_approved_once_for_the_time_asked() -> None:
    """Its maximum counts from the approval, not from the proposal."""
    approved = restrictions.approved(proposed(), by="ada", now=NOW + 600, ttl_s=120.0)
    assert (approved.state, approved.approved_by) == (State.APPROVED, "ada")
    assert (approved.expires_at, approved.max_expires_at) == (NOW + 720, NOW + 600 + MAX_TTL_S)
    with pytest.raises(NotAllowed, match="not proposed"):
        restrictions.approved(approved, by="bob", now=NOW + 700)


@pytest.mark.parametrize("ttl_s", [0.0, -1.0])
def test_a_time_to_live_must_be_positive(ttl_s: float) -> None:
    """Zero would be a restriction that never was."""
    with pytest.raises(NotAllowed, match="positive"):
        restrictions.approved(proposed(), by="ada", now=NOW, ttl_s=ttl_s)


def test_a_hold_only_lengthens_and_the_holder_answers_for_an_automatic_one() -> None:
    """A hold shorter than what is left takes nothing away."""
    standing = restrictions.applied(wanted(), now=NOW)
    held = restrictions.held(standing, by="ada", now=NOW + 60, hold_s=10.0)
    assert (held.state, held.expires_at, held.approved_by) == (State.HELD, standing.expires_at, "ada")
    longer = restrictions.held(held, by="bob", now=NOW + 60, hold_s=7200.0)
    assert (longer.expires_at, longer.approved_by) == (NOW + 60 + 7200, "ada")


def test_a_hold_before_it_stands_leaves_it_to_be_applied() -> None:
    """Control must still see that it is only approved."""
    assert restrictions.held(wanted(), by="ada", now=NOW).state is State.APPROVED


def test_past_its_time_it_is_neither_wanted_nor_held() -> None:
    """The last moment is excluded."""
    standing = restrictions.applied(wanted(), now=NOW)
    assert restrictions.is_wanted(standing, now=standing.expires_at - 0.001)
    assert not restrictions.is_wanted(standing, now=standing.expires_at)
    with pytest.raises(NotAllowed, match="cannot be held"):
        restrictions.held(standing, by="ada", now=standing.expires_at)


def test_a_renewal_never_shortens() -> None:
    """Denied attempts that go on may only lengthen."""
    standing = restrictions.applied(wanted(), now=NOW)
    assert restrictions.renewed(standing, until=NOW + 1) is standing
    assert restrictions.renewed(standing, until=NOW + 1800).expires_at == NOW + 1800


def test_the_first_end_is_the_one_that_counts() -> None:
    """Expiry and a person may both end it; who came first is told."""
    over = restrictions.ended(wanted(), state=State.EXPIRED, by="expiry", now=NOW + 900)
    assert (over.ended_by, over.ended_at, over.has_ended) == ("expiry", NOW + 900, True)
    assert restrictions.ended(over, state=State.RELEASED, by="ada", now=NOW + 901) is over
    with pytest.raises(NotAllowed, match="not an end"):
        restrictions.ended(wanted(), state=State.HELD, by="ada", now=NOW)


def test_only_what_has_ended_is_proposed_again() -> None:
    """Same id, next revision."""
    over = restrictions.ended(wanted(), state=State.EXPIRED, by="expiry", now=NOW + 900)
    again = restrictions.proposed_again(over, proposed())
    assert (again.id, again.state, again.revision) == (over.id, State.PROPOSED, over.revision + 1)
    with pytest.raises(NotAllowed):
        restrictions.proposed_again(wanted(), proposed())
    with pytest.raises(NotAllowed):
        restrictions.proposed_again(over, proposed(alert_id="another"))


def test_an_unsafe_restriction_cannot_be_made() -> None:
    """Selecting everything, living for ever or being endless is refused where it is built."""
    with pytest.raises(UnsafeRestriction, match="empty selector"):
        replace(proposed(), selector=())
    with pytest.raises(UnsafeRestriction, match="outlive"):
        replace(wanted(), expires_at=NOW + MAX_TTL_S + 1)
    with pytest.raises(UnsafeRestriction, match=f"more than {RULES_MAX}"):
        replace(proposed(), rules=(deny(),) * (RULES_MAX + 1))
