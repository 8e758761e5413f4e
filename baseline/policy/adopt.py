"""Calico manifest -> restriction: the way back, for objects of ours that the books have forgotten.

An object tells everything that keeps it alive and ends it, so losing the database loses nothing that is live. What
is read here was possibly edited by hand: whatever does not render to the same object again is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from baseline.domain.edge import Direction, Peer, PeerKind
from baseline.domain.errors import UnsafeRestriction
from baseline.domain.restriction import MAX_TTL_S, Level, Mode, Restriction, Rule, State
from baseline.domain.units import parse_rfc3339
from baseline.domain.workload import WorkloadId
from baseline.policy import contract, diff, render, selector

ADOPTED = "adopted from the cluster: the books did not know it"


def adopt(manifest: Mapping[str, Any], *, instance: str) -> Restriction:
    """The restriction behind an object of ours, as applied.

    Raises UnsafeRestriction when the object is not ours, was edited, or does not tell enough. It then lives until its
    own expiry, as ``contract.expires_at`` reads it.
    """
    if not contract.is_ours(manifest, instance=instance):
        raise UnsafeRestriction("not an object of ours")
    try:
        restriction = _read(manifest)
        rendered = render.manifest(restriction, instance=instance)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UnsafeRestriction(f"cannot be read as a restriction: {error!r}") from error
    if not diff.is_as_wanted(manifest, rendered):
        raise UnsafeRestriction("it was edited: it would not be rendered like this")
    return restriction


def _read(manifest: Mapping[str, Any]) -> Restriction:
    annotations, spec = contract.text_map(manifest, "annotations"), manifest["spec"]
    namespace = manifest["metadata"]["namespace"]
    until = parse_rfc3339(annotations[contract.EXPIRES_AT])
    latest = parse_rfc3339(annotations[contract.MAX_EXPIRES_AT])
    born = contract.created_at(manifest)
    began = born if born is not None else latest - MAX_TTL_S
    workload = WorkloadId.parse(annotations[contract.WORKLOAD], cluster="")
    if workload.namespace != namespace:
        raise UnsafeRestriction(f"workload {workload} does not live in namespace {namespace}")
    return Restriction(
        id=contract.restriction_of(manifest),
        alert_id=annotations[contract.ALERT],
        workload=workload,
        selector=selector.parse(spec["selector"]),
        level=Level(annotations[contract.LEVEL]),
        rules=tuple(_rules(spec, json.loads(annotations[contract.PEERS]), namespace)),
        allow_dns=any(rule.get("action") == "Pass" for rule in spec.get("egress", ())),
        state=State.APPLIED,
        mode=Mode.RECOMMEND,
        created_at=began,
        ttl_s=max(1.0, until - began),
        expires_at=until,
        max_expires_at=latest,
        approved_by=annotations[contract.APPROVED_BY],
        applied_at=began,
        detail=ADOPTED,
    )


def _rules(spec: Mapping[str, Any], peers: list[str], namespace: str) -> Iterator[Rule]:
    denied = [
        (direction, rule)
        for direction in Direction
        for rule in spec.get(direction.value, ())
        if rule["action"] == "Deny"
    ]
    for (direction, rule), name in zip(denied, peers, strict=True):
        other = rule["destination" if direction is Direction.EGRESS else "source"]
        peer = Peer.parse(name)
        in_set = other.get("namespaceSelector")
        own_namespace = "" if peer.kind is PeerKind.ADDRESS else namespace
        yield Rule(
            direction=direction,
            peer=peer,
            peer_namespace=_namespace(in_set) if in_set else own_namespace,
            peer_labels=selector.parse(other["selector"]) if "selector" in other else (),
            nets=tuple(other.get("nets", ())),
            protocol=_PROTOCOLS.get(rule["protocol"], str(rule["protocol"])),
            ports=tuple(rule.get("destination", {}).get("ports", ())),
        )


_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp", "UDPLite": "udplite", "ICMP": "icmp", "ICMPv6": "icmp6"}


def _namespace(text: str) -> str:
    return "" if text == selector.GLOBAL else selector.parse(text)[0][1]
