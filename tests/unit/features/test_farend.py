"""Which names of a log are the same far end."""

from __future__ import annotations

import pytest

from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.features.farend import far_end, network_of, registered_domain


def edge(kind: PeerKind, name: str, port: int | None = 443) -> EdgeKey:
    """Egress over TCP."""
    return EdgeKey(Direction.EGRESS, Peer(kind, "", name), port, "tcp")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("52.216.9.13", "52.216.9.0/24"),
        ("2606:4700:10::ac43:1", "2606:4700:10::/64"),
        ("::ffff:52.216.9.13", "52.216.9.0/24"),
        ("10.20.30.40", "10.20.30.40"),  # one machine of ours: its neighbour is another one
        ("192.168.1.7", "192.168.1.7"),
        ("fd00::7", "fd00::7"),
        ("169.254.169.254", "169.254.169.254"),  # the metadata service is nobody's network
        ("pub", "pub"),
        ("52.216.0.0/16", "52.216.0.0/16"),
    ],
)
def test_public_addresses_count_by_network_and_private_ones_alone(address: str, network: str) -> None:
    """What is behind a public name changes its address by the hour."""
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("name", "registered"),
    [
        ("api.eu.stripe.com", "stripe.com"),
        ("STRIPE.com.", "stripe.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("mine.s3.eu-west-1.amazonaws.com", "mine.s3.eu-west-1.amazonaws.com"),
        ("thief.github.io", "thief.github.io"),
        ("db.shop.svc.cluster.local", "db.shop.svc.cluster.local"),
        ("localhost", "localhost"),
    ],
)
def test_domains_count_by_who_registered_them(name: str, registered: str) -> None:
    """But a thief's bucket has the suffix of our own: below a shared suffix a name is known whole."""
    assert registered_domain(name) == registered


def test_ports_handed_out_for_one_conversation_are_one_port_of_a_peer() -> None:
    """Passive FTP to one server is one habit; service ports, node ports among them, stay apart."""
    assert far_end(edge(PeerKind.WORKLOAD, "ftp", 40_001)) == far_end(edge(PeerKind.WORKLOAD, "ftp", 51_777))
    assert far_end(edge(PeerKind.WORKLOAD, "ftp", 40_001)) != far_end(edge(PeerKind.WORKLOAD, "smb", 40_001))
    assert far_end(edge(PeerKind.WORKLOAD, "ftp", 32_767)).port == 32_767
    assert far_end(edge(PeerKind.WORKLOAD, "ftp", None)).port is None


def test_a_far_end_of_a_far_end_is_itself() -> None:
    """Merging what was merged changes nothing."""
    for key in (edge(PeerKind.ADDRESS, "52.216.9.13", 60_000), edge(PeerKind.DOMAIN, "a.b.example.co.uk")):
        assert far_end(far_end(key)) == far_end(key)
