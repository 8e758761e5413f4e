"""Is the business growing, or is this an attack? Who carries what is more than usual, and how evenly.

A business grows through the clients it has: most of them are up, by about the same factor, so that their shares of the
whole stay what they were. An attack comes from few, or from somebody new. A whole platform that is up at once (a
campaign, a restart, a retry storm) is neither. Clients that the log does not tell apart say nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from baseline.detectors.explain import Carrier
from baseline.domain.edge import Direction, Peer, PeerKind
from baseline.domain.explanation import Rise, Spread

RISES_FROM = 1.5  # times the usual: below nothing is up
FEWEST_CLIENTS = 3  # known ones, below which "all of them" says nothing
MOSTLY_KNOWN = 0.8  # of the excess, carried by known ones: growth
MOSTLY_NEW = 0.5  # of the excess, carried by new ones: concentrated
EVEN, UNEVEN = 0.8, 0.5  # evenness of growth, and below which few carry the rise
UP_ALIKE = 2 / 3  # of the known ones, weighed alike, that rose with the whole
FEW_SHARE = 0.25  # of the known ones that carry the rise are "few"
FOLLOWS = 1.5  # times the rise of its calls, up to which what a workload does itself follows from them
PLATFORM_SHARE, PLATFORM_FEWEST = 0.1, 5  # of the workloads judged in the window; the guards' platform event
_BLURRED = (PeerKind.PUBLIC, PeerKind.PRIVATE, PeerKind.NETWORK_SET)  # many ends under one name


@dataclass(slots=True)
class _Client:
    amount: float = 0.0
    past: float = 0.0  # share
    usual: float = 0.0
    is_known: bool = False


def of_carriers(carried: Sequence[Carrier], *, usual: float, fewest: float, up: int, judged: int) -> Rise | None:
    """Who carries the rise of one window; None where nothing rises.

    usual : of the whole side of the workload at this hour, in the carriers' amounts (connections or bytes).
    fewest : an excess below which nothing is up.
    up, judged : workloads of the fleet that rose by causes of their own in the same window, and all judged in it.
    """
    clients = _clients(carried)
    whole = sum(client.amount for client in clients.values())
    if whole < RISES_FROM * usual or whole - usual < fewest:
        return None
    over = {peer: max(0.0, client.amount - client.usual) for peer, client in clients.items()}
    excess = sum(over.values())
    known = {peer: client for peer, client in clients.items() if client.is_known}
    known_share = sum(over[peer] for peer in known) / excess
    by_known = sum(client.amount for client in known.values())
    factor = by_known / usual if usual > 0 else float("inf")
    rose = sum(
        client.amount > client.usual and client.amount >= by_known * client.past / 2 for client in known.values()
    )
    evenness = _evenness(known)
    spread = _spread(known, over, known_share=known_share, evenness=evenness, rose=rose)
    if spread is not Spread.CONCENTRATED or known_share > MOSTLY_NEW:
        is_platform = up >= PLATFORM_FEWEST and up > PLATFORM_SHARE * judged
        spread = Spread.PLATFORM_WIDE if is_platform else spread
    found = Rise(
        spread=spread, sentence="", known_share=known_share, evenness=evenness, factor=factor,
        known=len(known), up=rose, new=len(clients) - len(known), workloads_up=up, workloads=judged,
    )  # fmt: skip
    return replace(found, sentence=_sentence(found, over, carried[0].key.direction))


def following(own: Rise, calls: Rise | None) -> Rise:
    """What a workload does itself, seen beside how it is called: a service that is called more asks its database more.

    Unchanged unless known peers carry it, known clients up alike carry the calls, and it rose hardly more than these.
    """
    if calls is None or calls.spread is not Spread.GROWTH or own.known_share < MOSTLY_KNOWN:
        return own
    if own.spread is Spread.PLATFORM_WIDE or own.factor > FOLLOWS * calls.factor:
        return own
    sentence = (
        f"looks like growth: what it asks of known peers rose about {own.factor:.1f} times, as its calls did "
        f"({calls.up} of {calls.known} known clients are up alike)"
    )
    return replace(own, spread=Spread.GROWTH, sentence=sentence)


def _clients(carried: Sequence[Carrier]) -> dict[Peer, _Client]:
    """Edges of one peer together; a peer is known when the baseline has used any of its edges."""
    found: dict[Peer, _Client] = {}
    for carrier in carried:
        client = found.setdefault(carrier.key.peer, _Client())
        client.amount += carrier.amount
        client.past += carrier.past
        client.usual += carrier.usual
        client.is_known = client.is_known or not carrier.is_new
    return found


def _evenness(known: Mapping[Peer, _Client]) -> float:
    """1 minus half the difference between the shares the known ones have now and those of their past.

    What has a share of the past and is absent from the window counts as clients that now have nothing.
    """
    whole = sum(client.amount for client in known.values())
    past = sum(client.past for client in known.values())
    if whole <= 0 or past <= 0:
        return 0.0
    apart = sum(abs(client.amount / whole - client.past) for client in known.values())
    return max(0.0, 1.0 - (apart + max(0.0, 1.0 - past)) / 2)


def _spread(
    known: Mapping[Peer, _Client], over: Mapping[Peer, float], *, known_share: float, evenness: float, rose: int
) -> Spread:
    """Without a look at the fleet."""
    if known_share < MOSTLY_NEW:
        return Spread.CONCENTRATED
    if any(peer.kind in _BLURRED and share >= sum(over.values()) / 2 for peer, share in over.items()):
        return Spread.UNCLEAR
    carrying = _carrying(over)
    if carrying <= max(1.0, FEW_SHARE * len(known)) or (evenness < UNEVEN and len(known) >= FEWEST_CLIENTS):
        return Spread.CONCENTRATED
    is_even = evenness >= EVEN and rose >= UP_ALIKE * len(known)
    return Spread.GROWTH if len(known) >= FEWEST_CLIENTS and known_share >= MOSTLY_KNOWN and is_even else Spread.UNCLEAR


def _carrying(over: Mapping[Peer, float]) -> float:
    """How many carry the excess: 1 over the sum of squared shares, 1 for one and n for n alike; rounded to tenths."""
    whole = sum(over.values())
    return round(1.0 / sum((part / whole) ** 2 for part in over.values()), 1)


def _sentence(rise: Rise, over: Mapping[Peer, float], direction: Direction) -> str:
    """The one a person reads first."""
    many = "clients" if direction is Direction.INGRESS else "peers"
    whole = sum(over.values())
    top = max(over, key=lambda peer: (over[peer], str(peer)))
    of_top = f"{top} carries {over[top] / whole:.0%} of the rise"
    if rise.spread is Spread.GROWTH:
        return (
            f"looks like growth: {rise.up} of {rise.known} known {many} are up alike, about {rise.factor:.1f} times, "
            f"and carry {rise.known_share:.0%} of the rise"
        )
    if rise.spread is Spread.PLATFORM_WIDE:
        return (
            f"looks platform-wide: {rise.workloads_up} of {rise.workloads} workloads rise at once; here known {many} "
            f"carry {rise.known_share:.0%} of the rise"
        )
    if rise.spread is Spread.CONCENTRATED:
        if rise.known_share < MOSTLY_NEW:
            who = f"{many} never seen before carry {1 - rise.known_share:.0%} of the rise, first {top}"
        else:
            who = f"few of {rise.known} known {many} carry it: {of_top}" if rise.known > 1 else of_top
        return f"does not look like growth: {who}"
    if top.kind in _BLURRED:
        return f"growth or attack cannot be told: {of_top}, and the log does not tell its ends apart"
    return f"growth or attack cannot be told: {rise.up} of {rise.known} known {many} are up, {of_top}"
