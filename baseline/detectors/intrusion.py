"""Somebody acts: guesses passwords, logs in, sends out, calls home, floods. Each rule gives a hint or None.

Numbers are by judgement: they separate a handful of attempts from dozens.
"""

from __future__ import annotations

from collections import Counter

from baseline.detectors.picture import (
    DNS_PORT,
    LOGINS_PER_MINUTE,
    SHORT_BYTES,
    WEB_PORTS,
    Found,
    Picture,
    a_minute,
    way,
)
from baseline.domain.deviation import Family
from baseline.domain.edge import Direction
from baseline.domain.explanation import Confidence
from baseline.domain.units import format_bytes

LOGIN_PORTS = {21: "FTP", 22: "SSH", 23: "Telnet", 3389: "RDP", 5900: "VNC", 5985: "WinRM", 5986: "WinRM"}
DATABASE_PORTS = {1433: "SQL Server", 3306: "MySQL", 5432: "PostgreSQL", 6379: "Redis", 27017: "MongoDB"}
ADMIN_PORTS = {
    22: ("T1021.004", "Remote Services: SSH"),
    445: ("T1021.002", "Remote Services: SMB/Windows Admin Shares"),
    3389: ("T1021.001", "Remote Services: Remote Desktop Protocol"),
    5985: ("T1021.006", "Remote Services: Windows Remote Management"),
    5986: ("T1021.006", "Remote Services: Windows Remote Management"),
}
FLOOD_PER_MINUTE = 1000
UPLOAD_BYTES = 1024 * 1024
UPLOAD_RATIO = 4  # sent for one received
BEACON = "beacon"  # what the reasons of rules over several windows are named by
SLOW_UPLOAD = "external_bytes_sum"


def brute_force(picture: Picture) -> Found | None:
    """Short connections to a login, again and again."""
    logins = LOGIN_PORTS | DATABASE_PORTS
    tried = [evidence for evidence in picture.edges if evidence.edge.port in logins]
    if not tried:
        return None
    worst = max(tried, key=lambda evidence: evidence.connections)
    rate = a_minute(picture, worst.connections)
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
    what = f"guessing of {service} passwords {way(worst, worst.edge.peer)}: {rate:,.0f} connections a minute"
    return "T1110", "Brute Force", confidence, why, what


def remote_services(picture: Picture) -> Found | None:
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
    return code, name, confidence, why, f"a first remote session {way(worst, worst.edge.peer)}"


def exfiltration(picture: Picture) -> Found | None:
    """Much sent to the outside, little received; or a little in every hour, which a sum over hours saw."""
    is_slow = SLOW_UPLOAD in picture.features
    sent = [
        evidence
        for evidence in picture.edges
        if evidence.edge.direction is Direction.EGRESS
        and evidence.edge.peer.is_external
        and (is_slow or evidence.bytes_out >= UPLOAD_BYTES)
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
    why = f"{'a new' if worst.is_new else 'an'} external peer is sent much and answers little" + (
        ", a little in every hour" if is_slow else ""
    )
    return code, name, confidence, why, f"an upload of {format_bytes(worst.bytes_out)} to {worst.edge.peer}"


def dns_tunnel(picture: Picture) -> Found | None:
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


def beacon(picture: Picture) -> Found | None:
    """The same, at the same interval, to the outside."""
    if not any(name.startswith(BEACON) for name in picture.features):
        return None
    outside = [evidence for evidence in picture.edges if evidence.edge.peer.is_external] or list(picture.edges)
    if not outside:
        return None
    worst = outside[0]
    confidence = Confidence.MEDIUM if worst.edge.peer.is_external else Confidence.LOW
    why = "connections of the same size at regular intervals"
    what = f"a beacon {way(worst, worst.edge.peer)}"
    if worst.edge.port is not None and worst.edge.port not in (*WEB_PORTS, DNS_PORT):
        return "T1571", "Non-Standard Port", confidence, why + " to a port that is none of the web's", what
    return "T1071", "Application Layer Protocol", confidence, why, what


def flood(picture: Picture) -> Found | None:
    """One service gets thousands of connections that nobody guesses a password with."""
    if not picture.edges or not {Family.FAN_OUT, Family.FAILURE} & set(picture.families):
        return None
    counts: Counter[tuple[Direction, int | None]] = Counter()
    for evidence in picture.edges:
        counts[evidence.edge.direction, evidence.edge.port] += evidence.connections
    (_, port), count = counts.most_common(1)[0]
    usual = sum(evidence.normal_rate for evidence in picture.edges if evidence.edge.port == port)
    rate = a_minute(picture, count)
    if rate < FLOOD_PER_MINUTE or count < 10 * usual or port is None or port in LOGIN_PORTS:
        return None
    why = "thousands of connections a minute to one port, ten times the usual and more"
    what = f"a flood of port {port}: {rate:,.0f} connections a minute"
    return "T1499", "Endpoint Denial of Service", Confidence.LOW, why, what
