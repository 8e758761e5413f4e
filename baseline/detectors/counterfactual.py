"""What would have been normal: the nearest values that bring a window's p back, for one feature or several together.

Searched on the calibrated path itself, so it holds exactly: the values found are normal, the next ones are not. The
way from the actual to the usual values is walked in steps, because a forest's opinion need not fall steadily along it,
and the first normal step is then narrowed down by halving.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baseline.detectors.protocol import Rows
from baseline.features import schema
from baseline.features.schema import Feature, Measure
from baseline.features.table import FloatArray

STEPS = 16  # on the way from the actual to the usual value
HALVINGS = 24  # of one step: to the whole number for counts below ten million
NEW_EDGES = -1  # in place of a column: the number of new edges
PValues = Callable[[Rows], FloatArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which feature of which row, and where its usual value lies."""

    row: int
    column: int  # in the schema, or NEW_EDGES
    usual: float  # on the schema's scale; 0 for new edges


Group = Sequence[Question]  # features of one row that move together, at least one


def nearest(rows: Rows, groups: Sequence[Group], *, p_values: PValues, alpha: float) -> list[FloatArray | None]:
    """For each group the values nearest to the actual ones with p >= alpha, on the schema's scale.

    All else is unchanged; the features of a group move to their usual values side by side. None where the row stays
    below alpha all the way: these features do not bring it back. Amounts are whole numbers of what they count.
    """
    if not groups:
        return []
    steps = np.arange(1, STEPS + 1) / STEPS
    asked = [(group, float(way)) for group in groups for way in steps]
    is_normal = np.asarray(p_values(_moved(rows, asked)) >= alpha).reshape(len(groups), STEPS)
    found, first = np.asarray(is_normal.any(axis=1)), np.argmax(is_normal, axis=1)
    normal = steps[first]
    deviating = normal - 1 / STEPS
    open_ = [int(at) for at in np.flatnonzero(found)]
    for _ in range(HALVINGS if open_ else 0):
        middle = (normal + deviating) / 2
        found_p = p_values(_moved(rows, [(groups[at], float(middle[at])) for at in open_]))
        for at, p in zip(open_, found_p, strict=True):
            (normal if p >= alpha else deviating)[at] = middle[at]
    return [
        np.array([_value(rows, question, float(normal[at])) for question in group]) if found[at] else None
        for at, group in enumerate(groups)
    ]


def fewest(rows: Rows, group: Group, *, p_values: PValues, alpha: float) -> int:
    """How many of a group, the strongest first, bring it back when all of them are as usual; 0: not even all do."""
    if not group:
        return 0
    found = p_values(_moved(rows, [(group[: count + 1], 1.0) for count in range(len(group))]))
    return next((count for count, p in enumerate(found, start=1) if p >= alpha), 0)


def _actual(rows: Rows, question: Question) -> float:
    if question.column == NEW_EDGES:
        return float(rows.fresh[question.row])
    return float(rows.values[question.row, question.column])


def _moved(rows: Rows, asked: Sequence[tuple[Group, float]]) -> Rows:
    """One row for each group, its features moved that part of their way (0: actual, 1: usual)."""
    moved = rows.pick(np.array([group[0].row for group, _ in asked], dtype=np.int64))
    values, fresh = moved.values.copy(), moved.fresh.copy()
    for at, (group, way) in enumerate(asked):
        for question in group:
            value = _value(rows, question, way)
            if question.column == NEW_EDGES:
                fresh[at] = round(value)
            else:
                values[at, question.column] = value
    return replace(moved, values=values, fresh=fresh, fresh_peers=np.minimum(moved.fresh_peers, fresh))


def _value(rows: Rows, question: Question, way: float) -> float:
    """Of one feature on its way, as a window could have had it: amounts come in whole numbers, ratios in any."""
    actual = _actual(rows, question)
    value = actual + way * (question.usual - actual)
    if question.column == NEW_EDGES:
        return float(round(value))
    feature = schema.FEATURES[question.column]
    return scaled(feature, round(schema.natural(feature, value))) if is_counted(feature) else value


def is_counted(feature: Feature) -> bool:
    """Whether the feature is a number of things."""
    return feature.measure in (Measure.COUNT, Measure.BYTES, Measure.PACKETS)


def scaled(feature: Feature, natural: float) -> float:
    """The inverse of ``schema.natural`` for what is counted."""
    return float(np.log1p(natural / feature.unit))
