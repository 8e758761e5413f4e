"""Compiled medians against numpy's."""

from __future__ import annotations

import numpy as np
import pytest

from baseline.detectors import medians
from baseline.detectors.medians import Cells, Groups, Sorted

RNG = np.random.default_rng(5)
CELLS = Cells.of(RNG.integers(0, 7, 300), 8)  # the last cell stays empty
GROUPS = Groups.of([[0], [1, 2], [7], [], [0, 1, 2, 3, 4, 5, 6], [6, 6]])


def rows_of(group: int) -> list[int]:
    """Places of a group's rows, the slow way."""
    members = GROUPS.members[GROUPS.bounds[group] : GROUPS.bounds[group + 1]]
    return [row for cell in members for row in CELLS.order[CELLS.bounds[cell] : CELLS.bounds[cell + 1]].tolist()]


@pytest.mark.parametrize("kind", ["smooth", "ties", "constant", "heavy"])
def test_medians_and_mads_are_bit_for_bit_numpys(kind: str) -> None:
    """Odd and even groups, ties, constants and overlapping cells; the input stays as it was."""
    values = {
        "smooth": RNG.normal(size=(300, 5)),
        "ties": RNG.integers(0, 3, (300, 5)).astype(np.float64),
        "constant": np.zeros((300, 5)),
        "heavy": RNG.standard_cauchy((300, 5)) * 1e6,
    }[kind]
    before = values.copy()
    centre, mad = medians.medians_mads(values, CELLS, GROUPS)
    assert np.array_equal(values, before)
    for group in range(len(GROUPS)):
        own = values[rows_of(group)]
        expected = np.median(own, axis=0) if len(own) else np.zeros(5)
        assert np.array_equal(centre[group], expected)
        assert np.array_equal(mad[group], np.median(np.abs(own - expected), axis=0) if len(own) else np.zeros(5))
    by_search = Sorted.of(values, CELLS).medians_mads(GROUPS)
    assert np.array_equal(by_search[0], centre)
    assert np.array_equal(by_search[1], mad)


def test_a_million_equal_values_are_no_harder_than_others() -> None:
    """Ties must not make the selection quadratic."""
    values = np.zeros((100_000, 1))
    assert medians.medians(values, Cells.whole(len(values)), Groups.single(1))[0, 0] == 0.0


def test_days_are_counted_once_a_group() -> None:
    """As ``np.unique`` does, whatever day numbering begins with."""
    days = RNG.integers(20_000, 20_009, 300)
    expected = [len(np.unique(days[rows_of(group)])) for group in range(len(GROUPS))]
    assert medians.distinct(days, CELLS, GROUPS).tolist() == expected


def test_ranked_maxima_are_those_of_each_day() -> None:
    """The second largest daily maximum, and the substitute where there are fewer days."""
    values, days = RNG.normal(size=(300, 4)), RNG.integers(3, 9, 300)
    found = medians.ranked_maxima(values, days, CELLS, GROUPS, np.full(len(GROUPS), 2), without=-7.0)
    for group in range(len(GROUPS)):
        rows = np.array(rows_of(group), dtype=np.int64)
        tops = [values[rows[days[rows] == day]].max(axis=0) for day in np.unique(days[rows])]
        expected = np.sort(tops, axis=0)[-2] if len(tops) >= 2 else np.full(4, -7.0)
        assert np.array_equal(found[group], expected)


def test_sums_and_maxima_of_cells_are_numpys() -> None:
    """Added in the order of rows, so that even rounding is the same."""
    values, days = RNG.normal(size=(300, 4)), RNG.integers(0, 6, 300)
    expected = np.zeros((6, 4))
    np.add.at(expected, days, values)
    assert np.array_equal(medians.sums(values, days, 6), expected)
    tops = medians.maxima(values, CELLS)
    assert np.array_equal(tops[0], values[rows_of(0)].max(axis=0))
    assert np.isneginf(tops[7]).all()
