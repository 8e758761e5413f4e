"""A new version's edges: one alert that says so, and no cover for anything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from baseline.domain.deviation import Family
from baseline.domain.edge import EdgeKey, Peer
from baseline.domain.units import DAY_S
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.services.score import JudgeState, Labels, judge
from baseline.services.triage import TriageState, triage
from tests.unit.services_score.making import OPTIONS, UNTIL, counts, edge, fitted, quiet_minutes, with_edges, workload

WEB = workload("web")
MINUTES = 40


@dataclass(frozen=True)
class Facts:
    """What the log showed of a workload."""

    rollout_at: float | None
    labels: Labels = ()
    peer_labels: Mapping[Peer, Labels] = field(default_factory=dict)


def dependencies(minute: int, *, each: int = 3) -> dict[EdgeKey, EdgeCounts]:
    """What the new version starts to use in its n-th minute."""
    at = UNTIL + 60 * minute + 10.0
    return {edge(f"svc-{minute}-{number}", port=8443): counts(2, at=at) for number in range(each)}


def after_rollout(*, each: int = 3) -> list[Window]:
    """Minutes in which the web meets new dependencies every other minute."""
    return [
        with_edges(window, dependencies((window.start - UNTIL) // 60, each=each))
        if window.workload == WEB and (window.start - UNTIL) % 120 == 0
        else window
        for window in quiet_minutes(MINUTES)
    ]


def judged(windows: list[Window], rollout_at: float | None) -> list[str]:
    """Sentences of the alerts."""
    facts: dict[WorkloadId, Facts] = {WEB: Facts(rollout_at)}
    shown, state, alerts = TriageState(), JudgeState(), {}
    found = judge(windows, model=fitted(), state=state, options=OPTIONS, facts=facts)
    for alert in triage(found.deviations, state=shown, now=0.0):
        alerts[alert.id] = alert.sentence
    return list(alerts.values())


def test_a_rollouts_new_edges_are_one_alert_that_says_so() -> None:
    """Twenty new dependencies over forty minutes; without a rollout every one of them stands for itself."""
    windows = after_rollout()
    without, told = judged(windows, None), judged(windows, UNTIL - 30.0)
    assert len(without) > 10
    assert len(told) <= 1
    assert all("changed by rollout" in sentence for sentence in told)
    many = judged(after_rollout(each=40), UNTIL - 30.0)
    assert len(many) == 1
    assert "changed by rollout" in many[0]


def test_a_day_after_the_rollout_nothing_is_excused() -> None:
    """The wider prior ends."""
    assert len(judged(after_rollout(), UNTIL - DAY_S - 3600.0)) > 10


def test_an_attack_after_a_rollout_is_no_rollout() -> None:
    """Refused connections to hundreds of ports are told as what they are."""
    scan = {edge("db", port=1000 + n): counts(1, at=UNTIL + 90.0, size=60, failed=1) for n in range(300)}
    windows = [
        with_edges(window, scan) if window.workload == WEB and window.start == UNTIL + 60 else window
        for window in quiet_minutes(3)
    ]
    facts = {WEB: Facts(UNTIL - 30.0)}
    deviation = judge(windows, model=fitted(), state=JudgeState(), options=OPTIONS, facts=facts).deviations[0]
    assert deviation.rollout_at == UNTIL - 30.0  # the guard may wait all the same
    assert {Family.FAILURE, Family.FAN_OUT} <= set(deviation.families)
    assert all("changed by rollout" not in sentence for sentence in judged(windows, UNTIL - 30.0))


def test_while_a_rollout_settles_nothing_is_evidence_enough_to_act_on() -> None:
    """The same burst over new edges: told in the first 15 minutes, acted on an hour after the rollout."""
    burst = {edge(f"198.51.100.{number}", port=443): counts(40, at=UNTIL + 70.0, failed=9) for number in range(9)}
    windows = [
        with_edges(window, burst) if window.workload == WEB and window.start == UNTIL + 60 else window
        for window in quiet_minutes(3)
    ]
    told = {}
    for rollout_at in (UNTIL - 60.0, UNTIL - 3600.0):
        facts = {WEB: Facts(rollout_at)}
        found = judge(windows, model=fitted(), state=JudgeState(), options=OPTIONS, facts=facts).deviations
        told[rollout_at] = next(one for one in found if one.workload == WEB)
    settling, settled = told[UNTIL - 60.0], told[UNTIL - 3600.0]
    assert settling.p > settling.threshold / 50
    assert settled.p < settled.threshold / 50
