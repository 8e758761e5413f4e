"""What has a baseline: the owner behind pods, derived from names and labels, never from a pod or an address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class OwnerKind(StrEnum):
    """Kinds of owner we can tell apart; UNKNOWN where the log shows neither labels nor a telling name."""

    DEPLOYMENT = "Deployment"
    REPLICA_SET = "ReplicaSet"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"
    CRON_JOB = "CronJob"
    JOB = "Job"
    POD = "Pod"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, order=True)
class WorkloadId:
    """Cluster, namespace and owner name. The kind rides along but is no part of the identity.

    Calico's logs do not always show the kind (labels may be absent in one record and present in the next); one
    workload must not become two baselines for that.
    """

    cluster: str
    namespace: str
    name: str
    kind: OwnerKind = field(default=OwnerKind.UNKNOWN, compare=False)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def key(self) -> str:
        """The Kafka key and the spelling that is unique across clusters: ``cluster/namespace/name``."""
        return f"{self.cluster}/{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str, *, cluster: str) -> WorkloadId:
        """Read ``namespace/name`` (of ``cluster``) or ``cluster/namespace/name``."""
        parts = text.split("/")
        if len(parts) == 2 and all(parts):
            return cls(cluster, parts[0], parts[1])
        if len(parts) == 3 and all(parts):
            return cls(parts[0], parts[1], parts[2])
        raise ValueError(f"not a workload: {text!r} (write namespace/name or cluster/namespace/name)")


# The alphabet of Kubernetes' generated suffixes (k8s.io/apimachinery util/rand) has no vowels and no 0, 1, 3:
# that is what tells "web-7d4b9c" (a ReplicaSet) from "web-backend" (a name).
_SAFE = "bcdfghjklmnpqrstvwxz2456789"
_REPLICA_SET_HASH = re.compile(rf"-([{_SAFE}]{{8,10}}|[0-9a-f]{{9,10}})$")
_POD_SUFFIX = re.compile(rf"-[{_SAFE}]{{5}}$")
_CRON_STAMP = re.compile(r"-\d{7,10}$")  # minutes (or, before Kubernetes 1.21, seconds) since the epoch
_ORDINAL = re.compile(r"-\d{1,5}$")

_JOB_LABELS = ("batch.kubernetes.io/job-name", "job-name")


def owner(*, name_aggr: str, pod_name: str = "", labels: Mapping[str, str] | None = None) -> tuple[str, OwnerKind]:
    """Name and kind of the owner of the pods a record speaks of.

    ``name_aggr`` is Calico's aggregated name: ``generateName*`` or a bare pod name. Labels decide where there are
    any; names decide otherwise, and where a name could be read in two ways the longer owner name is kept: two
    workloads never collapse into one by guessing.
    """
    known = labels or {}
    prefix, is_generated = _prefix(name_aggr or pod_name)
    if job := next((known[label] for label in _JOB_LABELS if known.get(label)), ""):
        return _job_owner(job)
    if template_hash := known.get("pod-template-hash"):
        return _replica_set_owner(prefix, template_hash, is_generated=is_generated)
    if known.get("apps.kubernetes.io/pod-index") is not None or "statefulset.kubernetes.io/pod-name" in known:
        return _ORDINAL.sub("", prefix) if not is_generated else prefix, OwnerKind.STATEFUL_SET
    if revision := known.get("controller-revision-hash"):
        # A StatefulSet's revision is "<set name>-<hash>", a DaemonSet's is the bare hash.
        return (
            _ORDINAL.sub("", prefix)
            if not is_generated and "-" in revision
            else _pod_prefix(prefix, is_generated=is_generated)
        ), (OwnerKind.STATEFUL_SET if "-" in revision else OwnerKind.DAEMON_SET)
    return _owner_by_name(prefix, is_generated=is_generated)


def match_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels that identify an owner's pods over rollouts: what a restriction may select by.

    Hashes, revisions, ordinals and Calico's own labels change with every rollout or pod, so they are left out.
    """
    return {
        key: value
        for key, value in sorted(labels.items())
        if key not in _VOLATILE_LABELS and not key.startswith("projectcalico.org/")
    }


_VOLATILE_LABELS = frozenset({
    "pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index", "controller-uid", "batch.kubernetes.io/controller-uid", "job-name",
    "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index",
})  # fmt: skip


def _prefix(name_aggr: str) -> tuple[str, bool]:
    if name_aggr.endswith("*"):
        return name_aggr[:-1].rstrip("-"), True
    return name_aggr, False


def _pod_prefix(prefix: str, *, is_generated: bool) -> str:
    return prefix if is_generated else _POD_SUFFIX.sub("", prefix)


def _job_owner(job: str) -> tuple[str, OwnerKind]:
    cron = _CRON_STAMP.sub("", job)
    return (cron, OwnerKind.CRON_JOB) if cron != job and cron else (job, OwnerKind.JOB)


def _replica_set_owner(prefix: str, template_hash: str, *, is_generated: bool) -> tuple[str, OwnerKind]:
    replica_set = _pod_prefix(prefix, is_generated=is_generated)
    deployment = replica_set.removesuffix(f"-{template_hash}")
    if deployment != replica_set and deployment:
        return deployment, OwnerKind.DEPLOYMENT
    return _owner_by_name(prefix, is_generated=is_generated)


def _owner_by_name(prefix: str, *, is_generated: bool) -> tuple[str, OwnerKind]:
    base = _pod_prefix(prefix, is_generated=is_generated)
    if is_generated or base != prefix:
        cron = _CRON_STAMP.sub("", base)
        if cron != base and cron:
            return cron, OwnerKind.CRON_JOB
        deployment = _REPLICA_SET_HASH.sub("", base)
        if deployment != base and deployment:
            return deployment, OwnerKind.DEPLOYMENT
        if is_generated:
            return (
                base,
                OwnerKind.UNKNOWN,
            )  # a StatefulSet, DaemonSet, Job or bare ReplicaSet: the name alone cannot say
        return base, OwnerKind.UNKNOWN
    if (stateful := _ORDINAL.sub("", prefix)) != prefix and stateful:
        return stateful, OwnerKind.STATEFUL_SET
    return prefix, OwnerKind.POD
