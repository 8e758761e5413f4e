"""What a fit reads from history."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from baseline.adapters.memory.history import MemoryHistory
from baseline.detectors import codec
from baseline.detectors.fitted import FLEET_FILE, FittedSet
from baseline.detectors.forest import BUILDERS
from baseline.domain.edge import EdgeKey
from baseline.domain.errors import GateRefused, ModelSetRejected
from baseline.domain.units import DAY_S
from baseline.features import extract
from baseline.features.calendar import Calendar
from baseline.ports import EdgeRow, HistoryBatch
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.train import Recipe
from tests.unit.services_score.making import (
    NAMES,
    T0,
    UNTIL,
    counts,
    edge,
    fitted,
    fitted_files,
    history,
    minute,
    workload,
)


def _row(key: EdgeKey, *, hour: int, at: float) -> EdgeRow:
    return EdgeRow(workload("web"), hour, key, counts(3, at=at), (), (), ())


def test_an_interval_within_an_hour_knows_exactly_the_edges_used_in_it() -> None:
    """Rows of edges are hourly: one hour may hold edges from before, within and after what is to be learned."""
    store = MemoryHistory()
    since, until = T0 + 1_200.0, T0 + 2_400.0
    window = minute("web", T0 + 1_800, rng=np.random.default_rng(1))
    rows = [_row(edge("db"), hour=T0, at=since + 5), _row(edge("old"), hour=T0, at=since - 5)]
    rows += [_row(edge("new"), hour=T0, at=until + 5), _row(edge("later"), hour=T0 + 3_600, at=T0 + 3_700)]
    store.write(HistoryBatch("one", [(window, extract.vector(window))], rows))
    lesson = train.read(store, recipe=Recipe(), since=since, until=until)
    assert [[use.key for use in uses] for uses in lesson.uses] == [[edge("db")]]


def test_a_set_carries_the_calendar_it_learned_by() -> None:
    """Zone and holidays go where the tables go: a stream cannot judge by other hours than those that were learned."""
    berlin = Calendar(zone="Europe/Berlin", holidays=frozenset({date(2026, 1, 6)}))
    notebook = Notebook()
    for window in history():
        notebook.add(window)
    lesson = notebook.lesson(since=T0, until=UNTIL, calibrate_from=None, horizons_s=(300,))
    model = train.opened(
        *train.fit_lesson(lesson, recipe=Recipe(horizons_s=(300,), calendar=berlin), now=UNTIL, seed=1)
    )
    assert model.calendar == berlin
    epiphany = T0 + DAY_S
    assert model.calendar.slots(np.array([T0, epiphany])).tolist() == [1, 6 * 24 + 1]
    assert fitted().calendar == Calendar()


def test_the_hours_of_a_recipe_are_read_and_wrong_ones_refused() -> None:
    """A zone that nobody knows, or a date in quotes, is no recipe."""
    read = Recipe.parse('zone = "Asia/Kolkata"\nholidays = [2026-12-25]').calendar
    assert read == Calendar(zone="Asia/Kolkata", holidays=frozenset({date(2026, 12, 25)}))
    for wrong in ('zone = "Mars/Olympus"', 'holidays = ["2026-12-25"]', "holidays = [2026-12-25T00:00:00Z]"):
        with pytest.raises(GateRefused, match=r"recipe: (zone|holidays)"):
            Recipe.parse(wrong)


def test_a_set_with_a_damaged_calendar_is_refused() -> None:
    """Nothing is guessed about the hour."""
    manifest, files = fitted_files()
    arrays = {name: codec.decode(payload, name=name) for name, payload in files.items()}
    arrays[FLEET_FILE]["calendar.zone"] = np.frombuffer(b"../../etc/passwd", dtype=np.uint8)
    with pytest.raises(ModelSetRejected, match="time zone"):
        FittedSet.load(arrays, manifest)


def test_the_recipe_says_who_builds_the_forests() -> None:
    """scikit-learn unless told otherwise; each gives every workload with enough windows its own forest, by own dice."""
    notebook, hours = Notebook(), 10
    for window in history(hours=hours):
        notebook.add(window)
    lesson = notebook.lesson(since=T0, until=T0 + hours * 3600, calibrate_from=None, horizons_s=(60,))
    nodes = []
    for text in ("", 'builder = "fast"'):
        recipe = Recipe.parse(f"horizons_s = [60]\n{text}")
        made = train.opened(*train.fit_lesson(lesson, recipe=recipe, now=0.0, seed=1))
        nodes.append(made.horizons[60]["forest.nodes"])
        assert made.horizons[60]["forest.own"].tolist() == [*range(len(NAMES)), len(NAMES)]
        assert made.is_ready(60)
    assert Recipe.parse("").builder == Recipe.parse('builder = "sklearn"').builder == "sklearn"
    assert not np.array_equal(nodes[0], nodes[1])


@pytest.mark.parametrize("value", ['"slow"', "1", "true", '["fast"]'])
def test_another_builder_is_refused_with_those_there_are(value: str) -> None:
    """The message names the value and the choices."""
    with pytest.raises(GateRefused, match=f"builder: .* is none of {', '.join(BUILDERS)}"):
        Recipe.parse(f"builder = {value}")
