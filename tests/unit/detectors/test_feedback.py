"""Weights: what a decision moves, how far, and what weights can do to evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.detectors.feedback import FAMILIES, LEAST, MOST, TAKEN_NATS, discounted, learned, packed, shares, weighed
from baseline.detectors.protocol import UNKNOWN
from baseline.domain.deviation import Family, Reason

names = st.sampled_from(["voice:tail", "voice:forest", "voice:edges", "family:volume"])
said = st.dictionaries(names, st.floats(0.0, 1.0), max_size=4)
nats = st.floats(0.0, 30.0)


def reason(family: Family, share: float) -> Reason:
    """A reason of this weight."""
    return Reason(
        family=family, feature="f", sentence="s", actual=1, expected_low=0, expected_high=0, z=9, share=share
    )  # fmt: skip


class TestShares:
    def test_a_nod_is_no_evidence(self) -> None:
        """A voice at p = 0.05 or more did not raise the alert; the others share by what they said beyond it."""
        found = shares([("tail", 1e-8), ("edges", 1e-8), ("forest", 0.06)], [])
        assert found == {"voice:tail": 0.5, "voice:edges": 0.5}

    def test_families_share_by_their_reasons(self) -> None:
        """Summed over the reasons of each."""
        told = [reason(Family.VOLUME, 0.4), reason(Family.VOLUME, 0.2), reason(Family.FAN_OUT, 0.2)]
        assert shares([], told) == pytest.approx({"family:volume": 0.75, "family:fan-out": 0.25})

    def test_nobody_known_is_nobody(self) -> None:
        """Old alerts keep no voices; zero and odd p are survived."""
        assert shares([], []) == {}
        assert shares([("tail", 1.0), ("edges", math.nan)], [reason(Family.SHAPE, 0.0)]) == {}
        assert shares([("tail", 0.0)], []) == {"voice:tail": 1.0}


class TestLearning:
    def test_a_dismissal_lowers_the_voice_that_spoke_alone_and_no_other(self) -> None:
        """The others stay where they are."""
        before = {"voice:edges": 0.8}
        after = learned(before, {"voice:tail": 1.0}, lesson=-1.0)
        assert after == pytest.approx({"voice:tail": 4**-0.1, "voice:edges": 0.8})
        assert before == {"voice:edges": 0.8}

    def test_ten_reach_the_bound_and_no_more_go_past_it(self) -> None:
        """Either way."""
        for lesson, bound in ((-1.0, LEAST), (1.0, MOST)):
            weights: dict[str, float] = {}
            for number in range(15):
                weights = learned(weights, {"voice:tail": 1.0}, lesson=lesson)
                assert (weights["voice:tail"] == pytest.approx(bound)) is (number >= 9)

    def test_one_decision_moves_no_weight_far(self) -> None:
        """Less than a seventh, so that no single click silences anything."""
        assert learned({}, {"voice:tail": 1.0}, lesson=-1.0)["voice:tail"] > 6 / 7

    @given(lessons=st.lists(st.tuples(said, st.sampled_from([-2.0, -1.0, 1.0, 2.0])), max_size=60))
    def test_weights_stay_within_their_bounds(self, lessons: list[tuple[dict[str, float], float]]) -> None:
        """Whatever is decided in whatever order."""
        weights: dict[str, float] = {}
        for about, lesson in lessons:
            weights = learned(weights, about, lesson=lesson)
            assert all(LEAST <= weight <= MOST for weight in weights.values())

    def test_a_lesson_taken_back_leaves_what_was(self) -> None:
        """Within the bounds a changed mind leaves the weights of the new word alone."""
        dismissed = learned({}, {"voice:tail": 0.7, "voice:edges": 0.3}, lesson=-1.0)
        changed = learned(dismissed, {"voice:tail": 0.7, "voice:edges": 0.3}, lesson=2.0)
        assert changed == pytest.approx(learned({}, {"voice:tail": 0.7, "voice:edges": 0.3}, lesson=1.0))


class TestWeighing:
    @given(evidence=nats, voice=st.floats(LEAST, MOST), family=st.floats(LEAST, MOST))
    def test_evidence_is_never_raised_and_never_taken_past_the_limit(
        self, evidence: float, voice: float, family: float
    ) -> None:
        """So no confirmation lowers a threshold, and nothing past doubt vanishes."""
        (after,) = discounted(np.array([evidence]), by_voice=voice, by_family=family)
        assert evidence - TAKEN_NATS - 1e-9 <= after <= evidence
        assert after >= 0
        if voice >= 1 and family >= 1:
            assert after == evidence

    @given(first=nats, second=nats, voice=st.floats(LEAST, MOST))
    def test_more_evidence_stays_more(self, first: float, second: float, voice: float) -> None:
        """Weights never turn an order round."""
        after = discounted(np.array([min(first, second), max(first, second)]), by_voice=voice)
        assert after[0] <= after[1]

    def test_credit_is_worn_off_before_a_dismissal_shows(self) -> None:
        """Three confirmations, three dismissals: as if nobody had said anything."""
        weights: dict[str, float] = {}
        for lesson in (1.0, 1.0, 1.0, -1.0, -1.0, -1.0):
            weights = learned(weights, {"voice:tail": 1.0}, lesson=lesson)
            assert discounted(np.array([20.0]), by_voice=weights["voice:tail"])[0] == pytest.approx(20.0)

    def test_each_row_is_weighed_by_its_own_workload_and_leading_family(self) -> None:
        """What was never learned counts 1; a newcomer loses nothing; new edges are always of novelty."""
        arrays = packed([
            {"voice:tail": 0.5, "family:novelty": 0.5}, {"voice:tail": 2.0, "family:volume": 0.75},
        ])  # fmt: skip
        volume = FAMILIES.index(Family.VOLUME)
        after = weighed(
            arrays,
            {"tail": np.full(3, 4.0), "edges": np.full(3, 8.0), "forest": np.array([4.0, np.nan, 4.0])},
            lines=np.array([0, 1, UNKNOWN]),
            leading=np.full(3, volume),
        )
        assert after["tail"].tolist() == [2.0, 3.0, 4.0]
        assert after["edges"].tolist() == [4.0, 8.0, 8.0]
        assert after["forest"][[0, 2]].tolist() == [4.0, 4.0]
        assert np.isnan(after["forest"][1])

    def test_nothing_learned_is_nothing_stored(self) -> None:
        """A set without feedback has no array more."""
        assert packed([{}, {}]) == {}
        assert packed([{}, {"voice:tail": 0.5}])["voice:tail"].tolist() == [1.0, 0.5]
