"""The gate before a model set becomes current, and the change of aliases.

A set must find golden attacks put onto its own workloads, keep its alert budget on the history it was made from, and
not have moved far from the set it replaces on many workloads at once: that is a change of the platform, or somebody
who teaches us.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from baseline.detectors import drift, retrace
from baseline.detectors.combine import under
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import Rows
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import GateRefused, ModelSetRejected, NotFound, SchemaMismatch
from baseline.domain.modelset import Alias
from baseline.domain.units import HOUR_S, WEEK_S
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features import schema
from baseline.features.table import FloatArray, IntArray, WindowTable
from baseline.ports import History, Shelf
from baseline.services.score import SINGLE_WINDOW, JudgeOptions, JudgeState, judge

MOST_WORKLOADS = 200  # judged by the gate; the first of a shuffled order
NEEDED = {"scan": 0.9, "sweep": 0.9, "exfiltration": 0.8}  # share of workloads on which each attack must be found
BUDGET_FACTOR = 3.0  # a workload keeps its budget up to this many times it, and one alert at least
OVER_BUDGET_MOST = 0.1  # share of workloads that may exceed it: history may hold real attacks
MERGE_S = HOUR_S
MOVED_SCALES = 6.0  # a centre that lies so many scales from where it was is another normal; by judgement
MOVED_MOST = 0.25  # share of workloads that may have such a centre
MOVED_FEWEST = 4  # workloads below which a share says nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What the gate measured."""

    found: dict[str, float]  # attack -> share of workloads on which it was found
    over_budget: float  # share of workloads past their budget
    workloads: int
    moved: float = 0.0  # share of workloads whose normal moved away from the current set's
    compared: int = 0  # workloads that both sets know

    def refusal(self) -> str | None:
        """Why not, or None."""
        for attack, needed in NEEDED.items():
            if self.found[attack] < needed:
                return f"golden {attack} found on {self.found[attack]:.0%} of workloads, {needed:.0%} needed"
        if self.over_budget > OVER_BUDGET_MOST:
            return f"{self.over_budget:.0%} of workloads past their alert budget on the training data"
        if self.compared >= MOVED_FEWEST and self.moved > MOVED_MOST:
            return f"what is normal moved on {self.moved:.0%} of {self.compared} workloads, {MOVED_MOST:.0%} allowed"
        return None


def promote(
    set_id: str, *, shelf: Shelf, history: History | None, options: JudgeOptions, seed: int = 1,
    accept_drift: bool = False,
) -> GateReport:  # fmt: skip
    """Gate a set and make it current; the one that was current becomes previous.

    Without history only golden attacks and drift are judged. ``accept_drift`` is a person's word that the move is
    wanted (a migration, a new season). Raises GateRefused with the reason; aliases are then as before.
    """
    model = FittedSet.load(shelf.open(set_id), shelf.manifest(set_id))
    report = judged(model, shelf=shelf, history=history, options=options, seed=seed)
    reason = (replace(report, moved=0.0) if accept_drift else report).refusal()
    if reason is not None:
        raise GateRefused(reason)
    current = shelf.resolve(Alias.CURRENT)
    if current is not None and current != set_id:
        shelf.point(Alias.PREVIOUS, current)
    shelf.point(Alias.CURRENT, set_id)
    return report


def judged(
    model: FittedSet, *, shelf: Shelf, history: History | None, options: JudgeOptions, seed: int = 1
) -> GateReport:
    """Everything the gate looks at, without acting on it."""
    report = measure(model, history=history, options=options, seed=seed)
    return replace(report, **_drift(model, shelf.resolve(Alias.CURRENT), shelf))


def roll_back(*, shelf: Shelf) -> tuple[str, str]:
    """Make the previous set current again, ungated: it was current before. Returns (now current, was current).

    The two change places, so that rolling back twice changes nothing. Raises GateRefused when there is no previous
    set, and whatever opening it raises: a set that cannot be loaded must not become current.
    """
    current, previous = shelf.resolve(Alias.CURRENT), shelf.resolve(Alias.PREVIOUS)
    if previous is None or previous == current:
        raise GateRefused("there is no previous set to roll back to")
    FittedSet.load(shelf.open(previous), shelf.manifest(previous))
    shelf.point(Alias.CURRENT, previous)
    if current is not None:
        shelf.point(Alias.PREVIOUS, current)
    return previous, current or ""


def _drift(model: FittedSet, current: str | None, shelf: Shelf) -> dict[str, Any]:
    """Share of common workloads whose centre moved, at the shortest horizon both sets are ready for."""
    if current is None or current == model.id:
        return {}
    try:
        old = FittedSet.load(shelf.open(current), shelf.manifest(current))
    except (ModelSetRejected, SchemaMismatch, NotFound):
        return {}  # the stream cannot judge by it either: there is nothing to have moved from
    common = [(old.lines[workload], line) for workload, line in model.lines.items() if workload in old.lines]
    horizon = next((one for one in sorted(model.horizons) if model.is_ready(one) and old.is_ready(one)), None)
    if horizon is None or not common:
        return {}
    tables = (under(old.horizons[horizon], "seasonal"), under(model.horizons[horizon], "seasonal"))
    distances = drift.moved(*tables, common)
    return {"moved": float((distances > MOVED_SCALES).mean()), "compared": len(common)}


def measure(model: FittedSet, *, history: History | None, options: JudgeOptions, seed: int) -> GateReport:
    """Judge golden attacks, and the training windows, by the set."""
    horizon = next((horizon for horizon in sorted(model.horizons) if model.is_ready(horizon)), None)
    if horizon is None:
        raise GateRefused("the set is not ready at any horizon")
    every = sorted(model.lines, key=lambda workload: workload.key)
    chosen = [every[at] for at in np.random.default_rng(seed).permutation(len(every))[:MOST_WORKLOADS]]
    found = dict.fromkeys(NEEDED, 0)
    at = int(model.manifest.trained_until // HOUR_S) * HOUR_S + HOUR_S
    for name in NEEDED:
        windows = [golden(name, workload, start=at, horizon_s=horizon) for workload in chosen]
        verdict = judge(windows, model=model, state=JudgeState(), options=options)
        # By the set's own word: the sequential rules need no set, and must not speak for a blind one.
        own = (one for one in verdict.deviations if one.p < one.threshold / SINGLE_WINDOW)
        found[name] = len({deviation.workload for deviation in own})
    over = 0
    if history is not None:
        over = sum(_is_over_budget(model, history, workload, horizon, options) for workload in chosen)
    count = max(1, len(chosen))
    return GateReport(
        found={name: number / count for name, number in found.items()}, over_budget=over / count, workloads=len(chosen)
    )


def golden(name: str, workload: WorkloadId, *, start: int, horizon_s: int) -> Window:
    """A window in which the workload does nothing but the attack.

    scan: thousands of refused connections to a few hundred ports of one new peer; sweep: one port of hundreds of new
    peers; exfiltration: 500 GiB to a new address.
    """
    edges: dict[EdgeKey, EdgeCounts] = {}
    end = float(start + horizon_s)
    if name == "exfiltration":
        peer = Peer(PeerKind.ADDRESS, "", "203.0.113.77")
        edges[EdgeKey(Direction.EGRESS, peer, 443, "tcp")] = EdgeCounts(
            records=1, flows=4, started=4, packets_in=10**7, packets_out=4 * 10**8, bytes_in=10**9,
            bytes_out=500 * 2**30, largest_bytes_out=500 * 2**30, first_seen=end - 1, last_seen=end - 1,
        )  # fmt: skip
    else:
        for number in range(300):
            peer = Peer(PeerKind.ADDRESS, "", f"203.0.113.{77 if name == 'scan' else number % 250}")
            port = 1 + number if name == "scan" else 22 + number // 250
            edges[EdgeKey(Direction.EGRESS, peer, port, "tcp")] = EdgeCounts(
                records=1, flows=10, started=10, packets_out=10, bytes_out=600, attempts=10, first_seen=end - 1,
                last_seen=end - 1,
            )  # fmt: skip
    return Window(workload=workload, start=start, end=start + horizon_s, edges=edges)


def _is_over_budget(
    model: FittedSet, history: History, workload: WorkloadId, horizon_s: int, options: JudgeOptions
) -> bool:
    manifest = model.manifest
    table = history.windows(workload, horizon_s=horizon_s, since=manifest.trained_from, until=manifest.trained_until)
    if not len(table):
        return False
    p = p_values(model, table, options)
    weeks = (table.starts[-1] - table.starts[0] + horizon_s) / WEEK_S
    most = max(1.0, BUDGET_FACTOR * options.alerts_per_week * float(weeks))
    return _alerts(table.starts, p, horizon_s, options.alpha(horizon_s)) > most


def p_values(model: FittedSet, table: WindowTable, options: JudgeOptions) -> FloatArray:
    """p of each window of a table that the set learned from, with no edge counted as new."""
    alpha = options.alpha(table.horizon_s, sharing=options.sharing(model))
    rows = rows_of_table(model, table)
    return retrace.judge(model.horizons[table.horizon_s], rows, alpha=alpha, is_after=False)[0].p


def rows_of_table(model: FittedSet, table: WindowTable) -> Rows:
    """A workload's stored windows as rows for the set, with no edge counted as new."""
    count = len(table)
    return Rows(
        schema=schema.PRODUCT,
        workloads=np.full(count, model.line(table.workload), dtype=np.int64),
        starts=table.starts,
        slots=model.calendar.slots(table.starts),
        days=np.zeros(count, dtype=np.int64),
        values=table.values,
        residuals=np.zeros((0, schema.WIDTH)),
        fresh=np.zeros(count, dtype=np.int64),
        fresh_peers=np.zeros(count, dtype=np.int64),
    )


def _alerts(starts: IntArray, p: FloatArray, horizon_s: int, alpha: float) -> int:
    """Alerts the windows would have made: hysteresis and merging as in ``score`` and ``triage``."""
    past: list[int] = []
    last, alerts = float("-inf"), 0
    for start, value in zip(starts, p, strict=True):
        if not value < alpha:
            continue
        raised = value < alpha / SINGLE_WINDOW or any(start - before <= 2 * horizon_s for before in past[-2:])
        past.append(int(start))
        if raised:
            alerts += start - last > MERGE_S
            last = float(start)
    return alerts
