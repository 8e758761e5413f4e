"""What deviations cost: merging, guards that count, minutes."""

from __future__ import annotations

import pytest

from baseline.domain.deviation import Family
from baseline.domain.units import DAY_S, HOUR_S, WEEK_S
from baseline.domain.workload import WorkloadId
from baseline.policy.situation import GuardOptions
from baseline.services.backtest import Past
from baseline.services.cost import Cost, cost

GUARDS = GuardOptions()
STRONG = (Family.VOLUME, Family.FAN_OUT)


def past(
    at: int, name: str = "web", *, namespace: str = "shop", p: float = 1e-9, families: tuple[Family, ...] = STRONG,
    is_mature: bool = True,
) -> Past:  # fmt: skip
    """A minute past its threshold of 1e-5."""
    return Past(
        workload=WorkloadId("c", namespace, name), start=at, end=at + 60, p=p, threshold=1e-5, families=families,
        is_mature=is_mature,
    )  # fmt: skip


def costs(*found: Past, workloads: int = 100, days: float = 7.0) -> Cost:
    """Of these, over a week by default."""
    return cost(found, workloads=workloads, since=0.0, until=days * DAY_S, guards=GUARDS)


def test_deviations_within_an_hour_are_one_alert() -> None:
    """Counted as a person would see them, workload by workload."""
    found = costs(past(0), past(600), past(4200, "db"), past(4300), past(9 * HOUR_S))
    assert found.alerts_by_workload == {"shop/web": 3, "shop/db": 1}
    assert found.alerts_per_day == pytest.approx(4 / 7)
    assert found.alerts_per_workload_week == pytest.approx(0.04)


def test_a_restriction_lasts_its_time_and_is_counted_once() -> None:
    """More evidence meanwhile adds nothing; a second one waits for the cool-down."""
    found = costs(past(0), past(300), past(1000), past(900 + 1800 + 60))
    assert found.restrictions == 2
    assert found.minutes_by_workload == {"shop/web": 30.0}
    assert found.minutes_per_workload == pytest.approx(0.3)
    assert found.refused == {"cool-down": 1}


@pytest.mark.parametrize(
    ("one", "guard"),
    [
        (past(0, p=1e-6), "evidence"),
        (past(0, families=(Family.VOLUME,)), "evidence"),
        (past(0, is_mature=False), "maturity"),
    ],
)
def test_weak_evidence_or_a_young_baseline_restricts_nobody(one: Past, guard: str) -> None:
    """The guard is named."""
    found = costs(one)
    assert (found.restrictions, found.refused, found.alerts) == (0, {guard: 1}, 1)


def test_new_edges_alone_may_be_restricted() -> None:
    """Nothing normal can be cut by it."""
    assert costs(past(0, families=(Family.NOVELTY,))).restrictions == 1


def test_budgets_hold_in_a_namespace_in_a_burst_and_by_share() -> None:
    """Two a namespace, three at once, two in a hundred workloads."""
    many = [past(60 * at, f"w{at}", namespace=f"n{at}") for at in range(4)]
    assert costs(*many, workloads=100).refused == {"share": 2}
    assert costs(*many, workloads=1000).refused == {"rate": 1}
    assert costs(*[past(60 * at, f"w{at}") for at in range(3)], workloads=1000).refused == {"namespace-concurrent": 1}


def test_a_platform_event_restricts_nobody_for_a_while() -> None:
    """More than a tenth of the workloads within five minutes; the first ones were already restricted."""
    crowd = [past(20 * at, f"w{at}", namespace=f"n{at}") for at in range(6)]
    found = costs(*crowd, past(1200, "late"), workloads=50)
    assert found.restrictions == 1
    assert found.refused["platform-event"] == 3


def test_nothing_costs_nothing() -> None:
    """A quiet week."""
    found = costs(days=WEEK_S / DAY_S)
    assert (found.alerts, found.restrictions, found.minutes_per_workload) == (0, 0, 0.0)
