"""The rows of the suite on forty weeks of a real network, and on series without injections: that they run and count."""

from __future__ import annotations

import numpy as np
import pytest

from baseline.domain.units import HOUR_S, WEEK_S
from pipelines.suite import _cesnet_data as cesnet_data
from pipelines.suite import _ranking as ranking
from pipelines.suite import cesnet, rolling, series
from pipelines.suite.figure import Figure
from tests.ground.require import shared_dir

PLAN = rolling.Plan(horizon_s=300, learned=1, refit=1)


def by_name(figures: list[Figure]) -> dict[str, float]:
    """Values of the figures that have one."""
    return {figure.name: figure.value for figure in figures if figure.value is not None}


def test_average_precision_is_scikit_learns() -> None:
    """With ties, and with events that count more than once."""
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(1)
    scores, is_event = rng.integers(0, 20, 500).astype(np.float64), rng.random(500) < 0.1
    weights = np.where(is_event, rng.integers(0, 3, 500), 1).astype(np.float64)
    expected = average_precision_score(is_event, scores)
    assert ranking.average_precision(scores, is_event) == pytest.approx(expected)
    expected = average_precision_score(is_event, scores, sample_weight=weights)
    assert ranking.average_precision(scores, is_event, weights) == pytest.approx(expected)


def test_recall_at_false_alerts_counts_ordinary_windows_only() -> None:
    """Two ordinary windows may lie above what is found, the third limits it."""
    scores = np.array([9.0, 8.0, 7.0, 6.0, 5.0, 4.0])
    is_event = np.array([False, True, False, True, False, True])
    assert ranking.limit(scores, is_event, 2) == 5.0
    assert (scores[is_event] > ranking.limit(scores, is_event, 2)).tolist() == [True, True, False]


def test_alerts_need_two_windows_or_a_very_unusual_one_and_merge_within_the_hour() -> None:
    """As the stream raises and merges them."""
    alpha, starts = PLAN.alpha, 300 * np.arange(60, dtype=np.int64)
    p = np.full(60, 0.5)
    p[5] = alpha / 2  # alone
    p[20], p[22] = alpha / 2, alpha / 2  # two of three
    p[30] = alpha / 2  # same hour
    p[50] = alpha / 200  # alone, and enough
    assert rolling.alerts(starts, p, PLAN).tolist() == [22 * 300, 50 * 300]


def test_a_set_sees_nothing_of_what_it_judges() -> None:
    """Changing a week changes no judgement of the weeks before it."""
    rng, weeks = np.random.default_rng(3), 6
    starts = HOUR_S * np.arange(weeks * 168, dtype=np.int64)
    values = rng.normal(5, 0.1, (len(starts), 1))
    plan = rolling.Plan(horizon_s=HOUR_S, learned=3 * 168, refit=168)
    before = rolling.rows_of(series.SCHEMA, values, starts)
    changed = values.copy()
    changed[5 * 168 :] += 3.0
    after = rolling.rows_of(series.SCHEMA, changed, starts)
    judged = [rolling.judged(rows, rolling.fits(rows, plan, seed=1), plan).p for rows in (before, after)]
    assert np.array_equal(judged[0][: 5 * 168], judged[1][: 5 * 168], equal_nan=True)
    assert not np.array_equal(judged[0][5 * 168 :], judged[1][5 * 168 :])


def test_injections_keep_to_the_tested_hours_and_repeat_by_seed() -> None:
    """Nothing is put into what is learned from; strength moves amounts, not places."""
    whole = cesnet_data.read(shared_dir("data"))
    counts, kinds = cesnet_data.injected(whole, learned=1008, tested_from=1344, count=40, seed=2)
    again, _ = cesnet_data.injected(whole, learned=1008, tested_from=1344, count=40, seed=2)
    strong, places = cesnet_data.injected(whole, learned=1008, tested_from=1344, count=40, seed=2, strength=4.0)
    assert np.array_equal(counts, again)
    assert np.array_equal(counts[:1344], whole.counts[:1344])
    assert not (kinds[:1344] != "").any()
    assert sorted(set(kinds)) == ["", *sorted(cesnet_data.KINDS)]
    assert np.array_equal(kinds, places)
    assert (strong[kinds == "scan", cesnet_data.IPS] > counts[kinds == "scan", cesnet_data.IPS]).all()


def test_the_detector_beats_a_forest_on_plain_numbers_and_the_dice() -> None:
    """On twelve weeks and one seed; the suite itself holds the full figures against their gates."""
    found = by_name(cesnet.figures(shared_dir("data", cesnet_data.FOLDER).parent, is_quick=True, seed=1))
    assert found["AP"] > found["AP of raw forest"] + 0.2
    assert found["AP of random"] < 0.2
    assert found["AP of null"] == pytest.approx(0.06, abs=0.02)
    assert found["recall of null at 1 a day"] == 0.0
    assert found["recall at 4 x strength, 1 a day"] >= found["recall at 0.25 x strength, 1 a day"]


def test_a_quiet_week_of_a_real_series_has_few_alerts() -> None:
    """One week judged, budget one."""
    found = by_name(series.figures(shared_dir("data", cesnet_data.FOLDER).parent, is_quick=True, seed=1))
    assert found["CESNET, 1 h"] <= 3.0
    assert WEEK_S // HOUR_S == 168
