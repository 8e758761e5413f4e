"""Peer groups: whose habits stand in for a workload's own while it has few.

Pure. The finest group with enough members is taken: the same application wherever it runs (by the labels its owner
gives all its pods, or by its owner's name and kind in several namespaces), then the same kind in the same namespace,
then the cluster. The image is not in a flow log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features.table import FloatArray, IntArray

Labels = tuple[tuple[str, str], ...]
FEWEST = 3  # members of a group: with two, "most of the others" is one workload's word
# What an owner calls its application; recommended labels of Kubernetes first, then what charts used before them.
_APPLICATION = ("app.kubernetes.io/name", "app", "k8s-app", "application")
_PART = ("app.kubernetes.io/component", "component", "tier", "role")


def group_ids(workloads: Sequence[WorkloadId], labels: Mapping[WorkloadId, Labels] | None = None) -> IntArray:
    """The group of each line, int64 (lines,), numbered from 0 in order of first appearance.

    Parameters
    ----------
    labels : of the pods of the workloads, where the log showed any. The same workloads and labels in another order
        give the same groups under other numbers.
    """
    candidates = [_keys(workload, dict((labels or {}).get(workload, ()))) for workload in workloads]
    members = Counter(key for keys in candidates for key in keys)
    numbers: dict[tuple[str, ...], int] = {}
    found = np.empty(len(workloads), dtype=np.int64)
    for line, keys in enumerate(candidates):
        key = next((one for one in keys[:-1] if members[one] >= FEWEST), keys[-1])
        found[line] = numbers.setdefault(key, len(numbers))
    return found


def sizes(groups: IntArray) -> IntArray:
    """Members of each group, int64 (groups,)."""
    return np.bincount(groups, minlength=1).astype(np.int64)


def others_mean(values: FloatArray, groups: IntArray, *, prior: float, strength: float) -> FloatArray:
    """Mean over the other members of each line's group, shrunk to ``prior`` by ``strength`` members' weight.

    The line itself is left out: what one workload does is no evidence for what its peers do.
    """
    total = np.bincount(groups, weights=values) if len(values) else np.zeros(1)
    count = np.bincount(groups) if len(values) else np.zeros(1)
    others = count[groups] - 1.0
    return np.asarray((total[groups] - values + strength * prior) / (others + strength))


def _keys(workload: WorkloadId, labels: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Candidates, finest first; the last one always holds."""
    cluster = (workload.cluster,)
    kind = (*cluster, "kind", workload.namespace, workload.kind.value)
    application = next((labels[name] for name in _APPLICATION if labels.get(name)), "")
    keys: list[tuple[str, ...]] = []
    if application:
        part = next((labels[name] for name in _PART if labels.get(name)), "")
        keys.append((*cluster, "labels", application, part))
    keys.append((*cluster, "owner", workload.name, workload.kind.value))
    if workload.kind is not OwnerKind.UNKNOWN:
        keys.append(kind)
    return (*keys, cluster)
