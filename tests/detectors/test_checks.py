"""Every detector passes the suite."""

from __future__ import annotations

import pytest

from baseline.detectors import checks
from baseline.detectors.edges import Edges
from baseline.detectors.floor import Null, Random
from baseline.detectors.forest import Forest
from baseline.detectors.neighbours import Neighbours
from baseline.detectors.protocol import Arrays, Detector, Rows
from baseline.detectors.tail import Tail
from baseline.detectors.whole import Combined
from baseline.features.table import FloatArray
from tests.detectors.making import rows

EVERY: tuple[Detector, ...] = (Tail(), Neighbours(), Forest(), Edges(), Combined(), Null(), Random())
OF_FEATURES: tuple[Detector, ...] = (Tail(), Neighbours(), Forest(), Combined())
LEARNERS: tuple[Detector, ...] = (Neighbours(), Forest(), Combined())


@pytest.mark.parametrize("check", checks.EVERY.values(), ids=checks.EVERY.keys())
@pytest.mark.parametrize("detector", EVERY, ids=lambda detector: detector.name)
def test_every_detector_keeps_what_the_suite_asks(detector: Detector, check: checks.Check) -> None:
    """Finite, repeatable, exact, and never lowered by a new peer."""
    check(detector, rows(), 4)


@pytest.mark.parametrize("check", checks.OF_FEATURES.values(), ids=checks.OF_FEATURES.keys())
@pytest.mark.parametrize("detector", OF_FEATURES, ids=lambda detector: detector.name)
def test_detectors_of_features_know_far_from_near(detector: Detector, check: checks.Check) -> None:
    """Magnitude counts, constants are no licence, and the explanation names the cause."""
    check(detector, rows(), 4)


@pytest.mark.parametrize("detector", LEARNERS, ids=lambda detector: detector.name)
def test_learners_say_that_they_are_not_ready(detector: Detector) -> None:
    """Eight rows give no judgement."""
    checks.little_data_is_not_ready(detector, rows(windows=2), 4)


class _Liar(Tail):
    """Depends on its neighbours."""

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        return super().score(arrays, rows) + len(rows)


def test_the_suite_refuses_a_detector_that_looks_at_its_neighbours() -> None:
    """The suite itself can fail."""
    with pytest.raises(AssertionError, match="alone scores as in the batch"):
        checks.one_row_equals_batch(_Liar(), rows(), 4)
