"""Calico's open-source flows (Felix -> Goldmane), in every JSON they come as.

protojson (integers as strings, enums as words, zero values left out, snake_case or camelCase), Go's encoding/json of
the emitter (enums as numbers), the key apart in ``Key`` or flat, and wrapped as ``{"flow": {...}}`` by the stream.
Field meanings: goldmane/proto/api.proto of Calico v3.32.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import msgspec

from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Counts, Endpoint, EndpointKind, Flow, PolicyHit, PolicyKind
from baseline.formats import fields
from baseline.formats.fields import Count, PortNumber


class Trigger(msgspec.Struct, gc=False, frozen=True):
    """The policy because of which a tier's default action applied."""

    kind: str | int = ""
    namespace: str = ""
    name: str = ""
    tier: str = ""


class Hit(msgspec.Struct, gc=False, frozen=True):
    """One entry of a trace; zero values are left out by protojson, so a missing index is 0."""

    kind: str | int = ""
    namespace: str = ""
    name: str = ""
    tier: str = ""
    action: str | int = ""
    policy_index: int = 0
    rule_index: int = 0
    trigger: Trigger | None = None


class Policies(msgspec.Struct, gc=False):
    """What was enforced, and what would be now."""

    enforced_policies: tuple[Hit, ...] | None = None
    pending_policies: tuple[Hit, ...] | None = None


class FlowKey(msgspec.Struct, gc=False):
    """What makes a flow one flow."""

    source_name: str = ""
    source_namespace: str = ""
    source_type: str | int = ""
    dest_name: str = ""
    dest_namespace: str = ""
    dest_type: str | int = ""
    dest_port: PortNumber | None = None
    dest_service_name: str = ""
    dest_service_namespace: str = ""
    dest_service_port_name: str = ""
    dest_service_port: PortNumber | None = None
    proto: str | int = ""
    reporter: str | int = ""
    action: str | int = ""
    policies: Policies | None = None


class Body(FlowKey, gc=False):
    """A flow; its key either in ``Key`` or beside its counts."""

    outer_key: FlowKey | None = msgspec.field(default=None, name="Key")
    key: FlowKey | None = None
    start_time: int | None = None
    end_time: int | None = None
    source_labels: tuple[str, ...] | None = None
    dest_labels: tuple[str, ...] | None = None
    packets_in: Count | None = 0
    packets_out: Count | None = 0
    bytes_in: Count | None = 0
    bytes_out: Count | None = 0
    num_connections_started: Count | None = 0
    num_connections_completed: Count | None = 0
    num_connections_live: Count | None = 0


class Record(Body, gc=False):
    """A line: a flow, or a stream's result around one, with what the agent stamped on it."""

    flow: Body | None = None
    host: str | None = None
    cluster: str | None = None
    mirrored: bool = False


_decoder = msgspec.json.Decoder(Record, strict=False)
_ENDPOINTS = {
    "workloadendpoint": EndpointKind.WORKLOAD, "1": EndpointKind.WORKLOAD,
    "hostendpoint": EndpointKind.HOST, "2": EndpointKind.HOST,
    "networkset": EndpointKind.NETWORK_SET, "3": EndpointKind.NETWORK_SET,
    "network": EndpointKind.NETWORK, "4": EndpointKind.NETWORK,
}  # fmt: skip
_REPORTERS = {"1": "src", "2": "dst"}
_ACTIONS = {"1": "allow", "2": "deny", "3": "pass"}
_POLICIES = {
    "caliconetworkpolicy": (PolicyKind.NETWORK_POLICY, False),
    "globalnetworkpolicy": (PolicyKind.GLOBAL_NETWORK_POLICY, False),
    "stagednetworkpolicy": (PolicyKind.NETWORK_POLICY, True),
    "stagedglobalnetworkpolicy": (PolicyKind.GLOBAL_NETWORK_POLICY, True),
    "stagedkubernetesnetworkpolicy": (PolicyKind.KUBERNETES, True),
    "networkpolicy": (PolicyKind.KUBERNETES, False),
    "profile": (PolicyKind.PROFILE, False),
    "endoftier": (PolicyKind.END_OF_TIER, False),
    "clusternetworkpolicy": (PolicyKind.CLUSTER, False),
}
_POLICY_NUMBERS = {
    "1": "caliconetworkpolicy", "2": "globalnetworkpolicy", "3": "stagednetworkpolicy",
    "4": "stagedglobalnetworkpolicy", "5": "stagedkubernetesnetworkpolicy", "6": "networkpolicy", "9": "profile",
    "10": "endoftier", "11": "clusternetworkpolicy",
}  # fmt: skip
_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_CAMEL = re.compile(rb'"(?:sourceName|sourceType|startTime|packetsOut)"\s*:')


def parse(value: bytes, *, cluster: str, host: str, flush_interval_s: int) -> Flow:
    """One line as a flow; ``flush_interval_s`` is the length of an interval whose end equals its start.

    Raises MalformedRecord or, for what is no such line at all, msgspec's errors.
    """
    record = _camel(value) if _CAMEL.search(value) else _decoder.decode(value)
    body: Body = record.flow or record
    key: FlowKey = body.outer_key or body.key or body
    start, end = fields.interval(body.start_time, body.end_time, widen_s=flush_interval_s)
    policies = key.policies
    return Flow(
        cluster=fields.named("cluster", record.cluster or cluster),
        host=fields.named("host", record.host or host),
        reporter=fields.reporter(_word(key.reporter, _REPORTERS)),
        action=fields.action(_word(key.action, _ACTIONS)),
        source=_endpoint("source", key.source_type, key.source_namespace, key.source_name, body.source_labels),
        dest=_endpoint("dest", key.dest_type, key.dest_namespace, key.dest_name, body.dest_labels),
        dest_port=key.dest_port or None,
        protocol=fields.protocol(key.proto),
        service=fields.service(
            key.dest_service_namespace, key.dest_service_name, key.dest_service_port_name, key.dest_service_port
        ),
        start=start,
        end=end,
        counts=_counts(body, is_mirrored=record.mirrored),
        enforced=_trace(policies.enforced_policies or ()) if policies else (),
        pending=_trace(policies.pending_policies or ()) if policies else (),
        mirrored=record.mirrored,
    )


def _word(stated: str | int, words: dict[str, str]) -> str:
    text = str(stated)
    return words.get(text, text)


def _endpoint(side: str, kind: str | int, namespace: str, name: str, labels: tuple[str, ...] | None) -> Endpoint:
    known = _ENDPOINTS.get(str(kind).lower())
    if known is None:
        raise MalformedRecord("unknown_endpoint", field=f"{side}_type", value=kind)
    # Only a pod without a generateName is named in full here.
    full_name = name if known is EndpointKind.WORKLOAD and not name.endswith("*") else ""
    # protojson leaves an empty list out, so absent labels mean none here.
    try:
        return fields.endpoint(known, namespace, full_name, name, "", labels or ())
    except MalformedRecord as error:
        raise MalformedRecord(error.reason, field=f"{side}_{error.field}", value=error.value) from error


def _counts(body: Body, *, is_mirrored: bool) -> Counts:
    """Counts relative to the flow's local end: of a mirrored copy, in and out change places."""
    packets = (body.packets_in or 0, body.packets_out or 0)
    octets = (body.bytes_in or 0, body.bytes_out or 0)
    if is_mirrored:
        packets, octets = packets[::-1], octets[::-1]
    return Counts(
        *packets,
        *octets,
        body.num_connections_live or 0,
        body.num_connections_started or 0,
        body.num_connections_completed or 0,
    )


@lru_cache(maxsize=16_384)
def _trace(hits: tuple[Hit, ...]) -> tuple[PolicyHit, ...]:
    return tuple(_hit(hit) for hit in sorted(hits, key=lambda hit: hit.policy_index))


def _hit(hit: Hit) -> PolicyHit:
    """An end of tier takes the name of the policy that triggered it, because it has none of its own."""
    kind, staged = _policy(hit.kind)
    namespace, name = hit.namespace, hit.name
    if hit.trigger is not None and not name:
        _, staged = _policy(hit.trigger.kind)
        namespace, name = hit.trigger.namespace, hit.trigger.name
    action = _word(hit.action, _ACTIONS).lower()
    return PolicyHit(kind, hit.tier, fields.absent(namespace), name, action, hit.rule_index, staged)


def _policy(kind: str | int) -> tuple[PolicyKind, bool]:
    word = str(kind).lower()
    return _POLICIES.get(_POLICY_NUMBERS.get(word, word), (PolicyKind.OTHER, False))


def _camel(value: bytes) -> Record:
    """The same from camelCase names; slower, and nobody's default."""
    return msgspec.convert(_snake(msgspec.json.decode(value)), Record, strict=False)


def _snake(node: Any) -> Any:  # noqa: ANN401 - plain JSON
    if isinstance(node, dict):
        return {
            name if name == "Key" else _HUMP.sub(r"_\1", name).lower(): _snake(child) for name, child in node.items()
        }
    if isinstance(node, list):
        return [_snake(child) for child in node]
    return node
