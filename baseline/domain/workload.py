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


# What Kubernetes generates, and how we tell it from what a person typed:
# - a pod's random suffix is five of k8s.io/apimachinery's safe letters (no vowels, no y, no 0, 1, 3);
# - a ReplicaSet's hash is a decimal uint32 whose digits are mapped one by one, so only ten letters ever appear:
#   0123456789 -> 456789bcdf. That is what tells "web-7d4b9c" (a ReplicaSet) from "web-backend" (a name);
#   before Kubernetes 1.8 the digits stood there as they were;
# - a CronJob's Job ends in minutes since the epoch (before 1.21: seconds). The ranges (2019 to 2046) keep dates such
#   as import-20260131 apart.
_POD_SUFFIX = re.compile(r"-[bcdfghjklmnpqrstvwxz2456789]{5}$")
_REPLICA_SET_HASH = re.compile(r"-(?:[456789bcdf]{6,10}|\d{9,10})$")
_CRON_STAMP = re.compile(r"-(?:2[6-9]\d{6}|3\d{7}|1[4-9]\d{8}|20\d{8})$")
_ORDINAL = re.compile(r"-(?:0|[1-9]\d{0,2})$")
_DIGIT = re.compile(r"\d")

_JOB_LABELS = ("batch.kubernetes.io/job-name", "job-name")
_TEMPLATE_HASH_LABELS = ("pod-template-hash", "rollouts-pod-template-hash")
_SET_LABELS = ("apps.kubernetes.io/pod-index", "statefulset.kubernetes.io/pod-name")


def owner(*, name_aggr: str, pod_name: str = "", labels: Mapping[str, str] | None = None) -> tuple[str, OwnerKind]:
    """Name and kind of the owner of the pods a record speaks of; the name is ``""`` when the record names none.

    ``name_aggr`` is Calico's aggregated name: ``generateName*`` or a bare pod name; ``pod_name`` is used where the
    aggregated name says nothing (``""``, ``*``). Labels decide where there are any; names decide otherwise, and
    where a name could be read in two ways the longer owner name is kept: two workloads never collapse into one by
    guessing. Labels that are missing change the kind, hardly ever the name.
    """
    known = labels or {}
    stated = name_aggr if name_aggr not in ("", "*") else pod_name
    is_generated = stated.endswith("*")
    prefix = stated[:-1].rstrip("-") if is_generated else stated
    if job := _first(known, _JOB_LABELS):
        return _job_owner(job)
    if template_hash := _first(known, _TEMPLATE_HASH_LABELS):
        replica_set = prefix if is_generated else _POD_SUFFIX.sub("", prefix)
        deployment = replica_set.removesuffix(f"-{template_hash}")
        if deployment and deployment != replica_set:
            return deployment, OwnerKind.DEPLOYMENT
    revision = known.get("controller-revision-hash", "")
    # A StatefulSet's revision is "<set name>-<hash>", a DaemonSet's is the bare hash.
    if "-" in revision or _first(known, _SET_LABELS):
        return (prefix if is_generated else _stripped(_ORDINAL, prefix)), OwnerKind.STATEFUL_SET
    if revision:
        return (prefix if is_generated else _stripped(_POD_SUFFIX, prefix)), OwnerKind.DAEMON_SET
    return _owner_of_generated(prefix) if is_generated else _owner_of_pod(prefix)


def template(*, name_aggr: str, pod_name: str = "", labels: Mapping[str, str] | None = None) -> str:
    """What tells two versions of one owner's pods apart; ``""`` where the record shows nothing of it.

    The hash that Kubernetes labels the pods of a ReplicaSet, DaemonSet or StatefulSet with, or the one in the name of
    a ReplicaSet. It changes with anything in the pod's template: image, environment, resources.
    """
    known = labels or {}
    if found := _first(known, (*_TEMPLATE_HASH_LABELS, "controller-revision-hash")):
        return found
    stated = name_aggr if name_aggr not in ("", "*") else pod_name
    prefix = stated[:-1].rstrip("-") if stated.endswith("*") else _POD_SUFFIX.sub("", stated)
    found_hash = _REPLICA_SET_HASH.search(prefix)
    return found_hash.group()[1:] if found_hash else ""


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
    "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index", "rollouts-pod-template-hash",
})  # fmt: skip


def _first(labels: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((labels[name] for name in names if labels.get(name)), "")


def _stripped(suffix: re.Pattern[str], name: str) -> str:
    """The name without the suffix, unless nothing would be left."""
    return suffix.sub("", name) or name


def _job_owner(job: str) -> tuple[str, OwnerKind]:
    cron = _stripped(_CRON_STAMP, job)
    return (cron, OwnerKind.CRON_JOB) if cron != job else (job, OwnerKind.JOB)


def _owner_of_generated(prefix: str) -> tuple[str, OwnerKind]:
    """From the ``generateName`` alone, which says Deployment or CronJob, or nothing: sets and Jobs look alike."""
    if (cron := _stripped(_CRON_STAMP, prefix)) != prefix:
        return cron, OwnerKind.CRON_JOB
    if (deployment := _stripped(_REPLICA_SET_HASH, prefix)) != prefix:
        return deployment, OwnerKind.DEPLOYMENT
    return prefix, OwnerKind.UNKNOWN


def _owner_of_pod(name: str) -> tuple[str, OwnerKind]:
    """From a pod's full name alone: a random suffix counts after a hash or stamp, or when it holds a digit.

    ``web-https`` and ``api-grpcs`` would otherwise pass for generated names.
    """
    if (base := _stripped(_POD_SUFFIX, name)) != name:
        owner_name, kind = _owner_of_generated(base)
        if kind is not OwnerKind.UNKNOWN or _DIGIT.search(name[len(base) :]):
            return owner_name, kind
    if (stateful := _stripped(_ORDINAL, name)) != name:
        return stateful, OwnerKind.STATEFUL_SET
    return name, OwnerKind.POD
