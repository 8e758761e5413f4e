"""Reading Calico's open-source flows in all their JSON forms."""

from __future__ import annotations

import json
import re
from typing import Any

from baseline.domain.flow import Counts, Endpoint, EndpointKind, Flow, Heartbeat, PolicyHit, PolicyKind, Reporter
from baseline.formats import decode, encode_heartbeat, stamp
from tests.unit.formats.records import START, goldmane, line


def read(record: dict[str, Any]) -> Flow:
    """The flow of a record."""
    flow = decode(line(record), cluster="prod", host="node-1")
    assert isinstance(flow, Flow)
    return flow


def test_protojson_flow_is_read_whole() -> None:
    """Integers as strings, enums as words, an end of tier named after its trigger."""
    flow = read(goldmane())
    assert flow.source == Endpoint(
        EndpointKind.WORKLOAD, "shop", "", "frontend-755cdc7957-*", "", (("app", "frontend"),)
    )
    assert flow.dest == Endpoint(EndpointKind.NETWORK, "", "", "pub", "", ())
    assert (flow.reporter, flow.dest_port, flow.protocol, flow.service) == (Reporter.SRC, 443, "tcp", None)
    assert (flow.start, flow.end) == (START, START + 15)
    assert flow.counts == Counts(24, 31, 18211, 4033, flows=1, started=3, completed=2)
    assert flow.enforced == (PolicyHit(PolicyKind.NETWORK_POLICY, "default", "shop", "frontend-egress", "allow", 1),)
    assert flow.pending == (PolicyHit(PolicyKind.END_OF_TIER, "behaviour", "", "q-frontend", "deny", -1, staged=True),)


def test_emitter_form_means_the_same() -> None:
    """Go's encoding/json: enums and integers as numbers."""
    record = goldmane(source_type=1, dest_type=4, dest_port=443, reporter=1, action=1)
    for name in ("start_time", "end_time", "packets_in", "packets_out", "bytes_in", "bytes_out"):
        record[name] = int(record[name])
    policies = record["Key"]["policies"]
    policies["enforced_policies"][0].update(kind=1, action=1, rule_index=1)
    policies["pending_policies"][0].update(kind=10, action=2, rule_index=-1)
    policies["pending_policies"][0]["trigger"]["kind"] = 4
    assert read(record) == read(goldmane())


def test_camel_case_means_the_same() -> None:
    """The default spelling of protojson."""
    text = re.sub(r'"([a-z]+(?:_[a-z]+)+)":', lambda m: f'"{_camel(m[1])}":', json.dumps(goldmane()))
    assert '"numConnectionsStarted"' in text
    assert decode(text.encode(), cluster="prod", host="node-1") == read(goldmane())


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def test_wrapped_and_flat_forms_mean_the_same() -> None:
    """A stream's result, one with the time of receipt, and a record whose key is not apart."""
    plain = goldmane()
    flat = {**{name: value for name, value in plain.items() if name != "Key"}, **plain["Key"]}
    for record in ({"flow": plain}, {"received": 1.5, "id": "7", "flow": plain}, flat):
        assert read(record) == read(plain)


def test_zero_values_left_out_are_zero() -> None:
    """A record with nothing but a key and its time."""
    record = goldmane(packets_in=..., packets_out=..., bytes_in=..., bytes_out=..., policies=..., dest_port=...)
    for name in ("num_connections_started", "num_connections_completed", "num_connections_live", "source_labels"):
        del record[name]
    flow = read(record)
    assert flow.counts == Counts()
    assert (flow.dest_port, flow.enforced, flow.source.labels) == (None, (), ())


def test_interval_of_felixs_socket_is_one_flush_long() -> None:
    """There, end equals start; the length is an argument."""
    record = goldmane(end_time=str(START))
    assert read(record).end == START + 15
    flow = decode(line(record), cluster="c", flush_interval_s=1)
    assert isinstance(flow, Flow)
    assert flow.end == START + 1


def test_bare_pod_keeps_its_full_name() -> None:
    """A pod without a generateName is named in full."""
    assert read(goldmane(source_name="client")).source[2:4] == ("client", "client")


def test_stamped_wrapped_record_names_cluster_and_host() -> None:
    """The stamp stands outside the wrapped flow."""
    stamped = stamp(line({"flow": goldmane()}), cluster="prod", host="node-1")
    assert decode(stamped, cluster="?", host="?") == read(goldmane())


def test_heartbeat_is_told_apart_from_flows() -> None:
    """It comes back as it was written."""
    heartbeat = Heartbeat("prod", "node-1", 1_699_375_160.5)
    assert decode(encode_heartbeat(heartbeat), cluster="?") == heartbeat
