"""What guards look at, what they may answer, and the numbers they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from baseline.domain.alert import Alert
from baseline.domain.restriction import MAX_TTL_S, Mode, Restriction
from baseline.domain.workload import WorkloadId

PROTECTED_NAMESPACES = ("kube-system", "calico-*", "tigera-operator")


class Answer(IntEnum):
    """Ordered by strength: the strongest answer of all guards decides."""

    ALLOW = 0
    ASK = 1  # a person may apply it
    REFUSE = 2  # nobody may

    def __str__(self) -> str:
        return self.name.lower()


class Outcome(NamedTuple):
    """What one guard said."""

    guard: str
    answer: Answer
    sentence: str

    def __str__(self) -> str:
        return f"{self.guard}: {self.answer}: {self.sentence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardOptions:
    """The numbers; defaults are those of docs/restrictions.md. ``relaxed`` names guards that only report."""

    evidence_factor: float = 50.0  # automatic only when p < alert threshold / this
    evidence_windows: int = 2  # newest evidence at most so many windows old
    lag_max_s: float = 60.0  # consumer lag
    protected_namespaces: tuple[str, ...] = PROTECTED_NAMESPACES  # globs
    protected_nets: tuple[str, ...] = ()  # CIDRs that are never denied, such as the API server's addresses
    own_namespace: str = "calico-baseline"
    cluster: str = ""  # the one configured cluster; empty: every cluster's workloads are ours
    ttl_max_s: float = MAX_TTL_S
    concurrent_max: int = 5  # automatic restrictions live at once
    namespace_max: int = 2
    workload_max: int = 1
    hourly_max: int = 10
    burst_max: int = 3
    workloads_share: float = 0.02  # of the workloads seen in 24 h may be restricted automatically, at least one
    namespace_share: float = 0.10  # of a namespace's
    cool_down_s: float = 1800.0
    platform_share: float = 0.10  # of all workloads anomalous at once is an event of the platform, no attack
    platform_min: int = 5  # and at least so many
    platform_within_s: float = 300.0
    platform_pause_s: float = 1800.0
    relaxed: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything a guard may know; facts only, read by services.restrict."""

    alert: Alert
    restriction: Restriction  # as planned
    now: float
    mode: Mode | None  # of the restricted workload's namespace; None: the cluster could not be asked
    is_protected: bool  # the namespace or the workload carries the protect label
    lag_s: float | None  # consumer lag; None: not known
    live: Sequence[Restriction] = ()  # approved, applied or held, without this one
    approvals: Sequence[float] = ()  # times of automatic approvals in the last hour, ascending
    ended: Sequence[Restriction] = ()  # released or expired restrictions of this workload within the cool-down
    workloads: Mapping[str, int] = field(default_factory=dict)  # namespace -> workloads seen in 24 h
    anomalies: Sequence[tuple[float, WorkloadId]] = ()  # (opened_at, workload) of recent alerts, ascending

    @property
    def workload(self) -> WorkloadId:
        """The workload that would be restricted."""
        return self.restriction.workload

    @property
    def automatic(self) -> Sequence[Restriction]:
        """Live restrictions that no person stands behind."""
        return [restriction for restriction in self.live if restriction.approved_by == "auto"]
