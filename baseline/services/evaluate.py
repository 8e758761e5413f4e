"""Run the stream's own windows, features, fit and judging over a recording, in event time.

Nothing from after ``fit_until`` reaches the fit, and no label reaches anything here: ``outcome`` compares afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from baseline.detectors.edgeuse import EdgeUse, days_of, merged
from baseline.detectors.fitted import FittedSet
from baseline.domain.alert import Alert
from baseline.domain.deviation import Deviation, Maturity
from baseline.domain.edge import EdgeKey
from baseline.domain.flow import Flow, Heartbeat
from baseline.domain.units import HOUR_S
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features import extract, schema
from baseline.features.table import FloatArray, WindowTable
from baseline.features.windows import Windower, WindowOptions
from baseline.services import train
from baseline.services.score import JudgeOptions, JudgeState, Labelled, judge
from baseline.services.train import Recipe
from baseline.services.triage import TriageState, triage

EDGE_HORIZON_S = 300  # windows of this length always exist: edges are learned from them
GAP_S = 180  # hosts of a recording are taken to be alive unless its clock jumps by more than this
_HISTORY_OPTIONS = WindowOptions(edges_cap=4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to learn from, and how to judge."""

    fit_until: float
    calibrate_until: float | None = None  # given: fit ends at fit_until, calibration here, and the test begins
    recipe: Recipe
    judging: JudgeOptions
    seed: int = 1

    @property
    def test_from(self) -> float:
        """Where judging begins."""
        return self.calibrate_until if self.calibrate_until is not None else self.fit_until


@dataclass(slots=True, kw_only=True)
class Course:
    """What a run over a recording gave."""

    model: FittedSet | None = None
    deviations: list[Deviation] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)
    scored: list[tuple[Window, float, FloatArray]] = field(default_factory=list)  # without edges: start, p, vector
    maturity: dict[WorkloadId, Maturity] = field(default_factory=dict)
    learned_windows: int = 0
    records: int = 0
    tested_until: float = 0.0  # end of the last tested window

    @property
    def hours_tested(self) -> float:
        """Time that windows were judged in: a gap in the recording is no time in which nothing was found."""
        starts: dict[int, set[int]] = {}
        for window, _, _ in self.scored:
            starts.setdefault(window.horizon_s, set()).add(window.start)
        return max((len(found) * horizon_s for horizon_s, found in starts.items()), default=0) / HOUR_S


class Notebook:
    """What will be learned from: vectors by horizon and workload, and edges, gathered window by window.

    Edges are taken from windows of one length only, or they would count twice.
    """

    def __init__(self, *, edge_horizon_s: int = EDGE_HORIZON_S) -> None:
        self._edge_horizon_s = edge_horizon_s
        self._rows: dict[tuple[int, WorkloadId], list[tuple[int, FloatArray, bool]]] = {}
        self._uses: dict[WorkloadId, dict[EdgeKey, tuple[EdgeCounts, set[int]]]] = {}
        self.windows = 0

    def add(self, window: Window) -> None:
        """Note one closed window."""
        self.windows += 1
        rows = self._rows.setdefault((window.horizon_s, window.workload), [])
        rows.append((window.start, extract.vector(window), window.is_quiet))
        if window.horizon_s == self._edge_horizon_s:
            own = self._uses.setdefault(window.workload, {})
            for key, counts in window.edges.items():
                total, hours = own.setdefault(key, (EdgeCounts(), set()))
                total.add(counts)
                hours.add(window.start // HOUR_S)

    def lesson(
        self, *, since: float, until: float, calibrate_from: float | None, horizons_s: Sequence[int],
        facts: Mapping[WorkloadId, Labelled] | None = None,
    ) -> train.Lesson:  # fmt: skip
        """Everything noted, as one lesson; ``facts`` hold the labels that peer groups are made by."""
        workloads = sorted({workload for _, workload in self._rows}, key=lambda workload: workload.key)
        lines = {workload: line for line, workload in enumerate(workloads)}
        tables: dict[int, dict[int, WindowTable]] = {horizon: {} for horizon in horizons_s}
        for (horizon, workload), rows in self._rows.items():
            if horizon in tables:
                tables[horizon][lines[workload]] = _table(workload, horizon, rows)
        return train.Lesson(
            workloads=workloads,
            tables=tables,
            uses=[merged(_uses(self._uses.get(workload, {}))) for workload in workloads],
            since=since,
            until=until,
            calibrate_from=calibrate_from,
            labels={workload: one.labels for workload, one in (facts or {}).items() if workload in lines},
        )


def run(flows: Iterable[Flow], plan: Plan) -> Course:
    """Learn from what ends by ``plan.test_from``, judge the rest. Flows in order of time, small disorder allowed.

    Raises GateRefused when the fit part teaches nothing.
    """
    course, windower = Course(), Windower(_HISTORY_OPTIONS)
    return run_windows(closed(flows, windower, course), plan, course=course, facts=windower.facts)


def run_windows(
    batches: Iterable[list[Window]], plan: Plan, *, course: Course, facts: Callable[[], Mapping[WorkloadId, Labelled]]
) -> Course:
    """``run`` over windows that are closed already, in order of their end."""
    notebook = Notebook()
    state, shown = JudgeState(), TriageState()
    first: float | None = None
    last = 0.0
    for batch in batches:
        for window in batch:
            first = window.start if first is None else min(first, window.start)
            last = max(last, window.end)
        learned = [window for window in batch if window.end <= plan.test_from]
        for window in learned:
            notebook.add(window)
        tested = [window for window in batch if window.start >= plan.test_from]
        if not tested:
            continue
        if course.model is None:
            course.model = _fit(notebook, plan, first or 0.0, facts())
            course.learned_windows = notebook.windows
        judged = judge(tested, model=course.model, state=state, options=plan.judging, facts=facts())
        course.deviations += judged.deviations
        course.maturity |= judged.maturity
        for window, p, vector in zip(tested, judged.p, judged.vectors, strict=True):
            course.scored.append((_bare(window), p, vector))
        for alert in triage(judged.deviations, state=shown, now=float(tested[-1].end)):
            course.alerts[alert.id] = alert
    course.tested_until = max(last, plan.test_from)
    return course


def _fit(notebook: Notebook, plan: Plan, first: float, facts: Mapping[WorkloadId, Labelled]) -> FittedSet:
    calibrate_from = plan.fit_until if plan.calibrate_until is not None else None
    lesson = notebook.lesson(
        since=first,
        until=plan.test_from,
        calibrate_from=calibrate_from,
        horizons_s=plan.recipe.horizons_s,
        facts=facts,
    )
    manifest, files = train.fit_lesson(lesson, recipe=plan.recipe, now=plan.test_from, seed=plan.seed)
    return train.opened(manifest, files)


def closed(flows: Iterable[Flow], windower: Windower, course: Course) -> Iterator[list[Window]]:
    """Batches of closed windows as the recording's clock moves on.

    A recording is complete: every host seen in it is alive while its clock moves, so that silence of a workload is a
    window of zeros. A jump of the clock is a gap of the recording, and windows in it are missing.
    """
    clock = 0.0
    hosts: dict[tuple[str, str], None] = {}
    for flow in flows:
        course.records += 1
        end = float(flow.end)
        if end > clock:
            if clock and end - clock <= max(GAP_S, 2 * (flow.end - flow.start)):
                for cluster, host in hosts:
                    beat = Heartbeat(cluster, host, clock)
                    windower.add_heartbeat(beat, received_at=end)
            clock = end
            closed = windower.advance(now=clock)
            if closed:
                yield closed
        hosts[flow.cluster, flow.host] = None
        windower.add_flow(flow, received_at=clock)
    yield windower.finish()


def _bare(window: Window) -> Window:
    return Window(workload=window.workload, start=window.start, end=window.end, edges={}, hosts=window.hosts)


def _table(workload: WorkloadId, horizon_s: int, rows: Sequence[tuple[int, FloatArray, bool]]) -> WindowTable:
    ordered = sorted(rows, key=lambda row: row[0])
    return WindowTable(
        workload=workload,
        horizon_s=horizon_s,
        starts=np.array([start for start, _, _ in ordered], dtype=np.int64),
        values=np.stack([vector for _, vector, _ in ordered]) if ordered else np.zeros((0, schema.WIDTH)),
        quiet=np.array([quiet for _, _, quiet in ordered], dtype=np.bool_),
    )


def _uses(own: dict[EdgeKey, tuple[EdgeCounts, set[int]]]) -> Iterator[EdgeUse]:
    for key, (counts, hours) in own.items():
        yield EdgeUse(
            key=key, first_seen=counts.first_seen, last_seen=counts.last_seen, connections=extract.connections(counts),
            bytes_out=counts.bytes_out, bytes_in=counts.bytes_in, hours=len(hours), days=days_of(hours),
        )  # fmt: skip
