"""Why a line is no record: msgspec's complaints translated to the stable words of dead letters and metrics.

Words: not_json, not_utf8, not_object, wrong_type, missing_field, bad_number, bad_time, bad_address, bad_name,
empty_name, unknown_action, unknown_reporter, unknown_endpoint, too_large, and transit (see ``UNCOUNTED``).
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from baseline.domain.errors import MalformedRecord

# Understood, but no flow of a reporting endpoint: counted as skipped, not worth a dead letter.
UNCOUNTED = frozenset({"transit"})

LINE_MAX_BYTES = 512 * 1024
FIELD_MAX_CHARS = 64 * 1024

_NOT_A_NUMBER = re.compile(rb'"([^"\\]{1,100})"\s*:\s*(-?(?:NaN|Infinity|inf|nan))\b')
_PATH = re.compile(r" - at `([^`]*)`$")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def unreadable(value: bytes, error: Exception) -> MalformedRecord:
    """The reason why ``value`` could not be decoded into its wire struct."""
    if isinstance(error, UnicodeDecodeError):
        return MalformedRecord("not_utf8", field=f"byte {error.start}", value=value[error.start : error.start + 8])
    if isinstance(error, RecursionError):
        return MalformedRecord("not_json", field="nesting", value="too deep")
    if isinstance(error, msgspec.ValidationError):
        return _wrong(value, str(error))
    if number := _NOT_A_NUMBER.search(value):
        return MalformedRecord("bad_number", field=_shown(number[1]), value=_shown(number[2]))
    return MalformedRecord("not_json", field="line", value=error)


def check_size(value: bytes) -> None:
    """Refuse lines over 512 KiB before parsing them."""
    if len(value) > LINE_MAX_BYTES:
        raise MalformedRecord("too_large", field="line", value=f"{len(value)} bytes")


def check_fields(value: bytes) -> None:
    """Refuse a text over 64 Ki characters anywhere in a long line; short lines cannot hold one."""
    if len(value) > FIELD_MAX_CHARS:
        _check_texts(msgspec.json.decode(value), "$")


def _check_texts(node: Any, path: str) -> None:  # noqa: ANN401 - plain JSON
    if isinstance(node, str):
        if len(node) > FIELD_MAX_CHARS:
            raise MalformedRecord("too_large", field=path.removeprefix("$."), value=f"{len(node)} characters")
    elif isinstance(node, dict):
        for key, child in node.items():
            _check_texts(key, f"{path}.(key)")
            _check_texts(child, f"{path}.{key[:100]}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            _check_texts(child, f"{path}[{index}]")


def _wrong(value: bytes, message: str) -> MalformedRecord:
    found = _PATH.search(message)
    path = found[1] if found else "$"
    if absent := _MISSING.search(message):
        return MalformedRecord("missing_field", field=f"{path}.{absent[1]}".removeprefix("$."), value=None)
    at = _at(value, path)
    if path == "$":
        return MalformedRecord("not_object", field="line", value=at)
    is_number = message.startswith("Expected `int") and isinstance(at, int | float | str) and not isinstance(at, bool)
    reason = "bad_number" if is_number or "Number out of range" in message else "wrong_type"
    return MalformedRecord(reason, field=path.removeprefix("$."), value=at)


def _at(value: bytes, path: str) -> object:
    """What stands at the path; the message of msgspec names it, but not its value."""
    try:
        node: Any = msgspec.json.decode(value)
        for name, index in _STEP.findall(path):
            node = node[name] if name else node[int(index)]
    except (msgspec.DecodeError, LookupError, TypeError, RecursionError):
        return "?"  # a number too large for any type, or a path through unnamed members
    else:
        return node


def _shown(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
