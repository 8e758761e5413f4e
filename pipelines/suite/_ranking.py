"""Measures of a ranking with few positives: average precision, and recall at so many false alerts.

No threshold is chosen here: where k false alerts are allowed, the k-th highest ordinary window says where that is, for
every detector alike. Real oddities that nobody labelled count as ordinary, so the figures are lower bounds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from baseline.features.table import FloatArray

RESAMPLES = 200
Mask = npt.NDArray[np.bool_]


def average_precision(scores: FloatArray, is_event: Mask, weights: FloatArray | None = None) -> float:
    """Mean precision over the events, equal scores ranked as one block; ``weights`` count events more than once."""
    counts = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    ranked, hits, all_ = scores[order], np.cumsum((counts * is_event)[order]), np.cumsum(counts[order])
    last = np.append(ranked[1:] != ranked[:-1], True)
    hits, all_ = hits[last], all_[last]
    steps = np.diff(np.concatenate([[0.0], hits]))
    return float((steps * hits / np.maximum(all_, 1e-12)).sum() / max(hits[-1], 1e-12))


def limit(scores: FloatArray, is_event: Mask, allowed: int) -> float:
    """The score that ``allowed`` ordinary windows exceed at most: only what lies above it is found."""
    ordinary = np.sort(scores[~is_event])[::-1]
    return float(ordinary[min(allowed, len(ordinary) - 1)])


def interval(
    events: list[int], measure: Callable[[list[npt.NDArray[np.int64]]], float], *, seed: int
) -> tuple[float, float]:
    """95 % by bootstrap over events: ``events`` says how many each run has, ``measure`` takes those drawn of each."""
    rng = np.random.default_rng(seed)
    found = [measure([rng.integers(0, count, count) for count in events]) for _ in range(RESAMPLES)]
    return float(np.quantile(found, 0.025)), float(np.quantile(found, 0.975))
