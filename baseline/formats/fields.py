"""The checked parts of a record that all formats share: endpoints, labels, times, ports, names.

Everything is cached by value: a log names the same few thousand endpoints again and again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated

import msgspec

from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Action, Endpoint, EndpointKind, Reporter, Service

# 9 PB or connections in one interval is no measurement; sums of a thousand such still fit a signed 64-bit column.
COUNT_MAX = 2**53
Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
PortNumber = Annotated[int, msgspec.Meta(ge=0, le=65_535)]

EARLIEST_S = 1_000_000_000  # September 2001: anything before is no wall clock
LATEST_S = 4_102_444_800  # the year 2100: milliseconds taken for seconds lie far beyond
INTERVAL_MAX_S = 86_400  # no exporter aggregates longer than a day

_CACHED = 65_536
_NAME_MAX = 253  # of a Kubernetes object
_UNSAFE = re.compile(
    r"[\x00-\x20/\x7f-\x9f]"
)  # a slash would forge the key of another workload, the rest drive terminals
_ACTIONS = {"allow": Action.ALLOW, "deny": Action.DENY}
_REPORTERS = {"src": Reporter.SRC, "dst": Reporter.DST}
_PROTOCOLS = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp6", "132": "sctp"}


@lru_cache(maxsize=_CACHED)
def endpoint(
    kind: EndpointKind, namespace: str, name: str, name_aggr: str, address: str, labels: tuple[str, ...] | None
) -> Endpoint:
    """One checked end. ``-`` and ``""`` mean none; ``labels`` are ``key=value`` texts in any order.

    Raises MalformedRecord: empty_name, bad_name, bad_address.
    """
    parts = Endpoint(
        kind,
        named("namespace", absent(namespace)),
        named("name", absent(name)),
        named("name_aggr", absent(name_aggr)),
        _address(absent(address)),
        None if labels is None else tuple(sorted(_label(text) for text in labels)),
    )
    if kind is EndpointKind.WORKLOAD and not parts.namespace:
        raise MalformedRecord("empty_name", field="namespace", value=namespace)
    if not (parts.name or parts.name_aggr or (parts.address and kind is EndpointKind.NETWORK)):
        raise MalformedRecord("empty_name", field="name", value=name_aggr)
    return parts


def absent(text: str) -> str:
    """``-`` is how Calico writes that there is none."""
    return "" if text == "-" else text


def named(field: str, text: str) -> str:
    """A name that may stand in a key; MalformedRecord(bad_name) otherwise."""
    if text and (len(text) > _NAME_MAX or _UNSAFE.search(text)):
        raise MalformedRecord("bad_name", field=field, value=text)
    return text


def domains(stated: Iterable[str] | None) -> tuple[str, ...]:
    """Domain names, sorted. Unsafe ones are left out, not refused: who owns a domain must not make its flows vanish."""
    return tuple(sorted({name for name in stated or () if len(name) <= _NAME_MAX and not _UNSAFE.search(name)} - {""}))


def interval(start: int | None, end: int | None, *, widen_s: int) -> tuple[int, int]:
    """Checked [start, end) in epoch seconds; an interval of no length becomes ``widen_s`` long.

    Felix writes end = start on its own socket; what it means is one flush interval.
    """
    if start is None or end is None:
        raise MalformedRecord("missing_field", field="start_time" if start is None else "end_time", value=None)
    if not EARLIEST_S <= start < LATEST_S:
        raise MalformedRecord("bad_time", field="start_time", value=start)
    if not start <= end <= start + INTERVAL_MAX_S:
        raise MalformedRecord("bad_time", field="end_time", value=end)
    return start, end if end > start else start + widen_s


def action(text: str) -> Action:
    """Allow or deny in any case."""
    if (known := _ACTIONS.get(text) or _ACTIONS.get(text.lower())) is None:
        raise MalformedRecord("unknown_action", field="action", value=text)
    return known


def reporter(text: str) -> Reporter:
    """Source or destination in any case; ``fwd`` (a node that merely forwarded) is ``transit``."""
    if (known := _REPORTERS.get(text) or _REPORTERS.get(text.lower())) is None:
        reason = "transit" if text.lower() == "fwd" else "unknown_reporter"
        raise MalformedRecord(reason, field="reporter", value=text)
    return known


def protocol(stated: str | int) -> str:
    """Lower-case word; the numbers that have one become it."""
    text = str(stated).lower()
    if text in ("", "-"):
        raise MalformedRecord("missing_field", field="proto", value=stated)
    return _PROTOCOLS.get(text) or named("proto", text)


@lru_cache(maxsize=_CACHED)
def service(namespace: str, name: str, port_name: str, port: int | None) -> Service | None:
    """The service the flow went through; None where the log names none."""
    if not absent(name):
        return None
    return Service(absent(namespace), absent(name), absent(port_name), port or None)


def _label(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _address(text: str) -> str:
    if not text:
        return ""
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise MalformedRecord("bad_address", field="ip", value=text) from error
