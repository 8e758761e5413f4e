"""Sequential rules over closed windows: scans, beacons, slow exfiltration and runs that did not come.

They see what one window cannot show. What a rule says is on the scale of the alert budget: its ``p`` is the threshold
times the share of the weekly budget that the rule costs at most, by theory (scan, exfiltration) or by how often it
raised this workload before (beacon, runs). A rule that would cost more than a tenth keeps quiet. ``p`` is never below a
fortieth of the threshold: a sequential rule alone is a reason to look, not to act.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

import numpy as np

from baseline.detectors import edges as edge_tables
from baseline.detectors import seasonal
from baseline.detectors.combine import under
from baseline.detectors.edges import edge_hash
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import UNKNOWN
from baseline.detectors.sequential import cusum, trw
from baseline.domain.deviation import Deviation
from baseline.domain.edge import Direction, EdgeKey, Peer
from baseline.domain.units import HOUR_S
from baseline.domain.window import Window
from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features import calendar, schema
from baseline.features.extract import connections
from baseline.features.table import FloatArray
from baseline.services import told
from baseline.services.judging import JudgeState, Memory
from baseline.services.watching import Watched

RULE_SHARE = 0.1  # of the weekly budget that one rule may cost a workload
RUNS_EVERY_S = 300  # event time between looks for runs that did not come
SCAN, BEACON, EXFILTRATION, RUN = "scan", "beacon", "exfiltration", "run"
FAILED, EXTERNAL = schema.INDEX["failed_out"], schema.INDEX["external_bytes_out"]
Labels = tuple[tuple[str, str], ...]


class Options(Protocol):
    """How strict, and in whose time (``services.score.JudgeOptions`` is one)."""

    @property
    def alerts_per_week(self) -> float:
        """Budget of one workload."""
        ...

    @property
    def zone(self) -> str:
        """Of the cluster."""
        ...

    @property
    def holidays(self) -> frozenset[date]:
        """Days that count as Sundays."""
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


class Labelled(Protocol):
    """What the log showed of a workload."""

    @property
    def labels(self) -> Labels:
        """Of its pods."""
        ...

    @property
    def peer_labels(self) -> Mapping[Peer, Labels]:
        """Of its peers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What all rules look at: windows of one end and horizon, with what is known."""

    model: FittedSet
    alpha: float
    allowed: float  # false alarms a week that one rule may cost
    budget: float  # alerts a week
    slot: int  # local hour of the week in which the windows begin
    facts: Mapping[WorkloadId, Labelled]

    def told(self, window: Window, what: told.Told, *, a_week: float) -> Deviation:
        """The deviation of a window; ``a_week`` bounds what the rule costs."""
        return told.deviation(
            window, what, p=told.p_of(a_week, budget=self.budget, threshold=self.alpha), threshold=self.alpha,
            model=self.model, labelled=self.facts.get(window.workload),
        )  # fmt: skip


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
    sight = Sight(
        model=model, alpha=options.alpha(horizon_s, sharing=options.sharing(model)),
        allowed=RULE_SHARE * options.alerts_per_week, budget=options.alerts_per_week,
        slot=calendar.slot(windows[0].start, zone=options.zone, holidays=options.holidays), facts=facts,
    )  # fmt: skip
    found: list[Deviation] = []
    fresh = [window for window in windows if window.start >= state.of(window.workload).watched.until]
    looks = {window.workload: Look.at(window, model) for window in fresh}
    down = {cluster: _is_outage(looks, cluster) for cluster in {window.workload.cluster for window in fresh}}
    for window in fresh:
        memory = state.of(window.workload)
        look = looks[window.workload]
        found += _shortest(window, look, memory, sight, is_cut_off=down[window.workload.cluster])
        memory.watched.until = window.end
    for window, vector in zip(windows, values, strict=True):
        watched = state.of(window.workload).watched
        if horizon_s == HOUR_S and window.start >= watched.hours_until:
            found += _exfiltration(window, vector, watched, sight)
            watched.hours_until = window.end
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The egress edges of one window: which the baseline has, and how those answer."""

    keys: tuple[EdgeKey, ...]
    known: frozenset[EdgeKey]
    failed: int  # established edges that fail
    answered: int
    failed_outside: int  # external ones among them
    answered_outside: int

    @classmethod
    def at(cls, window: Window, model: FittedSet) -> Look:
        """Look at a window."""
        keys = tuple(key for key in window.edges if key.direction is Direction.EGRESS)
        if not keys:
            return cls(keys=(), known=frozenset(), failed=0, answered=0, failed_outside=0, answered_outside=0)
        is_known, _ = edge_tables.known(model.edges, model.line(window.workload), keys)
        known = [key for key, yes in zip(keys, is_known, strict=True) if yes]
        ends = [(key.peer.is_external, trw.outcome(key.protocol, window.edges[key])) for key in known]
        outside = [outcome for is_external, outcome in ends if is_external]
        every = [outcome for _, outcome in ends]
        return cls(
            keys=keys,
            known=frozenset(known),
            failed=every.count(trw.Outcome.FAILED),
            answered=every.count(trw.Outcome.ANSWERED),
            failed_outside=outside.count(trw.Outcome.FAILED),
            answered_outside=outside.count(trw.Outcome.ANSWERED),
        )


def _is_outage(looks: Mapping[WorkloadId, Look], cluster: str) -> bool:
    """Whether the way out of a cluster is down: established external edges fail as much as they answer."""
    ours = [look for workload, look in looks.items() if workload.cluster == cluster]
    failed = sum(look.failed_outside for look in ours)
    return failed > 0 and failed >= sum(look.answered_outside for look in ours)


def _shortest(window: Window, look: Look, memory: Memory, sight: Sight, *, is_cut_off: bool) -> list[Deviation]:
    """The rules that look at a workload's shortest windows."""
    watched = memory.watched
    if window.edges:
        is_job = window.workload.kind in (OwnerKind.CRON_JOB, OwnerKind.JOB)
        watched.runs.see(window.start, end=window.end, is_job=is_job)
    found: list[Deviation] = []
    if look.keys:
        found += _scan(window, look, memory, sight, is_cut_off=is_cut_off)
        _track(window, look, watched, is_newcomer=sight.model.line(window.workload) == UNKNOWN)
    if window.end % HOUR_S == 0:
        found += _beacons(window, watched, sight)
    return found


def _scan(window: Window, look: Look, memory: Memory, sight: Sight, *, is_cut_off: bool) -> list[Deviation]:
    """First contacts: edges that the baseline has not, that were not learnt since, and that were not counted before.

    Where what was always used fails as well, nobody can tell a scan from an outage, and nothing counts: for the
    workload when its own established edges fail, for contacts outside when the cluster's do.
    """
    walk = memory.watched.walk
    fresh = [key for key in look.keys if key not in look.known and not memory.knows(key, before=window.start)]
    if not fresh or (look.failed and look.failed >= look.answered):
        return []
    outcomes = {key: trw.outcome(key.protocol, window.edges[key]) for key in fresh}
    first = [
        key
        for key in fresh
        if outcomes[key] is not trw.Outcome.UNKNOWN
        and not (is_cut_off and key.peer.is_external)
        and walk.is_first(edge_hash(key))
    ]
    contacts = [(key, connections(window.edges[key])) for key in first if outcomes[key] is trw.Outcome.FAILED]
    counted = max(0, len(contacts) - _habit(window, sight)) if contacts else 0
    scan = walk.step(
        answered=len(first) - len(contacts), failed=contacts, counted=counted, start=window.start,
        allowed=sight.allowed,
    )  # fmt: skip
    if scan is None:
        return []
    for key, _ in scan.contacts:
        memory.learnt.pop(edge_hash(key), None)  # what a scan touched stays new
    return [sight.told(window, told.scan(window, scan, sight.facts.get(window.workload)), a_week=scan.bound)]


def _habit(window: Window, sight: Sight) -> int:
    """Failed connections that are normal for the workload in such a window at this hour."""
    line = sight.model.line(window.workload)
    if line == UNKNOWN or not sight.model.is_ready(window.horizon_s):
        return 0
    centre, _, ceiling = _expected(window, sight, line)
    return round(schema.natural(schema.FEATURES[FAILED], max(float(centre[FAILED]), float(ceiling[FAILED]))))


def _expected(window: Window, sight: Sight, line: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    tables = under(sight.model.horizons[window.horizon_s], "seasonal")
    centre, scale, ceiling = seasonal.expected(tables, np.array([line]), np.array([sight.slot]))
    return centre[0], scale[0], ceiling[0]


def _track(window: Window, look: Look, watched: Watched, *, is_newcomer: bool) -> None:
    """Note connections of edges that may be beacons.

    An edge inside the cluster is left out where the workload calls an established peer on the same port: one more
    target of a scrape, a health check or an election. All edges of a newcomer are new, so only external ones count.
    """
    habits = {(key.port, key.protocol) for key in look.known if not key.peer.is_external}
    for key in look.keys:
        many = connections(window.edges[key])
        is_like_others = not key.peer.is_external and (is_newcomer or (key.port, key.protocol) in habits)
        if many and not (is_like_others and key not in watched.tracks.by_edge):
            size = window.edges[key].bytes_out // many
            watched.tracks.see(key, window.start, is_known=key in look.known, connections=many, size=size)


def _beacons(window: Window, watched: Watched, sight: Sight) -> list[Deviation]:
    found = []
    for track, score in watched.tracks.beacons(until=window.end, window_s=window.horizon_s):
        cost = watched.cost(BEACON)
        a_week = cost.a_week(window.end)
        if a_week <= sight.allowed:
            track.is_told = True
            cost.add(window.end)
            what = told.beacon(window, track, score, sight.facts.get(window.workload))
            found.append(sight.told(window, what, a_week=a_week))
    return found


def _exfiltration(window: Window, vector: FloatArray, watched: Watched, sight: Sight) -> list[Deviation]:
    line = sight.model.line(window.workload)
    if line == UNKNOWN or not sight.model.is_ready(HOUR_S):
        return []
    centre, scale, _ = _expected(window, sight, line)
    value, usual = float(vector[EXTERNAL]), float(centre[EXTERNAL])
    residual = (value - usual) / float(scale[EXTERNAL])
    feature = schema.FEATURES[EXTERNAL]
    excess = schema.natural(feature, value) - schema.natural(feature, usual)
    sums, cost = watched.cusum, watched.cost(EXFILTRATION)
    if not sums.step(residual, excess=excess, start=window.start) or sums.excess < feature.matters:
        return []
    a_week = max(cusum.FALSE_ALARMS_A_WEEK, cost.a_week(window.end))
    if a_week > sight.allowed:
        return []
    cost.add(window.end)
    what = told.exfiltration(window, sums, sight.facts.get(window.workload))
    return [sight.told(window, what, a_week=a_week)]


def _missing_runs(cluster: str, window: Window, state: JudgeState, sight: Sight) -> list[Deviation]:
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
