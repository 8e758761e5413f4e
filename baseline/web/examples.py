"""Examples of the OpenAPI document: plain data, checked against the schemas by a test."""

from __future__ import annotations

from typing import Any

_WORKLOAD = {
    "id": "shop/checkout",
    "cluster": "east",
    "namespace": "shop",
    "name": "checkout",
    "kind": "Deployment",
}

ALERT: dict[str, Any] = {
    "id": "d51865f5-1050-5369-8731-68f3cb8942bd",
    "workload": _WORKLOAD,
    "family": "fan-out",
    "families": ["fan-out", "novelty"],
    "disposition": "none",
    "decision": None,
    "sentence": "312 connections started; 0 to 14 expected here on Mondays at 03 h",
    "opened_at": "2026-09-21T14:14:20Z",
    "updated_at": "2026-09-21T14:15:20Z",
    "window_start": "2026-09-21T14:13:20Z",
    "window_end": "2026-09-21T14:14:20Z",
    "windows": 2,
    "p": 1e-6,
    "score": 0.999999,
    "threshold": 1e-4,
    "reasons": [
        {
            "family": "fan-out",
            "feature": "connections",
            "sentence": "312 connections started; 0 to 14 expected here on Mondays at 03 h",
            "actual": 312,
            "expected_low": 0,
            "expected_high": 14,
            "z": 40.5,
            "share": 0.75,
        }
    ],
    "voices": [
        {"name": "tail", "p": 2e-6, "share": 0.78},
        {"name": "edges", "p": 3e-4, "share": 0.17},
        {"name": "forest", "p": 0.02, "share": 0.05},
    ],
    "counterfactuals": [
        {
            "sentence": "would be normal below 41 connections started in 1 min on Mondays at 03 h",
            "features": ["connections_out"],
            "values": [40],
        }
    ],
    "techniques": [
        {
            "id": "T1110",
            "name": "Brute Force",
            "confidence": "high",
            "rule": "many short connections to one login port, far more than usual on that edge",
            "sentence": "looks like guessing of SSH passwords of data/ledger: 312 connections a minute",
        }
    ],
    "rise": {
        "spread": "concentrated",
        "sentence": "does not look like growth: peers never seen before carry 98% of the rise, first data/ledger",
        "known_share": 0.02,
        "evenness": 0.91,
        "factor": 1.1,
        "known": 3,
        "up": 1,
        "new": 1,
        "workloads_up": 1,
        "workloads": 412,
    },
    "evidence": [
        (
            "new: shop/checkout -> data/ledger:22/tcp: 312 connections (0 usual), 300 failed, 39.1 KiB sent, "
            "29.3 KiB received, 2026-09-21T14:13:21Z to 2026-09-21T14:14:18Z"
        )
    ],
    "edges": [
        {
            "workload": "shop/checkout",
            "direction": "egress",
            "peer_kind": "workload",
            "peer_namespace": "data",
            "peer": "ledger",
            "port": 22,
            "protocol": "tcp",
            "is_new": True,
            "connections": 312,
            "bytes_out": 40000,
            "bytes_in": 30000,
            "failed": 300,
            "share": 1.0,
            "normal_rate": 0.0,
            "first_seen": "2026-09-21T14:13:21Z",
            "last_seen": "2026-09-21T14:14:18Z",
            "peer_labels": {"app": "ledger"},
        }
    ],
    "local_labels": {"app": "checkout"},
    "maturity": "mature",
    "model_set": "0123456789abcdef",
    "recorded_at": "2026-09-21T14:14:35Z",
    "revision": 3,
}

RESTRICTION: dict[str, Any] = {
    "id": "r-2f6c1f5a9b7d4e8c0a31",
    "alert_id": ALERT["id"],
    "workload": _WORKLOAD,
    "object_name": "behaviour.r-2f6c1f5a9b7d4e8c0a31",
    "level": "R1",
    "state": "applied",
    "mode": "recommend",
    "selector": {"app": "checkout"},
    "rules": [
        {
            "direction": "egress",
            "peer": "ledger",
            "peer_kind": "workload",
            "peer_namespace": "data",
            "peer_labels": {"app": "ledger"},
            "nets": [],
            "protocol": "tcp",
            "ports": [22],
        }
    ],
    "allow_dns": True,
    "created_at": "2026-09-21T14:14:36Z",
    "ttl_s": 900,
    "expires_at": "2026-09-21T14:31:00Z",
    "max_expires_at": "2026-09-22T14:16:00Z",
    "approved_by": "ada",
    "applied_at": "2026-09-21T14:16:01Z",
    "ended_at": None,
    "ended_by": "",
    "detail": "",
    "guards": ["mode: recommend", "budget: 0 of 5"],
    "revision": 3,
}

SUPPRESSION: dict[str, Any] = {
    "id": "5d1c2c57-4e9f-5a52-8d0e-6c8f6f1f2b11",
    "alert_id": ALERT["id"],
    "workload": _WORKLOAD,
    "scope": "edge",
    "state": "active",
    "families": ["fan-out", "novelty"],
    "edges": [
        {
            "direction": "egress",
            "peer_kind": "workload",
            "peer_namespace": "data",
            "peer": "ledger",
            "port": 22,
            "protocol": "tcp",
        }
    ],
    "hours": ["Mondays at 14 h"],
    "zone": "UTC",
    "reason": "the new backup job",
    "made_by": "ada",
    "made_at": "2026-09-21T14:20:00Z",
    "expires_at": "2026-09-28T14:20:00Z",
    "revoked_at": None,
    "revoked_by": "",
    "silenced": {"count": 3, "first_at": "2026-09-22T14:13:20Z", "last_at": "2026-09-22T14:16:20Z"},
    "revision": 1,
}

PREVIEW: dict[str, Any] = {
    "suppression": {**SUPPRESSION, "silenced": {"count": 0, "first_at": None, "last_at": None}},
    "since": "2026-08-22T14:20:00Z",
    "alerts": ["9b1f6a0e-0f0c-5d0f-9c3b-8a5f0e2d7c41"],
    "windows": 4,
    "days": [{"day": "2026-09-14", "alerts": 1}],
    "families": [{"family": "fan-out", "alerts": 1}],
    "hidden_confirmed": [],
}

WEIGHTS: dict[str, Any] = {
    "group": "east/shop/checkout",
    "version": 4,
    "weights": {"family:fan-out": 0.61, "voice:tail": 0.57},
    "cause": "dismiss",
    "by": "ada",
    "at": "2026-09-21T14:20:00Z",
    "alert_id": ALERT["id"],
    "note": "the new backup job",
}

WORKLOAD: dict[str, Any] = {
    **_WORKLOAD,
    "first_seen": "2026-09-01T08:00:00Z",
    "last_seen": "2026-09-21T14:15:20Z",
    "labels": {"app": "checkout"},
    "hosts": ["node-1", "node-2"],
    "maturity": "mature",
    "chance_new": 0.004,
    "rollout_at": "2026-09-18T09:12:44Z",
    "revision": 812,
}

MODEL_SET: dict[str, Any] = {
    "id": "0123456789abcdef",
    "aliases": ["current"],
    "created_at": "2026-09-21T02:00:00Z",
    "trained_from": "2026-08-24T00:00:00Z",
    "trained_until": "2026-09-21T00:00:00Z",
    "workloads": 412,
    "schema_hash": "7c4a8d09ca3762af",
    "data_hash": "9b74c9897bac770f",
    "metrics": {"false_alerts_per_day": 0.4},
}

PROBLEM: dict[str, Any] = {
    "type": "urn:calico-baseline:problem:stale-revision",
    "title": "Somebody changed it after you read it",
    "status": 412,
    "detail": "alert 'd51865f5-1050-5369-8731-68f3cb8942bd' is at revision 4, not 3: read it again",
}
