"""One workload that is called more, or the whole fleet at once: told apart by the windows of one end."""

from __future__ import annotations

from functools import cache

import numpy as np

from baseline.detectors.fitted import FittedSet
from baseline.domain.deviation import Deviation
from baseline.domain.edge import Direction, EdgeKey
from baseline.domain.explanation import Spread
from baseline.domain.window import EdgeCounts, Window
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.score import JudgeState, judge
from baseline.services.train import Recipe
from tests.unit.services_score.making import OPTIONS, T0, counts, edge, workload

NAMES = tuple(f"s{number}" for number in range(12))
CLIENTS = {"web": 8.0, "app": 5.0, "kiosk": 4.0, "batch": 3.0}
HOURS = 3
UNTIL = T0 + HOURS * 3600


def called(name: str, start: int, *, rng: np.random.Generator, times: float = 1.0, horizon_s: int = 60) -> Window:
    """A service that four clients call, all of them so many times as often as usual."""
    edges = {
        edge(f"{client}-{name}", port=8080, direction=Direction.INGRESS): counts(
            int(rng.poisson(rate * times * horizon_s / 60)) + 1, at=start + 9.0
        )
        for client, rate in CLIENTS.items()
    }
    return Window(workload=workload(name), start=start, end=start + horizon_s, edges=edges)


@cache
def fitted() -> FittedSet:
    """A set of three ordinary hours of twelve services."""
    rng, notebook = np.random.default_rng(5), Notebook()
    for start in range(T0, UNTIL, 60):
        for name in NAMES:
            notebook.add(called(name, start, rng=rng))
            if (start + 60) % 300 == 0:
                notebook.add(called(name, start - 240, rng=rng, horizon_s=300))
    lesson = notebook.lesson(since=T0, until=UNTIL, calibrate_from=None, horizons_s=(60, 300))
    return train.opened(
        *train.fit_lesson(lesson, recipe=Recipe(horizons_s=(60, 300), is_mature=True), now=UNTIL, seed=1)
    )


def judged(times: dict[str, float], more: dict[str, dict[EdgeKey, EdgeCounts]] | None = None) -> list[Deviation]:
    """Deviations of one minute."""
    rng = np.random.default_rng(8)
    windows = [called(name, UNTIL, rng=rng, times=times.get(name, 1.0)) for name in NAMES]
    windows = [
        Window(workload=one.workload, start=one.start, end=one.end,
               edges={**one.edges, **(more or {}).get(one.workload.name, {})})
        for one in windows
    ]  # fmt: skip
    return judge(windows, model=fitted(), state=JudgeState(), options=OPTIONS).deviations


def spreads(deviations: list[Deviation]) -> dict[str, Spread]:
    """By workload."""
    return {one.workload.name: one.explanation.rise.spread for one in deviations if one.explanation.rise}


def test_one_service_that_all_its_clients_call_more_grows() -> None:
    """The others are as ever."""
    assert spreads(judged({"s3": 12.0})) == {"s3": Spread.GROWTH}


def test_a_fleet_that_is_called_more_at_once_is_platform_wide() -> None:
    """Every alert is still told, and says how many workloads rise."""
    found = judged(dict.fromkeys(NAMES, 12.0))
    assert len(found) == len(NAMES)
    assert set(spreads(found).values()) == {Spread.PLATFORM_WIDE}
    rise = found[0].explanation.rise
    assert rise is not None
    assert (rise.workloads_up, rise.workloads) == (12, 12)


def test_victims_of_one_caller_are_no_platform() -> None:
    """Twelve floods by the same stranger are one event, and none of them is growth."""
    flood = {edge("stranger", port=8080, direction=Direction.INGRESS): counts(2500, at=UNTIL + 9.0)}
    found = judged({}, more=dict.fromkeys(NAMES, flood))
    assert len(found) == len(NAMES)
    assert set(spreads(found).values()) == {Spread.CONCENTRATED}
    assert {one.explanation.rise.workloads_up for one in found if one.explanation.rise} == {1}


def test_a_stranger_stays_a_stranger_while_the_fleet_is_up() -> None:
    """The campaign does not cover who comes with it."""
    flood = {edge("stranger", port=8080, direction=Direction.INGRESS): counts(6000, at=UNTIL + 9.0)}
    found = spreads(judged(dict.fromkeys(NAMES, 12.0), more={"s0": flood}))
    assert found.pop("s0") is Spread.CONCENTRATED
    assert set(found.values()) == {Spread.PLATFORM_WIDE}
