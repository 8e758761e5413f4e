"""The gate's look at the set before, and the way back."""

from __future__ import annotations

import pytest

from baseline.adapters.memory.shelf import MemoryShelf
from baseline.domain.errors import GateRefused
from baseline.domain.modelset import Alias, Manifest
from baseline.domain.window import EdgeCounts, Window
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.promote import promote, roll_back
from baseline.services.train import Recipe
from tests.unit.services_score.making import NAMES, OPTIONS, T0, UNTIL, fitted_files, history


def multiplied(window: Window, factor: int) -> Window:
    """The same with so many times the connections and bytes."""
    edges = {}
    for key, one in window.edges.items():
        edges[key] = EdgeCounts(first_seen=one.first_seen, last_seen=one.last_seen)
        for _ in range(factor):
            edges[key].add(one)
    return Window(workload=window.workload, start=window.start, end=window.end, edges=edges)


def fitted_on(factor: int, names: tuple[str, ...]) -> tuple[Manifest, dict[str, bytes]]:
    """A set of the same history in which these workloads did so many times as much."""
    notebook = Notebook()
    for window in history(seed=5):
        notebook.add(multiplied(window, factor) if window.workload.name in names else window)
    lesson = notebook.lesson(since=T0, until=UNTIL, calibrate_from=None, horizons_s=(60, 300))
    return train.fit_lesson(lesson, recipe=Recipe(horizons_s=(60, 300), is_mature=True), now=UNTIL, seed=1)


def shelf_with(*sets: tuple[Manifest, dict[str, bytes]]) -> MemoryShelf:
    """A shelf that holds these sets, the first one current."""
    shelf = MemoryShelf()
    for manifest, files in sets:
        shelf.put(manifest, files)
    shelf.point(Alias.CURRENT, sets[0][0].id)
    return shelf


def test_a_set_of_the_same_normal_passes() -> None:
    """Another week of the same traffic moves nobody."""
    first, second = fitted_files(), fitted_on(1, NAMES)
    shelf = shelf_with(first, second)
    report = promote(second[0].id, shelf=shelf, history=None, options=OPTIONS)
    assert (report.moved, report.compared) == (0.0, len(NAMES))
    assert shelf.resolve(Alias.CURRENT) == second[0].id
    assert shelf.resolve(Alias.PREVIOUS) == first[0].id


def test_a_set_in_which_everybody_moved_is_refused_unless_a_person_wants_it() -> None:
    """Twenty times the traffic everywhere is a change of the platform, or somebody who teaches us."""
    first, second = fitted_files(), fitted_on(20, NAMES)
    shelf = shelf_with(first, second)
    with pytest.raises(GateRefused, match="what is normal moved on 100% of 4"):
        promote(second[0].id, shelf=shelf, history=None, options=OPTIONS)
    assert shelf.resolve(Alias.CURRENT) == first[0].id
    report = promote(second[0].id, shelf=shelf, history=None, options=OPTIONS, accept_drift=True)
    assert report.moved == 1.0
    assert shelf.resolve(Alias.CURRENT) == second[0].id


def test_one_workload_that_moved_keeps_nobody_back() -> None:
    """A quarter of the workloads may."""
    first, second = fitted_files(), fitted_on(20, ("web",))
    report = promote(second[0].id, shelf=shelf_with(first, second), history=None, options=OPTIONS)
    assert report.moved == 0.25


def test_rolling_back_twice_changes_nothing() -> None:
    """Current and previous change places."""
    first, second = fitted_files(), fitted_on(1, NAMES)
    shelf = shelf_with(first, second)
    with pytest.raises(GateRefused, match="no previous set"):
        roll_back(shelf=shelf)
    promote(second[0].id, shelf=shelf, history=None, options=OPTIONS)
    assert roll_back(shelf=shelf) == (first[0].id, second[0].id)
    assert shelf.resolve(Alias.CURRENT) == first[0].id
    assert roll_back(shelf=shelf) == (second[0].id, first[0].id)


def test_the_first_set_has_nothing_to_have_moved_from() -> None:
    """Nobody is compared."""
    shelf = MemoryShelf()
    manifest, files = fitted_files()
    shelf.put(manifest, files)
    assert promote(manifest.id, shelf=shelf, history=None, options=OPTIONS).compared == 0
