"""What holds for every restriction there can be, not only for those we thought of."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import UnsafeRestriction
from baseline.domain.restriction import MAX_TTL_S, Restriction, Rule, State, approved
from baseline.policy import contract, selector
from baseline.policy.adopt import ADOPTED, adopt
from baseline.policy.diff import canonical, diff
from baseline.policy.evaluate import Tier, rule_denies
from baseline.policy.render import manifest, render
from baseline.ports import ClusterObject
from tests.unit.policy.making import NOW, WEB, flow, outside, pod, proposed

INSTANCE = "default"
names = st.text(alphabet="abcxyz019", max_size=6).map(lambda text: f"n{text}")
labels = st.dictionaries(names, names, min_size=1, max_size=3).map(lambda found: tuple(sorted(found.items())))
ports = st.lists(st.integers(1, 65_535), unique=True, max_size=5).map(lambda found: tuple(sorted(found)))
directions = st.sampled_from(list(Direction))
protocols = st.sampled_from(["tcp", "udp", "sctp"])


@st.composite
def workload_rules(draw: st.DrawFn) -> Rule:
    """A rule towards a workload."""
    namespace, name = draw(names), draw(names)
    return Rule(
        direction=draw(directions),
        peer=Peer(PeerKind.WORKLOAD, namespace, name),
        peer_namespace=namespace,
        peer_labels=draw(labels),
        protocol=draw(protocols),
        ports=draw(ports),
    )


@st.composite
def address_rules(draw: st.DrawFn) -> Rule:
    """A rule towards an address."""
    address = str(draw(st.ip_addresses()))
    bits = 128 if ":" in address else 32
    return Rule(
        direction=draw(directions),
        peer=Peer(PeerKind.ADDRESS, "", address),
        nets=(f"{address}/{bits}",),
        protocol=draw(protocols),
        ports=draw(ports),
    )


rules = st.lists(st.one_of(workload_rules(), address_rules()), min_size=1, max_size=6).map(tuple)


@st.composite
def restrictions(draw: st.DrawFn) -> Restriction:
    """Any approved restriction."""
    planned = proposed(*draw(rules), selector=draw(labels), allow_dns=draw(st.booleans()))
    ttl_s = draw(st.floats(1, 2 * MAX_TTL_S))
    return approved(planned, by=draw(st.sampled_from(["auto", "ann"])), now=NOW, ttl_s=ttl_s)


@given(restrictions())
def test_the_same_restriction_renders_to_the_same_bytes(restriction: Restriction) -> None:
    """Otherwise reconciling would write for ever."""
    first, second = (canonical(render(restriction, instance=INSTANCE, now=NOW)) for _ in range(2))
    assert first == second
    assert yaml.safe_load(yaml.safe_dump(json.loads(first))) == json.loads(first)


@given(restrictions())
def test_nothing_is_ever_allowed_or_selected_without_a_label(restriction: Restriction) -> None:
    """Deny and Pass only; every selector is a conjunction of positive matches."""
    rendered = render(restriction, instance=INSTANCE, now=NOW)
    spec = rendered["spec"]
    found = [*spec.get("ingress", []), *spec.get("egress", [])]
    assert {rule["action"] for rule in found} <= {"Deny", "Pass"}
    assert selector.parse(spec["selector"]) == restriction.selector
    for rule in found:
        for entity in (rule.get("source", {}), rule.get("destination", {})):
            assert not any(key.startswith("not") for key in entity)
            if "selector" in entity:
                assert selector.parse(entity["selector"])
            assert all(isinstance(port, int) for port in entity.get("ports", []))
        named = [entity for entity in (rule.get("source"), rule.get("destination")) if entity]
        assert any("selector" in entity or entity.get("nets") for entity in named)
    assert "all()" not in canonical(rendered)
    assert spec["types"]
    for direction in Direction:
        assert (direction.value.capitalize() in spec["types"]) == (direction.value in spec)


@given(restrictions(), st.floats(0, 3 * MAX_TTL_S))
def test_an_expired_restriction_is_never_rendered(restriction: Restriction, later_s: float) -> None:
    """Nor one that has ended, nor one that nobody approved."""
    now = NOW + later_s
    if now >= restriction.expires_at:
        with pytest.raises(UnsafeRestriction):
            render(restriction, instance=INSTANCE, now=now)
    else:
        assert contract.expires_at(render(restriction, instance=INSTANCE, now=now)) > NOW
    assert restriction.expires_at <= NOW + MAX_TTL_S


@given(restrictions(), st.sampled_from([state for state in State if state not in ("approved", "applied", "held")]))
def test_only_what_is_wanted_is_rendered(restriction: Restriction, state: State) -> None:
    """Proposed and ended ones never become objects."""
    with pytest.raises(UnsafeRestriction):
        render(replace(restriction, state=state), instance=INSTANCE, now=NOW)


@given(restrictions())
def test_a_forgotten_object_comes_back_as_the_restriction_it_was(restriction: Restriction) -> None:
    """The object tells everything that keeps it alive and ends it."""
    rendered = render(restriction, instance=INSTANCE, now=NOW)
    found = adopt(rendered, instance=INSTANCE)
    assert found.detail == ADOPTED
    assert render(found, instance=INSTANCE, now=NOW) == rendered


@given(restrictions(), names, names, st.sampled_from([53, 443, 5432]), protocols)
def test_evaluation_denies_exactly_what_the_rules_name(
    restriction: Restriction, namespace: str, name: str, port: int, protocol: str
) -> None:
    """The matcher over manifests agrees with the rules it was rendered from, for the rules' own peers and others."""
    tier = Tier([render(restriction, instance=INSTANCE, now=NOW)])
    own = pod(WEB.namespace, WEB.name, labels=restriction.selector)
    for rule in restriction.rules:
        number = rule.ports[0] if rule.ports else port
        other = (
            outside(rule.peer.name) if rule.nets else pod(rule.peer_namespace, rule.peer.name, labels=rule.peer_labels)
        )
        ends = (own, other) if rule.direction is Direction.EGRESS else (other, own)
        assert tier.denied_by(flow(*ends, port=number, protocol=rule.protocol)) == restriction.object_name
        assert rule_denies(rule, rule_key(rule, number))
    stranger = pod(namespace, name, labels=(("nobody", "else-has-this"),))
    assert tier.denied_by(flow(own, stranger, port=port, protocol=protocol)) is None
    assert tier.denied_by(flow(stranger, own, port=port, protocol=protocol)) is None


def rule_key(rule: Rule, port: int) -> EdgeKey:
    """The edge that a rule names, at one port."""
    return EdgeKey(rule.direction, rule.peer, port, rule.protocol)


@given(restrictions(), st.dictionaries(names, names, max_size=3), st.booleans())
def test_a_foreign_object_is_never_changed(
    restriction: Restriction, their_labels: dict[str, str], has_our_name: bool
) -> None:
    """Whatever it is called and however it is labelled, unless it carries our marks and our instance."""
    theirs = manifest(restriction, instance="another")
    if not has_our_name:
        theirs["metadata"]["name"] = "behaviour.theirs"
    theirs["metadata"]["labels"] |= their_labels
    obj = ClusterObject("shop", theirs["metadata"]["name"], "1", "u", theirs)
    changes = diff([restriction], [obj], instance=INSTANCE, now=NOW)
    assert (changes.replace, changes.expired, changes.unwanted) == ((), (), ())
    assert changes.foreign == (obj,)
    assert len(changes.create) == (0 if has_our_name else 1)


@given(restrictions())
def test_what_is_in_place_needs_nothing(restriction: Restriction) -> None:
    """Even when the server added empty fields and marks of its own."""
    live = json.loads(canonical(render(restriction, instance=INSTANCE, now=NOW)))
    live["metadata"] |= {"resourceVersion": "7", "uid": "u", "managedFields": []}
    live["metadata"]["annotations"]["somebody/else"] = "was here"
    for rule in live["spec"].get("egress", []):
        rule.setdefault("source", {})
    obj = ClusterObject(live["metadata"]["namespace"], live["metadata"]["name"], "7", "u", live)
    assert diff([restriction], [obj], instance=INSTANCE, now=NOW).is_empty


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), min_size=1, max_size=3))
def test_no_label_value_can_break_out_of_a_selector(found: dict[str, str]) -> None:
    """Either it reads back as exactly those labels, or it is refused."""
    try:
        text = selector.equals(found.items())
    except UnsafeRestriction:
        return
    assert dict(selector.parse(text)) == found
