"""The forests of a fleet as one voice: whose forest speaks, from what, and for which reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import codec, forest_kernel, forest_layout
from baseline.detectors.forest import BACKGROUND, BUILDERS, OWN_ROWS, REACH, Builder, Forest
from baseline.detectors.forest_layout import NONE
from baseline.detectors.protocol import UNKNOWN, Arrays, Rows
from tests.detectors.making import rows

LINES = 3


def history() -> Rows:
    """Three workloads; the last has too few windows for a forest of its own. All of line 0 moves together."""
    found = rows(lines=LINES, windows=OWN_ROWS)
    found.residuals[:OWN_ROWS] = found.residuals[:OWN_ROWS, :1] + 0.1 * found.residuals[:OWN_ROWS]
    return found.pick(np.arange(len(found) - 1))


@pytest.fixture(scope="module", name="arrays")
def _arrays() -> Arrays:
    return Forest("fast").fit(history(), lines=LINES, seed=1)


def test_a_line_with_enough_rows_has_its_own_forest_and_the_fleet_has_one(arrays: Arrays) -> None:
    """One row less than OWN_ROWS is too few."""
    assert arrays["own"].tolist() == [0, 1, NONE, 2]


def test_too_few_rows_of_everybody_are_not_ready() -> None:
    """No forests, NaN, no credit."""
    few = rows(lines=2, windows=20)
    arrays = Forest("fast").fit(few, lines=2, seed=1)
    assert arrays["own"].tolist() == [NONE] * 3
    assert forest_layout.wrong(arrays, lines=2, width=few.schema.width) is None
    assert np.isnan(Forest().score(arrays, few)).all()
    assert not Forest().explain(arrays, few).any()


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_same_rows_and_seed_are_the_same_bytes(builder: Builder) -> None:
    """And another seed is another set."""
    learned = history()
    first, second, other = (codec.encode(Forest(builder).fit(learned, lines=LINES, seed=seed)) for seed in (1, 1, 2))
    assert first == second != other


def test_a_lines_forest_knows_its_own_rows_alone(arrays: Arrays) -> None:
    """What the others do, or in which order rows come, changes the fleet's forest only."""
    learned = history()
    order = np.argsort(-learned.workloads, kind="stable")
    moved = replace(learned, residuals=np.where(learned.workloads[:, None] == 1, 5.0, learned.residuals)).pick(order)
    other = Forest("fast").fit(moved, lines=LINES, seed=1)
    end = arrays["trees"][arrays["forests"][1]]
    assert np.array_equal(arrays["nodes"][:end], other["nodes"][:end])
    assert not np.array_equal(arrays["nodes"][end:], other["nodes"][end:])


def test_own_forest_and_the_fleets_speak_alike(arrays: Arrays) -> None:
    """The mean of both; a line without its own, and a newcomer, hear the fleet's alone."""
    probe = replace(rows(lines=1, windows=4), workloads=np.array([0, 1, 2, UNKNOWN]))
    values = np.clip(probe.residuals, -REACH, REACH).astype(np.float32)
    fleet = forest_kernel.score(arrays, np.full(4, 2), values)
    own = forest_kernel.score(arrays, np.array([0, 1, NONE, NONE]), values)
    found = Forest().score(arrays, probe)
    assert found[:2].tolist() == ((own + fleet) / 2)[:2].tolist()
    assert found[2:].tolist() == fleet[2:].tolist()


def test_a_workload_is_odd_that_no_longer_moves_as_it_used_to(arrays: Arrays) -> None:
    """Half of its features rise while the others fall: odd for this line, less for one that never went together."""
    many, width = 50, history().schema.width
    residuals = np.where(np.arange(width) % 2, 1.5, -1.5) + 0.1 * np.random.default_rng(8).normal(size=(many, width))
    parted = replace(rows(lines=1, windows=many), residuals=residuals)
    of_line_0, of_line_1 = (
        Forest().score(arrays, replace(parted, workloads=np.full(many, line, dtype=np.int64))) for line in (0, 1)
    )
    usual = Forest().score(arrays, history().pick(np.arange(OWN_ROWS)))
    assert of_line_0.mean() > of_line_1.mean()
    assert of_line_0.mean() > np.quantile(usual, 0.9)


@pytest.mark.parametrize("line", [0, 2, UNKNOWN])
@pytest.mark.parametrize("feature", [0, 7, 20])
def test_the_explanation_names_what_was_moved(arrays: Arrays, line: int, feature: int) -> None:
    """By the own forest and by the fleet's."""
    one = replace(rows(lines=1, windows=1), workloads=np.array([line]))
    one.residuals[:] = 0.0
    one.residuals[0, feature] = 12.0
    credit = Forest().explain(arrays, one)[0]
    assert credit.argmax() == feature
    assert (credit >= 0).all()


def test_the_forest_tells_far_from_near_by_its_background(arrays: Arrays) -> None:
    """Cuts lie outside the training range, too."""
    far = replace(rows(lines=1, windows=2), residuals=np.array([[5.0], [14.0]]) * np.ones((2, history().schema.width)))
    near, further = Forest().score(arrays, far)
    assert BACKGROUND > 0
    assert further >= near > 0.5
