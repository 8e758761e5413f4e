"""What a deviation looks like, by the numbering of MITRE ATT&CK: a small table of predicates, each with its reason.

A hint and never a claim: flows show no payload, and every one of these patterns has an innocent twin. None is a fine
answer. Numbers are by judgement: they separate a handful of attempts from dozens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from baseline.domain.deviation import EdgeEvidence, Family
from baseline.domain.edge import Direction, Peer
from baseline.domain.explanation import TECHNIQUES_KEPT, Confidence, Technique, rank
from baseline.domain.units import MINUTE_S, format_bytes

LOGIN_PORTS = {21: "FTP", 22: "SSH", 23: "Telnet", 3389: "RDP", 5900: "VNC", 5985: "WinRM", 5986: "WinRM"}
DATABASE_PORTS = {1433: "SQL Server", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis", 27017: "MongoDB"}
ADMIN_PORTS = {
    22: ("T1021.004", "Remote Services: SSH"),
    445: ("T1021.002", "Remote Services: SMB/Windows Admin Shares"),
    3389: ("T1021.001", "Remote Services: Remote Desktop Protocol"),
    5985: ("T1021.006", "Remote Services: Windows Remote Management"),
    5986: ("T1021.006", "Remote Services: Windows Remote Management"),
}
WEB_PORTS = (80, 443, 8080, 8443)
DNS_PORT = 53
KUBELET_PORTS = (10250, 10255)
METADATA = "169.254.169.254"  # where clouds hand out a node's credentials
MANY, FEW = 50, 10  # ports or peers that make a scan plain, or a suspicion
SHORT_BYTES = 16 * 1024  # both ways, of a connection that does little more than log in
KNOCK_BYTES = 200  # both ways: SYN, answer and reset, with their headers
LOGINS_PER_MINUTE = 10
FLOOD_PER_MINUTE = 1000
UPLOAD_BYTES = 1024 * 1024
UPLOAD_RATIO = 4  # sent for one received
BEACON = "beacon"  # what reasons of the detector of beacons are named by


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """What the rules look at: all edges that carry the deviation, not only those that are kept."""

    families: Collection[Family]
    features: Collection[str]  # names of the reasons
    edges: Sequence[EdgeEvidence]
    window_s: int


Found = tuple[str, str, Confidence, str, str]  # id, name, confidence, rule, what it looks like
Rule = Callable[[Picture], Found | None]


def hints(picture: Picture) -> tuple[Technique, ...]:
    """Techniques it looks like, the most confident first; often none."""
    found: dict[str, Technique] = {}
    for rule in RULES:
        answer = rule(picture)
        if answer is not None:
            code, name, confidence, why, what = answer
            hint = Technique(id=code, name=name, confidence=confidence, rule=why, sentence=f"looks like {what}")
            known = found.get(code)
            if known is None or rank(hint) > rank(known):
                found[code] = hint
    return tuple(sorted(found.values(), key=lambda hint: -rank(hint))[:TECHNIQUES_KEPT])


def _port_scan(picture: Picture) -> Found | None:
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
    if count < FEW or sum(evidence.connections for evidence in own) > 5 * count:
        return None
    is_strange = _mostly(own, lambda evidence: evidence.is_new or evidence.failed > 0)
    confidence = (
        Confidence.HIGH if count >= MANY and is_strange
        else Confidence.MEDIUM if count >= MANY or is_strange
        else Confidence.LOW
    )  # fmt: skip
    why = "one peer, many destination ports, few connections to each"
    what = f"a port scan {_way(own[0], peer)}: {count} ports"
    return "T1046", "Network Service Discovery", confidence, why, what


def _sweep(picture: Picture) -> Found | None:
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
    is_new, is_failing = _mostly(own, lambda one: one.is_new), _mostly(own, lambda one: one.failed > 0)
    if count < FEW or not (is_new or is_failing):
        return None
    confidence = (
        Confidence.HIGH if count >= MANY and is_failing
        else Confidence.MEDIUM if count >= MANY or is_failing
        else Confidence.LOW
    )  # fmt: skip
    why = "one destination port, many peers that are new or do not answer"
    return "T1018", "Remote System Discovery", confidence, why, f"a sweep for port {port} over {count} peers"


def _brute_force(picture: Picture) -> Found | None:
    """Short connections to a login, again and again."""
    logins = LOGIN_PORTS | DATABASE_PORTS
    tried = [evidence for evidence in picture.edges if evidence.edge.port in logins]
    if not tried:
        return None
    worst = max(tried, key=lambda evidence: evidence.connections)
    minutes = max(1.0, picture.window_s / MINUTE_S)
    rate = worst.connections / minutes
    each = (worst.bytes_out + worst.bytes_in) / max(1, worst.connections)
    is_login = worst.edge.port in LOGIN_PORTS
    unusual = (3 if is_login else 10) * worst.normal_rate  # applications meet databases by the hundred
    if rate < LOGINS_PER_MINUTE or worst.connections < unusual or each > SHORT_BYTES:
        return None
    confidence = (
        Confidence.LOW if not is_login  # an application that reconnects does the same
        else Confidence.HIGH if rate >= 3 * LOGINS_PER_MINUTE
        else Confidence.MEDIUM
    )  # fmt: skip
    why = "many short connections to one login port, far more than usual on that edge"
    service = logins[worst.edge.port or 0]
    what = f"guessing of {service} passwords {_way(worst, worst.edge.peer)}: {rate:,.0f} connections a minute"
    return "T1110", "Brute Force", confidence, why, what


def _exfiltration(picture: Picture) -> Found | None:
    """Much sent to the outside, little received."""
    sent = [
        evidence
        for evidence in picture.edges
        if evidence.edge.direction is Direction.EGRESS
        and evidence.edge.peer.is_external
        and evidence.bytes_out >= UPLOAD_BYTES
        and evidence.bytes_out >= UPLOAD_RATIO * max(1, evidence.bytes_in)
    ]
    if not sent or Family.VOLUME not in picture.families:
        return None
    worst = max(sent, key=lambda evidence: evidence.bytes_out)
    is_web = worst.edge.port in WEB_PORTS
    code, name = (
        ("T1041", "Exfiltration Over C2 Channel") if is_web else ("T1048", "Exfiltration Over Alternative Protocol")
    )
    confidence = Confidence.MEDIUM if worst.is_new else Confidence.LOW
    if worst.is_new and worst.bytes_out >= 100 * UPLOAD_BYTES:
        confidence = Confidence.HIGH
    why = f"{'a new' if worst.is_new else 'an'} external peer is sent much and answers little"
    return code, name, confidence, why, f"an upload of {format_bytes(worst.bytes_out)} to {worst.edge.peer}"


def _dns_tunnel(picture: Picture) -> Found | None:
    """Names carry data."""
    asked = [
        evidence
        for evidence in picture.edges
        if evidence.edge.direction is Direction.EGRESS
        and evidence.edge.port == DNS_PORT
        and evidence.bytes_out >= UPLOAD_BYTES
    ]
    if not asked:
        return None
    worst = max(asked, key=lambda evidence: evidence.bytes_out)
    confidence = Confidence.MEDIUM if worst.is_new or worst.edge.peer.is_external else Confidence.LOW
    why = "far more is sent in DNS questions than names need"
    return (
        "T1071.004",
        "Application Layer Protocol: DNS",
        confidence,
        why,
        f"data in DNS questions to {worst.edge.peer}",
    )


def _beacon(picture: Picture) -> Found | None:
    """The same, at the same interval, to the outside."""
    if not any(name.startswith(BEACON) for name in picture.features):
        return None
    outside = [evidence for evidence in picture.edges if evidence.edge.peer.is_external] or list(picture.edges)
    if not outside:
        return None
    worst = outside[0]
    confidence = Confidence.MEDIUM if worst.edge.peer.is_external else Confidence.LOW
    why = "connections of the same size at regular intervals"
    what = f"a beacon {_way(worst, worst.edge.peer)}"
    if worst.edge.port is not None and worst.edge.port not in (*WEB_PORTS, DNS_PORT):
        return "T1571", "Non-Standard Port", confidence, why + " to a port that is none of the web's", what
    return "T1071", "Application Layer Protocol", confidence, why, what


def _remote_services(picture: Picture) -> Found | None:
    """A way in that was never used before."""
    new = [
        evidence
        for evidence in picture.edges
        if evidence.is_new and evidence.edge.port in ADMIN_PORTS and not evidence.edge.peer.is_external
    ]
    if not new:
        return None
    worst = max(new, key=lambda evidence: (evidence.bytes_out + evidence.bytes_in, str(evidence.edge)))
    code, name = ADMIN_PORTS[worst.edge.port or 0]
    is_answered = worst.bytes_in > 0 and worst.bytes_out > 0 and worst.failed < worst.connections
    confidence = Confidence.MEDIUM if is_answered else Confidence.LOW
    why = "a new edge inside the cluster to a port that machines are administered by" + (
        ", and it is answered" if is_answered else ""
    )
    return code, name, confidence, why, f"a first remote session {_way(worst, worst.edge.peer)}"


def _without_ports(picture: Picture) -> Found | None:
    """The log names no port: what is left is how many connections, and how small."""
    unnamed = [evidence for evidence in picture.edges if evidence.edge.port is None and evidence.edge.protocol == "tcp"]
    if not unnamed:
        return None
    worst = max(unnamed, key=lambda evidence: evidence.connections)
    rate = worst.connections / max(1.0, picture.window_s / MINUTE_S)
    each = (worst.bytes_out + worst.bytes_in) / max(1, worst.connections)
    if rate < 3 * LOGINS_PER_MINUTE or worst.connections < 10 * worst.normal_rate or each > SHORT_BYTES:
        return None
    peer, way = worst.edge.peer, "one peer, many connections, no ports in the log"
    told = f"{worst.connections:,} connections of {each:,.0f} bytes"
    if each < KNOCK_BYTES:
        why = f"{way}; none carries more than a knock"
        return "T1046", "Network Service Discovery", Confidence.LOW, why, f"a port scan {_way(worst, peer)}: {told}"
    why = f"{way}; each carries about as much as a login"
    return "T1110", "Brute Force", Confidence.LOW, why, f"guessing of passwords {_way(worst, peer)}: {told}"


def _metadata(picture: Picture) -> Found | None:
    """A workload asks the cloud who it is."""
    asked = [e for e in picture.edges if e.is_new and e.edge.peer.name == METADATA]
    if not asked:
        return None
    why = "a new edge to the address where clouds hand out credentials"
    code, name = "T1552.005", "Unsecured Credentials: Cloud Instance Metadata API"
    return code, name, Confidence.MEDIUM, why, f"a request for the node's cloud credentials at {METADATA}"


def _kubelet(picture: Picture) -> Found | None:
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


def _flood(picture: Picture) -> Found | None:
    """One service gets thousands of connections that nobody guesses a password with."""
    if not picture.edges or not {Family.FAN_OUT, Family.FAILURE} & set(picture.families):
        return None
    counts: Counter[tuple[Direction, int | None]] = Counter()
    for evidence in picture.edges:
        counts[evidence.edge.direction, evidence.edge.port] += evidence.connections
    (_, port), count = counts.most_common(1)[0]
    usual = sum(evidence.normal_rate for evidence in picture.edges if evidence.edge.port == port)
    rate = count / max(1.0, picture.window_s / MINUTE_S)
    if rate < FLOOD_PER_MINUTE or count < 10 * usual or port is None or port in LOGIN_PORTS:
        return None
    why = "thousands of connections a minute to one port, ten times the usual and more"
    what = f"a flood of port {port}: {rate:,.0f} connections a minute"
    return "T1499", "Endpoint Denial of Service", Confidence.LOW, why, what


RULES: tuple[Rule, ...] = (
    _port_scan, _sweep, _brute_force, _exfiltration, _dns_tunnel, _beacon, _remote_services, _metadata, _kubelet,
    _flood, _without_ports,
)  # fmt: skip


def _mostly(edges: Sequence[EdgeEvidence], is_so: Callable[[EdgeEvidence], bool]) -> bool:
    return 2 * sum(map(is_so, edges)) >= len(edges) > 0


def _way(evidence: EdgeEvidence, peer: Peer) -> str:
    """``of data/ledger`` or ``by data/ledger``: who does it to whom."""
    return f"of {peer}" if evidence.edge.direction is Direction.EGRESS else f"by {peer}"
