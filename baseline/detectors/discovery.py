"""Somebody looks around: scans, sweeps, and questions that only clusters can be asked. Each rule gives a hint or None.

Numbers are by judgement: they separate a handful of attempts from dozens.
"""

from __future__ import annotations

from baseline.detectors.picture import LOGINS_PER_MINUTE, SHORT_BYTES, Found, Picture, a_minute, mostly, way
from baseline.domain.edge import Direction, Peer
from baseline.domain.explanation import Confidence

KUBELET_PORTS = (10250, 10255)
METADATA = "169.254.169.254"  # where clouds hand out a node's credentials
MANY, FEW = 50, 10  # ports or peers that make a scan plain, or a suspicion
KNOCK_BYTES = 200  # both ways: SYN, answer and reset, with their headers
FIRST_CONTACTS = "first_contacts"
DECIDED = 4  # failed first contacts: so few decide a scan, because the rule counted them over time


def port_scan(picture: Picture) -> Found | None:
    """Many ports at one peer, few connections each."""
    ports: dict[Peer, set[int]] = {}
    for evidence in picture.edges:
        if evidence.edge.port is not None:
            ports.setdefault(evidence.edge.peer, set()).add(evidence.edge.port)
    if not ports:
        return None
    peer = max(ports, key=lambda one: (len(ports[one]), str(one)))
    count = len(ports[peer])
    own = [evidence for evidence in picture.edges if evidence.edge.peer == peer]
    if count < _least(picture) or sum(evidence.connections for evidence in own) > 5 * count:
        return None
    is_strange = mostly(own, lambda evidence: evidence.is_new or evidence.failed > 0)
    confidence = (
        Confidence.HIGH if count >= MANY and is_strange
        else Confidence.MEDIUM if count >= MANY or is_strange
        else Confidence.LOW
    )  # fmt: skip
    why = "one peer, many destination ports, few connections to each"
    what = f"a port scan {way(own[0], peer)}: {count} ports"
    return "T1046", "Network Service Discovery", confidence, why, what


def sweep(picture: Picture) -> Found | None:
    """One port at many peers."""
    peers: dict[int, set[Peer]] = {}
    for evidence in picture.edges:
        if evidence.edge.direction is Direction.EGRESS and evidence.edge.port is not None:
            peers.setdefault(evidence.edge.port, set()).add(evidence.edge.peer)
    if not peers:
        return None
    port = max(peers, key=lambda one: (len(peers[one]), -one))
    count = len(peers[port])
    own = [evidence for evidence in picture.edges if evidence.edge.port == port]
    is_new, is_failing = mostly(own, lambda one: one.is_new), mostly(own, lambda one: one.failed > 0)
    if count < _least(picture) or not (is_new or is_failing):
        return None
    confidence = (
        Confidence.HIGH if count >= MANY and is_failing
        else Confidence.MEDIUM if count >= MANY or is_failing
        else Confidence.LOW
    )  # fmt: skip
    why = "one destination port, many peers that are new or do not answer"
    return "T1018", "Remote System Discovery", confidence, why, f"a sweep for port {port} over {count} peers"


def without_ports(picture: Picture) -> Found | None:
    """The log names no port: what is left is how many connections, and how small."""
    unnamed = [evidence for evidence in picture.edges if evidence.edge.port is None and evidence.edge.protocol == "tcp"]
    if not unnamed:
        return None
    worst = max(unnamed, key=lambda evidence: evidence.connections)
    rate = a_minute(picture, worst.connections)
    each = (worst.bytes_out + worst.bytes_in) / max(1, worst.connections)
    if rate < 3 * LOGINS_PER_MINUTE or worst.connections < 10 * worst.normal_rate or each > SHORT_BYTES:
        return None
    peer, pattern = worst.edge.peer, "one peer, many connections, no ports in the log"
    told = f"{worst.connections:,} connections of {each:,.0f} bytes"
    if each < KNOCK_BYTES:
        why = f"{pattern}; none carries more than a knock"
        return "T1046", "Network Service Discovery", Confidence.LOW, why, f"a port scan {way(worst, peer)}: {told}"
    why = f"{pattern}; each carries about as much as a login"
    return "T1110", "Brute Force", Confidence.LOW, why, f"guessing of passwords {way(worst, peer)}: {told}"


def metadata(picture: Picture) -> Found | None:
    """A workload asks the cloud who it is."""
    asked = [e for e in picture.edges if e.is_new and e.edge.peer.name == METADATA]
    if not asked:
        return None
    why = "a new edge to the address where clouds hand out credentials"
    code, name = "T1552.005", "Unsecured Credentials: Cloud Instance Metadata API"
    return code, name, Confidence.MEDIUM, why, f"a request for the node's cloud credentials at {METADATA}"


def kubelet(picture: Picture) -> Found | None:
    """A workload asks a node what runs there."""
    asked = [
        evidence
        for evidence in picture.edges
        if evidence.is_new and evidence.edge.direction is Direction.EGRESS and evidence.edge.port in KUBELET_PORTS
    ]
    if not asked:
        return None
    why = "a new edge to the port of a kubelet"
    what = f"a question to the kubelet of {asked[0].edge.peer}"
    return "T1613", "Container and Resource Discovery", Confidence.LOW, why, what


def _least(picture: Picture) -> int:
    """How many ports or peers make a scan."""
    return DECIDED if FIRST_CONTACTS in picture.features else FEW
