"""Hints at techniques: what each pattern looks like, and its innocent twins that must give none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from baseline.detectors.techniques import RULES, Picture, hints
from baseline.domain.deviation import EdgeEvidence, Family
from baseline.domain.edge import Direction, Edge, Peer, PeerKind
from baseline.domain.explanation import TECHNIQUES_KEPT, Confidence, Technique
from baseline.domain.workload import WorkloadId

WEB = WorkloadId("c", "shop", "web")
OUTSIDE = Peer(PeerKind.ADDRESS, "", "203.0.113.9")


def inside(name: str) -> Peer:
    """A workload of the shop."""
    return Peer(PeerKind.WORKLOAD, "shop", name)


def edge(peer: Peer, port: int | None = 443, *, direction: Direction = Direction.EGRESS, **told: Any) -> EdgeEvidence:
    """One edge with the evidence given."""
    made: dict[str, Any] = {
        "is_new": False, "connections": 1, "bytes_out": 60, "bytes_in": 60, "failed": 0, "share": 0.1,
    }  # fmt: skip
    return EdgeEvidence(
        edge=Edge(workload=WEB, direction=direction, peer=peer, port=port, protocol="tcp"), **{**made, **told}
    )


def looks(
    edges: Sequence[EdgeEvidence], *, families: Sequence[Family] = (Family.FAN_OUT,), features: Sequence[str] = (),
    window_s: int = 60,
) -> tuple[Technique, ...]:  # fmt: skip
    """The hints of a picture."""
    return hints(Picture(families=families, features=features, edges=edges, window_s=window_s))


def sure(edges: Sequence[EdgeEvidence], **told: Any) -> list[tuple[str, Confidence]]:
    """Ids and confidences of the hints."""
    return [(hint.id, hint.confidence) for hint in looks(edges, **told)]


def test_many_ports_at_one_peer_look_like_a_port_scan() -> None:
    """The more ports, and the stranger they are, the surer; the sentence says whom."""
    scan = [edge(inside("db"), port, is_new=True, failed=1) for port in range(1000, 1200)]
    assert sure(scan) == [("T1046", Confidence.HIGH)]
    assert looks(scan)[0].sentence == "looks like a port scan of shop/db: 200 ports"
    assert sure(scan[:12]) == [("T1046", Confidence.MEDIUM)]
    assert sure(scan[:5]) == []


def test_a_victim_is_told_who_scans_it() -> None:
    """Ingress turns the words around."""
    scan = [edge(inside("ci"), port, direction=Direction.INGRESS, is_new=True) for port in range(60)]
    assert looks(scan)[0].sentence == "looks like a port scan by shop/ci: 60 ports"


def test_one_port_at_many_peers_looks_like_a_sweep() -> None:
    """New or failing peers; a service that talks to many it knows is none."""
    sweep = [edge(Peer(PeerKind.ADDRESS, "", f"10.0.0.{n}"), 445, is_new=True, failed=1) for n in range(80)]
    assert sure(sweep) == [("T1018", Confidence.HIGH)]
    assert sure(sweep[:10]) == [("T1018", Confidence.MEDIUM)]
    assert sure([edge(inside(f"w{n}"), 8080) for n in range(80)]) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"connections": 300}, Confidence.HIGH),
        ({"connections": 15}, Confidence.MEDIUM),
        ({"connections": 5}, None),  # somebody who forgot a password
        ({"connections": 300, "normal_rate": 250.0}, None),  # a jump host at work
        ({"connections": 300, "bytes_in": 30_000_000}, None),  # files are copied
    ],
)
def test_short_connections_to_a_login_look_like_guessing(told: dict[str, Any], expected: Confidence | None) -> None:
    """Many, short and unusual: all three are needed."""
    found = dict(sure([edge(inside("db"), 22, **{"bytes_out": 3000, "bytes_in": 3000, **told})]))
    assert found.get("T1110") is expected


def test_a_database_that_is_reconnected_to_is_a_weak_hint() -> None:
    """An application without a pool does the same."""
    assert sure([edge(inside("db"), 5432, connections=400)]) == [("T1110", Confidence.LOW)]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"is_new": True}, [("T1041", Confidence.MEDIUM)]),
        ({}, [("T1041", Confidence.LOW)]),
        ({"is_new": True, "bytes_out": 10**9}, [("T1041", Confidence.HIGH)]),
        ({"is_new": True, "bytes_in": 40 * 2**20}, []),  # a download, or talk both ways
    ],
)
def test_much_sent_outside_looks_like_exfiltration(told: dict[str, Any], expected: list[object]) -> None:
    """A new peer and a large upload make it surer."""
    sent = edge(OUTSIDE, **{"bytes_out": 40 * 2**20, **told})
    assert sure([sent], families=(Family.VOLUME,)) == expected


def test_exfiltration_by_another_port_has_another_number() -> None:
    """T1048 where the port is none of the web's; nothing inside the cluster is exfiltration."""
    told: dict[str, Any] = {"bytes_out": 40 * 2**20, "is_new": True}
    assert sure([edge(OUTSIDE, 2121, **told)], families=(Family.VOLUME,)) == [("T1048", Confidence.MEDIUM)]
    assert sure([edge(inside("backup"), 2121, **told)], families=(Family.VOLUME,)) == []


def test_rules_over_several_windows_need_fewer() -> None:
    """Four failed first contacts decide a scan; a little in every hour is an upload, however small the hour's part."""
    contacts = [edge(inside("db"), port, is_new=True, failed=1) for port in range(4)]
    assert sure(contacts) == []
    assert sure(contacts, features=["first_contacts"]) == [("T1046", Confidence.MEDIUM)]
    drop = edge(OUTSIDE, bytes_out=200_000)
    assert sure([drop], families=(Family.VOLUME,)) == []
    (hint,) = looks([drop], families=(Family.VOLUME,), features=["external_bytes_sum"])
    assert (hint.id, hint.confidence) == ("T1041", Confidence.LOW)
    assert hint.rule.endswith("a little in every hour")


def test_data_in_dns_questions() -> None:
    """A mebibyte of questions in a window."""
    asked = edge(OUTSIDE, 53, bytes_out=2**21, bytes_in=2**21)
    assert ("T1071.004", Confidence.MEDIUM) in sure([asked], families=(Family.VOLUME,))


def test_a_beacon_by_its_port() -> None:
    """The detector of beacons names it; a port that is none of the web's is stranger."""
    assert sure([edge(OUTSIDE, 443)], families=(Family.TIMING,), features=["beacon"]) == [("T1071", Confidence.MEDIUM)]
    assert sure([edge(OUTSIDE, 4444)], families=(Family.TIMING,), features=["beacon"]) == [("T1571", Confidence.MEDIUM)]
    assert sure([edge(OUTSIDE, 443)], families=(Family.TIMING,)) == []


def test_a_first_session_by_an_administrators_port() -> None:
    """Surer when it is answered; an old edge is none."""
    session = edge(inside("db"), 22, is_new=True, bytes_out=9000, bytes_in=9000)
    assert sure([session]) == [("T1021.004", Confidence.MEDIUM)]
    assert sure([edge(inside("db"), 5985, is_new=True, failed=1, bytes_in=0)]) == [("T1021.006", Confidence.LOW)]
    assert sure([edge(inside("db"), 22)]) == []


def test_credentials_of_the_node_and_kubelets() -> None:
    """Two first edges that only clusters have."""
    assert sure([edge(Peer(PeerKind.ADDRESS, "", "169.254.169.254"), 80, is_new=True)]) == [
        ("T1552.005", Confidence.MEDIUM)
    ]
    assert sure([edge(Peer(PeerKind.HOST, "", "node-1"), 10250, is_new=True)]) == [("T1613", Confidence.LOW)]


def test_a_flood_is_a_weak_hint() -> None:
    """Thousands a minute to one port, ten times the usual."""
    calls = [edge(inside(f"w{n}"), 8080, direction=Direction.INGRESS, connections=900) for n in range(5)]
    assert sure(calls) == [("T1499", Confidence.LOW)]
    assert sure([edge(inside("w"), 8080, connections=5000, normal_rate=4000.0)]) == []


def test_without_ports_only_sizes_tell() -> None:
    """A knock or a login, never more than a weak hint."""
    assert sure([edge(inside("db"), None, connections=4000, bytes_out=4000 * 40)]) == [("T1046", Confidence.LOW)]
    assert sure([edge(inside("db"), None, connections=200, bytes_out=200 * 4000)]) == [("T1110", Confidence.LOW)]
    assert sure([edge(inside("db"), None, connections=20)]) == []


def test_no_hint_is_a_fine_answer() -> None:
    """Nothing, and a plain rise of a known edge."""
    assert looks([]) == ()
    assert looks([edge(inside("db"), 5432, connections=60, normal_rate=20.0)]) == ()


def test_hints_never_claim_and_are_few() -> None:
    """Each sentence says "looks like", names its rule, and the surest comes first."""
    edges = [edge(inside("db"), port, is_new=True, failed=1, bytes_out=9000, bytes_in=9000) for port in range(80)]
    edges += [edge(OUTSIDE, 443, is_new=True, bytes_out=2**30), edge(inside("db"), 3389, is_new=True, connections=200)]
    edges += [edge(Peer(PeerKind.ADDRESS, "", "169.254.169.254"), 80, is_new=True)]
    found = looks(edges, families=(Family.VOLUME, Family.FAN_OUT))
    assert len(found) == TECHNIQUES_KEPT
    assert all(hint.sentence.startswith("looks like ") and hint.rule for hint in found)
    ranks = [list(Confidence).index(hint.confidence) for hint in found]
    assert ranks == sorted(ranks, reverse=True)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_every_rule_stands_an_empty_picture(rule: Any) -> None:
    """No edges, no answer, no error."""
    assert rule(Picture(families=(Family.VOLUME,), features=("beacon",), edges=(), window_s=60)) is None


def test_hostile_names_stay_text() -> None:
    """A domain may be called anything; it stands in the sentence as it is and changes nothing else."""
    name = "[bold]x{0}%s</script>"
    sent = edge(Peer(PeerKind.DOMAIN, "", name), is_new=True, bytes_out=2**24)
    assert f"domain:{name}" in looks([sent], families=(Family.VOLUME,))[0].sentence
