"""What would have been normal, in words: asked for each reason of a deviation, and for several where none suffices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baseline.detectors import counterfactual, explain
from baseline.detectors.counterfactual import NEW_EDGES, Group, Question
from baseline.detectors.tail import weighted
from baseline.domain.deviation import NEW_EDGE, Deviation
from baseline.domain.explanation import Counterfactual
from baseline.features import calendar, schema
from baseline.features.schema import Measure
from baseline.features.table import FloatArray
from baseline.services.batch import Batch

NAMED = 3  # features that have to move together, in the sentence; all of them have a value


def found(deviations: Sequence[Deviation], where: Sequence[int], batch: Batch) -> list[tuple[Counterfactual, ...]]:
    """Each feature that alone brings it back; else the few that do together; else that none do."""
    asked = [_questions(deviation, at, batch) for deviation, at in zip(deviations, where, strict=True)]
    singles = iter(_nearest([(question,) for questions in asked for question in questions], batch))
    alone = [[(question, next(singles)) for question in questions] for questions in asked]
    several = [
        _fewest(questions, at, batch) if all(value is None for _, value in pairs) else ()
        for questions, pairs, at in zip(asked, alone, where, strict=True)
    ]
    joint = iter(_nearest([group for group in several if group], batch))
    return [
        _told(pairs, group, next(joint) if group else None, batch) for pairs, group in zip(alone, several, strict=True)
    ]


def _nearest(groups: Sequence[Group], batch: Batch) -> list[FloatArray | None]:
    return counterfactual.nearest(batch.rows, groups, p_values=batch.p_values, alpha=batch.alpha)


def _questions(deviation: Deviation, at: int, batch: Batch) -> list[Question]:
    """One for each reason; none where the window is not past its threshold by itself (its callee's word raised it)."""
    if not batch.verdict.p[at] < batch.alpha:
        return []
    names = [reason.feature for reason in sorted(deviation.reasons, key=lambda one: -one.share)]
    centre = batch.centre(at)
    return [
        Question(row=at, column=NEW_EDGES, usual=0.0) if name == NEW_EDGE else _question(at, name, centre)
        for name in names
    ]


def _question(at: int, name: str, centre: FloatArray) -> Question:
    column = schema.INDEX[name]
    return Question(row=at, column=column, usual=float(centre[column]))


def _fewest(questions: Sequence[Question], at: int, batch: Batch) -> Group:
    """The fewest, strongest first, that bring it back together: the reasons, then all else that is not as usual."""
    if not questions:
        return ()
    evidence = weighted(batch.verdict.residuals[at])
    taken = {question.column for question in questions}
    centre = batch.centre(at)
    more = [
        _question(at, schema.NAMES[column], centre)
        for column in np.argsort(-evidence, kind="stable")
        if evidence[column] > 0 and int(column) not in taken
    ]
    if batch.novel[at].fresh and NEW_EDGES not in taken:
        more.append(Question(row=at, column=NEW_EDGES, usual=0.0))
    group = [*questions, *more]
    return group[: counterfactual.fewest(batch.rows, group, p_values=batch.p_values, alpha=batch.alpha)]


def _told(
    pairs: Sequence[tuple[Question, FloatArray | None]], group: Group, values: FloatArray | None, batch: Batch
) -> tuple[Counterfactual, ...]:
    if not pairs:
        return ()
    singles = [(question, value) for question, value in pairs if value is not None]
    if singles:
        told = [
            f"would be normal {_bound(question, float(value[0]), batch)}{_when(question, batch)}"
            for question, value in singles
        ]
        return tuple(
            _counterfactual((question,), value, one) for (question, value), one in zip(singles, told, strict=True)
        )
    alone = "no single feature alone brings it back"
    if not group or values is None:
        return (_counterfactual((), np.zeros(0), f"{alone}, nor do all of the reasons together"),)
    bounds = [_bound(question, float(value), batch) for question, value in zip(group, values, strict=True)]
    named, rest = bounds[:NAMED], len(bounds) - NAMED
    takes = f"it takes {', '.join(named)}" + (f" and {rest} more" if rest > 0 else "") + ", all together"
    return (_counterfactual(group, values, f"{alone}; {takes},{_when(group[0], batch)}"),)


def _counterfactual(group: Group, values: FloatArray, sentence: str) -> Counterfactual:
    return Counterfactual(
        features=tuple(_name(question) for question in group),
        values=tuple(_natural(question, float(value)) for question, value in zip(group, values, strict=True)),
        sentence=sentence,
    )


def _when(question: Question, batch: Batch) -> str:
    return f" in {explain.span(batch.horizon_s)} on {calendar.words(int(batch.rows.slots[question.row]))}"


def _bound(question: Question, value: float, batch: Batch) -> str:
    """``below 41 different peers contacted``: the nearest number that deviates."""
    natural = _natural(question, value)
    if question.column == NEW_EDGES:
        return f"below {round(natural) + 1} peers or ports never used before" if natural else "without anything new"
    feature = schema.FEATURES[question.column]
    is_rise = batch.rows.values[question.row, question.column] > question.usual
    if feature.measure in (Measure.COUNT, Measure.PACKETS):
        natural += 1 if is_rise else -1
    return f"{'below' if is_rise else 'above'} {explain.amount(feature, natural)} {feature.words}"


def _name(question: Question) -> str:
    return NEW_EDGE if question.column == NEW_EDGES else schema.NAMES[question.column]


def _natural(question: Question, value: float) -> float:
    if question.column == NEW_EDGES:
        return value
    feature = schema.FEATURES[question.column]
    natural = schema.natural(feature, value)
    return float(round(natural)) if counterfactual.is_counted(feature) else natural
