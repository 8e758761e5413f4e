"""The random walk over first contacts: boundaries, outcomes, error bounds, memory."""

from __future__ import annotations

import json
from itertools import permutations
from math import exp, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.detectors.sequential import trw
from baseline.detectors.sequential.trw import Outcome, Walk
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.units import DAY_S, WEEK_S
from baseline.domain.window import EdgeCounts

T0 = 1_767_571_200


def contact(port: int = 80) -> tuple[EdgeKey, int]:
    """One failed contact."""
    return EdgeKey(Direction.EGRESS, Peer(PeerKind.WORKLOAD, "shop", "db"), port, "tcp"), 1


def take(walk: Walk, *, failed: int = 0, answered: int = 0, start: int = T0, allowed: float = 0.1) -> trw.Scan | None:
    """First contacts of one window."""
    contacts = [contact(port) for port in range(failed)]
    return walk.step(answered=answered, failed=contacts, counted=failed, start=start, allowed=allowed)


def test_the_boundaries_are_those_of_the_paper() -> None:
    """99 and 1/99; a failure multiplies by four, a success by a quarter."""
    assert exp(trw.ALARM) == pytest.approx(99)
    assert exp(trw.CLEAR) == pytest.approx(1 / 99)
    assert exp(trw.FAILED_STEP) == pytest.approx(4)
    assert exp(trw.ANSWERED_STEP) == pytest.approx(1 / 4)


def test_four_failures_in_a_row_are_a_scan_and_three_are_not() -> None:
    """4 ** 3 < 99 < 4 ** 4, however they fall into windows."""
    walk = Walk()
    assert [take(walk, failed=1, start=T0 + 60 * step) is not None for step in range(4)] == [False] * 3 + [True]
    assert take(Walk(), failed=3) is None
    found = take(Walk(), failed=4)
    assert found is not None
    assert found.bound == pytest.approx(4**-4)


def test_four_answers_in_a_row_clear_the_workload() -> None:
    """The next test begins at zero, and one more test is counted."""
    walk = Walk()
    take(walk, answered=3)
    assert walk.ratio < 0
    take(walk, answered=1, start=T0 + 60)
    assert walk.ratio == 0.0
    assert walk.tests == pytest.approx(1.0, rel=1e-3)


def test_an_answer_takes_a_failure_back() -> None:
    """Three failures, one answer, two failures: a net of four."""
    walk = Walk()
    assert take(walk, failed=3) is None
    assert take(walk, answered=1, start=T0 + 60) is None
    assert take(walk, failed=1, start=T0 + 120) is None
    assert take(walk, failed=1, start=T0 + 180) is not None


@given(st.integers(0, 4), st.integers(0, 5))
def test_what_is_called_a_scan_is_one_in_every_order(answered: int, failed: int) -> None:
    """The value at the window's end is the conservative reading of an unknown order."""
    if take(Walk(), failed=failed, answered=answered) is None:
        return
    for order in set(permutations([trw.ANSWERED_STEP] * answered + [trw.FAILED_STEP] * failed)):
        ratio, crossed = 0.0, False
        for step in order:
            ratio += step
            crossed = crossed or ratio >= trw.ALARM
            ratio = 0.0 if ratio <= trw.CLEAR else ratio
        assert crossed


def test_benign_first_contacts_raise_no_more_often_than_the_bound() -> None:
    """A fifth of contacts fails, the worst that counts as benign: within the share from the first week on."""
    rng = np.random.default_rng(5)
    alarms = weeks = 0
    for _ in range(60):
        walk = Walk()
        for hour in range(4 * 168):  # one first contact an hour for four weeks: thirty tests a week
            failed = int(rng.random() < 0.2)
            alarms += take(walk, failed=failed, answered=1 - failed, start=T0 + 3600 * hour) is not None
        weeks += 4
    assert alarms <= 0.1 * weeks + 3 * (0.1 * weeks) ** 0.5  # the bound is tight here


def test_many_tests_a_week_lift_the_boundary() -> None:
    """A proxy that was cleared forty times today needs more failures than a database in its first test."""
    walk = Walk()
    for step in range(160):
        take(walk, answered=1, start=T0 + 60 * step)
    assert walk.tests == pytest.approx(40, rel=0.02)
    assert take(walk, failed=5, start=T0 + 9660) is None  # 4 ** 5 < 7 * 40 / 0.1
    assert take(walk, failed=1, start=T0 + 9720) is not None


def test_a_walk_without_contacts_for_a_week_begins_anew() -> None:
    """What failed long ago has nothing to do with today."""
    walk = Walk()
    take(walk, failed=3)
    assert take(walk, failed=1, start=T0 + WEEK_S + 60) is None
    assert walk.ratio == pytest.approx(log(4))
    assert take(walk, failed=3, start=T0 + WEEK_S + 60 + DAY_S) is not None


def test_failures_that_are_habit_do_not_count() -> None:
    """The caller says how many of the failures are unusual here."""
    assert Walk().step(answered=0, failed=[contact(n) for n in range(9)], counted=0, start=T0, allowed=0.1) is None


@pytest.mark.parametrize(
    ("protocol", "counts", "expected"),
    [
        ("tcp", EdgeCounts(started=1, packets_in=9, bytes_in=900), Outcome.ANSWERED),
        ("tcp", EdgeCounts(started=1, attempts=1), Outcome.FAILED),
        ("tcp", EdgeCounts(denied=1), Outcome.FAILED),
        ("udp", EdgeCounts(denied=1), Outcome.FAILED),
        ("udp", EdgeCounts(started=1, attempts=1), Outcome.UNKNOWN),
        ("tcp", EdgeCounts(started=1, packets_in=1, bytes_in=40), Outcome.FAILED),
        ("tcp", EdgeCounts(started=1, packets_in=1, bytes_in=900), Outcome.ANSWERED),
        ("tcp", EdgeCounts(packets_in=500, bytes_in=40_000), Outcome.UNKNOWN),
        ("tcp", EdgeCounts(started=3008, completed=20, packets_in=20, bytes_in=880), Outcome.FAILED),
        ("tcp", EdgeCounts(started=10, attempts=4, packets_in=60, bytes_in=9000), Outcome.ANSWERED),
        ("tcp", EdgeCounts(), Outcome.UNKNOWN),
    ],
    ids=["talk", "silence", "denied", "denied datagram", "datagram", "reset", "one packet of data", "old connection",
         "sweep", "minority", "nothing"],
)  # fmt: skip
def test_the_outcome_of_a_contact(protocol: str, counts: EdgeCounts, expected: Outcome) -> None:
    """Refused, silent and reset are failures; what the log does not tell is no outcome."""
    assert trw.outcome(protocol, counts) is expected


def test_a_walk_that_never_saw_an_outcome_says_so() -> None:
    """Not ready, rather than a guess."""
    walk = Walk()
    assert not walk.is_ready
    assert take(walk) is None
    assert not walk.is_ready
    take(walk, answered=1)
    assert walk.is_ready


def test_a_second_try_is_no_first_contact_and_the_memory_is_bounded() -> None:
    """The oldest contacts are forgotten first."""
    walk = Walk()
    assert walk.is_first(1)
    assert not walk.is_first(1)
    for edge in range(10_000):
        walk.is_first(edge)
    assert len(walk.contacted) == trw.CONTACTED_KEPT
    take(walk, failed=5000, allowed=-1.0)
    assert len(walk.contacts) == trw.CONTACTS_KEPT


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=20))
def test_a_walk_comes_back_from_json_as_it_was(windows: list[tuple[int, int]]) -> None:
    """To the last bit, so that a restart changes no verdict."""
    walk = Walk()
    for step, (answered, failed) in enumerate(windows):
        take(walk, answered=answered, failed=failed, start=T0 + 60 * step)
    walk.is_first(2**64 - 1)
    assert Walk.from_plain(json.loads(json.dumps(walk.to_plain()))) == walk
