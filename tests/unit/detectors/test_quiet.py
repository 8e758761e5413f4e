"""Whether what carries a deviation lies on edges that do nothing at this hour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baseline.detectors import slots
from baseline.detectors.explain import Carrier, is_at_a_quiet_hour
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.features import calendar

KEY = EdgeKey(Direction.EGRESS, Peer(PeerKind.WORKLOAD, "shop", "db"), 5432, "tcp")
QUIET = Carrier(
    key=KEY, amount=300.0, past=0.0, usual=0.1, over=299.9, usual_connections=0.1, usual_bytes=100.0, is_new=False,
    is_bytes=False,
)  # fmt: skip


def test_a_burst_where_nothing_runs_now_is_at_a_quiet_hour() -> None:
    """The edge is known, from other hours; a trace on a busy one changes nothing."""
    assert is_at_a_quiet_hour([QUIET])
    assert is_at_a_quiet_hour([QUIET, replace(QUIET, over=5.0, usual_connections=40.0)])


def test_growth_on_busy_edges_and_pools_opened_anew_are_not() -> None:
    """A service that is called more, and connections that are few but carry bytes all the time."""
    assert not is_at_a_quiet_hour([replace(QUIET, usual_connections=20.0)])
    assert not is_at_a_quiet_hour([replace(QUIET, usual_bytes=1e6)])
    assert not is_at_a_quiet_hour([QUIET, replace(QUIET, usual_connections=20.0)])


def test_new_edges_are_novelty_and_not_a_quiet_hour_too() -> None:
    """One fact is not counted twice; nothing carries nothing."""
    assert not is_at_a_quiet_hour([replace(QUIET, is_new=True)])
    assert not is_at_a_quiet_hour([])
    assert not is_at_a_quiet_hour([replace(QUIET, over=0.0)])


def test_weekends_are_counted_by_their_week() -> None:
    """Saturday and Sunday of one week are one; five working days are none."""
    monday = 1_767_571_200
    days = np.arange(monday, monday + 15 * 86_400, 86_400, dtype=np.int64)
    counted = [
        slots.weekends(calendar.slots(days[:many]), calendar.days(days[:many])) for many in (5, 6, 7, 12, 13, 15)
    ]
    assert counted == [0, 1, 1, 1, 2, 2]


def test_who_is_called_at_a_quiet_hour_did_nothing_itself() -> None:
    """Its callers are the ones to look at."""
    assert not is_at_a_quiet_hour([replace(QUIET, key=KEY._replace(direction=Direction.INGRESS))])
