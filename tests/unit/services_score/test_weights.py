"""What people's decisions take of the voices, in the sets that are fitted after them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from baseline.detectors import codec, combine, feedback
from baseline.detectors.fitted import FittedSet, horizon_file
from baseline.domain.errors import ModelSetRejected
from baseline.domain.modelset import Manifest
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.promote import measure
from baseline.services.train import Lesson, Recipe
from tests.unit.services_score.making import OPTIONS, T0, UNTIL, fitted_files, history, workload

RECIPE = Recipe(horizons_s=(60, 300), is_mature=True)
LEAST = {
    **{feedback.voice(name): feedback.LEAST for name in combine.WEIGHTS},
    **{feedback.family(one): feedback.LEAST for one in feedback.FAMILIES},
}


@cache
def lesson() -> Lesson:
    """Of the invented fleet."""
    notebook = Notebook()
    for window in history():
        notebook.add(window)
    return notebook.lesson(since=T0, until=UNTIL, calibrate_from=None, horizons_s=(60, 300))


def fitted_with(weights: dict[str, feedback.Weights]) -> tuple[Manifest, dict[str, bytes]]:
    """A set fitted after decisions about some workloads."""
    taught = {workload(name): found for name, found in weights.items()}
    return train.fit_lesson(replace(lesson(), weights=taught), recipe=RECIPE, now=UNTIL, seed=1)


def test_without_decisions_a_set_has_the_bytes_it_always_had() -> None:
    """Nothing is stored of what nobody said."""
    assert fitted_with({})[1] == fitted_files()[1]


def test_a_weight_takes_evidence_of_its_own_workload_only() -> None:
    """The total of a dismissed workload's windows falls, its neighbour's stays, in fit and judging alike.

    Of the two distances the one that lost less is heard, so both are dismissed.
    """
    dismissed = {feedback.voice(name): 0.25 for name in combine.DISTANCES}
    plain, weighed = train.opened(*fitted_files()), train.opened(*fitted_with({"web": dismissed}))
    rows, _ = train.rows_of(lesson(), 60, calendar=RECIPE.calendar)
    of_web = rows.workloads == plain.lines[workload("web")]
    before, after = (combine.judge(model.horizons[60], rows).total for model in (plain, weighed))
    assert (after[of_web] < before[of_web]).mean() > 0.5
    assert not (after[of_web] > before[of_web]).any()
    assert np.array_equal(after[~of_web], before[~of_web])


def test_the_budget_is_kept_with_weights() -> None:
    """The total is calibrated with them, so p-values are those of a quiet workload still."""
    model = train.opened(*fitted_with({"web": {"voice:tail": 0.25}}))
    rows, _ = train.rows_of(lesson(), 60, calendar=RECIPE.calendar)
    p = combine.judge(model.horizons[60], rows.pick(rows.workloads == model.lines[workload("web")])).p
    assert (p < 0.1).mean() < 0.2


def test_no_weight_hides_a_golden_attack_from_the_gate() -> None:
    """Everything at its least, everywhere: the set still finds what it must."""
    model = train.opened(*fitted_with(dict.fromkeys(("cache", "db", "proxy", "web"), LEAST)))
    report = measure(model, history=None, options=OPTIONS, seed=1)
    assert report.refusal() is None
    assert set(report.found.values()) == {1.0}


def test_weights_out_of_bounds_are_refused() -> None:
    """A set that somebody made deaf is none."""
    manifest, files = fitted_with({"web": {"voice:tail": 0.5}})
    arrays = {name: codec.decode(payload, name=name) for name, payload in files.items()}
    arrays[horizon_file(60)]["weights.voice:tail"][:] = 0.0
    with pytest.raises(ModelSetRejected, match="weights"):
        FittedSet.load(arrays, manifest)
