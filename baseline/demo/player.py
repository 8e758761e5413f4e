"""What the restrictions in force would have prevented: recorded traffic does not know our policies.

Simulated, and said so: a record that a manifest in force denies is dropped before it is fed. In a cluster, established
connections would go on, and a denied attempt would be logged as denied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from baseline.domain.flow import Flow, Reporter
from baseline.policy.evaluate import Tier
from baseline.ports import Cluster


@dataclass(slots=True)
class Prevented:
    """What did not happen."""

    records: int = 0
    connections: int = 0  # counted on the initiator's side only


class Player:
    """Looks at the cluster now and then, and drops what its manifests deny."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._revisions: frozenset[tuple[str, str]] = frozenset()
        self._tier = Tier([])
        self.prevented = Prevented()
        self.by_policy: dict[str, int] = {}  # records
        self.manifests: dict[str, Mapping[str, Any]] = {}  # everything that was ever seen in force, by name

    def look(self) -> list[str]:
        """Read what is in force now; its names."""
        objects = self._cluster.policies().objects
        revisions = frozenset((obj.name, obj.revision) for obj in objects)
        if revisions != self._revisions:
            self._revisions = revisions
            self._tier = Tier(obj.manifest for obj in objects)
            self.manifests.update({obj.name: obj.manifest for obj in objects})
        return sorted(obj.name for obj in objects)

    def transform(self, flow: Flow) -> Flow | None:
        """The flow, or None when something in force denies it."""
        policy = self._tier.denied_by(flow)
        if policy is None:
            return flow
        self.prevented.records += 1
        if flow.reporter is Reporter.SRC:
            self.prevented.connections += flow.counts.started
        self.by_policy[policy] = self.by_policy.get(policy, 0) + 1
        return None
