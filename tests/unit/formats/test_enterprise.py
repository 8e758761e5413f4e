"""Reading and writing Calico Enterprise flow logs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import (
    Action,
    Counts,
    Endpoint,
    EndpointKind,
    Flow,
    PolicyHit,
    PolicyKind,
    Reporter,
    Service,
)
from baseline.formats import decode, stamp
from baseline.formats.enterprise import encode
from tests.unit.formats.records import END, START, enterprise, line, reason_of

REASONS = frozenset({
    "wrong_type", "missing_field", "bad_number", "bad_time", "bad_address", "bad_name", "empty_name",
    "unknown_action", "unknown_reporter", "unknown_endpoint",
})  # fmt: skip


def read(**changes: Any) -> Flow:
    """The flow of the sample record with changes."""
    flow = decode(line(enterprise(**changes)), cluster="prod", host="node-1")
    assert isinstance(flow, Flow)
    return flow


def test_sample_of_the_documentation_is_read_whole() -> None:
    """Every field we keep has its documented meaning."""
    profile = PolicyHit(PolicyKind.PROFILE, "", "", "kns.default", "allow", 0)
    assert read() == Flow(
        cluster="prod",
        host="node-1",
        reporter=Reporter.SRC,
        action=Action.ALLOW,
        source=Endpoint(
            EndpointKind.WORKLOAD, "default", "", "frontend-755cdc7957-*", "",
            (("app", "frontend"), ("pod-template-hash", "755cdc7957")),
        ),
        dest=Endpoint(
            EndpointKind.WORKLOAD, "default", "", "cartservice-7d4899b484-*", "",
            (("app", "cartservice"), ("pod-template-hash", "7d4899b484")),
        ),
        dest_port=7070,
        protocol="tcp",
        service=Service("default", "cartservice", "grpc", 7070),
        start=START,
        end=END,
        counts=Counts(1417, 2418, 133612, 196245, 1, 1, 0),
        enforced=(profile,),
        pending=(profile,),
        process="/src/server",
    )  # fmt: skip


def test_camel_case_times_count_like_the_documented_ones() -> None:
    """Tigera's own generator writes startTime and endTime."""
    flow = read(start_time=..., end_time=..., startTime=START, endTime=END)
    assert (flow.start, flow.end) == (START, END)


def test_integers_may_come_as_strings() -> None:
    """Some shippers quote numbers."""
    flow = read(bytes_in="7", start_time=str(START), dest_port="53")
    assert (flow.counts.bytes_in, flow.start, flow.dest_port) == (7, START, 53)


@pytest.mark.parametrize("field", ["bytes_in", "packets_out", "num_flows", "num_flows_started"])
def test_null_count_is_zero(field: str) -> None:
    """Windows nodes count no packets of denied traffic."""
    assert 0 in read(**{field: None}).counts


def test_nulls_and_dashes_mean_none() -> None:
    """An external peer of an aggregated record has nothing but pub or pvt."""
    flow = read(
        dest_type="net", dest_name_aggr="pub", dest_namespace="-", dest_labels=None, dest_service_name="-",
        dest_port=None, process_name="-", policies=None,
    )  # fmt: skip
    assert flow.dest == Endpoint(EndpointKind.NETWORK, "", "", "pub", "", None)
    assert (flow.dest_port, flow.service, flow.process, flow.enforced) == (None, None, "", ())


def test_absent_labels_differ_from_no_labels() -> None:
    """None is not shown, an empty list is none."""
    assert read(source_labels=None).source.labels is None
    assert read(source_labels={"labels": []}).source.labels == ()


def test_full_record_keeps_addresses_pods_and_domains() -> None:
    """Level 0: names and addresses are there, domains are sorted and unique."""
    flow = read(
        source_ip="10.48.116.157", source_name="frontend-755cdc7957-x2x4z", dest_type="net", dest_name_aggr="pub",
        dest_namespace="-", dest_ip="2001:DB8::1", dest_domains=["b.example", "a.example", "b.example"],
    )  # fmt: skip
    assert (flow.source.address, flow.source.name) == ("10.48.116.157", "frontend-755cdc7957-x2x4z")
    assert (flow.dest.address, flow.domains) == ("2001:db8::1", ("a.example", "b.example"))


def test_record_keeps_its_own_host_and_cluster() -> None:
    """Arguments are defaults only."""
    flow = read(host="node-9", cluster="other")
    assert (flow.host, flow.cluster) == ("node-9", "other")


def test_stamp_adds_cluster_and_host_where_they_are_missing() -> None:
    """What the agent writes is read without defaults; a record's own values win; the other bytes are untouched."""
    own = line(enterprise())
    stamped = stamp(own + b"\n", cluster="prod", host="node-1")
    assert stamped.endswith(own[1:])
    assert decode(stamped, cluster="?", host="?") == read()
    assert decode(stamp(line(enterprise(host="own")), cluster="c", host="h"), cluster="?") == read(
        host="own", cluster="c"
    )


def test_mirrored_copy_counts_for_the_other_end() -> None:
    """Local and remote, in and out change places."""
    plain = read()
    copy = decode(stamp(line(enterprise()), cluster="prod", host="node-1", mirrored=True), cluster="?")
    assert isinstance(copy, Flow)
    assert (copy.mirrored, copy.local) == (True, plain.remote)
    assert (copy.counts.packets_in, copy.counts.packets_out) == (plain.counts.packets_out, plain.counts.packets_in)
    assert copy.counts.bytes_in == plain.counts.bytes_out
    assert decode(encode(copy), cluster="?") == copy


def test_forwarding_nodes_record_is_transit() -> None:
    """It belongs to no reporting end; the reason says that it is no fault."""
    with pytest.raises(MalformedRecord) as caught:
        read(reporter="fwd")
    assert caught.value.reason == "transit"


def test_older_logs_have_all_policies_alone() -> None:
    """Before enforced and pending were told apart; hits come in the order of their index."""
    flow = read(policies={"all_policies": [
        "1|app|shop/app.checkout|deny|-1", "0|security|security.tenant|pass|0",
    ]})  # fmt: skip
    assert [hit.name for hit in flow.enforced] == ["security.tenant", "app.checkout"]


names = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
counts = st.integers(min_value=0, max_value=2**53)
labels = st.none() | st.dictionaries(names, names, max_size=4).map(lambda found: tuple(sorted(found.items())))
workloads = st.builds(
    lambda namespace, name, shown: Endpoint(EndpointKind.WORKLOAD, namespace, "", f"{name}-*", "", shown),
    names, names, labels,
)  # fmt: skip
outsiders = st.builds(
    lambda aggr, address: Endpoint(EndpointKind.NETWORK, "", "", aggr, address, None),
    st.sampled_from(["pub", "pvt"]), st.just("") | st.ip_addresses(v=4).map(str),
)  # fmt: skip
endpoints = workloads | outsiders
hits = st.builds(
    PolicyHit,
    st.sampled_from([PolicyKind.NETWORK_POLICY, PolicyKind.GLOBAL_NETWORK_POLICY, PolicyKind.KUBERNETES]),
    names, names | st.just(""), names, st.sampled_from(["allow", "deny", "pass"]), st.integers(-2, 99), st.booleans(),
)  # fmt: skip
flows = st.builds(
    Flow,
    cluster=names, host=names, reporter=st.sampled_from(Reporter), action=st.sampled_from(Action), source=endpoints,
    dest=endpoints, dest_port=st.none() | st.integers(1, 65_535),
    protocol=st.sampled_from(["tcp", "udp", "icmp", "99"]),
    service=st.none() | st.builds(Service, names, names, names, st.none() | st.integers(1, 65_535)),
    start=st.integers(1_600_000_000, 1_900_000_000), end=st.just(0), counts=st.builds(Counts, *[counts] * 7),
    enforced=st.lists(hits, max_size=3).map(tuple), pending=st.lists(hits, max_size=3).map(tuple),
    domains=st.lists(names, max_size=2, unique=True).map(lambda found: tuple(sorted(found))), process=names,
    mirrored=st.booleans(),
).map(lambda flow: replace(flow, end=flow.start + 60))  # fmt: skip


@given(flow=flows)
def test_encoded_flow_is_read_back_as_it_was(flow: Flow) -> None:
    """For any flow we can name."""
    assert decode(encode(flow), cluster="default", host="default") == flow


@given(value=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_bytes_crash_the_decoder(value: bytes) -> None:
    """Anything is a record or a MalformedRecord; random bytes are never a record."""
    assert reason_of(value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


@given(field=st.sampled_from(sorted(enterprise())), value=json_values)
def test_no_value_of_any_field_crashes_the_decoder(field: str, value: object) -> None:
    """One field replaced by any JSON: a flow, or one of the documented reasons."""
    assert reason_of(json.dumps(enterprise(**{field: value})).encode()) in {"", *REASONS}
