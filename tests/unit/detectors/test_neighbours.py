"""The neighbours' voice: exact, bounded, and never its own neighbour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import neighbours
from baseline.detectors.neighbours import NEAREST, NOBODY, STEP, Neighbours
from baseline.detectors.protocol import UNKNOWN, Arrays, Rows
from baseline.features import schema
from baseline.features.table import FloatArray
from tests.detectors.making import rows


def oracle(reference: FloatArray, probe: Rows) -> FloatArray:
    """Mean distance to the nearest by scikit-learn, of a stored reference."""
    from sklearn.neighbors import NearestNeighbors

    fitted = NearestNeighbors(n_neighbors=NEAREST).fit(reference * STEP)
    return np.asarray(fitted.kneighbors(neighbours.coordinates(probe))[0].mean(axis=1))


def own(arrays: Arrays, line: int) -> FloatArray:
    """A workload's reference, in STEPs."""
    begin, end = arrays["bounds"][line : line + 2]
    return np.asarray(arrays["own"][begin:end], dtype=np.float64)


@pytest.mark.parametrize("hours", [2, 24 * 15])
def test_distances_are_scikit_learns(hours: int) -> None:
    """Own and fleet's by weight of maturity; a workload of two weeks is compared with itself alone."""
    learned = rows(windows=hours, horizon_s=3600) if hours > 100 else rows(windows=hours * 60)
    arrays, probe = Neighbours().fit(learned, lines=4, seed=1), rows(windows=10, seed=8)
    for line in range(4):
        asked, trust = probe.pick(probe.workloads == line), float(arrays["trust"][line])
        expected = trust * oracle(own(arrays, line), asked) + (1 - trust) * oracle(arrays["fleet"], asked)
        assert Neighbours().score(arrays, asked) == pytest.approx(expected, rel=1e-5)
        assert trust == (1.0 if hours > 100 else pytest.approx(2 / 26))


def test_a_newcomer_is_compared_with_the_fleet() -> None:
    """It has no reference of its own."""
    arrays = Neighbours().fit(rows(), lines=4, seed=1)
    probe = rows(lines=1, windows=20, seed=5)
    newcomer = replace(probe, workloads=np.full(20, UNKNOWN, dtype=np.int64))
    assert Neighbours().score(arrays, newcomer) == pytest.approx(oracle(arrays["fleet"], probe), rel=1e-5)


def test_a_row_is_not_its_own_neighbour() -> None:
    """Calibration would otherwise believe that everything normal lies at distance nought."""
    learned = rows(windows=100)
    arrays, in_own, in_fleet = neighbours.fit(learned, lines=4)
    is_reference = in_own != NOBODY
    honest = neighbours.scores(arrays, learned, skip_own=in_own, skip_fleet=in_fleet)
    with_itself = Neighbours().score(arrays, learned)
    assert (honest[is_reference] > with_itself[is_reference]).all()
    assert honest[~is_reference & (in_fleet == NOBODY)] == pytest.approx(
        with_itself[~is_reference & (in_fleet == NOBODY)]
    )


def test_the_oddest_rows_are_no_reference() -> None:
    """Two in a hundred of each workload: an attack in training is not what others are similar to."""
    learned = rows(windows=100)
    learned.residuals[7, schema.INDEX["connections_out"]] = 14.0
    _, in_own, in_fleet = neighbours.fit(learned, lines=4)
    assert in_own[7] == NOBODY
    assert in_fleet[7] == NOBODY
    assert np.bincount(learned.workloads[in_own != NOBODY]).tolist() == [98] * 4


def test_a_reference_is_spread_over_the_hours_of_the_week_and_bounded() -> None:
    """However long the history, and however many workloads."""
    learned = rows(lines=1, windows=2 * 168 * 60)
    arrays, in_own, _ = neighbours.fit(learned, lines=1)
    assert len(arrays["own"]) == neighbours.OWN_MOST
    assert len(arrays["fleet"]) == neighbours.FLEET_MOST
    by_slot = np.bincount(learned.slots[in_own != NOBODY], minlength=168)
    assert by_slot.min() >= 20
    assert by_slot.max() <= 28


def test_the_explanation_sums_to_the_score() -> None:
    """The distance falls apart into features by their squares."""
    arrays, probe = Neighbours().fit(rows(), lines=4, seed=1), rows(windows=5, seed=9)
    credit = Neighbours().explain(arrays, probe)
    assert credit.sum(axis=1) == pytest.approx(Neighbours().score(arrays, probe), rel=1e-5)


def test_silence_is_near() -> None:
    """A fall counts as little as it does in the tail: what stops is seldom an attack."""
    arrays, probe = Neighbours().fit(rows(), lines=4, seed=1), rows(windows=1, seed=9).pick(np.array([0, 0]))
    probe.residuals[:] = 0.0
    probe.residuals[:, schema.INDEX["connections_out"]] = [10.0, -10.0]
    rise, fall = Neighbours().score(arrays, probe)
    assert fall < rise / 1.5
