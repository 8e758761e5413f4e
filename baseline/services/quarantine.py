"""A newcomer's edges never enter its victims' baselines by arriving first.

Pure. Whoever calls a workload from a fresh workload would otherwise be learned by the callee as an ordinary client,
an hour before the attack comes over that very edge. So an ingress edge from a newcomer waits: it is counted as new
once, so that a new client costs one look and no more, and it stays unknown to the callee's baseline until the newcomer
is judged normal itself.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence

from baseline.detectors import completeness
from baseline.detectors.edgeuse import EdgeUse
from baseline.domain.deviation import Maturity
from baseline.domain.edge import Direction, EdgeKey, PeerKind
from baseline.domain.workload import WorkloadId


def caller_of(key: EdgeKey, *, cluster: str) -> WorkloadId | None:
    """The workload that calls over an ingress edge; None for anything else."""
    if key.direction is not Direction.INGRESS or key.peer.kind is not PeerKind.WORKLOAD or key.peer.name == "*":
        return None
    return WorkloadId(cluster, key.peer.namespace, key.peer.name)


def newcomers(
    workloads: Sequence[WorkloadId], uses: Sequence[Sequence[EdgeUse]], *, first_seen: Sequence[float],
    maturity: Sequence[Maturity], until: float,
) -> set[WorkloadId]:  # fmt: skip
    """Workloads that still learn at the end of a history and were not there when it began.

    A caller without windows of its own (a node that writes no flow logs) is as old as its oldest call.
    """
    since = min(first_seen, default=until)
    found = {
        workload
        for workload, known, first in zip(workloads, maturity, first_seen, strict=True)
        if completeness.is_newcomer(known, first_seen=first, since=since, until=until)
    }
    oldest: dict[WorkloadId, float] = {}
    reporting = set(workloads)
    for workload, own in zip(workloads, uses, strict=True):
        for use in own:
            caller = caller_of(use.key, cluster=workload.cluster)
            if caller is not None and caller not in reporting:
                oldest[caller] = min(use.first_seen, oldest.get(caller, use.first_seen))
    for caller, first in oldest.items():
        known = completeness.maturity(seen_s=until - first, hours=0, chance=1.0)
        if completeness.is_newcomer(known, first_seen=first, since=since, until=until):
            found.add(caller)
    return found


def without_newcomers(
    workloads: Sequence[WorkloadId], uses: Sequence[Sequence[EdgeUse]], newcomers: Collection[WorkloadId]
) -> Sequence[Sequence[EdgeUse]]:
    """The uses of every line but calls from newcomers; a newcomer's own calls are its own affair."""
    if not newcomers:
        return uses
    return [
        [use for use in own if caller_of(use.key, cluster=workload.cluster) not in newcomers]
        for workload, own in zip(workloads, uses, strict=True)
    ]


def by_caller(
    keys: Iterable[EdgeKey], *, cluster: str, is_newcomer: Callable[[WorkloadId], bool]
) -> tuple[list[EdgeKey], list[EdgeKey]]:
    """Edges that may be learned, and those that wait for their caller."""
    free: list[EdgeKey] = []
    held: list[EdgeKey] = []
    for key in keys:
        caller = caller_of(key, cluster=cluster)
        (held if caller is not None and is_newcomer(caller) else free).append(key)
    return free, held
