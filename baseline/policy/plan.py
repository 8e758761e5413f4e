"""Alert -> the smallest restriction that stops its deviating edges, or the sentence why there is none.

Pure. The *initiating* workload is restricted: the alerted one for egress evidence, the peer for ingress evidence from
a workload; an external peer is kept out by the alerted workload's ingress. Every match is positive and every port a
number, because Windows nodes silently skip the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from baseline.domain.alert import Alert
from baseline.domain.deviation import EdgeEvidence
from baseline.domain.edge import Direction, Edge, EdgeKey, Peer, PeerKind
from baseline.domain.errors import UnsafeRestriction
from baseline.domain.restriction import (
    DEFAULT_TTL_S,
    MAX_TTL_S,
    RULES_MAX,
    Level,
    Mode,
    Restriction,
    Rule,
    State,
    restriction_id,
)
from baseline.domain.workload import WorkloadId, match_labels
from baseline.policy import selector
from baseline.policy.evaluate import rule_covers
from baseline.policy.render import DNS_PORT, PORT_PROTOCOLS, checked_net, protocol
from baseline.policy.selector import Labels

SHARE_ENOUGH = 0.9  # known edges are denied only until this share of the deviation is stopped; chosen
PORTS_FOLD = 16  # more deviating ports towards one peer are a scan: one rule for every port; chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """No restriction, and why, in a sentence for people."""

    alert_id: str
    reason: str
    existing: str = ""  # id of the restriction that already does it


@dataclass(frozen=True, slots=True)
class _Cut:
    """One deviating edge, turned so that ``subject`` is the workload to restrict."""

    subject: WorkloadId
    key: EdgeKey
    subject_labels: Labels
    peer_labels: Labels
    evidence: EdgeEvidence


def mentioned(alert: Alert) -> frozenset[WorkloadId]:
    """The workloads whose labels ``plan`` may ask for."""
    peers = (peer_workload(evidence.edge) for evidence in alert.edges)
    return frozenset({alert.workload, *(peer for peer in peers if peer is not None)})


def peer_workload(edge: Edge) -> WorkloadId | None:
    """The peer as a workload of the same cluster, where it is one."""
    if edge.peer.kind is not PeerKind.WORKLOAD:
        return None
    return WorkloadId(edge.workload.cluster, edge.peer.namespace, edge.peer.name)


def initiated(edge: Edge) -> tuple[WorkloadId, EdgeKey]:
    """The workload to restrict for an edge, and the edge as that workload has it.

    Ingress from a workload is that workload's egress; everything else stays as it is.
    """
    initiator = peer_workload(edge)
    if edge.direction is Direction.EGRESS or initiator is None:
        return edge.workload, edge.key
    victim = Peer(PeerKind.WORKLOAD, edge.workload.namespace, edge.workload.name)
    return initiator, EdgeKey(Direction.EGRESS, victim, edge.port, edge.protocol)


def plan(
    alert: Alert,
    *,
    labels: Mapping[WorkloadId, Labels],
    existing: Sequence[Restriction],
    mode: Mode,
    now: float,
    ttl_s: float = DEFAULT_TTL_S,
) -> Restriction | Refusal:
    """A proposed R1 for the alert's initiating workload.

    ``labels`` are what the books know of workloads (the log's own evidence wins), ``existing`` the restrictions that
    are proposed or live. Refuses with a reason when the initiator's labels are unknown, when what carries most of the
    deviation cannot be named positively, or when another restriction already denies all of it.
    """
    cuts = [_cut(evidence, alert, labels) for evidence in alert.edges]
    if not cuts:
        return Refusal(alert_id=alert.id, reason="the alert names no edge that carries the deviation")
    subject, mine = _initiator(cuts)
    try:
        own = _selector(mine)
    except UnsafeRestriction as error:
        return Refusal(alert_id=alert.id, reason=f"{subject} cannot be selected: {error}")
    kept = _enough(mine)
    rules, unnamed = _rules(kept)
    if not rules or _share(cut for _, cut in unnamed) > _share(kept) / 2:
        return Refusal(alert_id=alert.id, reason="; ".join(sorted({reason for reason, _ in unnamed})))
    if (twin := _already(rules, subject, existing, own_id=restriction_id(alert.id, Level.R1))) is not None:
        return Refusal(alert_id=alert.id, reason=f"{subject} is already restricted by {twin.id}", existing=twin.id)
    return Restriction(
        id=restriction_id(alert.id, Level.R1),
        alert_id=alert.id,
        workload=subject,
        selector=own,
        level=Level.R1,
        rules=rules,
        allow_dns=not any(rule.direction is Direction.EGRESS and _is_dns(rule) for rule in rules),
        state=State.PROPOSED,
        mode=mode,
        created_at=now,
        ttl_s=min(ttl_s, MAX_TTL_S),
        expires_at=0.0,
        max_expires_at=now + MAX_TTL_S,
        detail=_left_out(unnamed, cuts, subject),
    )


def is_wide(rule: Rule) -> bool:
    """Whether a rule may deny more than the evidence shows: every port, or everything in a network set."""
    return (not rule.ports and protocol(rule.protocol) in PORT_PROTOCOLS) or rule.peer.kind is PeerKind.NETWORK_SET


def _cut(evidence: EdgeEvidence, alert: Alert, labels: Mapping[WorkloadId, Labels]) -> _Cut:
    subject, key = initiated(evidence.edge)
    own = (alert.local_labels if evidence.edge.workload == alert.workload else ()) or labels.get(
        evidence.edge.workload, ()
    )
    peer = peer_workload(evidence.edge)
    theirs = evidence.peer_labels or (labels.get(peer, ()) if peer is not None else ())
    is_turned = key != evidence.edge.key  # the peer initiates, and the alerted workload is its peer
    ends = (theirs, own) if is_turned else (own, theirs)
    return _Cut(subject, key, subject_labels=ends[0], peer_labels=ends[1], evidence=evidence)


def _initiator(cuts: Sequence[_Cut]) -> tuple[WorkloadId, list[_Cut]]:
    """The workload whose edges carry most of the deviation; new edges before known ones."""
    groups: dict[WorkloadId, list[_Cut]] = {}
    for cut in cuts:
        groups.setdefault(cut.subject, []).append(cut)
    return max(
        groups.items(),
        key=lambda item: (
            _share(cut for cut in item[1] if cut.evidence.is_new),
            _share(item[1]),
            item[0].key,
        ),
    )


def _selector(cuts: Sequence[_Cut]) -> Labels:
    """What selects the subject's pods: the first of its labels that outlive a rollout."""
    for cut in cuts:
        if chosen := tuple(match_labels(dict(cut.subject_labels)).items()):
            selector.equals(chosen)
            return chosen
    raise UnsafeRestriction("no label that outlives a rollout is known of its pods")


def _enough(cuts: Sequence[_Cut]) -> list[_Cut]:
    """Every edge the baseline never used, then known ones by share until most of the deviation is stopped."""
    ordered = sorted(cuts, key=lambda cut: (not cut.evidence.is_new, -cut.evidence.share, str(cut.evidence.edge)))
    total = _share(ordered)
    kept: list[_Cut] = []
    for cut in ordered:
        if kept and not cut.evidence.is_new and _share(kept) >= SHARE_ENOUGH * total:
            break
        kept.append(cut)
    return kept


def _share(cuts: Iterable[_Cut]) -> float:
    return sum(cut.evidence.share for cut in cuts)


def _rules(cuts: Sequence[_Cut]) -> tuple[tuple[Rule, ...], list[tuple[str, _Cut]]]:
    """Rules in order of the evidence, a scan folded into one; and what could not be named, with the reason."""
    ports: dict[Rule, set[int | None]] = {}
    unnamed: list[tuple[str, _Cut]] = []
    for cut in cuts:
        try:
            rule = _portless(cut)
        except UnsafeRestriction as error:
            unnamed.append((str(error), cut))
            continue
        if rule in ports or len(ports) < RULES_MAX:
            ports.setdefault(rule, set()).add(cut.key.port)
        else:
            unnamed.append((f"more than {RULES_MAX} peers deviate", cut))
    return tuple(_with_ports(rule, numbers) for rule, numbers in ports.items()), unnamed


def _with_ports(rule: Rule, numbers: set[int | None]) -> Rule:
    known = sorted(number for number in numbers if number is not None)
    has_ports = protocol(rule.protocol) in PORT_PROTOCOLS and len(known) == len(numbers) <= PORTS_FOLD
    return replace(rule, ports=tuple(known)) if has_ports else rule


def _portless(cut: _Cut) -> Rule:
    """The rule for one edge, for all ports of its protocol; UnsafeRestriction when its peer cannot be named."""
    peer, key = cut.key.peer, cut.key
    protocol(key.protocol)
    rule = Rule(direction=key.direction, peer=peer, protocol=key.protocol)
    if peer.kind is PeerKind.ADDRESS:
        return replace(rule, nets=(checked_net(peer.name),))
    if peer.kind is PeerKind.WORKLOAD:
        labels = tuple(match_labels(dict(cut.peer_labels)).items())
        if not labels:
            raise UnsafeRestriction(f"no label that outlives a rollout is known of peer {peer}")
        selector.equals(labels)
        return replace(rule, peer_namespace=selector.checked_namespace(peer.namespace), peer_labels=labels)
    if peer.kind is PeerKind.NETWORK_SET and cut.peer_labels:
        selector.equals(cut.peer_labels)
        return replace(rule, peer_namespace=peer.namespace, peer_labels=tuple(sorted(cut.peer_labels)))
    raise UnsafeRestriction(_WHY_UNNAMED[peer.kind].format(peer=peer))


_WHY_UNNAMED = {
    PeerKind.PUBLIC: "the flow log names the peer only as 'pub': denying it would deny the whole internet",
    PeerKind.PRIVATE: "the flow log names the peer only as 'pvt': denying it would deny every private address",
    PeerKind.NETWORK_SET: "the flow log shows no label of peer {peer}, by which its network set could be selected",
    PeerKind.DOMAIN: "peer {peer} is a domain, and Calico can deny addresses only",
    PeerKind.HOST: "peer {peer} is a host: denying it would also deny the node's own services",
}


def _already(
    rules: Sequence[Rule], subject: WorkloadId, existing: Sequence[Restriction], *, own_id: str
) -> Restriction | None:
    for other in existing:
        if other.id == own_id or other.workload != subject:
            continue
        if all(any(rule_covers(wide, rule) for wide in other.rules) for rule in rules):
            return other
    return None


def _is_dns(rule: Rule) -> bool:
    return DNS_PORT in rule.ports


def _left_out(unnamed: Sequence[tuple[str, _Cut]], cuts: Sequence[_Cut], subject: WorkloadId) -> str:
    """What the restriction does not stop, for people; empty when it stops everything."""
    others = sorted({str(cut.subject) for cut in cuts if cut.subject != subject})
    parts = sorted({f"left out: {reason}" for reason, _ in unnamed})
    if others:
        shown = ", ".join(others[:5]) + (f" and {len(others) - 5} more" if len(others) > 5 else "")
        parts.append(f"also initiating, not restricted: {shown}")
    return "; ".join(parts)
