"""Heartbeats, ``{"heartbeat":{"cluster":...,"host":...,"event_time":...}}``: in the same partitions as the flows."""

from __future__ import annotations

import msgspec

from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Heartbeat
from baseline.formats import fields

PREFIX = b'{"heartbeat"'


class _Beat(msgspec.Struct, gc=False):
    host: str
    event_time: float
    cluster: str | None = None


class _Record(msgspec.Struct, gc=False):
    heartbeat: _Beat


_decoder = msgspec.json.Decoder(_Record)


def parse(value: bytes, *, cluster: str, host: str) -> Heartbeat:
    """One heartbeat. Raises MalformedRecord (bad_time, bad_name, empty_name) or msgspec's errors."""
    beat = _decoder.decode(value).heartbeat
    if not fields.EARLIEST_S <= beat.event_time < fields.LATEST_S:
        raise MalformedRecord("bad_time", field="heartbeat.event_time", value=beat.event_time)
    named = fields.named("heartbeat.host", beat.host or host)
    if not named:
        raise MalformedRecord("empty_name", field="heartbeat.host", value=beat.host)
    return Heartbeat(fields.named("heartbeat.cluster", beat.cluster or cluster), named, beat.event_time)


def encode_heartbeat(heartbeat: Heartbeat) -> bytes:
    """The bytes ``parse`` reads back."""
    return msgspec.json.encode(
        {"heartbeat": {"cluster": heartbeat.cluster, "host": heartbeat.host, "event_time": heartbeat.event_time}}
    )
