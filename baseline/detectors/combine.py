"""Voices → one number → one calibrated p-value.

Voices hang together, so no formula for independent p-values holds: the weighted sum of -ln p is calibrated itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import calibrate, feedback, seasonal
from baseline.detectors.edges import Edges
from baseline.detectors.forest import Forest
from baseline.detectors.neighbours import Neighbours
from baseline.detectors.protocol import UNKNOWN, Arrays, Detector, Rows
from baseline.detectors.tail import Tail, weighted
from baseline.features.table import FloatArray, IntArray

WEIGHTS = {
    "tail": 1.0,
    "neighbours": 1.0,
    "forest": 0.25,
    "edges": 1.0,
}  # by judgement: the tail knows magnitude, the forest does not
OF_RESIDUALS: tuple[Detector, ...] = (Tail(), Neighbours(), Forest())
AGREEMENT = 0.3  # share of the other witnesses that adds to the strongest; by judgement
DISTANCES = ("tail", "neighbours")  # how far residuals lie, measured twice: one witness, or every odd window agrees
STRONGEST = 30.0  # -ln p of one voice counts up to this


def under(arrays: Arrays, prefix: str) -> dict[str, npt.NDArray[Any]]:
    """The arrays below a prefix, without it."""
    head = prefix + "."
    return {name[len(head) :]: found for name, found in arrays.items() if name.startswith(head)}


def named(prefix: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    """The arrays with a prefix."""
    return {f"{prefix}.{name}": found for name, found in arrays.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the combination says of rows; every array (n, ...) in their order.

    p : final, calibrated; NaN where not ready. voices : p of each voice.
    """

    p: FloatArray
    total: FloatArray
    residuals: FloatArray
    voices: dict[str, FloatArray] = field(default_factory=dict)


def residual_rows(arrays: Arrays, rows: Rows) -> Rows:
    """The rows with residuals by the set's seasonal tables."""
    return replace(rows, residuals=seasonal.residuals(under(arrays, "seasonal"), rows))


def voices(arrays: Arrays, rows: Rows) -> dict[str, FloatArray]:
    """p-value of each voice; 1 where a voice is not ready (it then adds nothing)."""
    found: dict[str, FloatArray] = {}
    for voice in OF_RESIDUALS:
        raw = voice.score(under(arrays, voice.name), rows)
        found[voice.name] = calibrate.p_values(under(arrays, f"{voice.name}.p"), rows.workloads, raw)
    fresh = Edges().p_values(under(arrays, "edges"), rows)
    found["edges"] = np.where(rows.workloads == UNKNOWN, 1.0, fresh)
    return found


def total(by_voice: dict[str, FloatArray], *, weights: Arrays | None = None, rows: Rows | None = None) -> FloatArray:
    """L: the strongest voice's w (-ln p) and a share of the other witnesses'; NaN when the tail is not ready.

    A plain sum grows by every voice that merely nods, which widens its own calibration and dulls the strongest one. So
    would two voices that agree nearly always: of DISTANCES only the stronger is heard, or new edges, which speak alone,
    would have to be the more unusual.
    ``weights`` are what people's decisions take of the voices (``feedback.packed``), by the lines and residuals of
    ``rows``; without any nothing is taken.
    """
    said = {name: np.minimum(-np.log(np.where(np.isfinite(p), p, 1.0)), STRONGEST) for name, p in by_voice.items()}
    if weights and rows is not None:
        said = feedback.weighed(weights, said, lines=rows.workloads, leading=_leading(rows))
    parts = {name: WEIGHTS[name] * nats for name, nats in said.items()}
    strongest = np.stack(list(parts.values())).max(axis=0)
    heard = sum((nats for name, nats in parts.items() if name not in DISTANCES), np.zeros_like(strongest))
    heard = heard + np.stack([nats for name, nats in parts.items() if name in DISTANCES]).max(axis=0)
    combined = strongest + AGREEMENT * (heard - strongest)
    return np.where(np.isfinite(by_voice["tail"]), combined, np.nan)


def _leading(rows: Rows) -> IntArray:
    """The family of each row's strongest feature, as its place in ``feedback.FAMILIES``, (n,)."""
    places = np.array([feedback.FAMILIES.index(feature.family) for feature in rows.schema.features], dtype=np.int64)
    return np.asarray(places[np.argmax(weighted(rows.residuals, rows.schema), axis=1)], dtype=np.int64)


def judge(arrays: Arrays, rows: Rows) -> Verdict:
    """Final p-values of rows by the arrays of one horizon, and what they are made of."""
    rows.check()
    ready = residual_rows(arrays, rows)
    by_voice = voices(arrays, ready)
    combined = total(by_voice, weights=under(arrays, "weights"), rows=ready)
    p = calibrate.p_values(under(arrays, "final"), rows.workloads, combined)
    return Verdict(p=p, total=combined, residuals=ready.residuals, voices=by_voice)
