"""Whether what is normal has moved."""

from __future__ import annotations

import numpy as np
import pytest

from baseline.detectors import drift


def normal(
    count: int, *, seed: int, shift: float = 0.0, scale: float = 1.0
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Residuals of two features; only the second one is shifted."""
    values = np.random.default_rng(seed).normal(size=(count, 2))
    values[:, 1] = scale * values[:, 1] + shift
    return values


def test_the_same_population_is_stable() -> None:
    """Two samples of one distribution stay far below the mark."""
    assert (drift.stability(normal(4000, seed=1), normal(800, seed=2)) < 0.1).all()


@pytest.mark.parametrize(("shift", "scale"), [(1.0, 1.0), (0.0, 3.0)])
def test_a_moved_or_widened_population_is_not(shift: float, scale: float) -> None:
    """The feature that changed passes the mark, its neighbour does not."""
    found = drift.stability(normal(4000, seed=1), normal(800, seed=2, shift=shift, scale=scale))
    assert found[1] > drift.MOVED_PSI
    assert found[0] < 0.1


def test_the_index_is_what_the_formula_gives() -> None:
    """A population of ten equal bins that all falls into one: computed by hand, with half a window imagined a bin."""
    then = np.arange(1000.0)[:, None]
    now = np.full((1000, 1), 2000.0)
    before, after = np.full(10, 0.1), np.full(10, 0.5 / 1005)
    after[-1] = 1000.5 / 1005
    assert drift.stability(then, now)[0] == pytest.approx(
        float(((after - before) * np.log(after / before)).sum()), rel=1e-3
    )


def test_a_constant_feature_that_begins_to_vary_has_drifted() -> None:
    """No deciles are no licence."""
    then, now = np.zeros((500, 1)), np.random.default_rng(1).normal(size=(500, 1))
    assert drift.stability(then, now)[0] > drift.MOVED_PSI
    assert drift.stability(then, np.zeros((500, 1)))[0] < 0.1


def test_few_windows_say_nothing() -> None:
    """Not ready is NaN, never a confident zero."""
    assert np.isnan(drift.stability(normal(4000, seed=1), normal(drift.FEWEST - 1, seed=2))).all()


def test_the_distance_of_two_sets_is_in_scales_of_the_old_one() -> None:
    """Of the farthest feature, in the order of the pairs."""
    old = {"level": np.array([[1.0, 1.0], [0.0, 0.0]]), "scale": np.full((2, 3, 2), 0.5)}
    new = {"level": np.array([[0.0, 0.1], [1.0, 3.0]]), "scale": np.full((2, 3, 2), 9.0)}
    assert drift.moved(old, new, [(0, 1), (1, 0)]).tolist() == [4.0, 0.2]
    assert drift.moved(old, new, []).tolist() == []
