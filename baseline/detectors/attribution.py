"""Whose evidence it is: the share of each voice in the combined number, and through the voices of each feature.

Exact for what is exact: shares of the combined number and of the tail's score are Shapley's values, a distance between
neighbours is a sum over squared coordinates. The forest's part follows its paths. All shares together are 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from baseline.detectors import combine
from baseline.detectors.protocol import Arrays, Rows
from baseline.detectors.tail import of_largest
from baseline.features.table import FloatArray

Credit = Callable[[Arrays, Rows], FloatArray]
NEW_EDGES = "edges"  # the voice whose evidence lies in no feature of the vector
CREDITS: Mapping[str, Credit] = {voice.name: voice.explain for voice in combine.OF_RESIDUALS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Of one row's combined evidence; ``voices`` sum to 1, and so do ``features`` with ``new_edges``.

    A voice that cannot say which features carried it leaves its share unassigned.
    """

    voices: dict[str, float]
    features: FloatArray  # (schema.width,)
    new_edges: float


def of_row(arrays: Arrays, row: Rows, by_voice: Mapping[str, float]) -> Shares:
    """Shares of one row (with residuals) by the arrays of its horizon and the p of each voice."""
    voices = of_voices(by_voice)
    features = np.zeros(row.schema.width)
    for name, share in voices.items():
        if share > 0 and name in CREDITS:
            credit = CREDITS[name](combine.under(arrays, name), row)[0]
            whole = float(credit.sum())
            if whole > 0:
                features += share * credit / whole
    return Shares(voices=voices, features=features, new_edges=voices.get(NEW_EDGES, 0.0))


def of_voices(by_voice: Mapping[str, float]) -> dict[str, float]:
    """What each voice adds to ``combine.total``, as shares, the largest first; all 0 where nothing says anything."""
    parts = contributions(by_voice)
    whole = sum(parts.values())
    shares = {name: part / whole if whole > 0 else 0.0 for name, part in parts.items()}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def contributions(by_voice: Mapping[str, float]) -> dict[str, float]:
    """``combine.total`` taken apart: each voice's part of the sum, of the larger distance and of the largest of all.

    A largest is shared by ``of_largest``, and Shapley's values of a sum are the sums of those of its terms.
    """
    parts = {
        name: combine.WEIGHTS[name] * min(-float(np.log(p)) if np.isfinite(p) else 0.0, combine.STRONGEST)
        for name, p in by_voice.items()
    }
    largest = _of_largest(parts)
    heard = parts | _of_largest({name: part for name, part in parts.items() if name in combine.DISTANCES})
    return {name: combine.AGREEMENT * heard[name] + (1 - combine.AGREEMENT) * largest[name] for name in parts}


def _of_largest(parts: Mapping[str, float]) -> dict[str, float]:
    """The largest of the parts, shared among them."""
    shared = of_largest(np.array([list(parts.values())]))[0]
    return {name: float(share) for name, share in zip(parts, shared, strict=True)}
