"""Packed forests: equal to scikit-learn, small, and safe to walk whatever a file says."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest

from baseline.detectors import forest_grow, forest_kernel, forest_layout
from baseline.detectors.forest_layout import FEATURE_AT, LEAF, MOST_SAMPLES, NONE, SIDE_BITS

WIDTH = 6
Matrix = npt.NDArray[Any]


def learned(kind: str) -> Matrix:
    """Rows to fit on, of one kind."""
    rng = np.random.default_rng(11)
    found: Matrix = rng.standard_t(4, size=(700, WIDTH))
    if kind == "constant columns":
        found[:, [0, 3]] = 2.5
    if kind == "one constant row":
        found[:] = found[0]
    if kind == "duplicates":
        found = np.repeat(np.round(found[:35]), 20, axis=0)
    if kind == "few rows":
        found = found[:40]
    if kind == "large and small":
        found *= 10.0 ** np.array([-30, -3, 0, 3, 9, 30])
    if kind == "both zeros":
        found = np.where(rng.random(found.shape) < 0.5, -0.0, 1.0)
    return found


KINDS = ("plain", "constant columns", "one constant row", "duplicates", "few rows", "large and small", "both zeros")


def fleet(*forests: forest_layout.Forest) -> forest_layout.Forest:
    """Forests without lines; the last one is the fleet's."""
    return forest_layout.joined(forests, np.array([len(forests) - 1]))


@pytest.mark.parametrize("samples", [2, 64, 256, MOST_SAMPLES])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:max_samples:UserWarning")  # more than there are rows is what is asked here
def test_packed_forests_score_as_scikit_learn_does(kind: str, samples: int) -> None:
    """Within one unit in the last place of `score_samples`, on what was learned, beside it and exactly on the cuts."""
    known = learned(kind)
    fitted = IsolationForest(n_estimators=20, max_samples=samples, random_state=5).fit(known)
    arrays = fleet(forest_layout.packed(fitted))
    on_cuts = np.stack([tree.tree_.threshold[:1].repeat(WIDTH) for tree in fitted.estimators_])
    probe = np.vstack([known[:50], known[:50] + 1e-7, 3 * known[:20], on_cuts, np.nextafter(on_cuts, 9e9), -on_cuts])
    expected = -fitted.score_samples(probe)
    found = forest_kernel.score(arrays, np.zeros(len(probe), dtype=np.int64), probe)
    assert forest_layout.wrong(arrays, lines=0, width=WIDTH) is None
    assert np.all(np.abs(found - expected) <= np.spacing(expected))


def test_trees_of_some_features_each_are_packed_with_the_features_they_mean() -> None:
    """scikit-learn numbers the features of such a tree anew; a packed one names the columns of the rows."""
    fitted = IsolationForest(n_estimators=20, max_features=0.5, random_state=5).fit(learned("plain"))
    found = forest_kernel.score(fleet(forest_layout.packed(fitted)), np.zeros(700, dtype=np.int64), learned("plain"))
    expected = -fitted.score_samples(learned("plain"))
    assert np.all(np.abs(found - expected) <= np.spacing(expected))


def test_each_row_of_a_batch_may_ask_another_forest() -> None:
    """As each forest says alone, in any order, and NaN where no forest is asked."""
    parts = [forest_grow.grown(learned("plain").astype(np.float32), trees=9, samples=64, seed=one) for one in range(7)]
    arrays = fleet(*parts)
    which = np.random.default_rng(2).integers(NONE, 7, size=200)
    probe = learned("plain")[:200]
    found = forest_kernel.score(arrays, which, probe)
    assert np.isnan(found[which == NONE]).all()
    for one, part in enumerate(parts):
        alone = forest_kernel.score(fleet(part), np.zeros(200, dtype=np.int64), probe)
        assert np.array_equal(found[which == one], alone[which == one])


def test_keys_keep_the_order_of_their_values() -> None:
    """Over signs and sizes; both zeros are equal; and they come back."""
    values = np.array([-3e38, -1.0, -1e-45, -0.0, 0.0, 1e-45, 1.0, 1.0000001, 3e38], dtype=np.float32)
    ordered = forest_layout.keys(values)
    assert np.array_equal(np.diff(ordered.astype(np.int64)) > 0, np.diff(values) > 0)
    assert np.array_equal(forest_layout.from_keys(ordered), values)


def test_a_forest_takes_less_than_70_kilobytes() -> None:
    """100 trees of 256 rows, all arrays counted (scikit-learn holds about 1,125); 90 for uniform rows."""
    rng = np.random.default_rng(3)
    for rows, most in ((rng.normal(size=(2000, 32)), 70_000), (rng.uniform(-1, 1, size=(2000, 32)), 90_000)):
        taught = rows.astype(np.float32)
        arrays = fleet(*(forest_grow.grown(taught, trees=100, samples=256, seed=one) for one in range(4)))
        assert sum(array.nbytes for array in arrays.values()) / 4 < most


def test_credits_say_by_which_features_the_path_was_shortened() -> None:
    """They sum to the normal path less the row's own, and the feature that is far out carries them."""
    known = learned("plain")
    arrays = fleet(forest_layout.packed(IsolationForest(max_samples=256, random_state=1).fit(known)))
    probe = known[:30].copy()
    probe[0] = 0.0
    probe[0, 4] = 20.0
    zeros = np.zeros(len(probe), dtype=np.int64)
    credit = forest_kernel.credit(arrays, zeros, probe)
    normal = forest_layout.PATHS[256]
    path = -np.log2(forest_kernel.score(arrays, zeros, probe)) * normal
    assert credit.sum(axis=1) == pytest.approx(normal - path)
    assert credit[0].argmax() == 4
    assert not forest_kernel.credit(arrays, zeros + NONE, probe).any()


def test_a_forest_that_the_layout_cannot_hold_is_refused() -> None:
    """More rows a tree than a distance can span, or more features than a byte."""
    rng = np.random.default_rng(1)
    tall, wide = rng.normal(size=(MOST_SAMPLES + 9, 2)), rng.normal(size=(20, 300))
    with pytest.raises(ValueError, match="rows a tree"):
        forest_layout.packed(IsolationForest(n_estimators=1, max_samples=MOST_SAMPLES + 1).fit(tall))
    with pytest.raises(ValueError, match="rows a tree"):
        forest_grow.grown(tall.astype(np.float32), trees=1, samples=MOST_SAMPLES + 1, seed=1)
    with pytest.raises(ValueError, match="features"):
        forest_grow.grown(wide.astype(np.float32), trees=1, samples=8, seed=1)


def small() -> forest_layout.Forest:
    """Two forests of three trees; lines 0 and 2 (the fleet) have one."""
    rows = learned("plain").astype(np.float32)
    parts = [forest_grow.grown(rows, trees=3, samples=16, seed=one) for one in range(2)]
    return forest_layout.joined(parts, np.array([0, NONE, 1]))


def cut(*, feature: int = 0, below: int = LEAF + 1, above: int = LEAF + 1) -> int:
    """One word."""
    return (feature << FEATURE_AT) | (below << SIDE_BITS) | above


def changed(name: str, place: int, value: int) -> forest_layout.Forest:
    """The small fleet with one number changed."""
    found = {key: array.copy() for key, array in small().items()}
    found[name][place] = value
    return found


@pytest.mark.parametrize(
    ("name", "place", "value", "what"),
    [
        ("nodes", 0, cut(below=0), "child"),  # itself
        ("nodes", 0, cut(above=0), "child"),
        ("nodes", 0, cut(below=LEAF - 1), "child"),  # far behind the tree
        ("nodes", -1, cut(above=1), "child"),  # one behind the last
        ("nodes", 0, cut(above=LEAF), "child"),  # a leaf without rows
        ("nodes", 0, cut(below=LEAF + MOST_SAMPLES + 1), "child"),  # more rows than paths are known for
        ("nodes", 3, cut(feature=WIDTH), "feature"),
        ("nodes", 3, -1, "feature"),
        ("trees", 0, 1, "bounds"),
        ("trees", -1, 10**6, "bounds"),
        ("trees", 2, 10**6, "bounds"),
        ("trees", 2, -1, "bounds"),
        ("forests", 1, 9, "bounds"),
        ("forests", 1, 0, "without trees"),
        ("samples", 0, 1, "rows of a tree"),
        ("samples", 0, MOST_SAMPLES + 1, "rows of a tree"),
        ("own", 0, 2, "line"),
        ("own", 1, -2, "line"),
    ],
)
def test_hostile_numbers_are_refused(name: str, place: int, value: int, what: str) -> None:
    """Each id out of its range is named."""
    assert what in str(forest_layout.wrong(changed(name, place, value), lines=2, width=WIDTH))


@pytest.mark.parametrize("name", forest_layout.NAMES)
def test_hostile_shapes_and_types_are_refused(name: str) -> None:
    """Another type, another dimension, nothing at all, one too few."""
    good = small()
    assert forest_layout.wrong(good, lines=2, width=WIDTH) is None
    for other in (good[name].astype(np.int32), good[name].astype(np.float64), good[name][None], good[name][:0]):
        assert forest_layout.wrong({**good, name: other}, lines=2, width=WIDTH) is not None
    assert forest_layout.wrong({**good, name: good[name][:-1]}, lines=2, width=WIDTH) is not None


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=6), st.data())
def test_whatever_is_not_refused_can_be_walked(words: list[int], data: st.DataObject) -> None:
    """Any cuts at any places: refused, or scores and credits are numbers."""
    good = {key: array.copy() for key, array in small().items()}
    for word in words:
        kind = data.draw(st.sampled_from(("any", "near", "leaf")))
        near = cut(feature=word % WIDTH, below=1 + word % 5, above=LEAF + 1 + (word >> 9) % MOST_SAMPLES)
        leaf = cut(feature=word % WIDTH, below=LEAF + 1 + word % MOST_SAMPLES)
        good["nodes"][word % len(good["nodes"])] = {"any": word, "near": near, "leaf": leaf}[kind]
    if forest_layout.wrong(good, lines=2, width=WIDTH) is None:
        which, probe = np.arange(40) % 2, learned("plain")[:40]
        assert np.isfinite(forest_kernel.score(good, which, probe)).all()
        assert np.isfinite(forest_kernel.credit(good, which, probe)).all()


def test_checking_looks_at_every_tree_of_a_large_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some trees at a time: a fault is found in any of them."""
    good = small()
    monkeypatch.setattr(forest_layout, "_CHUNK", 12)
    assert forest_layout.wrong(good, lines=2, width=WIDTH) is None
    for place in range(len(good["nodes"])):
        assert forest_layout.wrong(changed("nodes", place, cut(below=0)), lines=2, width=WIDTH) == "child out of range"
