"""Sequential rules over one window: what each looks at, and what it is spared.

Called by ``services.watch``, window by window; each brings the workload's ``Watched`` forward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from baseline.detectors import edges as edge_tables
from baseline.detectors import seasonal
from baseline.detectors.combine import under
from baseline.detectors.edges import edge_hash
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import UNKNOWN
from baseline.detectors.sequential import cusum, trw
from baseline.domain.deviation import Deviation
from baseline.domain.edge import Direction, EdgeKey
from baseline.domain.units import HOUR_S
from baseline.domain.window import Window
from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features import schema
from baseline.features.extract import connections
from baseline.features.table import FloatArray
from baseline.services import told
from baseline.services.judging import Memory
from baseline.services.told import Labelled
from baseline.services.watching import Watched

BEACON, EXFILTRATION = "beacon", "exfiltration"  # names under which a rule's cost is kept
FAILED, EXTERNAL = schema.INDEX["failed_out"], schema.INDEX["external_bytes_out"]


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
            return _NOTHING
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


_NOTHING = Look(keys=(), known=frozenset(), failed=0, answered=0, failed_outside=0, answered_outside=0)


def cut_off(looks: Iterable[tuple[Window, Memory, Look]]) -> set[str]:
    """Clusters whose way out is down: established external edges fail as much as they answer."""
    failed, answered = Counter[str](), Counter[str]()
    for window, _, look in looks:
        failed[window.workload.cluster] += look.failed_outside
        answered[window.workload.cluster] += look.answered_outside
    return {cluster for cluster, many in failed.items() if many > 0 and many >= answered[cluster]}


def shortest(window: Window, look: Look, memory: Memory, sight: Sight, *, is_cut_off: bool) -> list[Deviation]:
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


def exfiltration(window: Window, vector: FloatArray, watched: Watched, sight: Sight) -> list[Deviation]:
    """The rule that looks at hours: ``vector`` is the hour's, its residual is not corrected for the level."""
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
