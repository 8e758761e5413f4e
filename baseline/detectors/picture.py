"""What hints at techniques look at, and the words they share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from baseline.domain.deviation import EdgeEvidence, Family
from baseline.domain.edge import Direction, Peer
from baseline.domain.explanation import Confidence
from baseline.domain.units import MINUTE_S

WEB_PORTS = (80, 443, 8080, 8443)
DNS_PORT = 53
LOGINS_PER_MINUTE = 10
SHORT_BYTES = 16 * 1024  # both ways, of a connection that does little more than log in


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the rules look at: all edges that carry the deviation, not only those that are kept."""

    families: Collection[Family]
    features: Collection[str]  # names of the reasons
    edges: Sequence[EdgeEvidence]
    window_s: int


Found = tuple[str, str, Confidence, str, str]  # id, name, confidence, rule, what it looks like


def mostly(edges: Sequence[EdgeEvidence], is_so: Callable[[EdgeEvidence], bool]) -> bool:
    """Whether it is so for half of the edges at least, and there are some."""
    return 2 * sum(map(is_so, edges)) >= len(edges) > 0


def way(evidence: EdgeEvidence, peer: Peer) -> str:
    """``of data/ledger`` or ``by data/ledger``: who does it to whom."""
    return f"of {peer}" if evidence.edge.direction is Direction.EGRESS else f"by {peer}"


def a_minute(picture: Picture, count: int) -> float:
    """A count of the window as a rate, of a minute at least."""
    return count / max(1.0, picture.window_s / MINUTE_S)
