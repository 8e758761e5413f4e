"""Is the business growing, or is this an attack: a test each way, and for what cannot be told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from baseline.detectors import rise
from baseline.detectors.explain import Carrier
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.explanation import Rise, Spread

SHARES = (0.3, 0.2, 0.15, 0.12, 0.1, 0.07, 0.04, 0.02)
USUAL = 400.0


def client(
    name: str, amount: float, past: float, *, usual: float = USUAL, direction: Direction = Direction.INGRESS,
    kind: PeerKind = PeerKind.WORKLOAD, is_new: bool = False,
) -> Carrier:  # fmt: skip
    """One edge of a caller that usually makes a share of the calls."""
    return Carrier(
        key=EdgeKey(direction, Peer(kind, "shop" if kind is PeerKind.WORKLOAD else "", name), 8080, "tcp"),
        amount=amount, past=past, usual=past * usual, over=max(0.0, amount - past * usual),
        usual_connections=past * usual, usual_bytes=1000.0 * past * usual, is_new=is_new, is_bytes=False,
    )  # fmt: skip


def found(carried: Sequence[Carrier], *, usual: float = USUAL, up: int = 1, judged: int = 50) -> Rise:
    """The rise, which there must be."""
    one = rise.of_carriers(carried, usual=usual, fewest=10, up=up, judged=judged)
    assert one is not None
    return one


def grown(factor: float, *, noise: float = 0.0, seed: int = 1) -> list[Carrier]:
    """All clients up by about the same factor."""
    rng = np.random.default_rng(seed)
    return [
        client(f"c{n}", float(rng.poisson(factor * share * USUAL * np.exp(noise * rng.normal()))), share)
        for n, share in enumerate(SHARES)
    ]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("factor", [2.0, 3.0, 10.0])
def test_all_known_clients_up_alike_are_growth(factor: float, seed: int) -> None:
    """With the noise of counts and a fifth of each client's own."""
    one = found(grown(factor, noise=0.2, seed=seed))
    assert one.spread is Spread.GROWTH
    assert one.known_share == 1.0
    assert one.factor == pytest.approx(factor, rel=0.3)
    assert one.sentence.startswith(f"looks like growth: {one.up} of 8 known clients are up alike, about ")


@pytest.mark.parametrize("seed", range(10))
def test_one_known_client_that_carries_it_is_not_growth(seed: int) -> None:
    """A client gone wild, or taken over."""
    carried = grown(1.0, seed=seed)
    carried[3] = client("c3", 900.0, SHARES[3])
    one = found(carried)
    assert one.spread is Spread.CONCENTRATED
    assert "few of 8 known clients carry it: shop/c3 carries" in one.sentence


def test_new_clients_that_carry_it_are_not_growth() -> None:
    """However many and however even they are: the baseline knows none of them."""
    carried = grown(1.0) + [client(f"bot{n}", 40.0, 0.0, is_new=True) for n in range(60)]
    one = found(carried)
    assert one.spread is Spread.CONCENTRATED
    assert (one.known, one.new) == (8, 60)
    assert one.sentence.startswith("does not look like growth: clients never seen before carry ")


def test_an_only_client_carries_all_of_it() -> None:
    """One is few: nobody else says that the business grows."""
    one = found([client("web", 2500.0, 1.0, usual=20.0)], usual=20.0)
    assert one.spread is Spread.CONCENTRATED
    assert one.sentence == "does not look like growth: shop/web carries 100% of the rise"


def test_half_of_the_clients_cannot_be_told() -> None:
    """Neither all nor few."""
    carried = [client(f"c{n}", share * USUAL * (4 if n % 2 else 1), share) for n, share in enumerate(SHARES)]
    one = found(carried)
    assert one.spread is Spread.UNCLEAR
    assert one.sentence.startswith("growth or attack cannot be told: ")


def test_clients_that_the_log_does_not_tell_apart_say_nothing() -> None:
    """All of the internet is one name: pub."""
    carried = [client("pub", 900.0, 0.9, kind=PeerKind.PUBLIC), client("web", 60.0, 0.1)]
    one = found(carried)
    assert one.spread is Spread.UNCLEAR
    assert "the log does not tell its ends apart" in one.sentence


def test_clients_that_are_absent_are_not_up() -> None:
    """Two of eight clients make three times the calls of all eight: their shares are not those of the past."""
    one = found([client("c0", 700.0, SHARES[0]), client("c1", 500.0, SHARES[1])])
    assert one.spread is not Spread.GROWTH
    assert one.evenness < 0.6


def test_a_rise_of_the_whole_fleet_is_platform_wide() -> None:
    """Many workloads at once, by clients they know; the sentence counts them."""
    one = found(grown(3.0), up=14, judged=60)
    assert one.spread is Spread.PLATFORM_WIDE
    assert one.sentence.startswith("looks platform-wide: 14 of 60 workloads rise at once")
    assert found(grown(3.0), up=4, judged=20).spread is Spread.GROWTH  # too few to be a platform
    assert found(grown(3.0), up=5, judged=60).spread is Spread.GROWTH  # a twelfth of the fleet is none


def test_new_clients_stay_suspicious_when_the_whole_fleet_is_up() -> None:
    """An attack may come in the middle of a campaign, or be what the fleet suffers from."""
    carried = [*grown(1.0), client("bot", 4000.0, 0.0, is_new=True)]
    assert found(carried, up=40, judged=60).spread is Spread.CONCENTRATED


def test_egress_is_told_of_peers() -> None:
    """The same question, the other way."""
    carried = [client(f"p{n}", 3 * share * USUAL, share, direction=Direction.EGRESS) for n, share in enumerate(SHARES)]
    assert "8 of 8 known peers are up alike, about 3.0 times" in found(carried).sentence


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0, 1.3])
def test_where_nothing_is_up_nothing_is_said(factor: float) -> None:
    """A fall, the usual, and a little more."""
    assert rise.of_carriers(grown(factor), usual=USUAL, fewest=10, up=0, judged=50) is None


def test_a_few_calls_more_are_no_rise() -> None:
    """Three times next to nothing is next to nothing."""
    assert rise.of_carriers([client("c", 6.0, 1.0, usual=2.0)], usual=2.0, fewest=10, up=0, judged=50) is None


def test_edges_of_one_client_are_one_client() -> None:
    """Ports do not make a crowd: all shares are those of peers, and a peer is known by any edge it used."""
    old, new = client("c0", 400.0, 1.0), client("c0", 800.0, 0.0, is_new=True)
    one = found([old, new])
    assert (one.known, one.new, one.known_share) == (1, 0, 1.0)


def asked(factor: float, *, past: float = 1.0) -> Rise:
    """What a service asks of its only database."""
    return found([client("db", factor * 100, past, usual=100.0, direction=Direction.EGRESS)], usual=100.0)


def test_what_follows_from_growth_is_growth() -> None:
    """Called three times as much by all, it asks its only database three times as much."""
    assert asked(3.0).spread is Spread.CONCENTRATED
    one = rise.following(asked(3.0), found(grown(3.0)))
    assert one.spread is Spread.GROWTH
    assert one.sentence.startswith(
        "looks like growth: what it asks of known peers rose about 3.0 times, as its calls did"
    )


def test_what_does_more_than_follow_is_not_growth() -> None:
    """Ten times the questions for three times the calls, calls by one client alone, or no more calls at all."""
    one_client = found([client("c0", 3000.0, SHARES[0]), *grown(1.0)[1:]])
    for own, calls in ((asked(10.0), found(grown(3.0))), (asked(3.0), one_client), (asked(3.0), None)):
        assert rise.following(own, calls) == own


def test_new_peers_never_follow_from_growth() -> None:
    """The upload that begins during the campaign."""
    leak = client("leak", 500.0, 0.0, usual=100.0, direction=Direction.EGRESS, is_new=True)
    own = found([client("db", 100.0, 1.0, usual=100.0, direction=Direction.EGRESS), leak], usual=100.0)
    assert rise.following(own, found(grown(9.0))).spread is Spread.CONCENTRATED
