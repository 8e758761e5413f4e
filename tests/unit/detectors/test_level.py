"""Following the level: slow, clipped, causal, and not to be led by what is suspicious."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import combine, fit, level, retrace, seasonal
from baseline.detectors.protocol import Arrays, Rows
from baseline.features import calendar, schema
from tests.detectors.making import T0

HOUR = 3600
WEEK = 168
ALPHA = 1 / WEEK
CONNECTIONS = schema.INDEX["connections_out"]


def drifting(weeks: int, *, a_week: float = 0.0, step_at: int | None = None, seed: int = 1) -> Rows:
    """Hours of one workload with a busy day, a drift in log units a week and, if asked, a step of one unit."""
    count = weeks * WEEK
    starts = T0 + HOUR * np.arange(count, dtype=np.int64)
    hour = (starts - T0) // HOUR
    day = 1.5 * np.sin(2 * np.pi * (hour % 24) / 24)
    values = (6 + day + a_week * hour / WEEK)[:, None] + np.random.default_rng(seed).normal(
        0, 0.1, (count, schema.WIDTH)
    )
    if step_at is not None:
        values[step_at:] += 1.0
    zeros = np.zeros(count, dtype=np.int64)
    return Rows(
        schema=schema.PRODUCT, workloads=zeros, starts=starts, slots=calendar.slots(starts),
        days=calendar.days(starts), values=values, residuals=np.zeros((0, schema.WIDTH)), fresh=zeros,
        fresh_peers=zeros,
    )  # fmt: skip


def tables_of(rows: Rows) -> Arrays:
    """Seasonal tables of all rows."""
    return seasonal.fit(rows, np.ones(len(rows), dtype=np.bool_), lines=1, slots=seasonal.slots_for(28 * 86_400.0))


def test_half_of_a_step_is_followed_after_a_half_life() -> None:
    """In hours of the clock, whatever the windows' length."""
    for horizon_s in (60, 300, 3600):
        steps = 4 * HOUR // horizon_s
        differences = np.full((steps + 1, 1), 0.5)
        where = np.zeros(steps + 1, dtype=np.int64)
        levels, _ = level.trace(
            differences, (np.ones((1, 1)), where), where, horizon_s * np.arange(steps + 1),
            np.ones(steps + 1, dtype=np.bool_), begins=np.zeros((1, 1)), share=level.gain(horizon_s, 4 * HOUR),
        )  # fmt: skip
        assert levels[-1, 0] == pytest.approx(0.25)


def test_one_window_moves_the_level_by_a_bounded_step() -> None:
    """However far outside it lies: a thousand scales count as three."""
    far, near = (level.moved(np.zeros(1), np.array([size]), np.ones(1), share=0.1)[0] for size in (1000.0, 3.0))
    assert far == near == pytest.approx(0.1 * level.STEP)


def test_a_level_knows_nothing_of_the_windows_after_it() -> None:
    """Changing the end changes no level before it."""
    rows = drifting(5, a_week=0.2)
    tables, moves = tables_of(rows), np.ones(len(rows), dtype=np.bool_)
    changed = replace(rows, values=rows.values.copy())
    changed.values[700:] += 3.0
    before, after = (seasonal.followed(tables, one, moves, is_after=True) for one in (rows, changed))
    assert np.array_equal(before[:701], after[:701])
    assert not np.array_equal(before[701:], after[701:])


def test_drift_is_no_deviation_and_does_not_widen_the_normal() -> None:
    """A workload that grows by a fifth a week is known as well as one that stays."""
    growing, still = drifting(6, a_week=0.2), drifting(6)
    wide = [float(np.median(tables_of(one)["scale"][0, :, CONNECTIONS])) for one in (growing, still)]
    assert wide[0] < 1.3 * wide[1]
    later = drifting(8, a_week=0.2, seed=2).pick(np.arange(6 * WEEK, 8 * WEEK))
    tables = tables_of(growing)
    plain = seasonal.residuals(tables, later)
    moves = np.ones(len(later), dtype=np.bool_)
    levelled = replace(later, levels=seasonal.followed(tables, later, moves, is_after=True))
    followed = seasonal.residuals(tables, levelled)
    assert np.median(np.abs(followed[-WEEK:])) < 1.0 < np.median(np.abs(plain[-WEEK:]))


def test_suspicious_windows_do_not_move_the_level() -> None:
    """An attack that lasts a day is as unusual in its last hour as in its first."""
    learned = drifting(5)
    arrays = fit.fit_horizon(learned, lines=1, seed=1)
    attacked = drifting(6, step_at=5 * WEEK + 40, seed=3).pick(np.arange(5 * WEEK, 5 * WEEK + 64))
    verdict, levelled = retrace.judge(arrays, attacked, alpha=ALPHA, is_after=True)
    assert (verdict.p[40:] < ALPHA).all()
    assert np.array_equal(levelled.levels[41], levelled.levels[63])


def test_judging_a_past_at_once_is_judging_it_window_by_window() -> None:
    """To the last bit, with suspicious windows among them."""
    learned = drifting(5)
    arrays = fit.fit_horizon(learned, lines=1, seed=1)
    rows = drifting(6, seed=5).pick(np.arange(5 * WEEK, 5 * WEEK + 72))
    rows.values[[10, 11, 40]] += np.array([0.8, 0.5, 3.0])[:, None]
    at_once, _ = retrace.judge(arrays, rows, alpha=ALPHA, is_after=True)
    tables = combine.under(arrays, "seasonal")
    current, one_by_one = tables["moved"][:1].astype(np.float64), []
    for at in range(len(rows)):
        single = replace(rows.pick(np.array([at])), levels=current)
        p = combine.judge(arrays, single).p
        one_by_one.append(p[0])
        if level.may_move(p, ALPHA)[0]:
            centre, scale, _ = seasonal.expected(tables, single.workloads, single.slots)
            share = level.gain(HOUR, float(tables["half_life_s"][0]))
            current = level.moved(current, single.values - centre, scale, share=share)
    assert (np.array(one_by_one) < ALPHA).any()
    assert np.array_equal(at_once.p, np.array(one_by_one))


def test_a_trend_is_counted_in_whole_weeks() -> None:
    """Weekends are no trend, and a history of a week has none."""
    days = np.repeat(np.arange(28), 24)
    values = np.where(days % 7 >= 5, -2.0, 0.0)[:, None] + np.zeros((1, 1))
    every = np.ones(len(days), dtype=np.bool_)
    assert np.abs(level.trend(values, days, every)).max() == pytest.approx(0.0)
    grown = level.trend(values + 0.1 * days[:, None], days, every)
    assert grown[24 * 10, 0] - grown[24 * 3, 0] == pytest.approx(0.7)
    assert not level.trend(values[: 24 * 7], days[: 24 * 7], every[: 24 * 7]).any()


def test_a_short_history_follows_nothing() -> None:
    """Less than a day says nothing about a level of hours."""
    rows = drifting(1).pick(np.arange(20))
    tables = seasonal.fit(rows, np.ones(20, dtype=np.bool_), lines=1, slots=1)
    assert tables["half_life_s"].tolist() == [0.0]
    assert not seasonal.followed(tables, rows, np.ones(20, dtype=np.bool_)).any()


def test_an_hour_that_is_busy_beside_a_quiet_one_is_no_habit_of_it() -> None:
    """The daily rise of the morning does not excuse a night that is as busy."""
    rows = drifting(5)
    tables = tables_of(rows)
    night = rows.pick(np.flatnonzero((rows.starts // HOUR) % 24 == 18)[-1:])
    busy = replace(night, values=night.values + 1.5)
    assert seasonal.residuals(tables, busy)[0, CONNECTIONS] > seasonal.KNEE + 2
