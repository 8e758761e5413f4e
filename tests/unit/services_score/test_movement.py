"""A set is held to the one before it, and its manifest says whom."""

from __future__ import annotations

import numpy as np

from baseline.detectors.combine import under
from baseline.domain.units import DAY_S
from baseline.services import movement, train
from baseline.services.evaluate import Notebook
from baseline.services.train import Recipe
from tests.unit.services_score.making import T0, minute

DAYS = 2
RECIPE = Recipe(horizons_s=(300,), is_mature=True)


def lesson(*, days: int, louder_on: int | None = None) -> train.Lesson:
    """A small fleet; on one day the web calls its database eighty times as often."""
    rng = np.random.default_rng(3)
    notebook = Notebook()
    for start in range(T0, T0 + days * DAY_S, 300):
        for name in ("cache", "db", "web"):
            many = 80 if name == "web" and louder_on is not None and (start - T0) // DAY_S >= louder_on else 1
            window = minute(name, start, rng=rng, horizon_s=300)
            for counts in window.edges.values():
                counts.bytes_out *= many
                counts.started *= many
            notebook.add(window)
    return notebook.lesson(since=T0, until=T0 + days * DAY_S, calibrate_from=None, horizons_s=(300,))


def test_a_level_that_jumped_is_followed_by_a_scale_a_day_and_named() -> None:
    """Without a set before it jumps; with one it is held, and the manifest says who wanted how much."""
    first = train.opened(*train.fit_lesson(lesson(days=DAYS), recipe=RECIPE, now=0.0, seed=1))
    jumped = lesson(days=DAYS + 3, louder_on=DAYS)
    free, free_files = train.fit_lesson(jumped, recipe=RECIPE, now=0.0, seed=1)
    held, held_files = train.fit_lesson(jumped, recipe=RECIPE, now=0.0, seed=1, previous=first)
    centres = [
        float(under(train.opened(manifest, files).horizons[300], "seasonal")["centre"][2, 12].max())
        for manifest, files in ((free, free_files), (held, held_files))
    ]
    assert centres[1] < centres[0]
    assert held.metrics["h300.held"] == 1.0
    assert held.metrics["h300.held.c/shop/web"] > 3.0
    assert not any(name.startswith("h300.held") for name in free.metrics)


def test_without_a_set_before_nothing_is_held() -> None:
    """The first set of all."""
    arrays = {"seasonal.centre": np.zeros((2, 48, 3))}
    kept, metrics = movement.held(arrays, horizon_s=300, workloads=[], until=0.0, previous=None)
    assert kept == arrays
    assert metrics == {}
