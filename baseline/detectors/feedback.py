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

from baseline.domain.deviation import Family, Reason
from baseline.features.table import FloatArray

LEAST, MOST = 0.25, 4.0
STEP = math.log(4.0) / 10.0  # ten decisions of one kind about a voice that spoke alone reach the bound; by judgement
NODS_NATS = -math.log(0.05)  # what a voice says above p = 0.05 is a nod: it did not raise the alert
TAKEN_NATS = math.log(100.0)  # most that weights take off a voice: the step from two windows to one window alone
STRONGEST_NATS = 30.0  # one voice counts up to this; see combine
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


def table(weights: Sequence[Weights], names: Sequence[str]) -> FloatArray:
    """Weights of many workloads as float64 (lines, names), 1 where nothing was learned: what a model set stores."""
    return np.array([[line.get(name, 1.0) for name in names] for line in weights]).reshape(len(weights), len(names))


def discounted(nats: FloatArray, *, by_voice: FloatArray | float, by_family: FloatArray | float = 1.0) -> FloatArray:
    """A voice's evidence -ln p, shape (n,), less what its weight and its leading family's take; never more than it
    was, never less by more than TAKEN_NATS.
    """
    factor = np.clip(np.minimum(by_voice, 1.0) * np.minimum(by_family, 1.0), LEAST, 1.0)
    return np.asarray(nats - np.minimum((1.0 - factor) * nats, TAKEN_NATS))


def _of_one(parts: Mapping[str, float]) -> dict[str, float]:
    whole = sum(parts.values())
    return {name: part / whole for name, part in parts.items() if part > 0} if whole > 0 else {}
