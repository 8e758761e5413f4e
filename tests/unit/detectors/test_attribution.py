"""Whose evidence it is: shares of voices and of features, exact where they can be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import attribution, combine, tail
from baseline.detectors.forest import Forest
from baseline.detectors.tail import Tail
from baseline.features import schema
from baseline.features.table import FloatArray
from tests.detectors.making import rows


def one_row(**residuals: float) -> FloatArray:
    """Residuals of one row, the rest zero."""
    found = np.zeros((1, schema.WIDTH))
    for name, value in residuals.items():
        found[0, schema.INDEX[name]] = value
    return found


def test_what_the_tail_credits_sums_to_its_score() -> None:
    """For every row, whatever its residuals: nothing is made up and nothing is left out."""
    learned = rows(windows=50)
    arrays = Tail().fit(learned, lines=4, seed=1)
    assert np.allclose(Tail().explain(arrays, learned).sum(axis=1), Tail().score(arrays, learned))


def test_near_equals_share_the_largest() -> None:
    """Two features of the same evidence get the same credit; a third, half as large, gets less."""
    row = replace(
        rows(windows=1, lines=1), residuals=one_row(connections_out=10.0, busiest_edge_out=10.0, peers_out=5.0)
    )
    credit = Tail().explain(Tail().fit(row, lines=1, seed=1), row)[0]
    first, second, third = (credit[schema.INDEX[name]] for name in ("connections_out", "busiest_edge_out", "peers_out"))
    assert first == pytest.approx(second)
    assert first > third > 0


def test_the_largest_is_shared_by_shapleys_value() -> None:
    """As the average over all orders of joining of what each one adds to the largest so far."""
    parts = np.array([3.0, 7.0, 1.0])
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    added = np.zeros(3)
    for order in orders:
        largest = 0.0
        for who in order:
            added[who] += max(largest, parts[who]) - largest
            largest = max(largest, parts[who])
    assert tail.of_largest(parts[None, :])[0] == pytest.approx(added / len(orders))


@pytest.mark.parametrize(
    "p",
    [
        {"tail": 1e-9, "forest": 1e-3, "edges": 1.0},
        {"tail": 0.5, "forest": float("nan"), "edges": 1e-6},
        {"tail": 1e-15, "forest": 1e-15, "edges": 1e-12},
        {"tail": 1e-5, "neighbours": 1e-4, "forest": 1e-3, "edges": 1e-7},
        {"tail": 1e-5, "neighbours": 1e-9, "forest": 1e-3, "edges": 1e-2},
    ],
)
def test_what_the_voices_add_is_the_combined_number(p: dict[str, float]) -> None:
    """The same formula, taken apart: a change of the one must change the other."""
    whole = combine.total({name: np.array([value]) for name, value in p.items()})[0]
    assert sum(attribution.contributions(p).values()) == pytest.approx(float(whole))
    assert sum(attribution.of_voices(p).values()) == pytest.approx(1.0)
    assert next(iter(attribution.of_voices(p))) == min(p, key=lambda name: (not p[name] < 1, p[name]))


def test_voices_that_say_nothing_have_no_share() -> None:
    """Zeros instead of a division by zero."""
    assert set(attribution.of_voices({"tail": 1.0, "forest": 1.0, "edges": 1.0}).values()) == {0.0}


def test_shares_of_features_and_new_edges_are_one_together() -> None:
    """Through the voices: the tail and the forest name features, the third voice new edges."""
    learned = rows(windows=200)
    arrays = combine.named("tail", Tail().fit(learned, lines=4, seed=1))
    arrays |= combine.named("forest", Forest().fit(learned, lines=4, seed=1))
    row = replace(learned.pick(np.array([0])), residuals=one_row(connections_out=14.0, bytes_out_out=4.0))
    shares = attribution.of_row(arrays, row, {"tail": 1e-9, "forest": 1e-4, "edges": 1e-2})
    assert shares.features.sum() + shares.new_edges == pytest.approx(1.0)
    assert shares.new_edges == pytest.approx(shares.voices["edges"])
    assert schema.NAMES[int(np.argmax(shares.features))] == "connections_out"


def test_every_voice_says_which_features_carried_it_or_has_none() -> None:
    """A voice that joins the combination joins the attribution; new edges alone lie in no feature."""
    assert set(attribution.CREDITS) | {attribution.NEW_EDGES} == set(combine.WEIGHTS)
