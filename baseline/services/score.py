"""Judge closed windows: vectors → p-values → deviations with reasons.

Windows of one end and horizon are scored in one batch; the result does not depend on how a caller cuts batches.
Suspicious windows never teach: their new edges stay new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Protocol

import numpy as np

from baseline.detectors import attribution, calibrate, explain, level, seasonal
from baseline.detectors.combine import Verdict, under
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import Rows
from baseline.detectors.tail import weighted
from baseline.domain.deviation import Deviation, Family, Maturity
from baseline.domain.edge import Direction, Peer, PeerKind
from baseline.domain.units import WEEK_S
from baseline.domain.window import HORIZONS_S, Window
from baseline.domain.workload import WorkloadId
from baseline.features import extract, schema
from baseline.features.table import FloatArray
from baseline.services import clockchange, explaining, novelty, told, watch
from baseline.services.batch import Batch
from baseline.services.following import Following
from baseline.services.judging import JudgeState
from baseline.services.novelty import Novel

__all__ = ["JudgeOptions", "JudgeState", "Judged", "Labelled", "judge"]

SINGLE_WINDOW = 100.0  # one window alone raises below alpha / this; two of three windows raise below alpha
FAMILY_MARGIN = 30.0  # a family is past its own threshold below alpha x this, by its own p
SHAPE_ALONE_NEVER = (Family.SHAPE, Family.TIMING)
_AMOUNTS = ("connections_out", "connections_in", "busiest_edge_")  # more of the same, whatever schema calls them
ROLLOUT_PAUSE_S = 900  # after a rollout, in which nothing is acted on without a person
CONFIRMED = 0.1  # a caller that its callee's deviation blames is raised below this: two reporters agree
MAIN_CALLER = 0.5  # share of a deviation that makes a caller the one to blame
ECHO_S = 600  # a callee's deviation within this after its caller's is the same event
Labels = tuple[tuple[str, str], ...]


class Labelled(Protocol):
    """What the log showed of a workload (``features.windows.SeenWorkload`` is one)."""

    @property
    def labels(self) -> Labels:
        """Of its pods."""
        ...

    @property
    def peer_labels(self) -> Mapping[Peer, Labels]:
        """Of its peers."""
        ...

    @property
    def rollout_at(self) -> float | None:
        """Event time its newest version was first seen; None when the log showed one version only."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """How strict."""

    alerts_per_week: float = 1.0  # budget of one workload, shared by its horizons
    horizons_s: tuple[int, ...] = HORIZONS_S

    def alpha(self, horizon_s: int, *, sharing: int | None = None) -> float:
        """Threshold of one window: the horizon's share of the weekly budget over its windows in a week.

        ``sharing`` is how many horizons share the budget: those that are ready.
        """
        return self.alerts_per_week / max(1, sharing or len(self.horizons_s)) / (WEEK_S / horizon_s)

    def sharing(self, model: FittedSet) -> int:
        """How many of the horizons the set can judge."""
        return sum(model.is_ready(horizon) for horizon in self.horizons_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What ``judge`` found."""

    deviations: list[Deviation]
    vectors: list[FloatArray]  # aligned with the windows
    maturity: dict[WorkloadId, Maturity]
    chance_new: dict[WorkloadId, float | None] = field(default_factory=dict)  # see ``FittedSet.chance_of_new``
    p: list[float] = field(default_factory=list)  # aligned with the windows; NaN where nothing was judged


def judge(
    windows: Sequence[Window],
    *,
    model: FittedSet | None,
    state: JudgeState,
    options: JudgeOptions,
    facts: Mapping[WorkloadId, Labelled] | None = None,
) -> Judged:
    """Judge closed windows, given in order of end, horizon and workload key; ``state`` is brought forward.

    Without a model everything is in learning and nothing deviates.
    """
    vectors = [extract.vector(window) for window in windows]
    p = [float("nan")] * len(windows)
    deviations: list[Deviation] = []
    order = sorted(
        range(len(windows)), key=lambda at: (windows[at].end, windows[at].horizon_s, windows[at].workload.key)
    )
    for (_, horizon_s), places in groupby(order, key=lambda at: (windows[at].end, windows[at].horizon_s)):
        batch = list(places)
        together, numbers = [windows[at] for at in batch], np.stack([vectors[at] for at in batch])
        found: list[Deviation] = []
        if model is not None and model.is_ready(horizon_s) and horizon_s in options.horizons_s:
            found, values = _judge_batch(together, numbers, model, state, options, facts or {})
            for at, value in zip(batch, values, strict=True):
                p[at] = float(value)
        watched = watch.watch(together, numbers, model=model, state=state, options=options, facts=facts or {})
        deviations += watch.joined(found, watched)
    workloads = {window.workload for window in windows}
    maturity = {workload: model.maturity(workload) if model else Maturity.LEARNING for workload in workloads}
    deviations = [explaining.hinted(one) for one in deviations]
    chance_new = {workload: model.chance_of_new(workload) if model else None for workload in workloads}
    return Judged(deviations=deviations, vectors=vectors, maturity=maturity, chance_new=chance_new, p=p)


def _judge_batch(
    windows: Sequence[Window], values: FloatArray, model: FittedSet, state: JudgeState, options: JudgeOptions,
    facts: Mapping[WorkloadId, Labelled],
) -> tuple[list[Deviation], FloatArray]:  # fmt: skip
    """Windows of one end and horizon."""
    horizon_s = windows[0].horizon_s
    alpha = options.alpha(horizon_s, sharing=options.sharing(model))
    novel = [novelty.found(window, model=model, memory=state.of(window.workload)) for window in windows]
    rollouts = [novelty.recent_rollout(window, facts.get(window.workload)) for window in windows]
    rows = _rows(windows, values, novel, rollouts, model)
    following = Following(under(model.horizons[horizon_s], "seasonal"), horizon_s)
    rows = replace(rows, levels=following.levels(rows, [state.of(window.workload) for window in windows]))
    rows, verdict = clockchange.judge(model.horizons[horizon_s], rows, calendar=model.calendar)
    teaches = level.may_move(verdict.p, alpha)
    raised: list[Deviation] = []
    expelled: list[WorkloadId] = []

    def deviation(at: int) -> Deviation:
        one = _deviation(windows[at], at, rows, verdict, novel[at], model, alpha, facts.get(windows[at].workload))
        return _paused(replace(one, rollout_at=rollouts[at]))

    for at, window in enumerate(windows):
        memory, p = state.of(window.workload), float(verdict.p[at])
        if not np.isfinite(p):
            continue
        is_past = p < alpha and matters(model, horizon_s, rows, verdict, at, alpha)
        if is_past and (p < alpha / SINGLE_WINDOW or memory.past_alpha(horizon_s, window.end) >= 1):
            raised.append(deviation(at))
        memory.note(horizon_s, window.end, is_past=is_past)
        memory.found(end=window.end, is_suspicious=not teaches[at])
        if teaches[at]:
            novelty.learn(window, novel[at], model=model, state=state)
        elif model.is_newcomer(window.workload):
            expelled.append(window.workload)
    following.move(rows, windows, teaches, state)
    for newcomer in expelled:
        state.expel(newcomer)
    already = {one.workload for one in raised}
    blamed = {caller for one in raised for caller in _blamed(one)} - already
    raised += [
        _confirmed(deviation(at))
        for at, window in enumerate(windows)
        if window.workload in blamed and verdict.p[at] < CONFIRMED
    ]
    batch = Batch(windows=windows, rows=rows, verdict=verdict, novel=novel, model=model, alpha=alpha)
    return explaining.explained(_without_echoes(raised, state), batch), verdict.p


def _rows(
    windows: Sequence[Window], values: FloatArray, novel: Sequence[Novel], rollouts: Sequence[float | None],
    model: FittedSet,
) -> Rows:  # fmt: skip
    starts = np.array([window.start for window in windows], dtype=np.int64)
    return Rows(
        schema=schema.PRODUCT,
        workloads=np.array([model.line(window.workload) for window in windows], dtype=np.int64),
        starts=starts,
        slots=model.calendar.slots(starts),
        days=np.zeros(len(windows), dtype=np.int64),
        values=values,
        residuals=np.zeros((0, schema.WIDTH)),
        fresh=np.array([novelty.count(one.fresh) for one in novel], dtype=np.int64),
        fresh_peers=np.zeros(len(windows), dtype=np.int64),
        rarity=np.array([one.rarity for one in novel], dtype=np.float64),
        rollout=np.array(
            [
                novelty.rate_after_rollout(window.horizon_s) if rollout is not None else 0.0
                for window, rollout in zip(windows, rollouts, strict=True)
            ]
        ),
    )


def matters(model: FittedSet, horizon_s: int, rows: Rows, verdict: Verdict, at: int, alpha: float) -> bool:
    """Whether the deviation is large enough in natural units to be worth a person's time, or is new enough."""
    if verdict.voices["edges"][at] < alpha:
        return True
    evidence = weighted(verdict.residuals[at])
    if evidence.max() < explain.WEAKEST:
        return bool(verdict.voices["edges"][at] < 0.01)
    centre, scale, ceiling = seasonal.expected(
        under(model.horizons[horizon_s], "seasonal"), rows.workloads[at : at + 1], rows.slots[at : at + 1],
        levels=rows.levels[at : at + 1],
    )  # fmt: skip
    for column in np.flatnonzero((evidence >= explain.WEAKEST) & (verdict.residuals[at] > 0)):
        feature = schema.FEATURES[column]
        if not np.isfinite(feature.matters):
            continue
        high = schema.natural(
            feature, max(centre[0, column] + explain.RANGE_SCALES * scale[0, column], ceiling[0, column])
        )
        if schema.natural(feature, rows.values[at, column]) - high >= feature.matters:
            return True
    return False


def _deviation(
    window: Window, at: int, rows: Rows, verdict: Verdict, novel: Novel, model: FittedSet, alpha: float,
    labelled: Labelled | None,
) -> Deviation:  # fmt: skip
    line, fresh = int(rows.workloads[at]), novel.fresh
    centre, scale, ceiling = (
        table[0]
        for table in seasonal.expected(
            under(model.horizons[window.horizon_s], "seasonal"),
            rows.workloads[at : at + 1],
            rows.slots[at : at + 1],
            levels=rows.levels[at : at + 1],
        )
    )
    residuals = verdict.residuals[at]
    p_fresh = float(verdict.voices["edges"][at])
    found = families(model, window.horizon_s, line, residuals, p_fresh, alpha)
    carried = explain.carriers(
        window,
        families=found,
        feature=explain.leading_feature(residuals, explain.leading_direction(residuals, fresh)),
        centre=centre,
        fresh=novel.unknown,
        tables=model.edges,
        line=line,
    )
    if explain.is_at_a_quiet_hour(carried) and Family.TIMING not in found:
        found = (*found, Family.TIMING)
    by_voice = {name: float(p[at]) for name, p in verdict.voices.items()}
    row = replace(rows.pick(np.array([at])), residuals=residuals[None, :])
    return Deviation(
        workload=window.workload,
        window_start=window.start,
        window_end=window.end,
        p=float(verdict.p[at]),
        threshold=alpha,
        family=found[0],
        families=found,
        reasons=explain.reasons(
            values=rows.values[at],
            residuals=residuals,
            centre=centre,
            scale=scale,
            ceiling=ceiling,
            slot=int(rows.slots[at]),
            window_s=window.horizon_s,
            fresh=fresh,
            p_fresh=p_fresh,
            shares=attribution.of_row(model.horizons[window.horizon_s], row, by_voice),
        ),
        edges=explain.evidence_edges(window, carried, labelled.peer_labels if labelled else {}),
        maturity=model.maturity(window.workload),
        model_set=model.id,
        local_labels=labelled.labels if labelled else (),
        voices=tuple((name, float(p[at])) for name, p in verdict.voices.items() if np.isfinite(p[at])),
    )


def _paused(deviation: Deviation) -> Deviation:
    """While a rollout settles, never further past its threshold than what is told and acted on by nobody.

    Both ends open their pools anew, old pods end with connections unanswered and new dependencies appear, all at once.
    """
    at = deviation.rollout_at
    if at is None or deviation.window_start >= at + ROLLOUT_PAUSE_S:
        return deviation
    return replace(deviation, p=max(deviation.p, deviation.threshold * told.P_LEAST))


def _confirmed(deviation: Deviation) -> Deviation:
    """Past its threshold by what both reporters say, never further than it: its own window alone said less."""
    return replace(deviation, p=min(deviation.p, deviation.threshold))


def families(
    model: FittedSet, horizon_s: int, line: int, residuals: FloatArray, p_fresh: float, alpha: float
) -> tuple[Family, ...]:
    """Families past their own threshold, strongest first; at least the strongest one.

    Two of them must mean two facts, because that is what an automatic restriction asks for. A service that grows has
    more connections, bytes and failures at once: connections are an amount (volume), fan-out is more peers, ports or
    namespaces, failures beside an amount count by their share alone, and a ratio beside another family never does.
    """
    evidence = weighted(residuals)
    strongest = [
        *(max((float(value) for value in evidence[family == _WITNESSES]), default=0.0) for family in Family),
        float(evidence[_FAILED_SHARES].max()),
    ]
    found = calibrate.p_values(
        under(model.horizons[horizon_s], "tail.p"), np.full(len(strongest), line, dtype=np.int64),
        np.array(strongest) * 1.05,
    )  # fmt: skip
    *by_family, p_failed_share = (float(value) for value in found)
    p = dict(zip(Family, by_family, strict=True))
    p[Family.NOVELTY] = p_fresh
    limit = alpha * FAMILY_MARGIN
    if p[Family.VOLUME] < limit:
        p[Family.FAILURE] = p_failed_share
    ordered = sorted(p, key=lambda family: (family in SHAPE_ALONE_NEVER, p[family], str(family)))
    past = tuple(family for family in ordered if p[family] < limit)
    if len(past) > 1:
        past = tuple(family for family in past if family is not Family.SHAPE)
    return past or (min(p, key=lambda family: (p[family], str(family))),)


_WITNESSES = np.array([
    Family.VOLUME if feature.name.startswith(_AMOUNTS) else feature.family for feature in schema.FEATURES
])  # fmt: skip
_FAILED_SHARES = np.array([feature.measure is schema.Measure.SHARE for feature in schema.FEATURES])


def _without_echoes(raised: Sequence[Deviation], state: JudgeState) -> list[Deviation]:
    """Drop what is the other end of another workload's deviation: the initiator is the one to look at, and to restrict.

    A callee's ingress deviation goes when most of it comes from callers that deviate now or did a moment ago.
    """
    for deviation in raised:
        if not _is_ingress(deviation):
            memory = state.of(deviation.workload)
            memory.deviated_until = max(memory.deviated_until, deviation.window_end)
    return [deviation for deviation in raised if not (_is_ingress(deviation) and _is_echo(deviation, state))]


def _is_ingress(deviation: Deviation) -> bool:
    return bool(deviation.edges) and deviation.edges[0].edge.direction is Direction.INGRESS


def _is_echo(deviation: Deviation, state: JudgeState) -> bool:
    blamed = {
        caller: share
        for caller, share in _callers(deviation).items()
        if state.deviated_until(caller) > deviation.window_start - ECHO_S
    }
    return sum(blamed.values()) >= MAIN_CALLER


def _blamed(deviation: Deviation) -> list[WorkloadId]:
    """The callers that an ingress deviation mostly comes from."""
    if not _is_ingress(deviation):
        return []
    return [caller for caller, share in _callers(deviation).items() if share >= MAIN_CALLER]


def _callers(deviation: Deviation) -> dict[WorkloadId, float]:
    found: dict[WorkloadId, float] = {}
    for evidence in deviation.edges:
        peer = evidence.edge.peer
        if peer.kind is PeerKind.WORKLOAD:
            caller = WorkloadId(deviation.workload.cluster, peer.namespace, peer.name)
            found[caller] = found.get(caller, 0.0) + evidence.share
    whole = sum(evidence.share for evidence in deviation.edges) or 1.0  # a scan has more edges than are kept
    return {caller: share / whole for caller, share in found.items()}
