"""A newcomer's calls never become normal at its victims by coming first; an ordinary client's do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from baseline.detectors import edges as edge_tables
from baseline.detectors.edgeuse import EdgeUse
from baseline.detectors.fitted import FittedSet
from baseline.domain.edge import Direction, EdgeKey
from baseline.domain.units import DAY_S, HOUR_S
from baseline.domain.window import EdgeCounts, Window
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.judging import MOST_HELD, SETTLED_S, JudgeState
from baseline.services.score import judge
from baseline.services.train import Recipe
from tests.unit.services_score.making import (
    OPTIONS,
    T0,
    UNTIL,
    counts,
    edge,
    history,
    quiet_minutes,
    with_edges,
    workload,
)

VICTIM = workload("gateway")  # strangers call it all the time: what is new alone makes no minute suspicious
NEWCOMER, OLD = "stranger", "cache"


def call(name: str) -> EdgeKey:
    """A call that the gateway gets, from a workload of the shop or from an address."""
    return edge(name, port=8443, direction=Direction.INGRESS)


def gateway(start: int, rng: np.random.Generator, *, horizon_s: int = 60) -> Window:
    """What the gateway does when nothing is wrong."""
    many, at = horizon_s // 60, float(start + horizon_s - 1)
    callers = [f"20.{rng.integers(200)}.{rng.integers(200)}.7" for _ in range(int(rng.poisson(6 * many)) + 1)]
    edges = {call(caller): counts(2, at=at, size=5000) for caller in callers}
    return Window(workload=VICTIM, start=start, end=start + horizon_s, edges=edges)


def with_gateway() -> Iterator[Window]:
    """The small fleet's history, and the gateway's."""
    rng = np.random.default_rng(4)
    for window in history():
        yield window
        if window.workload.name == "web":  # once for each start and horizon
            yield gateway(window.start, rng, horizon_s=window.horizon_s)


def lesson(until: float = UNTIL) -> train.Lesson:
    """Everything of that history."""
    notebook = Notebook()
    for window in with_gateway():
        notebook.add(window)
    return notebook.lesson(since=T0, until=until, calibrate_from=None, horizons_s=(60, 300))


@cache
def fitted() -> FittedSet:
    """A set of it."""
    recipe = Recipe(horizons_s=(60, 300), is_mature=True)
    return train.opened(*train.fit_lesson(lesson(), recipe=recipe, now=UNTIL, seed=1))


def minutes(count: int, caller: str, *, begin: int = UNTIL, many: int = 2) -> list[Window]:
    """Ordinary minutes in which the gateway also gets a few calls of one caller."""
    rng = np.random.default_rng(begin)
    found = []
    for window in quiet_minutes(count, begin=begin):
        if window.workload.name == "web":
            called = {call(caller): counts(many, at=window.start + 30.0, size=5000)}
            found.append(with_edges(gateway(window.start, rng), called))
        found.append(window)
    return found


def of_newcomer(start: int, edges: dict[EdgeKey, EdgeCounts]) -> Window:
    """A minute of the newcomer itself."""
    return Window(workload=workload(NEWCOMER), start=start, end=start + 60, edges=edges)


def run(windows: list[Window], state: JudgeState, model: FittedSet | None = None) -> list[str]:
    """Who deviates."""
    judged = judge(windows, model=model or fitted(), state=state, options=OPTIONS)
    return [str(deviation.workload) for deviation in judged.deviations]


def test_a_known_workloads_new_call_is_learned_from_an_ordinary_minute() -> None:
    """The other way round: what has a baseline of its own may become a client."""
    state = JudgeState()
    assert run(minutes(3, OLD), state) == []
    assert state.of(VICTIM).knows(call(OLD), before=UNTIL + 120)


def test_a_newcomers_call_waits_and_is_counted_as_new_once() -> None:
    """It alerts nobody every minute, and it is not learned either."""
    state = JudgeState()
    assert run(minutes(60, NEWCOMER), state) == []
    assert not state.of(VICTIM).knows(call(NEWCOMER), before=UNTIL + 3600)
    assert state.of(VICTIM).holds(call(NEWCOMER), before=UNTIL + 3600)


def test_the_attack_that_follows_a_polite_hour_still_comes_over_an_edge_never_used() -> None:
    """The evidence says new, so a restriction of it cuts nothing that was ever normal."""
    state = JudgeState()
    run(minutes(60, NEWCOMER), state)
    flood = minutes(1, NEWCOMER, begin=UNTIL + 3600, many=4000)
    deviation = judge(flood, model=fitted(), state=state, options=OPTIONS).deviations[0]
    assert deviation.workload == VICTIM
    assert [(evidence.edge.peer.name, evidence.is_new) for evidence in deviation.edges][:1] == [(NEWCOMER, True)]


def test_a_client_that_was_learned_is_not_called_new_in_the_same_flood() -> None:
    """The other way round."""
    state = JudgeState()
    run(minutes(60, OLD), state)
    flood = minutes(1, OLD, begin=UNTIL + 3600, many=4000)
    deviation = judge(flood, model=fitted(), state=state, options=OPTIONS).deviations[0]
    assert [(evidence.edge.peer.name, evidence.is_new) for evidence in deviation.edges][:1] == [(OLD, False)]


def test_a_newcomer_that_deviates_is_new_again_wherever_it_waits() -> None:
    """Its polite hour is worth nothing any more."""
    state = JudgeState()
    run(minutes(10, NEWCOMER), state)
    scan = {edge("db", port=1000 + port): counts(1, at=UNTIL + 601.0, size=60, failed=1) for port in range(900)}
    assert run([of_newcomer(UNTIL + 600, scan)], state) == [str(workload(NEWCOMER))]
    assert not state.of(VICTIM).holds(call(NEWCOMER), before=UNTIL + 7200)


def test_a_newcomer_that_was_ordinary_for_a_day_is_learned() -> None:
    """Judged by the fleet's baseline, as long as it has none of its own; it is over when the day is."""
    state = JudgeState()
    calm = {edge("web", direction=Direction.INGRESS): counts(2, at=UNTIL + 5.0)}
    run([*minutes(1, NEWCOMER), of_newcomer(UNTIL, calm)], state)
    almost, after = UNTIL + SETTLED_S - 60, UNTIL + SETTLED_S + 60
    run(minutes(1, NEWCOMER, begin=almost), state)
    assert not state.of(VICTIM).knows(call(NEWCOMER), before=after + 60)
    run([*minutes(1, NEWCOMER, begin=after), of_newcomer(after, calm)], state)
    assert state.of(VICTIM).knows(call(NEWCOMER), before=after + 60)
    assert not state.of(VICTIM).holds(call(NEWCOMER), before=after + 60)


def test_a_newcomer_that_a_later_set_knows_is_learned() -> None:
    """Its own baseline has judged it by then."""
    state = JudgeState()
    run(minutes(2, NEWCOMER), state)
    grown = replace(fitted(), lines={**fitted().lines, workload(NEWCOMER): 0})  # as known as the first line is
    run(minutes(1, NEWCOMER, begin=UNTIL + 600), state, grown)
    assert state.of(VICTIM).knows(call(NEWCOMER), before=UNTIL + 660)


def test_what_waits_is_bounded_and_overflow_is_new_again() -> None:
    """Thousands of newcomers cannot wash one into the baseline."""
    memory = JudgeState().of(VICTIM)
    for number in range(MOST_HELD + 5):
        memory.hold([call(f"n{number}")], callers=[workload(f"n{number}")], at=UNTIL)
    assert len(memory.held) == MOST_HELD
    assert not memory.holds(call("n0"), before=UNTIL + 1)
    assert not memory.knows(call("n0"), before=UNTIL + 1)


def test_the_quarantine_survives_a_checkpoint_and_older_checkpoints_are_read() -> None:
    """Equal states give equal bytes; a state of before nobody waited restores as such."""
    state = JudgeState()
    run(minutes(3, NEWCOMER), state)
    again = JudgeState.from_bytes(state.to_bytes())
    assert again.to_bytes() == state.to_bytes()
    assert again.of(VICTIM).holds(call(NEWCOMER), before=UNTIL + 600)
    old = b'{"format":1,"workloads":[["c/shop/gateway",[[60,[[1767592860,true]]]],[[7,1767592800]],1767592860]]}'
    read = JudgeState.from_bytes(old).of(VICTIM)
    assert (read.learnt, read.held, read.deviated_until) == ({7: 1767592800}, {}, 1767592860)


def lesson_with(first_call: float, *, until: float = T0 + 3 * DAY_S) -> FittedSet:
    """A set of a history in which a stranger began to call the gateway at that time."""
    known = lesson(until)
    line = [one.name for one in known.workloads].index(VICTIM.name)
    stranger = EdgeUse(key=call(NEWCOMER), first_seen=first_call, last_seen=until, connections=9, bytes_out=1,
                       bytes_in=1, hours=5)  # fmt: skip
    uses = [[*own, stranger] if at == line else own for at, own in enumerate(known.uses)]
    recipe = Recipe(horizons_s=(60, 300))
    return train.opened(*train.fit_lesson(replace(known, uses=uses), recipe=recipe, now=until, seed=1))


@pytest.mark.parametrize(
    ("first_call", "is_known"), [(T0 + 3 * DAY_S - HOUR_S, False), (T0 + 3 * DAY_S - 25 * HOUR_S, True), (T0, True)]
)
def test_retraining_leaves_calls_of_newcomers_out(first_call: float, is_known: bool) -> None:
    """Learning again must not do what judging refuses; a client of more than a day is one."""
    model = lesson_with(first_call)
    found, _ = edge_tables.known(model.edges, model.line(VICTIM), [call(NEWCOMER), call(OLD)])
    assert found.tolist() == [is_known, False]
