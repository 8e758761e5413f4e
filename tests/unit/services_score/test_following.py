"""The level between windows: carried on, never led by an attack, kept over sets and restarts."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from baseline.detectors import seasonal
from baseline.detectors.combine import under
from baseline.detectors.fitted import FittedSet
from baseline.domain.errors import CheckpointRejected
from baseline.domain.window import Window
from baseline.features import schema
from baseline.features.table import WindowTable
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.following import Following
from baseline.services.judging import Expected, JudgeState
from baseline.services.promote import rows_of_table
from baseline.services.score import JudgeOptions, judge
from baseline.services.train import Recipe
from tests.unit.services_score.making import T0, counts, edge, workload

HORIZON = 3600
WEB = workload("web")
OPTIONS = JudgeOptions(horizons_s=(HORIZON,))
DAYS = 17  # two weekends: a history with a single one is not followed
GROWTH = 1.5 ** (1 / 24)  # an hour
UNTIL = T0 + DAYS * 86_400


def hour(start: int, *, rng: np.random.Generator, factor: float = 1.0) -> Window:
    """What web does in an hour: more by day."""
    busy = 400 + 300 * np.sin(2 * np.pi * (start // 3600 % 24) / 24)
    many = int(factor * busy * np.exp(rng.normal(0, 0.1)))
    return Window(
        workload=WEB, start=start, end=start + HORIZON, edges={edge("db"): counts(many, at=float(start + HORIZON - 1))}
    )


@cache
def fitted(until: int = UNTIL) -> FittedSet:
    """Learned up to a time, from days that differ by their level."""
    rng, notebook = np.random.default_rng(1), Notebook()
    known = {edge("db"): counts(1, at=float(T0))}
    notebook.add(Window(workload=WEB, start=T0, end=T0 + 300, edges=known))  # edges are learned from five minutes
    for start in range(T0, until, HORIZON):
        notebook.add(hour(start, rng=rng, factor=float(np.exp(0.3 * np.sin(2 * np.pi * (start - T0) / (4 * 86_400))))))
    lesson = notebook.lesson(since=T0, until=until, calibrate_from=None, horizons_s=(HORIZON,))
    manifest, files = train.fit_lesson(lesson, recipe=Recipe(horizons_s=(HORIZON,)), now=until, seed=1)
    return train.opened(manifest, files)


def level_of(state: JudgeState, model: FittedSet) -> float:
    """How far the connections' level lies above the table."""
    last = state.of(WEB).expected[HORIZON]
    tables = under(model.horizons[HORIZON], "seasonal")
    slots = tables["centre"].shape[1]
    folded = last.slot if slots == 168 else last.slot % 24 + (24 if last.slot >= 120 else 0)
    return float(last.values[0] - tables["centre"][0, folded, 0])


def run(hours: int, *, state: JudgeState, factor: float = 1.0, growth: float = 1.0, begin: int = UNTIL) -> int:
    """Judge hours one by one, each ``growth`` times the one before; how many deviated."""
    rng, found = np.random.default_rng(2), 0
    for number in range(hours):
        window = hour(begin + number * HORIZON, rng=rng, factor=factor * growth**number)
        found += len(judge([window], model=fitted(), state=state, options=OPTIONS).deviations)
    return found


def test_a_busier_day_is_followed_within_the_day() -> None:
    """Half as much again by the evening, and the table moves with it without an alert."""
    state = JudgeState()
    assert run(24, state=state, growth=GROWTH) == 0
    assert level_of(state, fitted()) == pytest.approx(24 * np.log(GROWTH), abs=0.2)


def test_an_attack_does_not_become_the_level() -> None:
    """Ten times as much for a day deviates to its end, and leaves the level where it was."""
    state = JudgeState()
    run(1, state=state)
    before = level_of(state, fitted())
    assert run(24, state=state, factor=10.0, begin=UNTIL + HORIZON) >= 23
    assert level_of(state, fitted()) == pytest.approx(before, abs=1e-5)


def test_a_window_judged_again_moves_nothing() -> None:
    """A crash repeats work and never doubles an effect."""
    state, window = JudgeState(), hour(UNTIL, rng=np.random.default_rng(2))
    judge([window], model=fitted(), state=state, options=OPTIONS)
    once = state.to_bytes()
    judge([window], model=fitted(), state=state, options=OPTIONS)
    assert state.to_bytes() == once


def test_a_restart_goes_on_from_the_same_level() -> None:
    """The checkpoint carries it, to the last bit."""
    whole, cut = JudgeState(), JudgeState()
    run(12, state=whole, growth=GROWTH)
    run(6, state=cut, growth=GROWTH)
    restored = JudgeState.from_bytes(cut.to_bytes())
    assert restored.to_bytes() == cut.to_bytes()
    rng = np.random.default_rng(2)
    windows = [hour(UNTIL + number * HORIZON, rng=rng, factor=GROWTH**number) for number in range(12)]
    for window in windows[6:]:
        judge([window], model=fitted(), state=restored, options=OPTIONS)
    assert restored.to_bytes() == whole.to_bytes()


def test_a_new_set_goes_on_from_the_level_of_the_old_one() -> None:
    """What was expected stays; what it is measured from changes."""
    state = JudgeState()
    run(24, state=state, growth=GROWTH)
    last, newer = state.of(WEB).expected[HORIZON], fitted(UNTIL - 86_400)
    tables = under(newer.horizons[HORIZON], "seasonal")
    at = np.array([UNTIL + 24 * HORIZON], dtype=np.int64)
    rows = rows_of_table(newer, WindowTable(
        workload=WEB, horizon_s=HORIZON, starts=at, values=np.zeros((1, schema.WIDTH)), quiet=np.zeros(1, np.bool_)
    ))  # fmt: skip
    level = Following(tables, HORIZON).levels(rows, [state.of(WEB)])
    centre = seasonal.expected(tables, rows.workloads, np.array([last.slot]))[0]
    assert centre + level == pytest.approx(last.values[None, :])
    assert level[0] != pytest.approx(tables["moved"][0], abs=0.02)


def test_a_stale_level_gives_way_to_the_sets() -> None:
    """After two silent days nobody knows where it was."""
    state = JudgeState()
    values = np.full(len(fitted().horizons[HORIZON]["seasonal.moved"][0]), 20.0, dtype=np.float32)
    state.of(WEB).expected[HORIZON] = Expected(end=UNTIL - 2 * 86_400, slot=0, values=values)
    assert run(1, state=state) == 0


def test_a_state_from_before_levels_begins_at_the_sets() -> None:
    """Format 1 is read: nothing was followed yet."""
    state = JudgeState()
    state.of(WEB).deviated_until = 7
    found = json.loads(state.to_bytes())
    old = {"format": 1, "workloads": [row[:4] for row in found["workloads"]]}
    restored = JudgeState.from_bytes(json.dumps(old).encode())
    assert restored.deviated_until(WEB) == 7
    assert restored.of(WEB).expected == {}


@pytest.mark.parametrize("entry", ['[3600,1,200,"AACAPw=="]', '[3600,1,2,"AADAfw=="]', '[3600,1,2,"?"]', "[3600]"])
def test_a_damaged_level_is_refused(entry: str) -> None:
    """An hour that no week has, a number that is none, bytes that are none."""
    payload = f'{{"format":2,"workloads":[["c/shop/web",[],[],0,[{entry}]]]}}'
    with pytest.raises(CheckpointRejected):
        JudgeState.from_bytes(payload.encode())
