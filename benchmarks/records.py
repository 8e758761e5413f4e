"""Synthetic Calico Enterprise flow logs of about 1 KB: aggregated, keyed by workload, skewed like a real fleet.

As from real nodes, a flow key comes once a node and interval: busy workloads have replicas on many nodes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import numpy as np

APPS = ("frontend", "checkout", "cart", "payments", "inventory", "redis", "postgres", "auth", "search", "mailer")
PORTS = (80, 443, 8080, 5432, 6379, 9092, 8443, 9090)
SPAN_S = 600
START = 1_760_000_400  # a multiple of 300, so that the span holds exactly two windows of 5 min
HOSTS = 50


def records(count: int, *, workloads: int, seed: int = 1) -> Iterator[tuple[bytes, bytes]]:
    """Key and value of ``count`` records in event-time order; Zipf(0.8) activity, at most 9 peers a workload."""
    rng = np.random.default_rng(seed)
    names = [(f"team-{i % max(8, workloads // 50):02d}", f"{APPS[i % len(APPS)]}-{i}") for i in range(workloads)]
    hashes = ["".join(rng.choice(list("bcdfghjklmnpqrstvwxz2456789"), 10)) for _ in range(workloads)]
    peers = [rng.integers(0, workloads, rng.integers(2, 10)) for _ in range(workloads)]
    weights = 1 / np.arange(1, workloads + 1) ** 0.8
    sources = rng.permutation(workloads)[rng.choice(workloads, size=count, p=weights / weights.sum())]
    told: Counter[tuple[int, int, int]] = Counter()
    for position, source in enumerate(sources):
        dest = int(rng.choice(peers[source]))
        namespace, name = names[source]
        end = START + 15 * (1 + (position * SPAN_S // count) // 15)
        replica = told[end, int(source), dest]
        told[end, int(source), dest] += 1
        value = _record(rng, names, hashes, source=int(source), dest=dest, replica=replica, end=end)
        yield f"bench/{namespace}/{name}".encode(), json.dumps(value, separators=(",", ":")).encode()


def _record(
    rng: np.random.Generator, names: list[tuple[str, str]], hashes: list[str],
    *, source: int, dest: int, replica: int, end: int,
) -> dict[str, object]:  # fmt: skip
    (namespace, name), (peer_namespace, peer) = names[source], names[dest]
    port = PORTS[(dest + replica // HOSTS) % len(PORTS)]
    flows = 1 + int(rng.exponential(3))
    packets_in, packets_out = (flows * int(rng.integers(2, 40)) for _ in range(2))
    policy = f"0|application|{peer_namespace}/application.{peer}-ingress|allow|{rng.integers(0, 5)}"
    return {
        "start_time": end - 15, "end_time": end, "source_ip": None, "source_name": "-",
        "source_name_aggr": f"{name}-{hashes[source]}-*", "source_namespace": namespace, "source_port": None,
        "source_type": "wep", "source_labels": {"labels": [f"app={name}", f"pod-template-hash={hashes[source]}"]},
        "dest_ip": None, "dest_name": "-", "dest_name_aggr": f"{peer}-{hashes[dest]}-*",
        "dest_namespace": peer_namespace, "dest_port": port, "dest_type": "wep",
        "dest_labels": {"labels": [f"app={peer}", f"pod-template-hash={hashes[dest]}"]},
        "dest_service_namespace": peer_namespace, "dest_service_name": peer, "dest_service_port": "http",
        "dest_service_port_num": 80, "dest_domains": None, "proto": "tcp", "action": "allow", "reporter": "src",
        "policies": {"enforced_policies": [policy]},
        "bytes_in": packets_in * int(rng.integers(60, 1400)), "bytes_out": packets_out * int(rng.integers(60, 1400)),
        "num_flows": flows, "num_flows_started": int(rng.integers(0, flows + 1)), "num_flows_completed": flows // 2,
        "packets_in": packets_in, "packets_out": packets_out, "http_requests_allowed_in": 0,
        "process_name": f"/usr/bin/{name}", "num_process_names": 1, "host": f"node-{(source + replica) % HOSTS:03d}",
    }  # fmt: skip
