"""Seasonal tables, calibration and new edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import calibrate, edges, robust, seasonal
from baseline.detectors.edges import Edges, EdgeUse
from baseline.detectors.protocol import UNKNOWN, Rows
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.features import calendar, schema
from tests.detectors.making import T0, rows

CONNECTIONS = schema.INDEX["connections_out"]


def hourly(days: int, *, burst_hour: int | None = None, level: float = 1.0) -> Rows:
    """One workload in 5-minute windows, with a burst of two windows at the same hour of each day."""
    count = days * 288
    starts = T0 + 300 * np.arange(count, dtype=np.int64)
    values = np.full((count, schema.WIDTH), level) + np.random.default_rng(1).normal(0, 0.05, (count, schema.WIDTH))
    if burst_hour is not None:
        slot = (starts - T0) % 86_400
        values[(slot >= burst_hour * 3600) & (slot < burst_hour * 3600 + 600)] += 5.0
    zeros = np.zeros(count, dtype=np.int64)
    return Rows(
        schema=schema.PRODUCT, workloads=zeros, starts=starts, slots=calendar.slots(starts),
        days=calendar.days(starts), values=values, residuals=np.zeros((0, schema.WIDTH)), fresh=zeros,
        fresh_peers=zeros,
    )  # fmt: skip


def residual(learned: Rows, *, hour: int, value: float) -> float:
    """Residual of one connection count, at an hour of the Friday after."""
    tables = seasonal.fit(learned, np.ones(len(learned), dtype=np.bool_), lines=1, slots=48)
    at = np.array([T0 + 4 * 86_400 + hour * 3600], dtype=np.int64)
    values = np.full((1, schema.WIDTH), value)
    one = replace(learned.pick(np.array([0])), starts=at, slots=calendar.slots(at), values=values)
    return float(seasonal.residuals(tables, one)[0, CONNECTIONS])


def test_a_burst_that_comes_back_daily_is_expected_at_its_hour_only() -> None:
    """A nightly job is normal at night after two nights, and a deviation by day."""
    learned = hourly(3, burst_hour=2)
    assert residual(learned, hour=2, value=6.0) <= seasonal.KNEE + 0.5
    assert residual(learned, hour=14, value=6.0) > 8


def test_a_burst_seen_once_is_no_habit() -> None:
    """One day alone, which may have been an attack, raises no ceiling."""
    learned = hourly(3)
    learned.values[30:32] += 5.0
    assert residual(learned, hour=2, value=6.0) > 8


def test_two_instead_of_one_is_noise() -> None:
    """Small counts have small residuals, however still the workload was."""
    still = hourly(3, level=float(np.log1p(1)))
    assert residual(still, hour=3, value=float(np.log1p(2))) < 2


def test_the_densest_stretch_stands_an_attack_for_half_of_the_time() -> None:
    """The centre of a contaminated hour is what repeats, not the median."""
    rng = np.random.default_rng(2)
    quiet, attack = rng.normal(0, 0.1, (20, 1)), rng.uniform(3, 9, (25, 1))
    centre, _ = robust.densest(np.vstack([quiet, attack]))
    assert abs(float(centre[0])) < 0.3


def test_a_newcomer_is_judged_by_the_fleet() -> None:
    """The last line is the fleet's, and it is wider than any single workload."""
    learned = rows()
    tables = seasonal.fit(learned, np.ones(len(learned), dtype=np.bool_), lines=4, slots=1)
    _, own, _ = seasonal.expected(tables, np.array([0]), np.array([0]))
    _, fleet, _ = seasonal.expected(tables, np.array([UNKNOWN]), np.array([0]))
    assert (fleet >= own - 1e-6).mean() > 0.9


def test_p_values_of_what_was_learned_are_uniform_in_the_body() -> None:
    """A tenth of the windows has p below a tenth."""
    scores = np.random.default_rng(4).exponential(size=4000)
    lines = np.zeros(4000, dtype=np.int64)
    arrays = calibrate.fit(scores, lines, lines=1, hours=np.array([1000.0]))
    fresh = np.random.default_rng(5).exponential(size=20_000)
    p = calibrate.p_values(arrays, np.zeros(20_000, dtype=np.int64), fresh)
    for level in (0.2, 0.1, 0.02, 0.002):
        assert np.mean(p <= level) == pytest.approx(level, rel=0.3)


def test_p_values_fall_with_the_score_and_never_reach_zero() -> None:
    """Monotone over body and tail."""
    arrays = calibrate.fit(
        np.random.default_rng(4).exponential(size=500), np.zeros(500, dtype=np.int64), lines=1, hours=np.array([10.0])
    )
    p = calibrate.p_values(arrays, np.zeros(400, dtype=np.int64), np.linspace(0, 200, 400))
    assert np.all(np.diff(p) <= 0)
    assert p[-1] >= calibrate.SMALLEST


def test_too_few_scores_are_not_ready() -> None:
    """NaN instead of a guess."""
    arrays = calibrate.fit(np.ones(10), np.zeros(10, dtype=np.int64), lines=1, hours=np.array([1.0]))
    assert np.isnan(calibrate.p_values(arrays, np.zeros(1, dtype=np.int64), np.ones(1))).all()


def key(name: str, port: int = 443) -> EdgeKey:
    """An edge to a workload."""
    return EdgeKey(Direction.EGRESS, Peer(PeerKind.WORKLOAD, "shop", name), port, "tcp")


def use(name: str, first_seen: float = T0) -> EdgeUse:
    """One hour of an edge."""
    return EdgeUse(key=key(name), first_seen=first_seen, last_seen=first_seen, connections=5, bytes_out=1, bytes_in=1,
                   hours=1)  # fmt: skip


def test_known_edges_are_found_and_others_are_not() -> None:
    """By line: what one workload uses is new to another."""
    tables = edges.fit_edges([[use("db"), use("cache")], [use("db")]])
    assert edges.known(tables, 0, [key("db"), key("cache"), key("mail")])[0].tolist() == [True, True, False]
    assert edges.known(tables, 1, [key("cache")])[0].tolist() == [False]


def test_what_much_of_the_fleet_uses_is_no_surprise() -> None:
    """DNS is not new to anybody."""
    tables = edges.fit_edges([[use("dns")], [use("dns")], [use("dns")], []])
    assert edges.known(tables, 3, [key("dns"), key("db")])[0].tolist() == [True, False]


def test_new_peers_are_rare_for_a_database_and_daily_bread_for_a_proxy() -> None:
    """The rate is the workload's own."""
    learned = rows(lines=2, windows=300)
    learned.fresh[300:] = 3
    arrays = Edges().fit(learned, lines=2, seed=1)
    probe = replace(learned.pick(np.array([0, 300])), fresh=np.array([2, 2], dtype=np.int64))
    database, proxy = Edges().p_values(arrays, probe)
    assert database < 0.01
    assert proxy > 0.3
