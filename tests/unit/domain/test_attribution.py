"""Whose record a flow is, and what its counts mean."""

from __future__ import annotations

import pytest

from baseline.domain.attribution import denied_connections, edge_key, is_attempt, peer_of, reporting_workload
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.flow import Action, Counts, Endpoint, EndpointKind, Flow, Reporter
from baseline.domain.workload import WorkloadId

FRONTEND = Endpoint(EndpointKind.WORKLOAD, "shop", "", "frontend-755cdc7957-*", "", None)
CART = Endpoint(EndpointKind.WORKLOAD, "shop", "", "cart-7d4899b484-*", "", None)
PUBLIC = Endpoint(EndpointKind.NETWORK, "", "", "pub", "", None)
HOST = Endpoint(EndpointKind.HOST, "", "node-1", "node-1", "", None)


def flow(
    *,
    source: Endpoint = FRONTEND,
    dest: Endpoint = CART,
    reporter: Reporter = Reporter.SRC,
    action: Action = Action.ALLOW,
    counts: Counts = Counts(packets_in=3, packets_out=4, started=1),  # noqa: B008 - immutable
    domains: tuple[str, ...] = (),
    mirrored: bool = False,
) -> Flow:
    """A flow from the frontend to the cart."""
    return Flow(
        cluster="prod", host="node-1", reporter=reporter, action=action, source=source, dest=dest, dest_port=7070,
        protocol="tcp", service=None, start=1_700_000_000, end=1_700_000_015, counts=counts, domains=domains,
        mirrored=mirrored,
    )  # fmt: skip


def test_both_sides_of_a_flow_are_counted_once_each() -> None:
    """The source's record is the source's egress, the destination's record the destination's ingress."""
    source_side, dest_side = flow(), flow(reporter=Reporter.DST)
    assert reporting_workload(source_side) == WorkloadId("prod", "shop", "frontend")
    assert edge_key(source_side) == EdgeKey(Direction.EGRESS, Peer(PeerKind.WORKLOAD, "shop", "cart"), 7070, "tcp")
    assert reporting_workload(dest_side) == WorkloadId("prod", "shop", "cart")
    assert edge_key(dest_side) == EdgeKey(Direction.INGRESS, Peer(PeerKind.WORKLOAD, "shop", "frontend"), 7070, "tcp")


def test_mirrored_copy_belongs_to_the_other_end() -> None:
    """A source's record mirrored is ingress of the destination."""
    copy = flow(mirrored=True)
    assert reporting_workload(copy) == WorkloadId("prod", "shop", "cart")
    assert edge_key(copy).direction is Direction.INGRESS


def test_hosts_and_aggregated_pods_have_no_baseline() -> None:
    """A host's own record, and one whose pod name was aggregated away."""
    assert reporting_workload(flow(source=HOST)) is None
    assert reporting_workload(flow(source=FRONTEND._replace(name_aggr="*"))) is None


@pytest.mark.parametrize(
    ("endpoint", "domains", "spelled"),
    [
        (CART, (), "shop/cart"),
        (CART._replace(name_aggr="*"), (), "shop/*"),
        (PUBLIC, (), "pub"),
        (PUBLIC._replace(name_aggr="pvt"), (), "pvt"),
        (PUBLIC._replace(address="203.0.113.9"), (), "203.0.113.9"),
        (PUBLIC._replace(address="203.0.113.9"), ("b.example", "a.example"), "domain:a.example"),
        (HOST, (), "host:node-1"),
        (Endpoint(EndpointKind.NETWORK_SET, "", "partner", "partner", "", None), (), "set:partner"),
        (Endpoint(EndpointKind.NETWORK_SET, "shop", "partner", "partner", "", None), (), "set:shop/partner"),
    ],
)
def test_peer_has_the_most_stable_name_the_log_gives(
    endpoint: Endpoint, domains: tuple[str, ...], spelled: str
) -> None:
    """One spelling a peer, and it is read back."""
    peer = peer_of(endpoint, domains)
    assert str(peer) == spelled
    assert Peer.parse(spelled) == peer


def test_domains_name_the_destination_only() -> None:
    """They are no name of whoever comes in."""
    incoming = flow(source=PUBLIC, reporter=Reporter.DST, domains=("a.example",))
    assert edge_key(incoming).peer == Peer(PeerKind.PUBLIC, "", "pub")


@pytest.mark.parametrize(
    ("counts", "reporter", "action", "expected"),
    [
        (Counts(packets_out=3, started=1), Reporter.SRC, Action.ALLOW, True),
        (Counts(packets_out=3, packets_in=1, started=1), Reporter.SRC, Action.ALLOW, False),
        (Counts(started=1), Reporter.SRC, Action.ALLOW, False),
        (Counts(packets_out=3, started=1), Reporter.SRC, Action.DENY, False),
        (Counts(packets_out=3, started=1), Reporter.DST, Action.ALLOW, False),
    ],
)
def test_attempt_is_what_was_allowed_and_never_answered(
    counts: Counts, reporter: Reporter, action: Action, *, expected: bool
) -> None:
    """Packets out, none in, on the source side."""
    assert is_attempt(flow(counts=counts, reporter=reporter, action=action)) is expected


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (Counts(packets_out=5, started=4), 4),
        (Counts(packets_in=2), 1),  # a retried SYN of a connection that started before
        (Counts(started=3), 3),  # Windows counts no packets of denied traffic
        (Counts(flows=5), 0),  # stale: Felix re-sends dead denies
    ],
)
def test_denies_count_only_with_packets_or_connections(counts: Counts, expected: int) -> None:
    """Stale denies count nothing."""
    assert denied_connections(flow(action=Action.DENY, counts=counts)) == expected
    assert denied_connections(flow(action=Action.ALLOW, counts=counts)) == 0
