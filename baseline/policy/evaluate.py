"""What our own policies would do to a flow: Calico's tier and order semantics, for our tier and our shapes only.

The demo's player drops by it what the restrictions in force would deny (recorded traffic does not know them), guards
ask it what a plan would cut, and tests hold ``render`` to it. It reads manifests, not restrictions, so that it judges
what would really be written. A selector we would not have written matches nothing here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from baseline.domain.edge import Direction, EdgeKey, PeerKind
from baseline.domain.errors import UnsafeRestriction
from baseline.domain.flow import Endpoint, EndpointKind, Flow
from baseline.domain.restriction import Rule
from baseline.policy import contract, selector
from baseline.policy.render import protocol
from baseline.policy.selector import Labels

Net = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entity:
    selector: Labels
    namespace: str | None  # None: no namespace asked for; "": things without one
    nets: tuple[Net, ...]
    ports: frozenset[int]

    def matches_end(self, end: Endpoint) -> bool:
        if self.nets:
            return _address_in(end.address, self.nets)
        if not self.selector:
            return True
        if self.namespace is not None and end.namespace != self.namespace:
            return False
        return selector.matches(self.selector, dict(end.labels or ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    action: str
    protocol: str | int
    source: _Entity
    destination: _Entity

    def matches(self, flow: Flow) -> bool:
        ports = self.destination.ports
        return (
            protocol(flow.protocol) == self.protocol
            and (not ports or flow.dest_port in ports)
            and self.source.matches_end(flow.source)
            and self.destination.matches_end(flow.dest)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One manifest of ours, read."""

    name: str
    namespace: str
    order: float
    selector: Labels
    rules: Mapping[Direction, tuple[_Rule, ...]]

    def selects(self, end: Endpoint) -> bool:
        """Whether it applies to this end of a flow."""
        return (
            end.kind is EndpointKind.WORKLOAD
            and end.namespace == self.namespace
            and selector.matches(self.selector, dict(end.labels or ()))
        )


class Tier:
    """All policies of our tier, in force together."""

    def __init__(self, manifests: Iterable[Mapping[str, Any]]) -> None:
        self._policies = sorted((read(manifest) for manifest in manifests), key=lambda one: (one.order, one.name))

    def denied_by(self, flow: Flow) -> str | None:
        """Name of the policy that would deny a new connection of this flow; None when it would pass our tier."""
        for direction, end in ((Direction.EGRESS, flow.source), (Direction.INGRESS, flow.dest)):
            for policy in self._policies:
                if direction not in policy.rules or not policy.selects(end):
                    continue
                rule = next((rule for rule in policy.rules[direction] if rule.matches(flow)), None)
                if rule is None:
                    continue
                if rule.action == "Deny":
                    return policy.name
                break  # Pass leaves the tier
        return None


def read(manifest: Mapping[str, Any]) -> Policy:
    """Parse a manifest of ours; UnsafeRestriction for one that we would not have written."""
    try:
        spec, metadata = manifest["spec"], manifest["metadata"]
        namespace = str(metadata["namespace"])
        return Policy(
            name=str(metadata["name"]),
            namespace=namespace,
            order=float(spec["order"]),
            selector=selector.parse(spec["selector"]),
            rules={
                direction: tuple(_rule(rule, namespace) for rule in spec.get(direction.value, ()))
                for direction in Direction
                if direction.value.capitalize() in spec["types"]
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnsafeRestriction(f"not a manifest of ours: {error!r}") from error


def rule_denies(rule: Rule, key: EdgeKey) -> bool:
    """Whether a planned rule denies an edge of the workload it restricts, judged by the peer's identity."""
    same_peer = rule.peer == key.peer or (key.peer.kind is PeerKind.ADDRESS and _in_nets(key.peer.name, rule.nets))
    return (
        rule.direction is key.direction
        and rule.protocol == key.protocol
        and same_peer
        and (not rule.ports or key.port in rule.ports)
    )


def rule_covers(wide: Rule, narrow: Rule) -> bool:
    """Whether everything that ``narrow`` denies is denied by ``wide``."""
    return (
        (wide.direction, wide.peer, wide.peer_namespace, wide.peer_labels, wide.nets, wide.protocol)
        == (narrow.direction, narrow.peer, narrow.peer_namespace, narrow.peer_labels, narrow.nets, narrow.protocol)
    ) and (not wide.ports or (bool(narrow.ports) and set(narrow.ports) <= set(wide.ports)))


def _rule(rule: Mapping[str, Any], namespace: str) -> _Rule:
    if rule["action"] not in ("Deny", "Pass"):
        raise UnsafeRestriction(f"not an action of ours: {rule['action']!r}")
    return _Rule(
        action=rule["action"],
        protocol=rule["protocol"],
        source=_entity(rule.get("source") or {}, namespace),
        destination=_entity(rule.get("destination") or {}, namespace),
    )


def _entity(entity: Mapping[str, Any], namespace: str) -> _Entity:
    wanted = selector.parse(entity["selector"]) if entity.get("selector") else ()
    return _Entity(
        selector=wanted,
        namespace=_namespace(entity.get("namespaceSelector"), namespace) if wanted else None,
        nets=tuple(ipaddress.ip_network(net) for net in entity.get("nets") or ()),
        ports=frozenset(int(port) for port in entity.get("ports") or ()),
    )


def _namespace(text: str | None, own: str) -> str:
    if not text:
        return own
    if text == selector.GLOBAL:
        return ""
    ((key, value),) = selector.parse(text)
    if key != contract.NAMESPACE_NAME_LABEL:
        raise UnsafeRestriction(f"not a namespaceSelector of ours: {text!r}")
    return value


def _in_nets(address: str, nets: Iterable[str]) -> bool:
    return _address_in(address, tuple(ipaddress.ip_network(net) for net in nets))


def _address_in(text: str, nets: tuple[Net, ...]) -> bool:
    try:
        address = ipaddress.ip_address(text.partition("/")[0])
    except ValueError:
        return False
    return any(address.version == net.version and address in net for net in nets)
