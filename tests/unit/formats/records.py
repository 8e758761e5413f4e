"""Records for the tests of decoding: complete lines, changed at will."""

from __future__ import annotations

import json
from typing import Any

from baseline.domain.errors import MalformedRecord
from baseline.formats import decode

START, END = 1_699_375_160, 1_699_375_460


def enterprise(**changes: Any) -> dict[str, Any]:
    """Tigera's published level-2 sample; ``None`` for a field writes null, ``...`` leaves it out."""
    record: dict[str, Any] = {
        "start_time": START, "end_time": END, "source_ip": None, "source_name": "-",
        "source_name_aggr": "frontend-755cdc7957-*", "source_namespace": "default", "nat_outgoing_ports": None,
        "source_port": None, "source_type": "wep",
        "source_labels": {"labels": ["pod-template-hash=755cdc7957", "app=frontend"]}, "dest_ip": None,
        "dest_name": "-", "dest_name_aggr": "cartservice-7d4899b484-*", "dest_namespace": "default", "dest_port": 7070,
        "dest_type": "wep", "dest_labels": {"labels": ["pod-template-hash=7d4899b484", "app=cartservice"]},
        "dest_service_namespace": "default", "dest_service_name": "cartservice", "dest_service_port": "grpc",
        "dest_service_port_num": 7070, "dest_domains": None, "proto": "tcp", "action": "allow", "reporter": "src",
        "policies": {
            "all_policies": ["0|__PROFILE__|__PROFILE__.kns.default|allow|0"],
            "enforced_policies": ["0|__PROFILE__|__PROFILE__.kns.default|allow|0"],
            "pending_policies": ["0|__PROFILE__|__PROFILE__.kns.default|allow|0"],
            "transit_policies": ["0|default|fwd-policy|allow|0"],
        },
        "bytes_in": 133612, "bytes_out": 196245, "num_flows": 1, "num_flows_started": 1, "num_flows_completed": 0,
        "packets_in": 1417, "packets_out": 2418, "http_requests_allowed_in": 0, "process_name": "/src/server",
        "num_process_names": 1, "process_id": "21842", "process_args": ["-"], "original_source_ips": None,
        "tcp_mean_smooth_rtt": 0,
    }  # fmt: skip
    return _changed(record, changes)


def goldmane(**changes: Any) -> dict[str, Any]:
    """The key of a Goldmane flow and its counts; changes go to whichever of the two has the name."""
    key: dict[str, Any] = {
        "source_name": "frontend-755cdc7957-*", "source_namespace": "shop", "source_type": "WorkloadEndpoint",
        "dest_name": "pub", "dest_namespace": "-", "dest_type": "Network", "dest_port": "443",
        "dest_service_name": "-", "dest_service_namespace": "-", "dest_service_port_name": "-", "proto": "tcp",
        "reporter": "Src", "action": "Allow",
        "policies": {
            "enforced_policies": [{"kind": "CalicoNetworkPolicy", "namespace": "shop", "name": "frontend-egress",
                                   "tier": "default", "action": "Allow", "rule_index": "1"}],
            "pending_policies": [{"kind": "EndOfTier", "tier": "behaviour", "action": "Deny", "rule_index": "-1",
                                  "trigger": {"kind": "StagedGlobalNetworkPolicy", "name": "q-frontend",
                                              "tier": "behaviour"}}],
        },
    }  # fmt: skip
    body: dict[str, Any] = {
        "Key": key, "start_time": str(START), "end_time": str(START + 15), "source_labels": ["app=frontend"],
        "packets_in": "24", "packets_out": "31", "bytes_in": "18211", "bytes_out": "4033",
        "num_connections_started": "3", "num_connections_completed": "2", "num_connections_live": "1",
    }  # fmt: skip
    body["Key"] = _changed(key, {name: value for name, value in changes.items() if name in key})
    return _changed(body, {name: value for name, value in changes.items() if name not in key})


def line(record: dict[str, Any]) -> bytes:
    """As it stands in a log."""
    return json.dumps(record).encode()


def reason_of(value: bytes) -> str:
    """Why the line is no record; "" when it is one."""
    try:
        decode(value, cluster="c")
    except MalformedRecord as error:
        return error.reason
    return ""


def _changed(record: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**record, **changes}.items() if value is not ...}
