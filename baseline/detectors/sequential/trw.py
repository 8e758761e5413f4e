"""Scan: threshold random walk over first contacts.

Jung, Paxson, Berger, Balakrishnan: Fast Portscan Detection Using Sequential Hypothesis Testing, IEEE S&P 2004. A benign
workload's first contacts succeed with probability 0.8 at least, a scanner's with 0.2; every first contact multiplies
the likelihood ratio of the two, and the test ends at 99 (a scan) or 1/99 (benign).

The order of the contacts within a window is not known. The walk is therefore read at the window's end only, where its
value is the same in every order, and a boundary that is touched on the way does not count. That is the conservative
reading: restarting a walk that was cleared on the way could only lift it, so where the sum stands above the upper
boundary, every order of these contacts had crossed it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import exp, log
from typing import Any

from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.units import WEEK_S
from baseline.domain.window import EdgeCounts
from baseline.features.extract import connections

SUCCEEDS_IF_BENIGN, SUCCEEDS_IF_SCAN = 0.8, 0.2  # theta0, theta1 of the paper
DETECTED, FALSE = 0.99, 0.01  # what the test is to reach: power, and chance of a false alarm
ALARM = log(DETECTED / FALSE)
CLEAR = log((1 - DETECTED) / (1 - FALSE))
FAILED_STEP = log((1 - SUCCEEDS_IF_SCAN) / (1 - SUCCEEDS_IF_BENIGN))
ANSWERED_STEP = log(SUCCEEDS_IF_SCAN / SUCCEEDS_IF_BENIGN)
IDLE_S = WEEK_S  # a walk without contacts this long starts anew: what failed then has nothing to do with today
SHORTEST_SHARE = 1 / 7  # of a week: below a day of contacts their rate is not extrapolated further
CONTACTED_KEPT = 512  # edges that were counted, so that a second try counts for nothing
CONTACTS_KEPT = 32  # failed contacts of the running test that are kept by name, the newest
BARE_BYTES = 80  # an IP packet without payload is not larger (IPv6, or IPv4 with every TCP option)


class Outcome(StrEnum):
    """What came of a first contact."""

    ANSWERED = "answered"
    FAILED = "failed"
    UNKNOWN = "unknown"  # the log does not tell, or the protocol need not answer


def outcome(protocol: str, counts: EdgeCounts) -> Outcome:
    """Whether the connections of one edge in one window were answered, by the majority of them.

    Refused by policy is failed, whatever the protocol. Else only TCP tells: datagrams (syslog, statsd) are sent
    without ever being answered. A TCP connection that got no packet back, or no more than one bare one (a reset, or a
    handshake that nobody used), is failed.
    """
    tried = connections(counts)
    if 2 * counts.denied > tried:
        return Outcome.FAILED
    if protocol != "tcp" or not tried:
        return Outcome.UNKNOWN
    silent = max(counts.attempts, tried - counts.denied - counts.packets_in)
    is_bare = counts.packets_in <= tried and counts.bytes_in <= BARE_BYTES * counts.packets_in
    if is_bare or 2 * (counts.denied + silent) > tried:
        return Outcome.FAILED
    return Outcome.ANSWERED


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """A walk past its upper boundary."""

    failed: int  # first contacts that failed in this test
    answered: int
    since: int  # start of the window the test began in
    bound: float  # expected false alarms a week among benign workloads, at most: Ville's inequality for each test
    contacts: tuple[tuple[EdgeKey, int], ...]  # failed ones with their connections, the newest


@dataclass(slots=True, kw_only=True)
class Walk:
    """Of one workload. Not ready until the outcome of one first contact was known."""

    ratio: float = 0.0  # logarithm of the likelihood ratio; positive speaks for a scan
    failed: int = 0
    answered: int = 0
    since: int = 0
    last: int = 0  # start of the window of the newest contact
    tests: float = 0.0  # tests that ended, those of a week ago count 1/e
    begun: int = 0  # start of the window of the very first contact
    contacted: dict[int, None] = field(default_factory=dict)  # hashes, oldest first
    contacts: list[tuple[EdgeKey, int]] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether the log ever told what came of a contact."""
        return self.last > 0

    def step(
        self, *, answered: int, failed: Sequence[tuple[EdgeKey, int]], counted: int, start: int, allowed: float
    ) -> Scan | None:
        """Take the first contacts of one window that began at ``start``.

        Parameters
        ----------
        failed : contacts that failed, with their connections.
        counted : how many of them count; fewer where so many failures are this workload's habit.
        allowed : expected false alarms a week that the rule may cost. A workload that meets many new peers ends many
            tests a week; its boundary is as much higher as that needs.
        """
        if not answered and not failed:
            return None
        if self.last and start - self.last > IDLE_S:
            self._end()
        self.tests *= exp(-max(0, start - self.last) / WEEK_S) if self.last else 0.0
        self.since = self.since or start
        self.begun = self.begun or start
        self.last = start
        self.answered += answered
        self.failed += min(counted, len(failed))
        self.ratio += answered * ANSWERED_STEP + min(counted, len(failed)) * FAILED_STEP
        self.contacts = [*self.contacts, *failed][-CONTACTS_KEPT:]
        bound = (1.0 + self._tests_a_week()) * exp(-self.ratio)
        if self.ratio >= ALARM and bound <= allowed:
            found = Scan(
                failed=self.failed, answered=self.answered, since=self.since, bound=bound, contacts=tuple(self.contacts)
            )
            self._end()
            return found
        if self.ratio <= CLEAR:
            self._end()
        return None

    def is_first(self, edge: int) -> bool:
        """Whether the edge (its hash) was not contacted before, as far as that is kept; it is from now on."""
        if edge in self.contacted:
            return False
        self.contacted[edge] = None
        while len(self.contacted) > CONTACTED_KEPT:
            del self.contacted[next(iter(self.contacted))]
        return True

    def _tests_a_week(self) -> float:
        """Tests to expect in a week; of a walk that began today, seven times what it ended so far."""
        return self.tests / max(1.0 - exp(-(self.last - self.begun) / WEEK_S), SHORTEST_SHARE)

    def _end(self) -> None:
        self.tests += 1.0
        self.ratio, self.failed, self.answered, self.since, self.contacts = 0.0, 0, 0, 0, []

    def to_plain(self) -> list[Any]:
        """For the checkpoint."""
        return [
            self.ratio, self.failed, self.answered, self.since, self.last, self.tests, self.begun, list(self.contacted),
            [[*plain(key), connections] for key, connections in self.contacts],
        ]  # fmt: skip

    @classmethod
    def from_plain(cls, row: Sequence[Any]) -> Walk:
        """The inverse; ValueError or TypeError for what is none."""
        ratio, failed, answered, since, last, tests, begun, contacted, contacts = row
        return cls(
            ratio=float(ratio), failed=int(failed), answered=int(answered), since=int(since), last=int(last),
            tests=float(tests), begun=int(begun), contacted=dict.fromkeys(int(edge) for edge in contacted),
            contacts=[(key_of(*parts), int(connections)) for *parts, connections in contacts],
        )  # fmt: skip


def plain(key: EdgeKey) -> list[Any]:
    """An edge as plain text and numbers."""
    return [key.direction.value, key.peer.kind.value, key.peer.namespace, key.peer.name, key.port, key.protocol]


def key_of(direction: str, kind: str, namespace: str, name: str, port: int | None, protocol: str) -> EdgeKey:
    """The inverse of ``plain``."""
    peer = Peer(PeerKind(kind), str(namespace), str(name))
    return EdgeKey(Direction(direction), peer, None if port is None else int(port), str(protocol))
