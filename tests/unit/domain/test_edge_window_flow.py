"""Peers are read back, windows add up, and a flow knows its own end."""

from __future__ import annotations

from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from baseline.domain.edge import Direction, Edge, EdgeKey, Peer, PeerKind
from baseline.domain.flow import Counts, PolicyHit, PolicyKind, Reporter
from baseline.domain.window import SUMS, EdgeCounts, Window, merge
from tests.unit.policy.making import DB, WEB, flow, pod

NAMES = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,20}[a-z0-9])?", fullmatch=True)
ADDRESSES = st.ip_addresses().map(str)
PEERS = st.one_of(
    st.builds(Peer, st.just(PeerKind.WORKLOAD), NAMES, NAMES),
    st.builds(Peer, st.just(PeerKind.NETWORK_SET), NAMES | st.just(""), NAMES),
    st.builds(Peer, st.just(PeerKind.ADDRESS), st.just(""), ADDRESSES),
    st.builds(Peer, st.sampled_from([PeerKind.DOMAIN, PeerKind.HOST]), st.just(""), NAMES),
    st.sampled_from([Peer(kind, "", kind.value) for kind in (PeerKind.PUBLIC, PeerKind.PRIVATE)]),
)
NUMBERS = st.integers(0, 2**40)
COUNTS = st.builds(
    EdgeCounts,
    **dict.fromkeys(SUMS, NUMBERS),
    largest_bytes_out=NUMBERS,
    first_seen=st.integers(1, 2**31).map(float),
    last_seen=st.integers(1, 2**31).map(float),
).map(lambda counts: replace(counts, records=counts.records + 1))
KEYS = [EdgeKey(Direction.EGRESS, DB, port, "tcp") for port in (80, 443, None)]
HIT = PolicyHit(PolicyKind.NETWORK_POLICY, "default", "shop", "web", "allow", 0)


@given(PEERS)
def test_a_peer_is_read_back_as_it_was_written(peer: Peer) -> None:
    """Sets, hosts, domains, both address families and the two nameless ones."""
    assert Peer.parse(str(peer)) == peer


@given(st.lists(PEERS, min_size=2, max_size=6, unique=True))
def test_two_peers_are_never_spelt_alike(peers: list[Peer]) -> None:
    """One spelling, one peer."""
    assert len({str(peer) for peer in peers}) == len(peers)


def test_an_edge_is_spelt_with_its_arrow() -> None:
    """Towards the peer for egress; no port where the log has none."""
    edge = Edge(workload=WEB, direction=Direction.EGRESS, peer=DB, port=5432, protocol="tcp")
    assert str(edge) == "shop/web -> shop/db:5432/tcp"
    assert str(replace(edge, direction=Direction.INGRESS, port=None)) == "shop/web <- shop/db/tcp"


@given(st.lists(COUNTS, min_size=1, max_size=5))
def test_partials_add_up_in_any_order(parts: list[EdgeCounts]) -> None:
    """Sums, the maximum, and the span, whichever came first."""
    forth, back = EdgeCounts(), EdgeCounts()
    for part in parts:
        forth.add(part)
    for part in reversed(parts):
        back.add(part)
    assert forth == back
    for name in SUMS:
        assert getattr(forth, name) == sum(getattr(part, name) for part in parts)
    assert forth.largest_bytes_out == max(part.largest_bytes_out for part in parts)
    assert forth.first_seen == min(part.first_seen for part in parts)
    assert forth.last_seen == max(part.last_seen for part in parts)


def test_every_count_is_a_sum_a_maximum_or_a_span() -> None:
    """A field added later cannot be forgotten in a merge."""
    assert {one.name for one in fields(EdgeCounts)} == {*SUMS, "largest_bytes_out", "first_seen", "last_seen"}


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), COUNTS, max_size=3), min_size=1, max_size=5), NUMBERS)
def test_minutes_merge_into_five_without_losing_a_count(minutes: list[dict[EdgeKey, EdgeCounts]], past: int) -> None:
    """By edge, with the overflow, the policy hits and everybody who reported; the minutes stay as they were."""
    windows = [
        Window(
            workload=WEB, start=60 * number, end=60 * number + 60, edges=edges, overflow=EdgeCounts(records=past),
            overflow_edges=number, hosts=frozenset({f"node-{number}"}), policy_hits={(KEYS[0], HIT): number},
        )
        for number, edges in enumerate(minutes)
    ]  # fmt: skip
    before = [{key: replace(counts) for key, counts in edges.items()} for edges in minutes]
    whole = merge(windows, start=0, end=300)
    assert (whole.horizon_s, whole.workload) == (300, WEB)
    for name in SUMS:
        told = sum(getattr(counts, name) for counts in whole.edges.values())
        assert told == sum(getattr(counts, name) for edges in minutes for counts in edges.values())
    assert set(whole.edges) == {key for edges in minutes for key in edges}
    assert whole.overflow.records == past * len(windows)
    assert whole.overflow_edges == len(windows) - 1
    assert len(whole.hosts) == len(windows)
    assert whole.policy_hits[KEYS[0], HIT] == sum(range(len(windows)))
    assert minutes == before


def test_a_quiet_window_has_neither_edges_nor_overflow() -> None:
    """No flows is data."""
    quiet = Window(workload=WEB, start=0, end=60, edges={})
    assert quiet.is_quiet
    assert not replace(quiet, overflow=EdgeCounts(records=1)).is_quiet


def test_the_local_end_is_the_reporters_and_mirrored_the_others() -> None:
    """A mirrored copy speaks for the peer that no node reports for."""
    sent = flow(pod("shop", "web"), pod("shop", "db"))
    assert (sent.local.name_aggr, sent.remote.name_aggr) == ("web-*", "db-*")
    for other in (replace(sent, reporter=Reporter.DST), replace(sent, mirrored=True)):
        assert (other.local.name_aggr, other.remote.name_aggr) == ("db-*", "web-*")
    assert replace(sent, reporter=Reporter.DST, mirrored=True).local.name_aggr == "web-*"


def test_a_flows_identity_is_blind_to_its_counts_and_policies() -> None:
    """Copies of one flow differ in these alone; its event time is the last second it covers."""
    sent = flow(pod("shop", "web"), pod("shop", "db"))
    copy = replace(sent, counts=Counts(packets_out=99), enforced=(HIT,))
    assert copy.identity == sent.identity
    assert replace(sent, dest_port=1).identity != sent.identity
    assert sent.event_time == sent.end - 1
