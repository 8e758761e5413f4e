"""Rivals that keep a set of what was seen and alert on anything else. Ours, after their documented behaviour.

Each scores windows by how many things in it are outside the set; above 0 is its own documented alert.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from baseline.domain.edge import Direction, EdgeKey, PeerKind
from baseline.domain.units import HOUR_S
from pipelines.suite._westermo_trials import Edges

OBSERVED_S = HOUR_S  # StackRox's ROX_NETWORK_BASELINE_OBSERVATION_PERIOD
Key = tuple[str, int]  # workload, start of a minute
SetRival = Callable[[Edges, Edges], dict[Key, int]]  # learned windows, judged windows -> what is new in each


def stackrox_style(learned: Edges, judged: Edges) -> dict[Key, int]:
    """StackRox's network baseline, locked after its observation period of one hour.

    Per deployment the set of (peer, port, protocol, direction), no counts and no time; addresses outside the cluster
    are one "External Entities"; anything outside a locked baseline is an "Unauthorized Network Flow"
    (stackrox/stackrox, ``proto/storage/network_baseline.proto``, ``central/networkbaseline/manager``).
    """
    begins = min((start for _, start in learned), default=0)
    known: dict[str, set[EdgeKey]] = {}
    for (workload, start), edges in learned.items():
        if start < begins + OBSERVED_S:
            known.setdefault(workload, set()).update(map(_anonymised, edges))
    return {key: len({*map(_anonymised, edges)} - known.get(key[0], set())) for key, edges in judged.items()}


def kubescape_style(learned: Edges, judged: Edges) -> dict[Key, int]:
    """Kubescape's rule R0011, "Unexpected Egress Network Traffic".

    ``OUTGOING && !is_private_ip && !was_address_in_egress``: a public address that the workload's learned
    NetworkNeighborhood does not hold; ports are not looked at (kubescape/node-agent, ``default-rules.yaml``).
    """
    known: dict[str, set[tuple[str, ...]]] = {}
    for (workload, _), edges in learned.items():
        known.setdefault(workload, set()).update(_public_egress(edges))
    return {key: len(_public_egress(edges) - known.get(key[0], set())) for key, edges in judged.items()}


def _anonymised(edge: EdgeKey) -> EdgeKey:
    if edge.peer.is_external:
        return edge._replace(peer=edge.peer._replace(kind=PeerKind.PUBLIC, namespace="", name="External Entities"))
    return edge


def _public_egress(edges: Iterable[EdgeKey]) -> set[tuple[str, ...]]:
    public = (PeerKind.PUBLIC, PeerKind.ADDRESS, PeerKind.DOMAIN)
    return {tuple(edge.peer) for edge in edges if edge.direction is Direction.EGRESS and edge.peer.kind in public}
