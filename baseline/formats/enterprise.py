"""Calico Enterprise and Cloud flow logs: one JSON object a line.

Field meanings: docs.tigera.io, observability/elastic/flow/datatypes. Null and ``-`` mean none; integers may come as
strings; ``startTime`` is read like ``start_time``; what we do not need is skipped unread.
"""

from __future__ import annotations

import msgspec

from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Counts, Endpoint, EndpointKind, Flow
from baseline.formats import fields
from baseline.formats.fields import Count, PortNumber
from baseline.formats.policytrace import format_trace, parse_trace


class Labels(msgspec.Struct, gc=False):
    """Labels of one end as ``key=value`` texts."""

    labels: tuple[str, ...] | None = None


class Policies(msgspec.Struct, gc=False):
    """Policy traces; ``all_policies`` is what older versions had alone."""

    all_policies: tuple[str, ...] | None = None
    enforced_policies: tuple[str, ...] | None = None
    pending_policies: tuple[str, ...] | None = None


class Record(msgspec.Struct, gc=False):
    """The fields of a line that we read, under their own names."""

    source_name_aggr: str
    dest_name_aggr: str
    source_type: str
    dest_type: str
    proto: str | int
    action: str
    reporter: str
    start_time: int | None = None
    end_time: int | None = None
    startTime: int | None = None  # noqa: N815 - as it stands in the log
    endTime: int | None = None  # noqa: N815 - as above
    source_ip: str | None = None
    dest_ip: str | None = None
    source_name: str | None = None
    dest_name: str | None = None
    source_namespace: str | None = None
    dest_namespace: str | None = None
    dest_port: PortNumber | None = None
    source_labels: Labels | None = None
    dest_labels: Labels | None = None
    dest_service_namespace: str | None = None
    dest_service_name: str | None = None
    dest_service_port: str | int | None = None
    dest_service_port_num: PortNumber | None = None
    dest_domains: tuple[str, ...] | None = None
    policies: Policies | None = None
    bytes_in: Count | None = 0
    bytes_out: Count | None = 0
    packets_in: Count | None = 0
    packets_out: Count | None = 0
    num_flows: Count | None = 0
    num_flows_started: Count | None = 0
    num_flows_completed: Count | None = 0
    process_name: str | None = None
    host: str | None = None
    cluster: str | None = None
    mirrored: bool = False


_decoder = msgspec.json.Decoder(Record, strict=False)
_encoder = msgspec.json.Encoder()
_KINDS = {kind.value: kind for kind in EndpointKind}


def parse(value: bytes, *, cluster: str, host: str) -> Flow:
    """One line as a flow. Raises MalformedRecord or, for what is no such line at all, msgspec's errors."""
    record = _decoder.decode(value)
    start = record.start_time if record.start_time is not None else record.startTime
    end = record.end_time if record.end_time is not None else record.endTime
    start_s, end_s = fields.interval(start, end, widen_s=1)
    policies = record.policies
    return Flow(
        cluster=fields.named("cluster", record.cluster or cluster),
        host=fields.named("host", record.host or host),
        reporter=fields.reporter(record.reporter),
        action=fields.action(record.action),
        source=_source(record),
        dest=_dest(record),
        dest_port=record.dest_port or None,
        protocol=fields.protocol(record.proto),
        service=fields.service(
            record.dest_service_namespace or "",
            record.dest_service_name or "",
            str(record.dest_service_port or ""),
            record.dest_service_port_num,
        ),
        start=start_s,
        end=end_s,
        counts=_counts(record),
        enforced=parse_trace(policies.enforced_policies or policies.all_policies or ()) if policies else (),
        pending=parse_trace(policies.pending_policies or ()) if policies else (),
        domains=fields.domains(record.dest_domains),
        process=fields.absent(record.process_name or ""),
        mirrored=record.mirrored,
    )


def _source(record: Record) -> Endpoint:
    try:
        return fields.endpoint(
            _kind(record.source_type),
            record.source_namespace or "",
            record.source_name or "",
            record.source_name_aggr,
            record.source_ip or "",
            record.source_labels.labels if record.source_labels else None,
        )
    except MalformedRecord as error:
        raise MalformedRecord(error.reason, field=f"source_{error.field}", value=error.value) from error


def _dest(record: Record) -> Endpoint:
    try:
        return fields.endpoint(
            _kind(record.dest_type),
            record.dest_namespace or "",
            record.dest_name or "",
            record.dest_name_aggr,
            record.dest_ip or "",
            record.dest_labels.labels if record.dest_labels else None,
        )
    except MalformedRecord as error:
        raise MalformedRecord(error.reason, field=f"dest_{error.field}", value=error.value) from error


def _kind(word: str) -> EndpointKind:
    if (kind := _KINDS.get(word)) is None:
        raise MalformedRecord("unknown_endpoint", field="type", value=word)
    return kind


def _counts(record: Record) -> Counts:
    """Counts relative to the flow's local end: of a mirrored copy, in and out change places."""
    packets = (record.packets_in or 0, record.packets_out or 0)
    octets = (record.bytes_in or 0, record.bytes_out or 0)
    if record.mirrored:
        packets, octets = packets[::-1], octets[::-1]
    return Counts(
        *packets,
        *octets,
        record.num_flows or 0,
        record.num_flows_started or 0,
        record.num_flows_completed or 0,
    )


def encode(flow: Flow) -> bytes:
    """The flow as a line (without line end) that ``parse`` reads back to the same flow."""
    counts = flow.counts
    packets, octets = (counts.packets_in, counts.packets_out), (counts.bytes_in, counts.bytes_out)
    if flow.mirrored:
        packets, octets = packets[::-1], octets[::-1]
    enforced, pending = format_trace(flow.enforced), format_trace(flow.pending)
    service = flow.service
    return _encoder.encode({
        "start_time": flow.start, "end_time": flow.end, **_end("source", flow.source), **_end("dest", flow.dest),
        "source_port": None, "dest_port": flow.dest_port,
        "dest_service_namespace": service.namespace or "-" if service else "-",
        "dest_service_name": service.name if service else "-",
        "dest_service_port": service.port_name or "-" if service else "-",
        "dest_service_port_num": service.port if service else None,
        "dest_domains": list(flow.domains) or None, "proto": flow.protocol, "action": flow.action.value,
        "reporter": flow.reporter.value,
        "policies": {"all_policies": enforced, "enforced_policies": enforced, "pending_policies": pending},
        "bytes_in": octets[0], "bytes_out": octets[1], "packets_in": packets[0], "packets_out": packets[1],
        "num_flows": counts.flows, "num_flows_started": counts.started, "num_flows_completed": counts.completed,
        "process_name": flow.process or "-", "host": flow.host, "cluster": flow.cluster,
        **({"mirrored": True} if flow.mirrored else {}),
    })  # fmt: skip


def _end(side: str, end: Endpoint) -> dict[str, object]:
    labels = None if end.labels is None else {"labels": [f"{key}={value}" for key, value in end.labels]}
    return {
        f"{side}_ip": end.address or None, f"{side}_name": end.name or "-", f"{side}_name_aggr": end.name_aggr or "-",
        f"{side}_namespace": end.namespace or "-", f"{side}_type": end.kind.value, f"{side}_labels": labels,
    }  # fmt: skip
