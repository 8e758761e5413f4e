"""The suite every detector passes: what a score must never do. Run by tests over every detector, ours and others'.

A check takes a detector, its arrays and rows with residuals, and raises AssertionError with the sentence it breaks.
Checks that only make sense for a detector that looks at features are listed apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from baseline.detectors import codec
from baseline.detectors.protocol import Arrays, Detector, Rows
from baseline.domain.errors import SchemaMismatch
from baseline.features.schema import Schema

Check = Callable[[Detector, Rows, int], None]
SEED = 7
PERTURBED = "connections_out"


def scores_are_finite_and_in_order(detector: Detector, rows: Rows, lines: int) -> None:
    """Every row of a known workload gets one finite score."""
    scores = detector.score(detector.fit(rows, lines=lines, seed=SEED), rows)
    _need(scores.shape == (len(rows),), "one score a row")
    _need(bool(np.isfinite(scores).all()), "a score is finite")


def same_seed_same_bytes(detector: Detector, rows: Rows, lines: int) -> None:
    """Two fits of the same rows and seed are the same set."""
    first, second = (codec.encode(detector.fit(rows, lines=lines, seed=SEED)) for _ in range(2))
    _need(first == second, "the same rows and seed give the same bytes")


def input_is_untouched(detector: Detector, rows: Rows, lines: int) -> None:
    """Fitting and scoring change no input."""
    before = [part.copy() for part in (rows.values, rows.residuals, rows.fresh, rows.workloads)]
    detector.score(detector.fit(rows, lines=lines, seed=SEED), rows)
    after = (rows.values, rows.residuals, rows.fresh, rows.workloads)
    _need(all(np.array_equal(old, new) for old, new in zip(before, after, strict=True)), "the input is untouched")


def foreign_schema_is_refused(detector: Detector, rows: Rows, lines: int) -> None:
    """Numbers in another order of columns are refused, not misread."""
    arrays = detector.fit(rows, lines=lines, seed=SEED)
    turned = Schema(tuple(reversed(rows.schema.features)))
    try:
        detector.score(arrays, replace(rows, schema=turned, values=rows.values[:, ::-1]))
    except SchemaMismatch:
        return
    raise AssertionError("a foreign schema is refused")


def order_of_columns_is_irrelevant(detector: Detector, rows: Rows, lines: int) -> None:
    """Columns are known by their names: given in another order they score the same, and an unknown one is refused."""
    arrays = detector.fit(rows, lines=lines, seed=SEED)
    order = np.random.default_rng(SEED).permutation(rows.schema.width)
    names = [rows.schema.names[column] for column in order]
    shuffled = replace(rows, values=rows.schema.arranged(names, rows.values[:, order]))
    _need(np.array_equal(detector.score(arrays, rows), detector.score(arrays, shuffled)), "column order is irrelevant")
    try:
        rows.schema.arranged([*names[:-1], "nobody_knows"], rows.values)
    except SchemaMismatch:
        return
    raise AssertionError("an unknown column is refused")


def one_row_equals_batch(detector: Detector, rows: Rows, lines: int) -> None:
    """A row's score does not depend on its neighbours."""
    arrays = detector.fit(rows, lines=lines, seed=SEED)
    batch = detector.score(arrays, rows)
    for at in (0, len(rows) // 2, len(rows) - 1):
        single = detector.score(arrays, rows.pick(np.array([at])))[0]
        _need(bool(single == batch[at]), f"row {at} alone scores as in the batch: {single} and {batch[at]}")


def codec_is_exact(detector: Detector, rows: Rows, lines: int) -> None:
    """Stored and loaded arrays judge to the last bit alike."""
    arrays = detector.fit(rows, lines=lines, seed=SEED)
    loaded: Arrays = codec.decode(codec.encode(arrays), name="check")
    _need(np.array_equal(detector.score(arrays, rows), detector.score(loaded, rows)), "the codec is exact")


def unseen_peer_never_lowers(detector: Detector, rows: Rows, lines: int) -> None:
    """A window with a never-seen peer is not more normal than the same window without."""
    arrays = detector.fit(rows, lines=lines, seed=SEED)
    without = detector.score(arrays, replace(rows, fresh=np.zeros_like(rows.fresh)))
    for count in (1, 5):
        with_new = detector.score(arrays, replace(rows, fresh=np.full_like(rows.fresh, count)))
        _need(bool((with_new >= without).all()), "an unseen peer never lowers the score")


def little_data_is_not_ready(detector: Detector, rows: Rows, lines: int) -> None:
    """A handful of rows gives NaN or a bounded, equal score for all, never a confident one."""
    few = rows.pick(np.arange(min(8, len(rows))))
    scores = detector.score(detector.fit(few, lines=lines, seed=SEED), few)
    _need(bool(np.isnan(scores).all()), "eight rows are too few to judge by")


def far_is_more_unusual_than_near(detector: Detector, rows: Rows, lines: int) -> None:
    """Ten scales out scores above the middle."""
    arrays = detector.fit(rows, lines=lines, seed=SEED)
    middle, far = detector.score(arrays, _middle(rows)), detector.score(arrays, _perturbed(rows))
    _need(bool(far[0] > middle[0]), f"far scores above the middle: {far[0]} and {middle[0]}")


def constant_training_is_no_licence(detector: Detector, rows: Rows, lines: int) -> None:
    """A workload that never varied is not one for which everything is normal."""
    flat = replace(rows, values=np.repeat(rows.values[:1], len(rows), axis=0), residuals=np.zeros_like(rows.residuals))
    arrays = detector.fit(flat, lines=lines, seed=SEED)
    middle, far = detector.score(arrays, flat.pick(np.array([0]))), detector.score(arrays, _perturbed(flat))
    _need(bool(far[0] > middle[0]), "constant training data does not make all normal")


def explanation_names_what_was_perturbed(detector: Detector, rows: Rows, lines: int) -> None:
    """The feature that was moved carries most of the explanation."""
    arrays = detector.fit(rows, lines=lines, seed=SEED)
    credit = detector.explain(arrays, _perturbed(rows))[0]
    _need(bool((credit >= 0).all()), "credit is not negative")
    named = rows.schema.names[int(np.argmax(credit))]
    _need(named == PERTURBED, f"the explanation names {PERTURBED}, not {named}")


EVERY: Mapping[str, Check] = {
    check.__name__: check
    for check in (
        scores_are_finite_and_in_order, same_seed_same_bytes, input_is_untouched, foreign_schema_is_refused,
        order_of_columns_is_irrelevant, one_row_equals_batch, codec_is_exact, unseen_peer_never_lowers,
    )
}  # fmt: skip
OF_FEATURES: Mapping[str, Check] = {
    check.__name__: check
    for check in (far_is_more_unusual_than_near, constant_training_is_no_licence, explanation_names_what_was_perturbed)
}
OF_LEARNERS: Mapping[str, Check] = {little_data_is_not_ready.__name__: little_data_is_not_ready}


def _middle(rows: Rows) -> Rows:
    """One ordinary row: the median of the first workload."""
    own = np.flatnonzero(rows.workloads == rows.workloads[0])
    one = rows.pick(own[:1])
    return replace(
        one, values=np.median(rows.values[own], axis=0)[None, :], residuals=np.zeros((1, rows.schema.width)),
        fresh=np.zeros(1, dtype=np.int64),
    )  # fmt: skip


def _perturbed(rows: Rows) -> Rows:
    """The ordinary row with one feature far out, in values and residuals alike."""
    one = _middle(rows)
    values, residuals = one.values.copy(), one.residuals.copy()
    values[0, rows.schema.index[PERTURBED]] += 6.0
    residuals[0, rows.schema.index[PERTURBED]] = 14.0
    return replace(one, values=values, residuals=residuals)


def _need(is_so: bool, sentence: str) -> None:
    if not is_so:
        raise AssertionError(sentence)
