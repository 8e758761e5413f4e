"""The manifests people will see, kept as files: a change of the render shows in review.

``BASELINE_UPDATE_GOLDEN=1`` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from baseline.domain.edge import Direction, Peer, PeerKind
from baseline.domain.restriction import Restriction, Rule
from baseline.policy.evaluate import Tier
from baseline.policy.render import render
from tests.unit.policy.making import BILLING, DB, NOW, OUTSIDE, deny, flow, outside, pod, wanted

GOLDEN = Path(__file__).parents[2] / "golden" / "policies"
PARTNERS = Peer(PeerKind.NETWORK_SET, "", "partners")

CASES: dict[str, Restriction] = {
    "brute-force": wanted(deny(DB, ports=(22,))),
    "port-scan": wanted(deny(BILLING, ports=())),
    "sweep": wanted(deny(DB, ports=(22, 80)), deny(BILLING, ports=(22,)), deny(OUTSIDE, ports=(443,))),
    "outsider": wanted(deny(OUTSIDE, ports=(443,), direction=Direction.INGRESS), by="ann"),
    "dns-tunnel": wanted(deny(OUTSIDE, ports=(53,), protocol="udp"), allow_dns=False),
    "ping": wanted(deny(DB, ports=(), protocol="icmp")),
    "network-set": wanted(
        Rule(direction=Direction.EGRESS, peer=PARTNERS, peer_labels=(("role", "partner"),), ports=(443,))
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_manifest_is_the_one_in_the_folder(name: str) -> None:
    """Byte for byte as YAML."""
    text = yaml.safe_dump(render(CASES[name], instance="default", now=NOW), sort_keys=False)
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("BASELINE_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert path.read_text() == text


def test_every_golden_file_has_its_case() -> None:
    """None is left over."""
    assert {path.stem for path in GOLDEN.glob("*.yaml")} == set(CASES)


def test_only_the_named_peer_and_port_are_cut() -> None:
    """And only new flows of the selected workload, in the one direction."""
    tier = Tier([render(CASES["brute-force"], instance="default", now=NOW)])
    web, db = pod("shop", "web"), pod("shop", "db")
    assert tier.denied_by(flow(web, db, port=22)) == CASES["brute-force"].object_name
    assert tier.denied_by(flow(web, db, port=5432)) is None
    assert tier.denied_by(flow(web, db, port=22, protocol="udp")) is None
    assert tier.denied_by(flow(db, web, port=22)) is None
    assert tier.denied_by(flow(pod("other", "web"), db, port=22)) is None
    assert tier.denied_by(flow(web, pod("other", "db"), port=22)) is None


def test_dns_passes_before_what_is_denied() -> None:
    """A deny of everything towards the namespace of DNS leaves DNS itself."""
    kube = Peer(PeerKind.WORKLOAD, "kube-system", "kube-dns")
    rule = Rule(
        direction=Direction.EGRESS,
        peer=kube,
        peer_namespace="kube-system",
        peer_labels=(("k8s-app", "kube-dns"),),
        protocol="udp",
    )
    dns = pod("kube-system", "coredns", labels=(("k8s-app", "kube-dns"),))
    asked = flow(pod("shop", "web"), dns, port=53, protocol="udp")
    beside = flow(pod("shop", "web"), dns, port=9153, protocol="udp")
    with_dns = Tier([render(wanted(rule), instance="default", now=NOW)])
    without = Tier([render(wanted(rule, allow_dns=False), instance="default", now=NOW)])
    assert (with_dns.denied_by(asked), without.denied_by(asked) is not None) == (None, True)
    assert with_dns.denied_by(beside) is not None


def test_an_outsider_is_kept_out_by_address() -> None:
    """Ingress of the alerted workload."""
    tier = Tier([render(CASES["outsider"], instance="default", now=NOW)])
    web = pod("shop", "web")
    assert tier.denied_by(flow(outside("203.0.113.9"), web, port=443)) is not None
    assert tier.denied_by(flow(outside("203.0.113.10"), web, port=443)) is None
    assert tier.denied_by(flow(web, outside("203.0.113.9"), port=443)) is None
