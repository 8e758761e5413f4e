"""Flows for tests of windows."""

from __future__ import annotations

from typing import Any

from baseline.domain.flow import Action, Counts, Endpoint, EndpointKind, Flow, PolicyHit, PolicyKind, Reporter

T0 = 1_700_000_000 // 3600 * 3600
ALLOWED = PolicyHit(PolicyKind.PROFILE, "", "", "kns.shop", "allow", 0)
DENIED = PolicyHit(PolicyKind.NETWORK_POLICY, "behaviour", "shop", "behaviour.r1", "deny", 0)


def pod(name: str, *, address: str = "", labels: tuple[tuple[str, str], ...] | None = None) -> Endpoint:
    """A pod of namespace shop."""
    return Endpoint(EndpointKind.WORKLOAD, "shop", "", f"{name}-*", address, labels)


def flow(
    end: int,
    *,
    source: str = "web",
    dest: str = "api",
    host: str = "n1",
    length: int = 15,
    counts: Counts | None = None,
    labels: tuple[tuple[str, str], ...] | None = None,
    peer_labels: tuple[tuple[str, str], ...] | None = None,
    **changed: Any,
) -> Flow:
    """A record that ends ``end`` seconds after T0."""
    made: dict[str, Any] = {
        "cluster": "c1",
        "host": host,
        "reporter": Reporter.SRC,
        "action": Action.ALLOW,
        "source": pod(source, labels=labels),
        "dest": pod(dest, labels=peer_labels),
        "dest_port": 80,
        "protocol": "tcp",
        "service": None,
        "start": T0 + end - length,
        "end": T0 + end,
        "counts": counts or Counts(4, 3, 400, 300, 1, 1, 1),
        "enforced": (ALLOWED,),
    }
    return Flow(**{**made, **changed})
