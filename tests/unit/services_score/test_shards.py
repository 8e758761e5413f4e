"""A fleet fitted shard by shard, beside the same fleet fitted at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from baseline.detectors import codec
from baseline.domain.errors import GateRefused
from baseline.domain.modelset import Manifest
from baseline.services import shards, train
from baseline.services.evaluate import Notebook
from baseline.services.train import Files, Lesson, Recipe
from tests.unit.services_score.making import T0, UNTIL, history

RECIPE = Recipe(horizons_s=(60, 300), builder="fast", min_windows=40)


@cache
def lesson(*, hours: int = 6) -> Lesson:
    """Four workloads' windows and edges."""
    notebook = Notebook()
    for window in history(hours=hours):
        notebook.add(window)
    return notebook.lesson(since=T0, until=T0 + hours * 3600, calibrate_from=None, horizons_s=(60, 300))


def surveyed(whole: Lesson, order: Sequence[int] | None = None) -> shards.Survey:
    """Everything but the windows."""
    lines = range(len(whole.workloads)) if order is None else order
    return shards.surveyed(
        [whole.workloads[line] for line in lines], [whole.uses[line] for line in lines], whole.labels, recipe=RECIPE,
        since=whole.since, until=whole.until, weights=whole.weights,
    )  # fmt: skip


def tables_of(whole: Lesson, share: shards.Share) -> shards.Tables:
    """The windows of a share, as its worker reads them."""
    return {
        horizon: {place: tables[line] for place, line in enumerate(share.lines.tolist())}
        for horizon, tables in whole.tables.items()
    }


def fitted(whole: Lesson, *, count: int, sample: int = 500, seed: int = 1) -> tuple[Manifest, Files]:
    """All three steps."""
    survey = surveyed(whole)
    drawn = survey.sample(sample, seed=seed)
    known = shards.pools(drawn, tables_of(whole, drawn), recipe=RECIPE, seed=seed)
    parts = [
        shards.fit_shard(share, tables_of(whole, share), known, recipe=RECIPE, seed=seed)
        for share in survey.shares(count)
    ]
    return shards.joined(survey, parts, recipe=RECIPE, now=UNTIL)


@pytest.mark.parametrize("hours", [6, 30])
def test_one_shard_of_a_whole_sample_is_the_fit_of_everything_byte_for_byte(hours: int) -> None:
    """Also where levels are followed, after a day."""
    whole = lesson(hours=hours)
    expected, files = train.fit_lesson(whole, recipe=RECIPE, now=UNTIL, seed=1)
    manifest, found = fitted(whole, count=1)
    assert found == files
    assert manifest == expected


def test_what_decisions_taught_of_some_workloads_reaches_their_shards() -> None:
    """Weights of one workload's voices, joined in order of line."""
    whole = lesson()
    taught = replace(whole, weights={whole.workloads[2]: {"voice:tail": 0.6}})
    files = train.fit_lesson(taught, recipe=RECIPE, now=UNTIL, seed=1)[1]
    assert fitted(taught, count=1)[1] == fitted(taught, count=4)[1] == files
    assert files != train.fit_lesson(whole, recipe=RECIPE, now=UNTIL, seed=1)[1]


def test_the_number_of_shards_changes_no_byte() -> None:
    """One, three and one a workload; only the hash of the data is made of parts."""
    one, three, four = (fitted(lesson(hours=30), count=count) for count in (1, 3, 4))
    assert one[1] == three[1] == four[1]
    assert one[0].id == four[0].id


def test_a_shard_needs_nobody_elses_windows() -> None:
    """What another workload did changes nothing of a shard once the pools are known."""
    whole = lesson(hours=30)
    survey = surveyed(whole)
    drawn = survey.sample(500, seed=1)
    known = shards.pools(drawn, tables_of(whole, drawn), recipe=RECIPE, seed=1)
    share = survey.shares(4)[2]
    mine = {horizon: {0: tables[2]} for horizon, tables in whole.tables.items()}
    found = shards.fit_shard(share, mine, known, recipe=RECIPE, seed=1).horizons[60]
    files = train.fit_lesson(whole, recipe=RECIPE, now=UNTIL, seed=1)[1]
    arrays = codec.decode(files["h60.safetensors"], name="h60")
    assert np.array_equal(found["seasonal.centre"][0], arrays["seasonal.centre"][2])
    assert np.array_equal(found["final.tails"][0], arrays["final.tails"][2])
    assert np.array_equal(found["edges.rate"][0], arrays["edges.rate"][2])


def test_a_sample_speaks_for_those_that_are_not_in_it() -> None:
    """A set from a sample of three opens, knows all four, and is not the set from everybody."""
    whole = lesson(hours=30)
    manifest, files = fitted(whole, count=2, sample=3)
    model = train.opened(manifest, files)
    assert len(model.lines) == len(whole.workloads)
    assert model.is_ready(60)
    assert files != fitted(whole, count=2)[1]
    assert fitted(whole, count=2, sample=3, seed=2)[1] != files


def test_workloads_come_in_order_of_key_whatever_order_they_are_read_in() -> None:
    """The survey sorts."""
    whole = lesson()
    backwards = surveyed(whole, order=[3, 2, 1, 0])
    assert list(backwards.lesson.workloads) == list(whole.workloads)
    assert np.array_equal(backwards.groups, surveyed(whole).groups)


def test_a_fleet_of_nobody_or_of_too_little_is_refused() -> None:
    """As fitting at once refuses it."""
    with pytest.raises(GateRefused, match="no workload"):
        shards.surveyed([], [], {}, recipe=RECIPE, since=0.0, until=1.0)
    whole = lesson()
    drawn = surveyed(whole).sample(500, seed=1)
    with pytest.raises(GateRefused, match="fewer than"):
        shards.pools(drawn, tables_of(whole, drawn), recipe=Recipe(min_windows=10**6), seed=1)
