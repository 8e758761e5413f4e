"""What would have been normal: the nearest values, found on whatever path judges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import counterfactual
from baseline.detectors.counterfactual import NEW_EDGES, Question
from baseline.detectors.protocol import Rows
from baseline.features import schema
from baseline.features.table import FloatArray
from tests.detectors.making import rows

PEERS, UPLOAD, CONNECTIONS = (schema.INDEX[name] for name in ("peers_out", "upload_out", "connections_out"))
ALPHA = 1e-4


def one(**values: float) -> Rows:
    """A row with these natural values on the schema's scale, the rest zero."""
    row = rows(windows=1, lines=1, with_residuals=False)
    found = np.zeros((1, schema.WIDTH))
    for name, value in values.items():
        found[0, schema.INDEX[name]] = value
    return replace(row, values=found, fresh=np.array([6], dtype=np.int64), fresh_peers=np.array([6], dtype=np.int64))


def asked(column: int, usual: float = 0.0) -> Question:
    """Of the one row."""
    return Question(row=0, column=column, usual=usual)


def below(column: int, limit: float) -> counterfactual.PValues:
    """A path that finds everything below a limit normal."""
    return lambda found: np.where(found.values[:, column] < np.log1p(limit), 1.0, 0.0)


@pytest.mark.parametrize("limit", [2, 41, 42, 1234, 99_999])
def test_the_last_normal_count_is_found_exactly(limit: int) -> None:
    """Whatever the distance: it is the whole number below the first one that deviates."""
    row = one(peers_out=np.log1p(100_000))
    (found,) = counterfactual.nearest(row, [(asked(PEERS),)], p_values=below(PEERS, limit), alpha=ALPHA)
    assert found is not None
    assert schema.natural(schema.FEATURES[PEERS], float(found[0])) == pytest.approx(limit - 1)


def test_a_fall_is_searched_upwards() -> None:
    """The usual value may lie above the actual one."""
    row = one(peers_out=np.log1p(3))
    question = asked(PEERS, usual=float(np.log1p(80)))
    (found,) = counterfactual.nearest(
        row, [(question,)], p_values=lambda r: np.where(r.values[:, PEERS] > np.log1p(39), 1.0, 0.0), alpha=ALPHA
    )
    assert found is not None
    assert schema.natural(schema.FEATURES[PEERS], float(found[0])) == pytest.approx(40)


def test_ratios_are_narrowed_down_without_rounding() -> None:
    """Only what is counted comes in whole numbers."""
    row = one(upload_out=5.0)
    (found,) = counterfactual.nearest(
        row, [(asked(UPLOAD),)], p_values=lambda r: np.where(r.values[:, UPLOAD] <= 1.2345, 1.0, 0.0), alpha=ALPHA
    )
    assert found is not None
    assert float(found[0]) == pytest.approx(1.2345, abs=1e-6)


def test_new_edges_count_too() -> None:
    """The number of new edges is searched like a feature, and new peers never exceed it."""
    seen: list[tuple[int, int]] = []

    def p_values(found: Rows) -> FloatArray:
        seen.extend(zip(found.fresh.tolist(), found.fresh_peers.tolist(), strict=True))
        return np.where(found.fresh <= 2, 1.0, 0.0)

    (found,) = counterfactual.nearest(one(), [(asked(NEW_EDGES),)], p_values=p_values, alpha=ALPHA)
    assert found is not None
    assert found.tolist() == [2.0]
    assert all(peers <= edges for edges, peers in seen)


def test_a_feature_that_does_not_bring_it_back_is_said_so() -> None:
    """None, not a value that would not have been normal either."""
    row = one(peers_out=5.0, connections_out=5.0)
    both = [(asked(PEERS),), (asked(CONNECTIONS),)]
    found = counterfactual.nearest(row, both, p_values=below(CONNECTIONS, 10), alpha=ALPHA)
    assert found[0] is None
    assert found[1] is not None


def test_the_normal_value_nearest_to_the_actual_one_wins() -> None:
    """A forest may find a far value odd again: the first normal stretch on the way counts."""
    row = one(upload_out=16.0)

    def p_values(found: Rows) -> FloatArray:
        value = found.values[:, UPLOAD]
        return np.where((value < 2) | ((value > 8) & (value < 11)), 1.0, 0.0)

    (found,) = counterfactual.nearest(row, [(asked(UPLOAD),)], p_values=p_values, alpha=ALPHA)
    assert found is not None
    assert float(found[0]) == pytest.approx(11, abs=1e-4)


def test_features_that_move_together_bring_it_back_together() -> None:
    """Where no single one does, the fewest that do are found, and how far they have to move side by side."""
    row = one(peers_out=4.0, connections_out=8.0, upload_out=3.0)
    group = [asked(CONNECTIONS), asked(PEERS), asked(UPLOAD)]

    def p_values(found: Rows) -> FloatArray:
        is_normal = (found.values[:, PEERS] <= 2.0) & (found.values[:, CONNECTIONS] <= 5.0)
        return np.where(is_normal, 1.0, 0.0)

    assert counterfactual.fewest(row, group, p_values=p_values, alpha=ALPHA) == 2
    (found,) = counterfactual.nearest(row, [group[:2]], p_values=p_values, alpha=ALPHA)
    assert found is not None
    connections, peers = found
    assert connections == pytest.approx(4.0, abs=0.05)  # half way, because the peers need half of theirs
    assert peers <= 2.0
    assert schema.natural(schema.FEATURES[PEERS], float(peers)) == pytest.approx(6)


def test_nothing_may_bring_it_back() -> None:
    """Not even all of them: 0."""
    assert counterfactual.fewest(one(), [asked(PEERS)], p_values=lambda r: np.zeros(len(r)), alpha=ALPHA) == 0
    assert counterfactual.fewest(one(), [], p_values=lambda r: np.ones(len(r)), alpha=ALPHA) == 0
    assert counterfactual.nearest(one(), [], p_values=lambda r: np.ones(len(r)), alpha=ALPHA) == []


def test_the_rows_are_left_as_they_are() -> None:
    """The search changes copies."""
    row = one(peers_out=4.0)
    before = row.values.copy()
    counterfactual.nearest(row, [(asked(PEERS),), (asked(NEW_EDGES),)], p_values=below(PEERS, 9), alpha=ALPHA)
    assert np.array_equal(row.values, before)
    assert row.fresh.tolist() == [6]
