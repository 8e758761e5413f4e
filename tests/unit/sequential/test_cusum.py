"""The cumulative sum: its run lengths, what it forgives, and what it remembers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.detectors.sequential import cusum
from baseline.detectors.sequential.cusum import Cusum, run_length
from baseline.features.table import FloatArray

T0 = 1_767_571_200


def alarms(residuals: FloatArray, sums: Cusum | None = None) -> list[int]:
    """Hours in which the sum raises."""
    kept = sums or Cusum()
    return [
        hour for hour, z in enumerate(residuals) if kept.step(float(z), excess=float(z), start=T0 + 3600 * hour)
    ]  # fmt: skip


def test_run_lengths_are_those_of_the_textbook() -> None:
    """Siegmund's approximation: the tables have 465 for the two-sided k = 0.5, h = 5, and 10.4 at a shift of one."""
    assert run_length(0.0, k=0.5, h=5.0) == pytest.approx(2 * 465, rel=0.02)
    assert run_length(1.0, k=0.5, h=5.0) == pytest.approx(10.4, rel=0.02)
    assert cusum.FALSE_ALARMS_A_WEEK < 0.01


@pytest.mark.parametrize("shift", [0.7, 1.0, 2.0])
def test_the_delay_is_what_the_formula_says(shift: float) -> None:
    """Mean over seeds, from a sum at rest."""
    delays = []
    for seed in range(80):
        noise = np.random.default_rng(seed).normal(size=800)
        sums = Cusum()
        alarms(noise[:400] * 1.0, sums)
        sums.reset()
        later = alarms(noise[400:] + shift, sums)
        delays.append(later[0] + 1 if later else 400)
    # The long-run scale, estimated and at least 1, makes it a little slower than the textbook.
    assert run_length(shift) * 0.8 < float(np.mean(delays)) < run_length(shift) * 1.9


def test_a_quiet_year_of_independent_hours_raises_hardly_ever() -> None:
    """Twenty workloads for a year: less than one alarm in fifty weeks each."""
    raised = sum(len(alarms(np.random.default_rng(seed).normal(size=24 * 365))) for seed in range(20))
    assert raised / (20 * 52) < 0.02


def test_hours_that_hang_together_are_judged_by_their_long_run_scale() -> None:
    """An autoregressive residual wanders further; the textbook's limit would raise every few days."""
    raised = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        z, series = 0.0, []
        for shock in rng.normal(size=24 * 7 * 20):
            z = 0.7 * z + np.sqrt(1 - 0.49) * shock
            series.append(z)
        sums = Cusum()
        raised += len(alarms(np.array(series), sums))
        assert 1.9 < sums.long_run_scale < 2.7
    assert raised / 200 < 0.1


def test_one_wild_hour_is_not_a_slow_leak() -> None:
    """The window voices see it; here it adds three scales at most."""
    residuals = np.random.default_rng(1).normal(size=200)
    residuals[150] = 40.0
    assert alarms(residuals) == []


def test_nothing_is_said_before_two_days_were_watched() -> None:
    """The long-run scale rests on nothing before."""
    assert alarms(np.full(48, 3.0))[:1] != [3]
    assert alarms(np.full(47, 5.0)) == []
    assert not Cusum().is_ready


def test_it_raises_once_until_the_sum_was_back_at_zero() -> None:
    """A level that stays up is one alarm, its return and a second rise are another."""
    calm = np.random.default_rng(2).normal(size=100) * 0.3
    assert len(alarms(np.concatenate([calm, calm[:60] + 2.0, calm, calm[:60] + 2.0]))) == 2


def test_a_reset_begins_anew_and_keeps_the_scale() -> None:
    """After a rollout the old sum means nothing."""
    sums = Cusum()
    alarms(np.random.default_rng(3).normal(size=100) + np.r_[np.zeros(80), np.full(20, 0.9)], sums)
    scale = sums.long_run_scale
    sums.reset()
    assert (sums.total, sums.since, sums.excess, sums.long_run_scale) == (0.0, 0, 0.0, scale)


def test_a_leak_does_not_teach_the_scale() -> None:
    """What is suspicious would otherwise hide itself."""
    sums = Cusum()
    calm = np.random.default_rng(4).normal(size=150)
    alarms(calm, sums)
    before = sums.long_run_scale
    alarms(np.full(40, 3.0), sums)
    assert sums.long_run_scale < before * 1.3


@given(st.lists(st.floats(-40, 40), max_size=120))
def test_the_sum_is_bounded_and_comes_back_from_json(residuals: list[float]) -> None:
    """Between zero and its ceiling, and the same to the last bit after a restart."""
    sums = Cusum()
    for hour, z in enumerate(residuals):
        sums.step(z, excess=z, start=T0 + 3600 * hour)
        assert 0.0 <= sums.total <= cusum.CEILING
    assert sums.long_run_scale >= 1.0
    assert Cusum.from_plain(json.loads(json.dumps(sums.to_plain()))) == sums
