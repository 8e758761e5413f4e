"""Bytes to flows and back. Pure: no I/O, no clock, no guessing; what cannot be read says why."""

from __future__ import annotations

from baseline.formats.heartbeat import encode_heartbeat
from baseline.formats.malformed import FIELD_MAX_CHARS, LINE_MAX_BYTES, UNCOUNTED
from baseline.formats.record import FLUSH_INTERVAL_S, decode, stamp

__all__ = [
    "FIELD_MAX_CHARS",
    "FLUSH_INTERVAL_S",
    "LINE_MAX_BYTES",
    "UNCOUNTED",
    "decode",
    "encode_heartbeat",
    "stamp",
]
