"""The fast builder draws the trees that scikit-learn draws, by other dice."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from baseline.detectors import forest_grow, forest_layout
from baseline.detectors.forest_layout import FEATURE_AT, FEATURE_MASK, KEY_AT, LEAF, SIDE_BITS, SIDE_MASK, Forest, Ints

WIDTH, SAMPLES = 5, 128


def taught(count: int = 3000) -> forest_grow.Values:
    """Rows with a constant column and one of two values."""
    found = np.random.default_rng(6).normal(size=(count, WIDTH)).astype(np.float32)
    found[:, 1] = 4.0
    found[:, 2] = found[:, 2] > 1
    return found


def sides(cuts: Ints) -> Ints:
    """Both sides of each cut, (cuts, 2)."""
    return np.stack([(cuts >> SIDE_BITS) & SIDE_MASK, cuts & SIDE_MASK], axis=1)


def shape(forest: Forest) -> dict[str, float]:
    """What two builders must have in common: leaves by their rows, cuts by feature, thresholds."""
    cuts = forest["nodes"]
    leaves = sides(cuts)[sides(cuts) >= LEAF] - LEAF
    features = np.bincount((cuts >> FEATURE_AT) & FEATURE_MASK, minlength=WIDTH) / len(cuts)
    thresholds = forest_layout.from_keys(cuts >> KEY_AT)
    return {
        "cuts a tree": len(cuts) / (len(forest["trees"]) - 1) / SAMPLES,
        "leaves of one row": float(np.mean(leaves == 1)),
        "spread of thresholds": float(thresholds[np.isin((cuts >> FEATURE_AT) & FEATURE_MASK, (0, 3))].std()),
        **{f"cuts of {feature}": float(share) for feature, share in enumerate(features)},
    }


def test_trees_are_those_of_scikit_learn_but_for_the_dice() -> None:
    """Number of cuts, rows in leaves, features and thresholds agree over 600 trees; constants are never cut."""
    fitted = IsolationForest(n_estimators=600, max_samples=SAMPLES, random_state=1).fit(taught())
    theirs = shape(forest_layout.packed(fitted))
    ours = shape(forest_grow.grown(taught(), trees=600, samples=SAMPLES, seed=1))
    assert ours == pytest.approx(theirs, rel=0.06, abs=0.01)
    assert ours["cuts of 1"] == theirs["cuts of 1"] == 0.0


def test_every_row_of_a_tree_is_in_one_leaf() -> None:
    """Leaves of a tree sum to its rows, each cut but the root lies below one other, and depth is bounded."""
    forest = forest_grow.grown(taught(), trees=30, samples=SAMPLES, seed=3)
    for begin, end in zip(forest["trees"][:-1], forest["trees"][1:], strict=True):
        below = sides(forest["nodes"][begin:end])
        assert (below[below >= LEAF] - LEAF).sum() == SAMPLES
        children = (np.arange(end - begin)[:, None] + below)[below < LEAF]
        assert sorted(children.tolist()) == list(range(1, end - begin))
        depth = np.zeros(end - begin, dtype=np.int64)
        for place, pair in enumerate(below):
            for side in pair[pair < LEAF]:
                depth[place + side] = depth[place] + 1
        assert depth.max() < np.log2(SAMPLES)


def test_all_rows_are_taken_where_there_are_fewer_than_a_sample() -> None:
    """As scikit-learn does."""
    assert forest_grow.grown(taught(40), trees=3, samples=256, seed=1)["samples"].tolist() == [40]


def test_rows_that_are_all_alike_give_trees_without_cuts() -> None:
    """Nothing to divide."""
    forest = forest_grow.grown(np.ones((50, WIDTH), dtype=np.float32), trees=4, samples=32, seed=1)
    assert forest["trees"].tolist() == [0] * 5
    assert len(forest["nodes"]) == 0


def test_rows_are_drawn_without_replacement_and_all_alike_often() -> None:
    """Each of 64 distinct rows is the single far one about as often: half of the rows are in a tree of 32."""
    hits = np.zeros(64)
    for row in range(64):
        rows = np.zeros((64, 1), dtype=np.float32)
        rows[row] = 1.0
        forest = forest_grow.grown(rows, trees=200, samples=32, seed=9)
        hits[row] = np.diff(forest["trees"]).sum()  # one cut where the tree has the row, none where not
    assert hits.max() <= 200  # never twice in one tree
    assert hits.mean() / 200 == pytest.approx(0.5, abs=0.02)
    assert hits.std() < 12  # binomial: 7


def test_nothing_is_written_to_the_rows() -> None:
    """Fits leave their input as it was."""
    rows = taught()
    before = rows.copy()
    forest_grow.grown(rows, trees=2, samples=64, seed=1)
    assert np.array_equal(rows, before)
