"""What decisions teach about voices and families: an online convex update of their weights, and what weights do.

After Siddiqui et al., Feedback-Guided Anomaly Discovery via Online Optimization, KDD 2018: the evidence is linear in
the weights, ``L = sum w_i (-ln p_i)``; a decision's loss is ``-y`` times its evidence (y = +1 confirmed, -1 dismissed);
mirror descent with the entropy as mirror multiplies each weight by ``exp(step y share_i)``, and the projection keeps it
within [0.25, 4].

Names are ``voice:NAME`` and ``family:NAME``; a name that is absent counts 1. A weight above 1 is credit: it is worn off
before later dismissals show, and never raises evidence, so no confirmation lowers a threshold. And no weight takes
more than a factor of 100 off a voice's p, so what is past every doubt stays visible.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from baseline.detectors.protocol import UNKNOWN, Arrays
from baseline.domain.deviation import Family, Reason
from baseline.features.table import FloatArray, IntArray

LEAST, MOST = 0.25, 4.0
STEP = math.log(4.0) / 10.0  # ten decisions of one kind about a voice that spoke alone reach the bound; by judgement
NODS_NATS = -math.log(0.05)  # what a voice says above p = 0.05 is a nod: it did not raise the alert
TAKEN_NATS = math.log(100.0)  # most that weights take off a voice: the step from two windows to one window alone
STRONGEST_NATS = 30.0  # one voice counts up to this; see combine
FAMILIES = tuple(Family)
NEW_EDGES_VOICE = "edges"
Weights = Mapping[str, float]


def voice(name: str) -> str:
    """The weight's name of a voice."""
    return f"voice:{name}"


def family(name: Family) -> str:
    """The weight's name of a family."""
    return f"family:{name.value}"


def shares(voices: Iterable[tuple[str, float]], reasons: Iterable[Reason]) -> dict[str, float]:
    """Who raised an alert: voices by their evidence beyond a nod, families by their reasons. Each kind sums to 1, or
    is absent where nobody is known.
    """
    spoke = {
        voice(name): max(0.0, min(-math.log(max(p, 1e-300)), STRONGEST_NATS) - NODS_NATS)
        for name, p in voices
        if math.isfinite(p)
    }
    told: dict[str, float] = {}
    for reason in reasons:
        told[family(reason.family)] = told.get(family(reason.family), 0.0) + max(0.0, reason.share)
    return _of_one(spoke) | _of_one(told)


def learned(weights: Weights, said: Mapping[str, float], *, lesson: float) -> dict[str, float]:
    """The weights after one decision about what ``shares`` gave; ``weights`` is left as it is.

    ``lesson`` is +1 for confirmed, -1 for dismissed, twice that when the opposite was said before.
    """
    moved = dict(weights)
    for name, share in said.items():
        moved[name] = min(MOST, max(LEAST, moved.get(name, 1.0) * math.exp(STEP * lesson * share)))
    return moved


def packed(by_line: Sequence[Weights]) -> dict[str, FloatArray]:
    """What a model set stores of the weights of its workloads, in order of line: name -> float64 (lines,).

    A name nobody learned anything about has no array, so that a set without feedback has the bytes it always had.
    """
    names = sorted({name for weights in by_line for name in weights})
    return {name: np.array([weights.get(name, 1.0) for weights in by_line]) for name in names}


def weighed(
    arrays: Arrays, nats: Mapping[str, FloatArray], *, lines: IntArray, leading: IntArray
) -> dict[str, FloatArray]:
    """Evidence -ln p of each voice, (n,), less what people's decisions take of it.

    ``arrays`` are those of ``packed``; ``lines`` (n,) the workload's line, UNKNOWN loses nothing; ``leading`` (n,) the
    place in FAMILIES of the family with most evidence. The voice of new edges is always of novelty.
    """
    rows = np.arange(len(lines))
    by_family = np.stack([_of_rows(arrays, family(one), lines) for one in FAMILIES])
    novelty = np.full(len(lines), FAMILIES.index(Family.NOVELTY))
    return {
        name: discounted(
            evidence,
            by_voice=_of_rows(arrays, voice(name), lines),
            by_family=by_family[novelty if name == NEW_EDGES_VOICE else leading, rows],
        )
        for name, evidence in nats.items()
    }


def _of_rows(arrays: Arrays, name: str, lines: IntArray) -> FloatArray:
    """A weight row by row."""
    if name not in arrays:
        return np.ones(len(lines))
    return np.where(lines == UNKNOWN, 1.0, np.asarray(arrays[name], dtype=np.float64)[lines])


def discounted(nats: FloatArray, *, by_voice: FloatArray | float, by_family: FloatArray | float = 1.0) -> FloatArray:
    """A voice's evidence -ln p, shape (n,), less what its weight and its leading family's take; never more than it
    was, never less by more than TAKEN_NATS.
    """
    factor = np.clip(np.minimum(by_voice, 1.0) * np.minimum(by_family, 1.0), LEAST, 1.0)
    return np.asarray(nats - np.minimum((1.0 - factor) * nats, TAKEN_NATS))


def _of_one(parts: Mapping[str, float]) -> dict[str, float]:
    whole = sum(parts.values())
    return {name: part / whole for name, part in parts.items() if part > 0} if whole > 0 else {}
