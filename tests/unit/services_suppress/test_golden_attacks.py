"""Golden attacks stay visible, whatever else was dismissed for an hour or an edge, and whatever decisions taught."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from baseline.detectors import calibrate, combine, feedback
from baseline.detectors.combine import under
from baseline.domain.alert import Alert
from baseline.domain.deviation import Deviation, Family
from baseline.domain.suppression import Scope
from baseline.domain.units import DAY_S, WEEK_S
from baseline.domain.window import Window
from baseline.domain.workload import WorkloadId
from baseline.services import score, suppress
from baseline.services.promote import NEEDED, golden
from baseline.services.score import JudgeState, judge
from baseline.services.suppress import Asked, Standing, divided
from baseline.services.triage import TriageState, triage
from tests.unit.services_score.making import (
    NAMES,
    OPTIONS,
    UNTIL,
    counts,
    edge,
    fitted,
    quiet_minutes,
    with_edges,
    workload,
)

WHO = workload("web")


def alerts_of(*windows: Window) -> list[Alert]:
    """The alerts that these windows open."""
    return triage(deviations_of(*windows), state=TriageState(), now=0.0)


def deviations_of(*windows: Window) -> list[Deviation]:
    """What deviates in them."""
    return judge(windows, model=fitted(), state=JudgeState(), options=OPTIONS).deviations


def attack(name: str, *, at: int, who: WorkloadId = WHO) -> Window:
    """A golden attack in one minute."""
    return golden(name, who, start=UNTIL + at, horizon_s=60)


def standing(alert: Alert, scope: Scope) -> Standing:
    """What a dismissal of the alert leaves, from then on."""
    made = suppress.asked(
        alert, Asked(scope=scope, until=alert.updated_at + 60 * DAY_S), reason="normal", by="ada", now=alert.updated_at
    )  # fmt: skip
    return Standing([made])


def backup() -> Window:
    """A minute in which web talks far more with its database than it ever did."""
    quiet = next(window for window in quiet_minutes(1) if window.workload == WHO)
    return with_edges(quiet, {edge("db"): counts(4000, at=float(UNTIL), size=200_000)})


@pytest.mark.parametrize("scope", [Scope.EDGE, Scope.HOUR, Scope.ALWAYS])
@pytest.mark.parametrize("name", sorted(NEEDED))
def test_a_dismissed_burst_hides_no_attack(scope: Scope, name: str) -> None:
    """A scan, a sweep and a theft of the same workload, in the same hour of the next week."""
    (dismissed,) = alerts_of(backup())
    known = standing(dismissed, scope)
    again = Window(
        workload=WHO, start=UNTIL + WEEK_S, end=UNTIL + WEEK_S + 60, edges=backup().edges, hosts=backup().hosts
    )
    assert not divided(deviations_of(again), known).shown  # it does hide what it is about
    found = deviations_of(attack(name, at=WEEK_S))
    assert found
    assert divided(found, known).shown == found


@pytest.mark.parametrize("scope", [Scope.EDGE, Scope.HOUR, Scope.ALWAYS])
@pytest.mark.parametrize(("dismissed", "other"), list(permutations(sorted(NEEDED), 2)))
def test_even_a_dismissed_attack_hides_no_other(scope: Scope, dismissed: str, other: str) -> None:
    """A scanner that was called normal may not steal, and whoever may send much may not scan."""
    (alert,) = alerts_of(attack(dismissed, at=0))
    found = deviations_of(attack(other, at=WEEK_S))
    assert found
    assert divided(found, standing(alert, scope)).shown == found


@pytest.mark.parametrize("scope", [scope for scope in Scope if scope is not Scope.ONCE])
def test_nobody_else_is_silenced(scope: Scope) -> None:
    """The same attack by every other workload is shown."""
    (alert,) = alerts_of(attack("scan", at=0))
    known = standing(alert, scope)
    for name in NAMES:
        found = deviations_of(attack("scan", at=WEEK_S, who=workload(name)))
        assert found
        assert bool(divided(found, known).shown) is (name != "web")


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_weights_at_their_least_hide_no_golden_attack(name: str) -> None:
    """Every voice and family dismissed to the bound: each attack still raises by a single window."""
    model, (found,) = fitted(), deviations_of(attack(name, at=0))
    line = np.array([model.line(WHO)])
    spoke = dict(found.voices)
    least = dict.fromkeys(map(feedback.voice, spoke), feedback.LEAST)
    least |= dict.fromkeys(map(feedback.family, Family), feedback.LEAST)
    left = feedback.weighed(
        feedback.packed([least] * len(model.lines)),
        {voice: np.array([-np.log(p)]) for voice, p in spoke.items()},
        lines=line,
        leading=np.zeros(1, dtype=np.int64),
    )
    total = combine.total({voice: np.exp(-nats) for voice, nats in left.items()})
    (p,) = calibrate.p_values(under(model.horizons[60], "final"), line, total)
    assert found.p <= p < found.threshold / score.SINGLE_WINDOW
