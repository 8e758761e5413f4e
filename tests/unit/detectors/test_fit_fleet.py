"""What a fit does differently where workloads are many: calibration looks at fewer rows of each."""

from __future__ import annotations

import numpy as np
import pytest

from baseline.detectors import calibrate, combine, fit
from baseline.detectors.fit import fit_horizon
from baseline.detectors.pool import Pool
from baseline.detectors.protocol import Arrays, Rows
from baseline.features import schema
from baseline.features.calendar import Calendar

DAYS, LINES, T0 = 10, 2, 1_767_571_200


def history(seed: int) -> Rows:
    """Two workloads of ten days with a daily curve and bursts."""
    rng = np.random.default_rng(seed)
    starts = np.tile(np.arange(T0, T0 + DAYS * 86_400, 300, dtype=np.int64), LINES)
    curve = np.sin(starts % 86_400 / 86_400 * 2 * np.pi)
    values = 4 + 0.5 * curve[:, None] + rng.normal(0, 0.3, (len(starts), schema.WIDTH))
    values += (rng.random(len(starts)) < 0.003)[:, None] * rng.exponential(1, (len(starts), schema.WIDTH))
    calendar, none = Calendar(), np.zeros(len(starts), dtype=np.int64)
    return Rows(
        schema=schema.PRODUCT, workloads=np.repeat(np.arange(LINES), len(starts) // LINES), starts=starts,
        slots=calendar.slots(starts), days=calendar.days(starts), values=values,
        residuals=np.zeros((0, schema.WIDTH)), fresh=none, fresh_peers=none,
    )  # fmt: skip


def fitted(*, fleet_lines: int, seed: int = 1) -> Arrays:
    """As two lines of a fleet of this size."""
    pool = Pool(lines=np.arange(LINES), fleet_lines=fleet_lines)
    return fit_horizon(history(seed), lines=LINES, seed=1, builder="fast", pool=pool)


def test_small_fleets_are_calibrated_on_every_row() -> None:
    """Two workloads, or five hundred: the same bytes, but for the size of references."""
    few, many = fitted(fleet_lines=2), fitted(fleet_lines=500)
    assert np.array_equal(few["tail.p.tails"], many["tail.p.tails"])


def test_rows_are_taken_evenly_from_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the rows is every third one, whoever has more of them."""
    monkeypatch.setattr(fit, "JUDGED_FEWEST", 100)
    which = np.ones(400, dtype=np.bool_)
    lines = np.repeat([0, 1], [300, 100])
    found = fit._spread_evenly(which, lines, 100)
    assert np.flatnonzero(found[:300]).tolist() == list(range(2, 300, 3))
    assert found[300:].all()
    which[:] = False
    assert not fit._spread_evenly(which, lines, 100).any()


def test_fewer_rows_move_the_tail_less_than_another_seed_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """p of the threshold of one alert a week, by all rows and by 2,048 of them, beside that of other noise."""
    every = fitted(fleet_lines=2)
    monkeypatch.setattr(fit, "JUDGED_TOTAL", 0)
    monkeypatch.setattr(fit, "JUDGED_FEWEST", 2_048)
    some = fitted(fleet_lines=2)
    others = [fitted(fleet_lines=2, seed=seed) for seed in (2, 3, 4)]
    totals = np.linspace(3.0, 9.0, 25)

    def log_p(arrays: Arrays) -> float:
        lines = np.zeros(len(totals), dtype=np.int64)
        return float(np.log(calibrate.p_values(combine.under(arrays, "final"), lines, totals)).mean())

    assert not np.array_equal(every["final.tails"], some["final.tails"])
    assert abs(log_p(some) - log_p(every)) <= max(abs(log_p(other) - log_p(every)) for other in others)
