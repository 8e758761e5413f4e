"""Peer groups: whose habits stand in for a workload's own while it has few.

Pure. The finest group with enough members is taken: the same application wherever it runs (by the labels its owner
gives all its pods, or by its owner's name and kind in several namespaces), then the same kind in the same namespace,
then the cluster. The image is not in a flow log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums of a value over the members of each group, as far as they are known: a sample of the fleet may be all.

    of_group, count : (groups,). members : numbers of the lines in the fleet, ascending, (members,). values : theirs.
    """

    of_group: FloatArray
    count: IntArray
    members: IntArray
    values: FloatArray

    @classmethod
    def of(cls, values: FloatArray, groups: IntArray, *, lines: IntArray) -> Sums:
        """Over lines with these numbers in the fleet, ascending."""
        return cls(
            of_group=np.bincount(groups, weights=values).astype(np.float64) if len(values) else np.zeros(1),
            count=np.bincount(groups).astype(np.int64) if len(values) else np.zeros(1, dtype=np.int64),
            members=lines, values=values,
        )  # fmt: skip

    def total(self, groups: IntArray) -> FloatArray:
        """The sum of each of the groups, 0 where no member is known."""
        return np.asarray(_picked(self.of_group, groups))

    def others_mean(self, groups: IntArray, *, lines: IntArray, prior: float, strength: float) -> FloatArray:
        """Mean over the other members of each line's group, shrunk to ``prior`` by ``strength`` members' weight.

        The line itself is left out: what one workload does is no evidence for what its peers do.
        """
        place = np.minimum(np.searchsorted(self.members, lines), max(len(self.members) - 1, 0))
        is_member = self.members[place] == lines if len(self.members) else np.zeros(len(lines), dtype=np.bool_)
        own = np.where(is_member, self.values[place], 0.0) if len(self.values) else np.zeros(len(lines))
        others = _picked(self.count, groups) - is_member.astype(np.float64)
        return np.asarray((self.total(groups) - own + strength * prior) / (others + strength))


def _picked(values: npt.NDArray[Any], groups: IntArray) -> FloatArray:
    """The value of each group, 0 beyond the last known one."""
    return np.where(groups < len(values), values[np.minimum(groups, len(values) - 1)], 0).astype(np.float64)


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
