"""Sequential rules over closed windows: scans, beacons, slow exfiltration and runs that did not come.

They see what one window cannot show. What a rule says is on the scale of the alert budget: its ``p`` is the threshold
times the share of the weekly budget that the rule costs at most, by theory (scan, exfiltration) or by how often it
raised this workload before (beacon, runs). A rule that would cost more than a tenth keeps quiet. ``p`` is never below a
fortieth of the threshold: a sequential rule alone is a reason to look, not to act.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from baseline.detectors.fitted import FittedSet
from baseline.domain.deviation import Deviation
from baseline.domain.units import HOUR_S
from baseline.domain.window import Window
from baseline.domain.workload import WorkloadId
from baseline.features.table import FloatArray
from baseline.services import rules, told
from baseline.services.judging import JudgeState
from baseline.services.told import Labelled

RULE_SHARE = 0.1  # of the weekly budget that one rule may cost a workload
RUNS_EVERY_S = 300  # event time between looks for runs that did not come
RUN = "run"  # name under which the cost of missing runs is kept


class Options(Protocol):
    """How strict (``services.score.JudgeOptions`` is one)."""

    @property
    def alerts_per_week(self) -> float:
        """Budget of one workload."""
        ...

    @property
    def horizons_s(self) -> tuple[int, ...]:
        """Windows that are judged."""
        ...

    def alpha(self, horizon_s: int, *, sharing: int | None = None) -> float:
        """Threshold of one window."""
        ...

    def sharing(self, model: FittedSet) -> int:
        """How many horizons share the budget."""
        ...


def watch(
    windows: Sequence[Window], values: FloatArray, *, model: FittedSet | None, state: JudgeState, options: Options,
    facts: Mapping[WorkloadId, Labelled],
) -> list[Deviation]:  # fmt: skip
    """What the rules say of closed windows of one end and horizon; ``state`` is brought forward.

    Parameters
    ----------
    values : (len(windows), schema.WIDTH), the windows' vectors.

    A window that was taken before changes nothing and gives nothing, and of windows that lie in each other the
    shortest is taken. Without a model nobody is watched.
    """
    if model is None or not windows or windows[0].horizon_s not in options.horizons_s:
        return []
    horizon_s, end = windows[0].horizon_s, windows[0].end
    sight = rules.Sight(
        model=model, alpha=options.alpha(horizon_s, sharing=options.sharing(model)),
        allowed=RULE_SHARE * options.alerts_per_week, budget=options.alerts_per_week,
        slot=int(model.calendar.slots(np.array([windows[0].start]))[0]), facts=facts,
    )  # fmt: skip
    found: list[Deviation] = []
    remembered = [state.of(window.workload) for window in windows]
    looks = [
        (window, memory, rules.Look.at(window, model))
        for window, memory in zip(windows, remembered, strict=True)
        if window.start >= memory.watched.until
    ]
    cut_off = rules.cut_off(looks)
    for window, memory, look in looks:
        found += rules.shortest(window, look, memory, sight, is_cut_off=window.workload.cluster in cut_off)
        memory.watched.until = window.end
    for window, vector, memory in zip(windows, values, remembered, strict=True):
        if horizon_s == HOUR_S and window.start >= memory.watched.hours_until:
            found += rules.exfiltration(window, vector, memory.watched, sight)
            memory.watched.hours_until = window.end
    for cluster in sorted({window.workload.cluster for window in windows}):
        if state.gaze(cluster).saw(end) and end % RUNS_EVERY_S == 0:
            found += _missing_runs(cluster, windows[0], state, sight)
    for deviation in found:
        if deviation.edges:
            memory = state.of(deviation.workload)
            memory.deviated_until = max(memory.deviated_until, deviation.window_end)
    return found


def joined(judged: Sequence[Deviation], watched: Sequence[Deviation]) -> list[Deviation]:
    """Both, one deviation a window: where the window deviates anyway, a rule adds its families and its reasons."""
    more: dict[tuple[WorkloadId, int, int], list[Deviation]] = {}
    for one in watched:
        more.setdefault((one.workload, one.window_start, one.window_end), []).append(one)
    whole = []
    for one in judged:
        for other in more.pop((one.workload, one.window_start, one.window_end), []):
            if other.edges:
                families = tuple(dict.fromkeys((*one.families, *other.families)))
                beside = (replace(reason, share=0.0) for reason in other.reasons)  # shares are the window's own
                one = replace(one, families=families, reasons=(*one.reasons, *beside))  # noqa: PLW2901
        whole.append(one)
    return [*whole, *(one for group in more.values() for one in group)]


def forget_volume(state: JudgeState, workloads: Collection[WorkloadId]) -> None:
    """Begin the sums of these workloads anew: after a rollout, a change of policy, or what a person called normal."""
    for workload in workloads:
        state.of(workload).watched.cusum.reset()


def _missing_runs(cluster: str, window: Window, state: JudgeState, sight: rules.Sight) -> list[Deviation]:
    """Jobs of the cluster that are overdue; those without windows, too: they are silent between runs."""
    found = []
    for workload, memory in state.memories(cluster):
        runs = memory.watched.runs
        missing = runs.missing(now=window.end, watched_since=state.gaze(cluster).since)
        if missing is None:
            continue
        cost = memory.watched.cost(RUN)
        a_week = cost.a_week(window.end)
        if a_week > sight.allowed:
            continue
        cost.add(window.end)
        silent = Window(workload=workload, start=window.start, end=window.end, edges={})
        found.append(sight.told(silent, told.missing_run(missing, is_job=runs.is_job), a_week=sight.budget / 2))
    return found
