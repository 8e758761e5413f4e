"""How voices become one number: who is heard, and how often."""

from __future__ import annotations

import numpy as np
import pytest

from baseline.detectors import combine


def total(**p: float) -> float:
    """The combined number of one row; a voice that is not named says nothing."""
    said = dict.fromkeys(combine.WEIGHTS, 1.0) | p
    return float(combine.total({name: np.array([value]) for name, value in said.items()})[0])


def test_a_distance_measured_twice_is_heard_once() -> None:
    """Tail and neighbours read the same residuals: the weaker of them adds nothing, whichever it is."""
    assert total(tail=1e-6, neighbours=1e-5) == pytest.approx(total(tail=1e-6))
    assert total(tail=1e-5, neighbours=1e-6) == pytest.approx(total(neighbours=1e-6))


def test_new_edges_beside_a_distance_are_two_witnesses() -> None:
    """What lies in no residual adds its share, as the distance adds to it."""
    assert total(tail=1e-6, edges=1e-4) > total(tail=1e-6)
    assert total(tail=1e-4, neighbours=1e-4, edges=1e-6) == pytest.approx(total(tail=1e-4, edges=1e-6))
    assert total(tail=1e-4, edges=1e-6) > total(edges=1e-6)


def test_voices_that_always_agree_do_not_dull_the_one_that_speaks_alone() -> None:
    """A new edge at p = 3e-4 must stay about that unusual where the two distances are one and the same."""
    chance = np.random.default_rng(3)
    distance, forest = chance.random(20_000), chance.random(20_000)
    voices = {"tail": distance, "neighbours": distance, "forest": forest, "edges": np.ones(20_000)}
    alone = total(tail=0.6, neighbours=0.2, forest=0.2, edges=3e-4)
    assert np.mean(combine.total(voices) >= alone) < 5e-4
