"""Restriction -> Calico manifest.

Pure: same restriction, same bytes. Nothing here talks to a cluster; see baseline.services.reconcile.
Field meanings: Calico NetworkPolicy reference, projectcalico.org/v3. Only ``Deny`` and ``Pass``; ``types`` is always
given; whatever no rule decides leaves the tier by its default action, which is Pass.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Mapping
from typing import Any

from baseline.domain.edge import Direction, PeerKind
from baseline.domain.errors import UnsafeRestriction
from baseline.domain.restriction import Restriction, Rule, is_wanted
from baseline.domain.units import rfc3339
from baseline.policy import contract, selector

DNS_LABELS = (("k8s-app", "kube-dns"),)
DNS_NAMESPACE = "kube-system"
DNS_PORT = 53
PORTS_MAX = 50  # entries of one rule, Calico's limit
NETS_MAX = 256
WIDEST_PREFIX = {4: 16, 6: 48}  # a wider net is no longer an address that deviates; chosen, not measured
PORT_PROTOCOLS = frozenset({"TCP", "UDP", "SCTP", "UDPLite"})
_PROTOCOLS: Mapping[str, str | int] = {
    "tcp": "TCP", "udp": "UDP", "sctp": "SCTP", "udplite": "UDPLite", "icmp": "ICMP", "icmp6": "ICMPv6",
    "icmpv6": "ICMPv6", "ipip": 4, "esp": 50,
}  # fmt: skip


def render(restriction: Restriction, *, instance: str, now: float) -> dict[str, Any]:
    """The object that has to exist in the cluster at ``now``.

    Raises UnsafeRestriction for one that is not wanted then (not approved, ended, expired), and for everything that
    ``manifest`` refuses.
    """
    if not is_wanted(restriction, now=now):
        raise UnsafeRestriction(
            f"restriction {restriction.id} is {restriction.state} until {rfc3339(restriction.expires_at)}"
            f" and must not exist at {rfc3339(now)}"
        )
    return manifest(restriction, instance=instance)


def manifest(restriction: Restriction, *, instance: str) -> dict[str, Any]:
    """The object as it would be or was, for showing; only ``render`` is for writing.

    Raises UnsafeRestriction when it would select everything, name a peer that is no peer, or hold no rule.
    """
    spec = _spec(restriction)
    peers = [str(rule.peer) for direction in Direction for rule in _rules(restriction, direction)]
    return {
        "apiVersion": contract.API_VERSION,
        "kind": contract.KIND,
        "metadata": {
            "name": restriction.object_name,
            "namespace": selector.checked_namespace(restriction.workload.namespace),
            "labels": {
                contract.MANAGED_BY_LABEL: contract.MANAGED_BY,
                contract.INSTANCE_LABEL: instance,
                contract.RESTRICTION_LABEL: restriction.id,
                contract.TIER_LABEL: contract.TIER,
            },
            "annotations": {
                contract.EXPIRES_AT: rfc3339(restriction.expires_at),
                contract.MAX_EXPIRES_AT: rfc3339(restriction.max_expires_at),
                contract.ALERT: restriction.alert_id,
                contract.LEVEL: restriction.level.value,
                contract.APPROVED_BY: restriction.approved_by,
                contract.SPEC_HASH: spec_hash(spec),
                contract.WORKLOAD: restriction.workload.key,
                contract.PEERS: json.dumps(peers, separators=(",", ":")),
            },
        },
        "spec": spec,
    }


def spec_hash(spec: Mapping[str, Any]) -> str:
    """Hash of the canonical JSON of a spec, 16 hex digits."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def _spec(restriction: Restriction) -> dict[str, Any]:
    ingress = [_rendered(rule, restriction) for rule in _rules(restriction, Direction.INGRESS)]
    egress = [_rendered(rule, restriction) for rule in _rules(restriction, Direction.EGRESS)]
    if not ingress and not egress:
        raise UnsafeRestriction(f"restriction {restriction.id} denies nothing")
    spec: dict[str, Any] = {
        "tier": contract.TIER,
        "order": contract.POLICY_ORDER,
        "selector": selector.equals(restriction.selector),
        "types": [name for name, rules in (("Ingress", ingress), ("Egress", egress)) if rules],
    }
    if ingress:
        spec["ingress"] = ingress
    if egress:
        spec["egress"] = [*(_dns() if restriction.allow_dns else ()), *egress]
    return spec


def _rules(restriction: Restriction, direction: Direction) -> list[Rule]:
    return [rule for rule in restriction.rules if rule.direction is direction]


def _dns() -> list[dict[str, Any]]:
    return [{"action": "Pass", "protocol": protocol, "destination": _dns_servers()} for protocol in ("UDP", "TCP")]


def _dns_servers() -> dict[str, Any]:
    return {
        "selector": selector.equals(DNS_LABELS),
        "namespaceSelector": selector.in_namespace(DNS_NAMESPACE),
        "ports": [DNS_PORT],
    }


def _rendered(rule: Rule, restriction: Restriction) -> dict[str, Any]:
    """One Deny rule. For ingress the peer is the source and the ports are our own side's."""
    name = protocol(rule.protocol)
    peer = _entity(rule, restriction)
    ports = _ports(rule, name)
    rendered: dict[str, Any] = {"action": "Deny", "protocol": name}
    if rule.direction is Direction.EGRESS:
        return {**rendered, "destination": {**peer, **ports}}
    return {**rendered, "source": peer, **({"destination": ports} if ports else {})}


def _entity(rule: Rule, restriction: Restriction) -> dict[str, Any]:
    if bool(rule.nets) == bool(rule.peer_labels):
        raise UnsafeRestriction(f"a rule towards {rule.peer} names its peer by labels or by nets, exactly one of them")
    if rule.nets:
        return {"nets": [checked_net(net) for net in _bounded(rule.nets, NETS_MAX)]}
    entity = {"selector": selector.equals(rule.peer_labels)}
    if rule.peer.kind is PeerKind.NETWORK_SET and not rule.peer_namespace:
        return {**entity, "namespaceSelector": selector.GLOBAL}
    if rule.peer_namespace == restriction.workload.namespace:
        return entity  # without a namespaceSelector a rule of a NetworkPolicy means its own namespace
    return {**entity, "namespaceSelector": selector.in_namespace(rule.peer_namespace)}


def _ports(rule: Rule, name: str | int) -> dict[str, list[int]]:
    if not rule.ports:
        return {}
    if name not in PORT_PROTOCOLS:
        raise UnsafeRestriction(f"{rule.protocol} has no ports, yet the rule towards {rule.peer} names some")
    if not all(0 < port <= 65_535 for port in rule.ports):
        raise UnsafeRestriction(f"not a port among {rule.ports[:8]} of the rule towards {rule.peer}")
    return {"ports": sorted(_bounded(rule.ports, PORTS_MAX))}


def _bounded(items: tuple[Any, ...], most: int) -> tuple[Any, ...]:
    if len(items) > most:
        raise UnsafeRestriction(f"{len(items)} entries in one rule, more than {most}")
    return items


def checked_net(net: str) -> str:
    """A CIDR in canonical spelling; UnsafeRestriction when it is none, or wider than any deviating peer can be."""
    try:
        network = ipaddress.ip_network(net, strict=False)
    except ValueError as error:
        raise UnsafeRestriction(f"not an address or net: {net!r}") from error
    if network.prefixlen < WIDEST_PREFIX[network.version]:
        raise UnsafeRestriction(f"{network} is too wide to be denied as one peer")
    return str(network)


def protocol(name: str) -> str | int:
    """Calico's spelling of a protocol of the flow log; UnsafeRestriction for one it does not know."""
    if (known := _PROTOCOLS.get(name.lower())) is not None:
        return known
    if name.isascii() and name.isdecimal() and 1 <= int(name) <= 255:
        return int(name)
    raise UnsafeRestriction(f"not a protocol: {name!r}")
