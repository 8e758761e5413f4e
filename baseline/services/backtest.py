"""Judge stored history as it would have been judged: walk forward, refit, never look ahead.

Windows in history are vectors without their edges, so three things of the live path are missing: who of caller and
callee is the initiator (both ends count here), which normal edges a policy would have cut, and suspicious windows that
would not have taught their edges. All three make the costs found here upper bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baseline.detectors import edges as edge_tables
from baseline.detectors import retrace
from baseline.detectors.combine import Verdict
from baseline.detectors.edges import EdgeUse
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import UNKNOWN, Rows
from baseline.domain.deviation import Family, Maturity
from baseline.domain.errors import GateRefused
from baseline.domain.units import DAY_S
from baseline.domain.workload import WorkloadId
from baseline.features.farend import far_end
from baseline.features.table import FloatArray, IntArray, WindowTable
from baseline.ports import History
from baseline.services import score, train
from baseline.services.promote import rows_of_table
from baseline.services.score import SINGLE_WINDOW, JudgeOptions
from baseline.services.train import Exclusion, Recipe

REFIT_S = 7 * DAY_S  # how long one set judges before the next is fitted


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A window that would have deviated."""

    workload: WorkloadId
    start: int
    end: int
    p: float
    threshold: float
    families: tuple[Family, ...]
    is_mature: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What to walk over, and how."""

    since: float
    until: float
    recipe: Recipe
    attacks: Sequence[Exclusion] = ()  # confirmed: they never teach
    refit_s: float = REFIT_S
    seed: int = 1


def walked(history: History, walk: Walk, settings: Sequence[JudgeOptions]) -> list[list[Past]]:
    """Windows past each setting's threshold, in order of time; every setting is judged by the same sets.

    Raises GateRefused when no part of the interval has anything before it to learn from.
    """
    found: list[list[Past]] = [[] for _ in settings]
    is_fitted = False
    for begin, end in _blocks(walk):
        try:
            manifest, files = train.fit_set(
                history, recipe=walk.recipe, since=begin - walk.recipe.history_days * DAY_S, until=begin,
                exclude=walk.attacks, now=begin, seed=walk.seed,
            )  # fmt: skip
        except GateRefused:
            continue  # nothing before the block: nobody would have been judged
        is_fitted = True
        model = train.opened(manifest, files)
        fresh = _first_uses(history, model, since=begin, until=end)
        for table in _tables(history, model, begin, end):
            for past, options in zip(found, settings, strict=True):
                past.extend(_past(model, table, fresh.get(table.workload), options))
    if not is_fitted:
        raise GateRefused("there is no history before the interval to learn from")
    return [sorted(past, key=lambda one: (one.end, one.end - one.start, one.workload.key)) for past in found]


def _blocks(walk: Walk) -> Iterator[tuple[float, float]]:
    begin = walk.since
    while begin < walk.until:
        yield begin, min(begin + walk.refit_s, walk.until)
        begin += walk.refit_s


def _tables(history: History, model: FittedSet, begin: float, end: float) -> Iterator[WindowTable]:
    for workload in history.workloads(since=begin, until=end):
        for horizon in sorted(model.horizons):
            if model.is_ready(horizon):
                table = history.windows(workload, horizon_s=horizon, since=begin, until=end)
                if len(table):
                    yield table


def _first_uses(history: History, model: FittedSet, *, since: float, until: float) -> Mapping[WorkloadId, FloatArray]:
    """When each workload first used an edge its baseline does not know, ascending."""
    uses: dict[WorkloadId, dict[object, EdgeUse]] = {}
    for row in history.edges(since=since, until=until):
        own = uses.setdefault(row.workload, {})
        own.setdefault(far_end(row.key), train.use_of(row.key, row.counts, seen=row.hour))
    found: dict[WorkloadId, FloatArray] = {}
    for workload, own in uses.items():
        line = model.line(workload)
        if line == UNKNOWN:
            continue  # to a newcomer everything is new, and nothing is surprising by it
        known, _ = edge_tables.known(model.edges, line, [use.key for use in own.values()])
        new = [use.first_seen for use, is_known in zip(own.values(), known, strict=True) if not is_known]
        found[workload] = np.sort(np.array(new, dtype=np.float64))
    return found


def _past(model: FittedSet, table: WindowTable, new: FloatArray | None, options: JudgeOptions) -> Iterator[Past]:
    """Windows of one table past the threshold, with the hysteresis of the live path."""
    horizon = table.horizon_s
    alpha = options.alpha(horizon, sharing=options.sharing(model))
    rows = _with_new_edges(rows_of_table(model, table), new, horizon)
    verdict, rows = retrace.judge(model.horizons[horizon], rows, alpha=alpha, is_after=True)
    before: list[int] = []
    for at in np.flatnonzero(verdict.p < alpha):
        if not score.matters(model, horizon, rows, verdict, int(at), alpha):
            continue
        start = int(table.starts[at])
        is_raised = verdict.p[at] < alpha / SINGLE_WINDOW or any(start - one <= 2 * horizon for one in before[-2:])
        before.append(start)
        if is_raised:
            yield _described(model, table, rows, verdict, int(at), alpha)


def _with_new_edges(rows: Rows, new: FloatArray | None, horizon_s: int) -> Rows:
    if new is None or not len(new):
        return rows
    begins: IntArray = np.searchsorted(new, rows.starts, side="left")
    ends: IntArray = np.searchsorted(new, rows.starts + horizon_s, side="left")
    return replace(rows, fresh=np.asarray(ends - begins, dtype=np.int64))


def _described(model: FittedSet, table: WindowTable, rows: Rows, verdict: Verdict, at: int, alpha: float) -> Past:
    start = int(table.starts[at])
    return Past(
        workload=table.workload,
        start=start,
        end=start + table.horizon_s,
        p=float(verdict.p[at]),
        threshold=alpha,
        families=score.families(
            model, table.horizon_s, int(rows.workloads[at]), verdict.residuals[at],
            float(verdict.voices["edges"][at]), alpha,
        ),
        is_mature=model.maturity(table.workload) is Maturity.MATURE,
    )  # fmt: skip
