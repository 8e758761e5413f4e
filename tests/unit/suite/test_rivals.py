"""What others do, in our words: each does what its documentation says, and the row holds the product against it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from pipelines.suite import _cesnet_data as cesnet
from pipelines.suite import _kitnet, _rival_series, _rival_sets, _rivals_cesnet, rivals
from pipelines.suite.figure import Verdict
from tests.ground.require import shared_dir

STARTS = np.arange(2000, dtype=np.int64) * 3600


def edge(name: str, *, kind: PeerKind = PeerKind.WORKLOAD, direction: Direction = Direction.EGRESS) -> EdgeKey:
    """To a peer, on port 80."""
    return EdgeKey(direction, Peer(kind, "", name), 80, "tcp")


def test_a_locked_set_alerts_on_a_new_peer_and_on_no_known_one() -> None:
    """StackRox-style: outside the first hour's set; what came in the second hour is not learned."""
    learned = {("w", 0): frozenset({edge("a")}), ("w", 3600): frozenset({edge("late")})}
    judged = {("w", 7200): frozenset({edge("a")}), ("w", 7260): frozenset({edge("late"), edge("b")})}
    assert _rival_sets.stackrox_style(learned, judged) == {("w", 7200): 0, ("w", 7260): 2}


def test_a_new_address_outside_is_nothing_new_to_a_set_that_calls_them_all_external() -> None:
    """StackRox-style: exfiltration to a new address on a known port stays unseen."""
    learned = {("w", 0): frozenset({edge("203.0.113.1", kind=PeerKind.ADDRESS)})}
    judged = {("w", 7200): frozenset({edge("198.51.100.7", kind=PeerKind.ADDRESS)})}
    assert _rival_sets.stackrox_style(learned, judged) == {("w", 7200): 0}
    assert _rival_sets.kubescape_style(learned, judged) == {("w", 7200): 1}


def test_unexpected_egress_looks_at_public_addresses_only() -> None:
    """Kubescape-R0011-style: neither a workload, nor a private address, nor what comes in."""
    judged = {
        ("w", 0): frozenset(
            {
                edge("a"),
                edge("pvt", kind=PeerKind.PRIVATE),
                edge("203.0.113.1", kind=PeerKind.ADDRESS, direction=Direction.INGRESS),
            }
        )
    }
    assert _rival_sets.kubescape_style({}, judged) == {("w", 0): 0}


def test_an_average_that_holds_the_value_itself_sees_half_of_a_jump() -> None:
    """Theia-style EWMA: alpha 0.5."""
    values = np.concatenate([np.tile([0.0, 2.0], 500), [101.0]])
    found = _rival_series.theia_ewma_style(values, STARTS[:1001], 1000)
    assert found[-1] == pytest.approx((101 - (found_average(values[:-1]) + 101) / 2) / 1.0)


def found_average(values: np.ndarray) -> float:
    """The exponential average at the end."""
    average = 0.0
    for value in values:
        average = 0.5 * average + 0.5 * float(value)
    return average


@pytest.mark.parametrize(
    "rival",
    [
        _rival_series.theia_ewma_style,
        _rival_series.theia_arima_style,
        _rival_series.theia_dbscan_style,
        _rival_series.elastic_style,
    ],
)
def test_a_rival_finds_a_burst_and_looks_at_nothing_later(rival: _rival_series.SeriesRival) -> None:
    """Twenty times the usual stands out, and what follows changes no score before it."""
    values = 1000.0 + 100 * np.random.default_rng(1).standard_normal(1200)
    values[1100] = 20_000.0
    found = rival(values, STARTS[:1200], 1000)
    assert int(np.argmax(found[1000:])) in {100, 101}  # a forecast is off on both sides of a burst
    cut = rival(values[:1101], STARTS[:1101], 1000)
    assert cut == pytest.approx(found[:1101])


def test_the_smallest_eps_that_leaves_a_value_in_its_cluster_is_the_score() -> None:
    """Theia-style DBSCAN: the value and three learned ones within it."""
    values = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
    assert _rival_series.theia_dbscan_style(values, STARTS[:5], 4)[-1] == pytest.approx(8.0)


def test_a_count_that_is_usual_at_its_hour_is_not_high() -> None:
    """Elastic-style: with two weeks of history the hour of the day is part of what is usual."""
    hours = np.arange(24 * 28)
    values = np.where(hours % 24 == 12, 1000.0, 10.0) * (
        1 + 0.01 * np.random.default_rng(1).standard_normal(len(hours))
    )
    values[-13] = 1000.0  # at 11 o'clock of the last day
    found = _rival_series.elastic_style(values, STARTS[: len(values)], 24 * 21)
    assert found[-13] > 50
    assert found[-12] < 20


def test_small_autoencoders_learn_what_moves_together_and_reproduce_nothing_else_well() -> None:
    """KitNET-style: two pairs of columns; breaking a pair gives a larger error than anything learned."""
    rng = np.random.default_rng(1)
    one, two = rng.uniform(0, 1, (2, 3000))
    rows = np.column_stack([one, one, two, two])
    net = _kitnet.fit(rows, seed=1)
    broken = np.array([[0.0, 1.0, 0.5, 0.5]])
    assert net.scores(broken)[0] > np.quantile(net.scores(rows), 0.99)
    assert (_kitnet.fit(rows, seed=1).scores(rows) == net.scores(rows)).all()


def test_columns_are_grouped_by_what_moves_together_and_ten_at_most() -> None:
    """Twelve copies of one number do not fit into one group; every column lies in exactly one."""
    rng = np.random.default_rng(1)
    rows = np.column_stack([rng.uniform(size=200)] * 12 + [rng.uniform(size=200)])
    groups = _kitnet.grouped(rows)
    assert max(len(group) for group in groups) <= 10
    assert sorted(np.concatenate(groups).tolist()) == list(range(13))


def test_one_real_hour_a_week_is_above_the_threshold_of_a_rival() -> None:
    """A rival that knows the injections finds all of them; one that knows nothing finds about its false alerts."""
    series = cesnet.read(shared_dir("data"))

    def knows(series: cesnet.Series, counts: np.ndarray, seed: int) -> np.ndarray:
        return np.asarray((counts != series.counts).any(axis=1), dtype=np.float64)

    def guesses(series: cesnet.Series, counts: np.ndarray, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).uniform(size=len(counts))

    rates = (1.0, 7.0)
    found = _rivals_cesnet.found_by("knows", knows, series, seeds=[0], rates=rates)
    assert (found.precision, found.recall(1.0), found.recall(7.0)) == (1.0, 1.0, 1.0)
    assert len(found.kinds[0]) == 158  # as the evidence's own draw gives: two hours were drawn twice
    luck = _rivals_cesnet.found_by("guesses", guesses, series, seeds=[0, 1], rates=rates)
    assert luck.recall(7.0) == pytest.approx(7 / 168, abs=0.03)
    assert luck.precision < 0.06


@pytest.mark.slow
def test_the_row_holds_the_product_against_every_rival_on_both_recordings() -> None:
    """Seven rivals twice on the demo's recording, five twice on CESNET, two that cannot run there."""
    data: Path = shared_dir("data", cesnet.FOLDER).parent
    found = rivals.figures(data, is_quick=True, seed=1)
    ahead = [figure for figure in found if figure.name.startswith("ahead of")]
    behind = [figure for figure in found if ", CESNET, 1 a " in figure.name]
    told = [figure for figure in found if figure.note.startswith("cannot run")]
    assert (len(ahead), len(behind), len(told)) == (14, 10, 2)
    assert all(figure.gate == (1.0, None) for figure in ahead)
    assert all(figure.verdict is Verdict.GATE for figure in behind)
