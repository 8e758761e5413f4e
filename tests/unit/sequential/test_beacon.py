"""The beacon score: perfect, jittered and random series, its parts, and which edges are watched."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.detectors.sequential import beacon, tracks
from baseline.detectors.sequential.tracks import Tracks
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.units import DAY_S, HOUR_S, WEEK_S
from baseline.features.table import FloatArray

T0 = 1_767_571_200
OUTSIDE = EdgeKey(Direction.EGRESS, Peer(PeerKind.ADDRESS, "", "203.0.113.9"), 443, "tcp")
INSIDE = EdgeKey(Direction.EGRESS, Peer(PeerKind.WORKLOAD, "shop", "db"), 5432, "tcp")


def scored(times: FloatArray, *, window_s: int = 60, size: int = 300) -> beacon.Score | None:
    """The score at the end of the first day of connections at these seconds."""
    windows, by_hour = Counter[int](), Counter[int]()
    for at in times[times < DAY_S]:
        windows[int(T0 + at // window_s * window_s)] += 1
        by_hour[int(T0 + at) // HOUR_S] += 1
    newest = sorted(windows)[-tracks.WINDOWS_KEPT :]
    return beacon.score(
        newest, [windows[start] for start in newest], [size] * len(newest), by_hour, until=T0 + DAY_S, window_s=window_s
    )


@pytest.mark.parametrize(
    ("period_s", "window_s"), [(15, 60), (60, 60), (120, 60), (300, 60), (900, 60), (3600, 60), (600, 300)]
)
def test_a_perfect_beacon_scores_one(period_s: int, window_s: int) -> None:
    """Every part of it, for every period the windows can resolve."""
    found = scored(np.arange(0, DAY_S, period_s, dtype=np.float64), window_s=window_s)
    assert found is not None
    assert (found.intervals, found.sizes, found.duration, found.histogram) == pytest.approx((1.0, 1.0, 1.0, 1.0))
    assert found.period_s == max(period_s, window_s)


@pytest.mark.parametrize("jitter", [0.1, 0.2, 0.3])
def test_a_jittered_beacon_is_still_one(jitter: float) -> None:
    """As implants sleep: a uniform share of the period more or less."""
    rng = np.random.default_rng(3)
    found = scored(np.cumsum(600 * rng.uniform(1 - jitter, 1 + jitter, 200)))
    assert found is not None
    assert found.total >= beacon.THRESHOLD


@pytest.mark.parametrize("mean_s", [5, 20, 60, 100, 150, 200, 250, 300, 400, 900, 1800])
def test_connections_at_random_times_are_none(mean_s: int) -> None:
    """Even where their sizes never change and they go on all day."""
    rng = np.random.default_rng(4)
    totals = [scored(np.cumsum(rng.exponential(mean_s, int(1.1 * DAY_S / mean_s)))) for _ in range(40)]
    assert max(found.total for found in totals if found is not None) < beacon.THRESHOLD


def test_fast_traffic_in_every_window_is_a_beacon_only_when_it_is_the_same_in_every_window() -> None:
    """Two connections a minute sharp, against two a minute on average."""
    sharp = scored(np.arange(0, DAY_S, 30, dtype=np.float64))
    chance = scored(np.cumsum(np.random.default_rng(1).exponential(30, 4000)))
    assert sharp is not None
    assert chance is not None
    assert sharp.total == pytest.approx(1.0)
    assert chance.intervals < 0.3


def test_a_period_that_is_no_multiple_of_the_window_comes_out_as_its_neighbours() -> None:
    """150 s in windows of a minute: intervals of 120 and 180, whose median and deviation do not show the middle."""
    found = scored(np.arange(0, DAY_S, 150, dtype=np.float64))
    assert found is not None
    assert found.period_s in (120, 150, 180)
    assert found.total >= beacon.THRESHOLD


@pytest.mark.parametrize("hours", [1, 5])
def test_below_six_hours_nothing_is_said(hours: int) -> None:
    """Duration is a quarter of the score, and the others mean little before."""
    assert scored(np.arange(0, hours * HOUR_S, 300, dtype=np.float64)) is None


def test_three_windows_are_too_few() -> None:
    """Four connections make three intervals, the fewest that have quartiles."""
    hours = dict.fromkeys(range(T0 // HOUR_S - 24, T0 // HOUR_S), 1)
    assert beacon.score([1, 2, 3], [1] * 3, [1] * 3, hours, until=T0, window_s=60) is None
    assert beacon.score([1, 2, 3, 4], [1] * 4, [1] * 4, hours, until=T0, window_s=60) is not None


def test_bowley_skewness_in_closed_form() -> None:
    """(Q1 + Q3 - 2 Q2) / (Q3 - Q1); nothing where the quartiles hardly differ."""
    assert beacon.quartiles([1, 2, 3, 4, 5, 6, 7]) == (2, 4, 6)
    assert beacon.skewness([0, 100, 200, 300, 400]) == 0.0
    assert beacon.skewness([0, 0, 10, 100, 100]) == pytest.approx((0 + 100 - 20) / 100)
    assert beacon.skewness([1, 2, 3, 9]) == 0.0


def test_hours_seen_are_counted_around_the_clock() -> None:
    """A run that goes over the ends of the span is one run."""
    night = [1] * 4 + [0] * 16 + [1] * 4
    assert beacon.duration(night, covered=0.0) == pytest.approx(8 / 12)
    assert beacon.duration([1] * 5 + [0] * 19, covered=1.0) == 0.0


def test_two_levels_count_as_even() -> None:
    """A beacon that sleeps longer at night has two heights, and RITA's histogram forgives that."""
    assert beacon.evenness([10] * 12 + [2] * 12) == 1.0
    assert beacon.evenness([0] * 24) == 0.0
    assert beacon.evenness([5] * 24) == 1.0


@given(st.lists(st.integers(0, DAY_S - 1), min_size=4, max_size=300), st.integers(0, 2**32))
def test_every_part_lies_between_none_and_all(times: list[int], seed: int) -> None:
    """Whatever the connections."""
    starts = sorted({T0 + at // 60 * 60 for at in times})[-64:]
    by_hour = {(T0 + at) // HOUR_S: 3 for at in times}
    sizes = [int(size) for size in np.random.default_rng(seed).integers(0, 10**9, len(starts))]
    found = beacon.score(starts, [1 + size % 9 for size in sizes], sizes, by_hour, until=T0 + DAY_S, window_s=60)
    if found is not None:
        for part in (found.intervals, found.sizes, found.duration, found.histogram, found.total):
            assert 0.0 <= part <= 1.0


def watched(
    key: EdgeKey, *, is_known: bool, days: float, seen: Tracks | None = None, begin: int = T0, period_s: int = 600
) -> list[int]:
    """Hours after the beginning at which the edge is told of, while it beacons."""
    found, kept = [], seen or Tracks()
    for at in range(begin, begin + int(days * DAY_S), 60):
        if at % period_s == 0:
            kept.see(key, at, is_known=is_known, connections=1, size=300)
        if (at + 60) % HOUR_S == 0:
            for track, _ in kept.beacons(until=at + 60, window_s=60):
                track.is_told = True
                found.append((at + 60 - begin) // HOUR_S)
    return found


def test_a_new_external_beacon_is_told_once_after_half_a_day() -> None:
    """Hours seen and the histogram need eleven or twelve hours; once told it is not told again."""
    assert watched(OUTSIDE, is_known=False, days=6) == [11]


def test_a_new_internal_edge_is_watched_for_seven_days_only() -> None:
    """Then it is established, and forgotten here."""
    seen = Tracks()
    assert watched(INSIDE, is_known=False, days=1, seen=seen) == [11]
    watched(INSIDE, is_known=True, days=7, seen=seen, begin=T0 + DAY_S)
    assert seen.by_edge == {}


def test_established_edges_inside_never_score() -> None:
    """Health checks and scrapes are no beacons."""
    seen = Tracks()
    assert watched(INSIDE, is_known=True, days=2, seen=seen) == []
    assert seen.by_edge == {}


def test_an_external_poller_that_was_always_there_is_never_told() -> None:
    """It was a beacon when it was met."""
    assert watched(OUTSIDE, is_known=True, days=9) == []


def test_an_established_external_edge_that_becomes_a_beacon_is_told() -> None:
    """After a week of irregular use, ten minutes sharp."""
    rng, seen = np.random.default_rng(8), Tracks()
    for at in range(T0, T0 + WEEK_S, 60):
        if rng.random() < 0.08:
            seen.see(OUTSIDE, at, is_known=True, connections=1, size=int(rng.integers(100, 90_000)))
        if (at + 60) % HOUR_S == 0:
            assert list(seen.beacons(until=at + 60, window_s=60)) == []
    assert watched(OUTSIDE, is_known=True, days=2, seen=seen, begin=T0 + WEEK_S) != []


def test_the_edges_watched_are_bounded_and_the_least_used_give_way() -> None:
    """A proxy meets thousands; the one it keeps coming back to stays."""
    seen = Tracks()
    for step in range(3000):
        stranger = OUTSIDE._replace(peer=Peer(PeerKind.ADDRESS, "", f"20.{step // 200}.{step % 200}.1"))
        seen.see(stranger, T0 + 60 * step, is_known=False, connections=1, size=1)
        if step % 10 == 0:
            seen.see(OUTSIDE, T0 + 60 * step, is_known=False, connections=1, size=1)
    assert len(seen.by_edge) == tracks.EDGES_KEPT
    assert OUTSIDE in seen.by_edge
    kept = seen.by_edge[OUTSIDE]
    assert len(kept.starts) == len(kept.sizes) == tracks.WINDOWS_KEPT


def test_watched_edges_come_back_from_json_as_they_were() -> None:
    """In order, because the order of eviction is part of the state."""
    seen = Tracks()
    watched(OUTSIDE, is_known=False, days=0.6, seen=seen)
    watched(INSIDE, is_known=False, days=0.2, seen=seen, begin=T0 + DAY_S)
    again = Tracks.from_plain(json.loads(json.dumps(seen.to_plain())))
    assert again == seen
    assert list(again.by_edge) == list(seen.by_edge)
