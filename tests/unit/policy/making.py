"""Alerts, flows and restrictions for the tests of policy, reconcile and control."""

from __future__ import annotations

from typing import Any

from baseline.domain import alert as alerts
from baseline.domain.alert import Alert
from baseline.domain.deviation import Deviation, EdgeEvidence, Family, Maturity
from baseline.domain.edge import Direction, Edge, Peer, PeerKind
from baseline.domain.flow import Action, Counts, Endpoint, EndpointKind, Flow, Reporter
from baseline.domain.restriction import MAX_TTL_S, Level, Mode, Restriction, Rule, State, approved, restriction_id
from baseline.domain.workload import WorkloadId

NOW = 1_790_000_040.0  # whole minutes, so that windows end here
WEB = WorkloadId("cluster", "shop", "web")
DB = Peer(PeerKind.WORKLOAD, "shop", "db")
BILLING = Peer(PeerKind.WORKLOAD, "billing", "ledger")
OUTSIDE = Peer(PeerKind.ADDRESS, "", "203.0.113.9")
WEB_LABELS = (("app", "web"), ("pod-template-hash", "7d4b9c6f5d"))
DB_LABELS = (("app", "db"),)


def evidence(
    peer: Peer = DB,
    *,
    port: int | None = 5432,
    direction: Direction = Direction.EGRESS,
    workload: WorkloadId = WEB,
    **changes: Any,
) -> EdgeEvidence:
    """One new edge carrying a deviation, peer labels known for workloads."""
    protocol = changes.pop("protocol", "tcp")
    labels = (("app", peer.name),) if peer.kind is PeerKind.WORKLOAD else ()
    told: dict[str, Any] = {
        "is_new": True,
        "connections": 50,
        "bytes_out": 0,
        "bytes_in": 0,
        "failed": 0,
        "share": 0.5,
        "peer_labels": labels,
        **changes,
    }
    edge = Edge(workload=workload, direction=direction, peer=peer, port=port, protocol=protocol)
    return EdgeEvidence(edge=edge, **told)


def alert(*edges: EdgeEvidence, workload: WorkloadId = WEB, **changes: Any) -> Alert:
    """An alert of one minute, far past its threshold, whose evidence is fresh at NOW."""
    told: dict[str, Any] = {
        "workload": workload,
        "window_start": int(NOW) - 60,
        "window_end": int(NOW),
        "p": 1e-9,
        "threshold": 1e-5,
        "family": Family.FAN_OUT,
        "families": (Family.FAN_OUT, Family.NOVELTY),
        "reasons": (),
        "edges": edges or (evidence(workload=workload),),
        "maturity": Maturity.MATURE,
        "model_set": "test",
        "local_labels": (("app", workload.name), ("pod-template-hash", "7d4b9c6f5d")),
        **changes,
    }
    return alerts.opened(Deviation(**told), sentence="many connections", recorded_at=NOW)


def proposed(*rules: Rule, workload: WorkloadId = WEB, **changes: Any) -> Restriction:
    """A proposed R1 denying web -> db."""
    alert_id = changes.pop("alert_id", "a-1")
    told: dict[str, Any] = {
        "id": restriction_id(alert_id, Level.R1),
        "alert_id": alert_id,
        "workload": workload,
        "selector": (("app", workload.name),),
        "level": Level.R1,
        "rules": rules or (deny(),),
        "allow_dns": True,
        "state": State.PROPOSED,
        "mode": Mode.RECOMMEND,
        "created_at": NOW,
        "ttl_s": 900.0,
        "expires_at": 0.0,
        "max_expires_at": NOW + MAX_TTL_S,
        **changes,
    }
    return Restriction(**told)


def wanted(*rules: Rule, at: float = NOW, by: str = "auto", **changes: Any) -> Restriction:
    """An approved one."""
    return approved(proposed(*rules, **changes), by=by, now=at)


def deny(peer: Peer = DB, *, ports: tuple[int, ...] = (5432,), **changes: Any) -> Rule:
    """One rule towards a peer."""
    told: dict[str, Any] = {"direction": Direction.EGRESS, "peer": peer, "ports": ports}
    if peer.kind is PeerKind.ADDRESS:
        told["nets"] = (f"{peer.name}/32",)
    else:
        told |= {"peer_namespace": peer.namespace, "peer_labels": (("app", peer.name),)}
    return Rule(**{**told, **changes})


def pod(namespace: str, name: str, *, labels: tuple[tuple[str, str], ...] | None = None) -> Endpoint:
    """A workload's end of a flow, labelled app=NAME."""
    own = (("app", name),) if labels is None else labels
    return Endpoint(EndpointKind.WORKLOAD, namespace, "", f"{name}-*", "", own)


def outside(address: str) -> Endpoint:
    """An address beyond the cluster."""
    return Endpoint(EndpointKind.NETWORK, "", "", "pub", address, None)


def flow(source: Endpoint, dest: Endpoint, *, port: int | None = 5432, protocol: str = "tcp") -> Flow:
    """One allowed record of the source's node."""
    return Flow(
        cluster="cluster",
        host="node-1",
        reporter=Reporter.SRC,
        action=Action.ALLOW,
        source=source,
        dest=dest,
        dest_port=port,
        protocol=protocol,
        service=None,
        start=int(NOW) - 60,
        end=int(NOW),
        counts=Counts(packets_out=1, flows=1, started=1),
    )
