"""What a raised deviation means: shares of the voices, what would have been normal, who carries it, what it looks like.

Asked only of deviations that are told, all of one batch together: the search for what would have been normal judges
some hundred changed rows for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baseline.detectors import attribution, combine, counterfactual, explain, rise, seasonal, techniques
from baseline.detectors.combine import Verdict, under
from baseline.detectors.counterfactual import NEW_EDGES, Group, Question
from baseline.detectors.explain import Carrier
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import UNKNOWN, Rows
from baseline.detectors.tail import weighted
from baseline.domain.deviation import Deviation, EdgeEvidence, Family
from baseline.domain.edge import Direction, EdgeKey, PeerKind
from baseline.domain.explanation import Counterfactual, Explanation, Rise
from baseline.domain.window import Window
from baseline.features import calendar, schema
from baseline.features.schema import Measure
from baseline.features.table import FloatArray

TOGETHER = 64  # deviations whose searches are judged in one call
RISEN = 0.01  # p below which a window counts as one of those that are up at once
MAIN_CALLER = 0.5  # share of a rise that makes it the caller's


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Windows of one end and horizon, judged; everything aligned."""

    windows: Sequence[Window]
    rows: Rows
    verdict: Verdict
    fresh: Sequence[Sequence[EdgeKey]]
    model: FittedSet
    alpha: float

    @property
    def horizon_s(self) -> int:
        """Of all windows."""
        return self.windows[0].horizon_s

    def centre(self, at: int) -> FloatArray:
        """What is usual of each feature, (schema.WIDTH,)."""
        tables = under(self.model.horizons[self.horizon_s], "seasonal")
        centre, _, _ = seasonal.expected(tables, self.rows.workloads[at : at + 1], self.rows.slots[at : at + 1])
        return np.asarray(centre[0])

    def p_values(self, rows: Rows) -> FloatArray:
        """Of changed rows, all the way through."""
        return combine.judge(self.model.horizons[self.horizon_s], rows).p


def explained(deviations: Sequence[Deviation], batch: Batch) -> list[Deviation]:
    """The deviations of a batch, each with its explanation."""
    if not deviations:
        return []
    places = {window.workload: at for at, window in enumerate(batch.windows)}
    where = [places[deviation.workload] for deviation in deviations]
    counterfactuals: list[tuple[Counterfactual, ...]] = []
    for begin in range(0, len(where), TOGETHER):
        part = slice(begin, begin + TOGETHER)
        counterfactuals += _counterfactuals(deviations[part], where[part], batch)
    up = _risen(batch)
    return [
        replace(deviation, explanation=_explanation(deviation, at, batch, found, up))
        for deviation, at, found in zip(deviations, where, counterfactuals, strict=True)
    ]


def _explanation(
    deviation: Deviation, at: int, batch: Batch, counterfactuals: tuple[Counterfactual, ...], up: int
) -> Explanation:
    shares = attribution.of_voices({name: float(p[at]) for name, p in batch.verdict.voices.items()})
    carried = _carriers(at, batch, families=deviation.families)
    picture = techniques.Picture(
        families=deviation.families,
        features=[reason.feature for reason in deviation.reasons],
        edges=_whole(batch.windows[at], carried),
        window_s=batch.horizon_s,
    )
    return Explanation(
        voice_shares=tuple((name, share) for name, share in shares.items() if share > 0),
        counterfactuals=counterfactuals,
        techniques=techniques.hints(picture),
        rise=_rise(at, batch, carried, up),
    )


def _whole(window: Window, carried: Sequence[Carrier]) -> tuple[EdgeEvidence, ...]:
    """Every edge that carries it: what a technique looks like shows in their number, not in the few that are kept."""
    return explain.evidence_edges(window, carried, {}, most=len(carried))


def _carriers(at: int, batch: Batch, *, families: Sequence[Family]) -> tuple[Carrier, ...]:
    residuals = batch.verdict.residuals[at]
    direction = explain.leading_direction(residuals, batch.fresh[at])
    return explain.carriers(
        batch.windows[at], families=families, feature=explain.leading_feature(residuals, direction),
        centre=batch.centre(at), fresh=batch.fresh[at], tables=batch.model.edges, line=int(batch.rows.workloads[at]),
    )  # fmt: skip


def _counterfactuals(
    deviations: Sequence[Deviation], where: Sequence[int], batch: Batch
) -> list[tuple[Counterfactual, ...]]:
    """Each feature that alone brings it back; else the few that do together; else that none do."""
    asked = [_questions(deviation, at, batch) for deviation, at in zip(deviations, where, strict=True)]
    singles = iter(_nearest([(question,) for questions in asked for question in questions], batch))
    alone = [[(question, next(singles)) for question in questions] for questions in asked]
    several = [
        questions[: counterfactual.fewest(batch.rows, questions, p_values=batch.p_values, alpha=batch.alpha)]
        if all(value is None for _, value in pairs)
        else []
        for questions, pairs in zip(asked, alone, strict=True)
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
    centre = batch.centre(at)
    asked = []
    for reason in sorted(deviation.reasons, key=lambda one: -one.share):
        if reason.feature == explain.NEW_EDGE:
            asked.append(Question(row=at, column=NEW_EDGES, usual=0.0))
        else:
            column = schema.INDEX[reason.feature]
            asked.append(Question(row=at, column=column, usual=float(centre[column])))
    return asked


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
    takes = f"it takes {', '.join(bounds[:-1])} and {bounds[-1]}, together"
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
    return explain.NEW_EDGE if question.column == NEW_EDGES else schema.NAMES[question.column]


def _natural(question: Question, value: float) -> float:
    if question.column == NEW_EDGES:
        return value
    feature = schema.FEATURES[question.column]
    natural = schema.natural(feature, value)
    return float(round(natural)) if counterfactual.is_counted(feature) else natural


def _rise(at: int, batch: Batch, carried: Sequence[Carrier], up: int) -> Rise | None:
    """None for a newcomer: nobody knows what is usual for it."""
    if not carried or batch.rows.workloads[at] == UNKNOWN:
        return None
    by_bytes = carried[0].is_bytes
    connections, amount = explain.expected_totals(batch.centre(at))[carried[0].key.direction]
    return rise.of_carriers(
        carried,
        usual=amount if by_bytes else connections,
        fewest=_fewest("bytes_out_out" if by_bytes else "connections_out"),
        up=up,
        judged=int(np.isfinite(batch.verdict.p).sum()),
    )


def _fewest(name: str) -> float:
    return schema.FEATURES[schema.INDEX[name]].matters


def _risen(batch: Batch) -> int:
    """How many workloads rise at once by causes of their own: the victims of one caller are that caller's rise."""
    amounts = np.array([one.family in (Family.VOLUME, Family.FAN_OUT) for one in schema.FEATURES])
    evidence = np.where(batch.verdict.residuals > 0, weighted(batch.verdict.residuals), 0.0)[:, amounts].max(axis=1)
    places = np.flatnonzero((batch.verdict.p < RISEN) & (evidence >= explain.WEAKEST))
    if len(places) < rise.PLATFORM_FEWEST:
        return len(places)
    return len({_origin(int(at), batch) for at in places})


def _origin(at: int, batch: Batch) -> str:
    """The workload itself, or the caller that most of its rise comes from."""
    carried = _carriers(at, batch, families=(Family.FAN_OUT,))
    if carried and carried[0].key.direction is Direction.INGRESS:
        over: dict[str, float] = {}
        for carrier in carried:
            if carrier.key.peer.kind is PeerKind.WORKLOAD:
                over[str(carrier.key.peer)] = over.get(str(carrier.key.peer), 0.0) + carrier.over
        whole = sum(carrier.over for carrier in carried)
        caller = max(over, key=lambda peer: over[peer], default="")
        if caller and over[caller] > MAIN_CALLER * whole:
            return caller
    return str(batch.windows[at].workload)
