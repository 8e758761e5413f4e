"""The poisoning guard: how far a slot's normal may move, and who is named for wanting more."""

from __future__ import annotations

import numpy as np
import pytest

from baseline.detectors import guard
from baseline.detectors.protocol import UNKNOWN
from baseline.domain.units import DAY_S
from baseline.features import schema

BYTES = schema.INDEX["external_bytes_out"]
SCALE = 0.5
Tables = dict[str, np.ndarray]


def tables(*, lines: int = 2, slots: int = 48, level: float = 3.0) -> Tables:
    """Every hour of every workload at one level, scales well above the smallest."""
    shape = (lines + 1, slots, schema.WIDTH)
    centre = np.full(shape, level, dtype=np.float32)
    return {"centre": centre, "scale": np.full(shape, SCALE, dtype=np.float32), "learned": np.zeros(lines + 1)}


def moved(by: float, *, line: int = 0, slots: slice = slice(None)) -> Tables:
    """The same with one feature of one workload moved by so many scales."""
    found = tables()
    found["centre"][line, slots, BYTES] += by * SCALE
    return found


def same(count: int = 2) -> np.ndarray:
    """Each line was there before, in the same place."""
    return np.arange(count, dtype=np.int64)


def test_a_move_within_a_scale_a_day_is_let_through_unchanged() -> None:
    """The very bytes of the new fit."""
    new = moved(0.9)
    kept, held = guard.limited(new, tables(), old_lines=same(), elapsed_s=DAY_S)
    assert held == []
    assert kept["centre"].tobytes() == new["centre"].tobytes()


@pytest.mark.parametrize("way", [1.0, -1.0])
def test_a_jump_is_held_to_a_scale_a_day_in_either_direction(way: float) -> None:
    """Five scales wanted, two days went by: two are given, and the report says what was wanted."""
    kept, held = guard.limited(moved(5.0 * way, slots=slice(3, 7)), tables(), old_lines=same(), elapsed_s=2 * DAY_S)
    assert kept["centre"][0, 3, BYTES] == pytest.approx(3.0 + way * 2 * SCALE)
    assert kept["centre"][0, 8, BYTES] == pytest.approx(3.0)
    assert [(one.line, one.feature, one.slots) for one in held] == [(0, "external_bytes_out", 4)]
    assert held[0].wanted == pytest.approx(5.0 * way, rel=1e-4)
    assert held[0].allowed == 2.0


def test_walking_a_baseline_takes_as_long_however_often_it_is_fitted() -> None:
    """Twenty-four fits an hour apart move it as far as one after a day."""
    table = tables()
    for _ in range(24):
        table, _held = guard.limited(moved(50.0), table, old_lines=same(), elapsed_s=DAY_S / 24)
    assert table["centre"][0, 0, BYTES] == pytest.approx(3.0 + SCALE, rel=1e-3)


def test_newcomers_the_fleet_and_tables_without_hours_are_not_held() -> None:
    """Who is still finding its level must be let to find it."""
    jump = moved(9.0)
    jump["centre"][-1] += 9.0
    nobody = np.array([UNKNOWN, 1], dtype=np.int64)
    assert guard.limited(jump, tables(), old_lines=nobody, elapsed_s=DAY_S)[1] == []
    kept, held = guard.limited(jump, tables(), old_lines=same(), elapsed_s=DAY_S)
    assert len(held) == 1
    assert kept["centre"][-1].tobytes() == jump["centre"][-1].tobytes()
    assert guard.limited(jump, tables(slots=1), old_lines=same(), elapsed_s=DAY_S)[1] == []


def test_more_hours_than_before_are_compared_with_the_hours_they_were() -> None:
    """Forty-eight slots become 168: Tuesday noon was the noon of a working day."""
    old = tables()
    old["centre"][0, 12, BYTES] = 5.0  # noon of working days
    new = tables(slots=168)
    new["centre"][0, 24 + 12, BYTES] = 5.0  # Tuesday
    kept, held = guard.limited(new, old, old_lines=same(), elapsed_s=DAY_S)
    assert kept["centre"][0, 36, BYTES] == pytest.approx(5.0)
    assert kept["centre"][0, 12, BYTES] == pytest.approx(5.0 - SCALE), "Monday noon fell by four scales"
    assert [(one.slots, round(one.wanted)) for one in held] == [(4, -4)]


def test_the_tables_that_are_compared_stay_as_they_are() -> None:
    """A model set is mapped read-only."""
    new, old = moved(9.0), tables()
    before = new["centre"].copy()
    for array in (*new.values(), *old.values()):
        array.setflags(write=False)
    guard.limited(new, old, old_lines=same(), elapsed_s=DAY_S)
    assert np.array_equal(new["centre"], before)
