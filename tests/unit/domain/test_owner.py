"""Owners derived from the names and labels that Calico logs."""

from __future__ import annotations

import pytest

from baseline.domain.workload import OwnerKind, match_labels, owner

K = OwnerKind

# aggregated name, pod name, labels, owner, kind
NAMES: list[tuple[str, str, dict[str, str] | None, str, OwnerKind]] = [
    # Deployments: today's hash alphabet, with and without labels, pod names in full
    ("frontend-755cdc7957-*", "", None, "frontend", K.DEPLOYMENT),
    ("frontend-755cdc7957-*", "", {"app": "frontend", "pod-template-hash": "755cdc7957"}, "frontend", K.DEPLOYMENT),
    ("cartservice-7d4899b484-*", "", {}, "cartservice", K.DEPLOYMENT),
    ("checkoutservice-598d5b586d-wsvmz", "", None, "checkoutservice", K.DEPLOYMENT),
    ("", "checkoutservice-598d5b586d-wsvmz", None, "checkoutservice", K.DEPLOYMENT),
    ("*", "checkoutservice-598d5b586d-wsvmz", None, "checkoutservice", K.DEPLOYMENT),
    ("ts-inside-payment-service-6f94c49ccd-4rdb2", "", None, "ts-inside-payment-service", K.DEPLOYMENT),
    ("coredns-5dd5756b68-*", "", None, "coredns", K.DEPLOYMENT),
    ("metrics-server-6d94bc8694-*", "", None, "metrics-server", K.DEPLOYMENT),
    ("web-7d4b9c-*", "", None, "web", K.DEPLOYMENT),
    ("hub-7c9d8f6b54-*", "", {"app": "hub", "pod-template-hash": "7c9d8f6b54"}, "hub", K.DEPLOYMENT),
    # the hash of Kubernetes before 1.8 is a decimal number
    ("nginx-deployment-2389237492-*", "", None, "nginx-deployment", K.DEPLOYMENT),
    ("nginx-deployment-431080787-*", "", None, "nginx-deployment", K.DEPLOYMENT),
    ("nginx-1564180365-*", "", {"pod-template-hash": "1564180365"}, "nginx", K.DEPLOYMENT),
    # Argo Rollouts use the same hash under their own label
    ("shop-6c8b9d7f55-*", "", {"rollouts-pod-template-hash": "6c8b9d7f55"}, "shop", K.DEPLOYMENT),
    # names with dashes and names that look like hashes stay whole
    ("web-backend-*", "", None, "web-backend", K.UNKNOWN),
    ("web-backend", "", None, "web-backend", K.POD),
    ("api-gateway-*", "", None, "api-gateway", K.UNKNOWN),
    ("cache-deadbeef00-*", "", None, "cache-deadbeef00", K.UNKNOWN),
    ("web-backend-59d9db8f8c-*", "", None, "web-backend", K.DEPLOYMENT),
    ("a-b-c-d-85b4d6f8b9-*", "", None, "a-b-c-d", K.DEPLOYMENT),
    ("app-v2-59d9db8f8c-*", "", None, "app-v2", K.DEPLOYMENT),
    ("redis-1-59d9db8f8c-*", "", None, "redis-1", K.DEPLOYMENT),
    ("7d4b9c7d-*", "", None, "7d4b9c7d", K.UNKNOWN),
    # a bare ReplicaSet: the label names a hash that the name does not hold
    ("legacy-*", "", {"pod-template-hash": "7d4899b484"}, "legacy", K.UNKNOWN),
    # Jobs and CronJobs
    ("backup-28345670-x7k2p", "", None, "backup", K.CRON_JOB),
    ("backup-28345670-*", "", None, "backup", K.CRON_JOB),
    ("backup-28345670-*", "", {"job-name": "backup-28345670"}, "backup", K.CRON_JOB),
    ("backup-28345670-*", "", {"batch.kubernetes.io/job-name": "backup-28345670"}, "backup", K.CRON_JOB),
    ("curator-1609459200-*", "", None, "curator", K.CRON_JOB),
    ("nightly-report-29411640-*", "", None, "nightly-report", K.CRON_JOB),
    ("migrate-*", "", {"job-name": "migrate"}, "migrate", K.JOB),
    ("migrate-*", "", None, "migrate", K.UNKNOWN),
    ("migrate-x7k2p", "", {"batch.kubernetes.io/job-name": "migrate"}, "migrate", K.JOB),
    ("train-0-*", "", {"batch.kubernetes.io/job-name": "train"}, "train", K.JOB),
    ("import-20260131-*", "", {"job-name": "import-20260131"}, "import-20260131", K.JOB),
    ("import-20260131-*", "", None, "import-20260131", K.UNKNOWN),
    # StatefulSets
    ("db-0", "", None, "db", K.STATEFUL_SET),
    ("db-12", "", {"apps.kubernetes.io/pod-index": "12"}, "db", K.STATEFUL_SET),
    ("db-0", "", {"statefulset.kubernetes.io/pod-name": "db-0"}, "db", K.STATEFUL_SET),
    ("db-*", "", {"controller-revision-hash": "db-6d8f7c5b9"}, "db", K.STATEFUL_SET),
    ("db-*", "", None, "db", K.UNKNOWN),
    ("prometheus-k8s-1", "", {"controller-revision-hash": "prometheus-k8s-7f9c"}, "prometheus-k8s", K.STATEFUL_SET),
    ("", "kafka-2", None, "kafka", K.STATEFUL_SET),
    # DaemonSets
    ("node-exporter-*", "", None, "node-exporter", K.UNKNOWN),
    ("node-exporter-*", "", {"controller-revision-hash": "6d8f7c5b9"}, "node-exporter", K.DAEMON_SET),
    ("node-exporter-4xk2p", "", None, "node-exporter", K.UNKNOWN),
    ("node-exporter-bcdfg", "", {"controller-revision-hash": "6d8f7c5b9"}, "node-exporter", K.DAEMON_SET),
    ("calico-node-*", "", {"k8s-app": "calico-node"}, "calico-node", K.UNKNOWN),
    # bare pods
    ("multitool", "", None, "multitool", K.POD),
    ("multitool", "multitool", {"run": "multitool"}, "multitool", K.POD),
    ("multitool", "", {}, "multitool", K.POD),
    ("web-https", "", None, "web-https", K.POD),
    ("api-grpcs", "", None, "api-grpcs", K.POD),
    ("debug-2026", "", None, "debug-2026", K.POD),
    ("release-007", "", None, "release-007", K.POD),
    # nothing to go by
    ("*", "", None, "", K.POD),
]


@pytest.mark.parametrize(("name_aggr", "pod_name", "labels", "name", "kind"), NAMES)
def test_owner_is_derived_from_names_and_labels(
    name_aggr: str, pod_name: str, labels: dict[str, str] | None, name: str, kind: OwnerKind
) -> None:
    """Every row of the table."""
    assert owner(name_aggr=name_aggr, pod_name=pod_name, labels=labels) == (name, kind)


def test_owner_has_one_name_whether_or_not_the_log_shows_labels() -> None:
    """Rows that differ in their labels only have one owner name: one workload is one baseline."""
    by_stated: dict[str, set[str]] = {}
    label_needed = {"train-0-*", "nginx-1564180365-*", "migrate-x7k2p", "node-exporter-bcdfg"}
    for name_aggr, pod_name, labels, _, _ in NAMES:
        bare = name_aggr if name_aggr not in ("", "*") else pod_name
        if bare not in label_needed:
            by_stated.setdefault(bare, set()).add(owner(name_aggr=name_aggr, pod_name=pod_name, labels=labels)[0])
            by_stated[bare].add(owner(name_aggr=bare)[0])
    assert {stated: names for stated, names in by_stated.items() if len(names) > 1} == {}


def test_labels_that_change_with_every_rollout_are_not_selected_by() -> None:
    """Hashes, ordinals and Calico's own labels are left out."""
    labels = {"app": "web", "pod-template-hash": "755cdc7957", "projectcalico.org/namespace": "shop", "tier": "front"}
    assert match_labels(labels) == {"app": "web", "tier": "front"}
