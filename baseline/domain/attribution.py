"""Whose record is it: from a flow to its workload, its peer and its edge, and what its counts mean.

Pure. A record belongs to its reporter: egress is read from SRC records, ingress from DST records, so that a
pod-to-pod flow that both sides report is never counted twice.
"""

from __future__ import annotations

from functools import lru_cache

from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.flow import Action, Endpoint, EndpointKind, Flow, Reporter
from baseline.domain.workload import OwnerKind, WorkloadId, owner

_CACHED = 65_536  # endpoints and edges of a large cluster; an entry is a few hundred bytes


def reporting_workload(flow: Flow) -> WorkloadId | None:
    """The workload the record is counted for; None for hosts and for pods whose name was aggregated away."""
    return workload_of(flow.cluster, flow.local)


@lru_cache(maxsize=_CACHED)
def workload_of(cluster: str, endpoint: Endpoint) -> WorkloadId | None:
    """The workload an endpoint is; None when it is none, or the log does not name it."""
    if endpoint.kind is not EndpointKind.WORKLOAD:
        return None
    name, kind = _owner_of(endpoint)
    return WorkloadId(cluster, endpoint.namespace, name, kind) if name and endpoint.namespace else None


@lru_cache(maxsize=_CACHED)
def peer_of(endpoint: Endpoint, domains: tuple[str, ...] = ()) -> Peer:
    """What the other end is, by the most stable name the log has for it.

    A domain is preferred to an address, because addresses behind a name change by the hour; of several domains the
    first in alphabetical order is taken, so that the order in the log does not matter. A pod whose name was
    aggregated away is ``namespace/*``.
    """
    if endpoint.kind is EndpointKind.WORKLOAD:
        return Peer(PeerKind.WORKLOAD, endpoint.namespace, _owner_of(endpoint)[0] or "*")
    name = endpoint.name or endpoint.name_aggr
    if endpoint.kind is EndpointKind.HOST:
        return Peer(PeerKind.HOST, "", name)
    if endpoint.kind is EndpointKind.NETWORK_SET:
        return Peer(PeerKind.NETWORK_SET, endpoint.namespace, endpoint.name_aggr or endpoint.name)
    if domains:
        return Peer(PeerKind.DOMAIN, "", min(domains))
    if endpoint.address:
        return Peer(PeerKind.ADDRESS, "", endpoint.address)
    if endpoint.name_aggr in (PeerKind.PUBLIC, PeerKind.PRIVATE):
        return Peer(PeerKind(endpoint.name_aggr), "", endpoint.name_aggr)
    return Peer(PeerKind.ADDRESS, "", name)


def direction_of(flow: Flow) -> Direction:
    """EGRESS when the local end opened the connection."""
    return Direction.EGRESS if (flow.reporter is Reporter.SRC) != flow.mirrored else Direction.INGRESS


def edge_key(flow: Flow) -> EdgeKey:
    """The edge the record is counted on, seen from its reporting workload."""
    direction = direction_of(flow)
    domains = flow.domains if direction is Direction.EGRESS else ()
    return _edge(direction, peer_of(flow.remote, domains), flow.dest_port, flow.protocol)


def is_attempt(flow: Flow) -> bool:
    """Whether policy allowed it here but nothing came back: refused by the peer, filtered, or nobody there.

    A peer that refuses by its own ingress policy still is ``allow`` on the source side (measured on Felix v3.32.1);
    a baseline that learns such records as traffic learns blocked peers.
    """
    return (
        flow.action is Action.ALLOW
        and flow.counts.packets_out > 0
        and flow.counts.packets_in == 0
        and direction_of(flow) is Direction.EGRESS
    )


def denied_connections(flow: Flow) -> int:
    """Connections policy refused here in this record; 0 for allowed ones and for stale denies.

    Felix re-sends dead denies for minutes after the policy is gone: no packets, nothing started. A deny with packets
    of a connection that started earlier (a retried SYN) is one connection.
    """
    if flow.action is not Action.DENY:
        return 0
    has_packets = flow.counts.packets_in > 0 or flow.counts.packets_out > 0
    return max(flow.counts.started, int(has_packets))


@lru_cache(maxsize=_CACHED)
def _edge(direction: Direction, peer: Peer, port: int | None, protocol: str) -> EdgeKey:
    return EdgeKey(direction, peer, port, protocol)


@lru_cache(maxsize=_CACHED)
def _owner_of(endpoint: Endpoint) -> tuple[str, OwnerKind]:
    labels = dict(endpoint.labels) if endpoint.labels is not None else None
    return owner(name_aggr=endpoint.name_aggr, pod_name=endpoint.name, labels=labels)
