"""The suite's two rows on the Westermo recording, on part of it, and what they count by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baseline.domain.window import Window
from baseline.domain.workload import WorkloadId
from baseline.services.outcome import Label
from pipelines.suite import westermo_features, westermo_product
from pipelines.suite._alerting import Scored, counted
from pipelines.suite._forests import device_forests, fleet_forest
from pipelines.suite._westermo_windows import SCHEMA, WindowSet
from tests.ground.require import shared_dir


def window(minute: int, *, name: str = "a") -> Window:
    """A window of a minute."""
    return Window(workload=WorkloadId("c", "n", name), start=60 * minute, end=60 * (minute + 1), edges={})


def test_the_product_row_finds_events_and_holds_them_against_the_forests(tmp_path: Path) -> None:
    """Forty minutes of the shipped recording: events, false alerts, every kind, and two peers."""
    found = {figure.name: figure for figure in westermo_product.figures(tmp_path, is_quick=True, seed=1)}
    events = found["events found"]
    peers = [figure for name, figure in found.items() if name.endswith(("for all", "a device"))]
    assert len(peers) == 2
    assert events.unit == "of 13 events"
    assert events.value is not None
    assert events.value > max(peer.value or 0.0 for peer in peers)
    assert events.gate is not None
    assert (events.gate[0] or 0.0) > max(peer.value or 0.0 for peer in peers)
    assert found["false alerts"].value is not None  # twenty minutes learned: held against nothing, the whole row is
    assert found["false alerts"].gate == (None, 1.0)
    assert {"events found by null", "events found by random"} <= set(found)
    assert {f"{kind} found" for kind in westermo_product.KINDS} <= set(found)


def test_the_lowest_threshold_that_keeps_the_budget_lets_one_alert_an_hour_pass() -> None:
    """Two windows of one workload within an hour are one alert; the third workload would be a second."""
    windows = [window(0), window(10), window(20, name="b"), window(30, name="c")]
    scored = Scored(windows=windows, scores=np.array([9.0, 8.0, 7.0, 6.0]), hours=1.0)
    assert scored.threshold(alerts_per_hour=1.0) == pytest.approx(7.0)  # b's own score: nothing of b is above it
    assert scored.threshold(alerts_per_hour=2.0) == pytest.approx(6.0)


def test_alerts_of_an_event_do_not_count_against_a_budget_that_knows_the_labels() -> None:
    """The bound that only labels give is lower than what one can know while learning."""
    windows = [window(0), window(10, name="b"), window(20, name="c")]
    scored = Scored(windows=windows, scores=np.array([9.0, 8.0, 7.0]), hours=1.0)
    label = Label(workload="n/a", start=0.0, end=60.0, label="scan")
    bound = scored.threshold(alerts_per_hour=1.0, labels=[label])
    assert bound < scored.threshold(alerts_per_hour=1.0)
    came = scored.outcome(bound, [label])
    assert came.found == 1
    assert len(came.false_alerts) == 1


def test_the_interval_of_a_count_is_that_of_its_events() -> None:
    """All found: no width. Half found: around the half, wide."""
    assert counted([True] * 8, seed=1) == (8.0, 8.0)
    low, high = counted([True, False] * 8, seed=1)
    assert 3 <= low < 8 < high <= 13


def test_a_forest_a_device_judges_a_device_by_its_own_past_and_knows_none_that_it_never_saw() -> None:
    """What is usual for one device is odd for another; a forest for all cannot see it."""
    rng = np.random.default_rng(1)
    vectors = np.concatenate([rng.normal(0, 1, (200, 4)), rng.normal(8, 1, (200, 4))])
    names = np.array(["low"] * 200 + ["high"] * 200)
    asked, whose = np.full((3, 4), 8.0), np.array(["high", "low", "new"])
    own = device_forests(vectors, names, seed=1)(asked, whose)
    assert own[1] > own[0] + 1
    assert own[2] == 0.0
    fleet = fleet_forest(vectors, names, seed=1)(asked, whose)
    assert fleet[0] == pytest.approx(fleet[1])


def some_windows() -> WindowSet:
    """Two entities for ten times; b's windows 6 to 9 are an attack that looks like its windows 0 to 3."""
    values = np.zeros((20, SCHEMA.width))
    values[10:, 0] = [1, 1, 1, 1, 2, 3, 1, 1, 1, 4]
    attacks = np.array([""] * 16 + ["BAD-SSH"] * 4)
    numbers = np.tile(np.arange(10), 2)
    meetings = np.array([[16, 6], [6, 16]])
    return WindowSet(
        entities=("a", "b"), lines=np.repeat([0, 1], 10), numbers=numbers, begins=0.0, values=values, attacks=attacks,
        meetings=meetings,
    )  # fmt: skip


def test_nothing_finds_attack_windows_that_are_like_benign_ones_at_no_cost() -> None:
    """One of four windows differs from the benign: without a budget that one is all there is to find."""
    windows = some_windows()
    assert westermo_features.ceiling(windows, np.ones(20, dtype=np.bool_), "BAD-SSH") == pytest.approx(0.25)


def test_a_window_takes_the_word_of_a_peer_it_exchanged_flows_with() -> None:
    """The larger of the two scores, once, and of nobody else."""
    windows = some_windows()
    scores = np.zeros(20)
    scores[6] = 5.0
    spread = westermo_features.spread(windows, scores)
    assert np.flatnonzero(spread).tolist() == [6, 16]


def test_one_percent_of_the_benign_windows_pass_the_threshold() -> None:
    """Exactly: ten of a thousand."""
    scores = np.arange(1200.0)
    is_benign = np.arange(1200) < 1000
    limit = westermo_features.threshold(scores, is_benign)
    assert (scores[is_benign] > limit).sum() == 10


def test_the_features_row_measures_every_kind_on_half_of_the_recording() -> None:
    """The product's detectors, the peers' word and the plain forest, beside what can be reached."""
    data = shared_dir("data", westermo_features.FOLDER).parent
    found = {figure.name: figure for figure in westermo_features.figures(data, is_quick=True, seed=1)}
    assert len(found) == 12
    own, plain = found["recall of scan 2"], found["recall of scan 2 by a plain forest"]
    assert own.value is not None
    assert plain.value is not None
    assert 0.5 < own.value <= 1.0
    assert own.value >= plain.value - 0.05
    assert (own.gate, own.goal, plain.gate) == ((0.95, None), (0.97, None), None)
    assert "more than" in own.note
    assert (found["recall of SSH by the dice"].value or 0.0) < 0.1  # a detector that knows nothing finds its 1 %
