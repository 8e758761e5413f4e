"""Any record of the flow topic: which format it is, decoding it, and stamping it on the node."""

from __future__ import annotations

import msgspec

from baseline.domain.flow import Flow, Heartbeat
from baseline.formats import enterprise, goldmane, heartbeat
from baseline.formats.malformed import check_fields, check_size, unreadable

FLUSH_INTERVAL_S = 15  # what Calico's operator sets for Goldmane

# Names that only Goldmane's JSON has. A JSON string cannot hold them unescaped, but its end may look like one: so
# Enterprise's own telling name, which every line of it has, is looked for first.
_ENTERPRISE = b'"source_name_aggr"'
_GOLDMANE = (b'"Key"', b'"key"', b'"flow"', b'"num_connections', b'"numConnections', b'"sourceType"', b'Endpoint"')


def decode(value: bytes, *, cluster: str, host: str = "", flush_interval_s: int = FLUSH_INTERVAL_S) -> Flow | Heartbeat:
    """One record: Enterprise or Goldmane flow, or heartbeat, told apart by itself.

    Parameters
    ----------
    cluster, host : defaults for a record that does not name its own.
    flush_interval_s : length of the interval of a Goldmane flow whose end equals its start (Felix's raw socket).

    Raises
    ------
    MalformedRecord
        With one of the words of ``formats.malformed``. Reasons in ``formats.UNCOUNTED`` (``transit``: the record of a
        node that merely forwarded) are no fault of the record: count and skip them, keep no dead letter.
    """
    check_size(value)
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise unreadable(value, error) from error
    try:
        if value.startswith(heartbeat.PREFIX):
            return heartbeat.parse(value, cluster=cluster, host=host)
        check_fields(value)
        if _ENTERPRISE in value or not any(mark in value for mark in _GOLDMANE):
            return enterprise.parse(value, cluster=cluster, host=host)
        return goldmane.parse(value, cluster=cluster, host=host, flush_interval_s=flush_interval_s)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(value, error) from error


def stamp(line: bytes, *, cluster: str, host: str, mirrored: bool = False) -> bytes:
    """The line with cluster and host (and the mark of a mirrored copy) written in front of its other members.

    Of a name that stands twice the last counts, so a record that names its own cluster or host keeps it. The line
    must be a JSON object that was decoded before; its bytes are not touched otherwise.
    """
    head = msgspec.json.encode({"cluster": cluster, "host": host, **({"mirrored": True} if mirrored else {})})
    body = line.strip()
    return head[:-1] + b"," + body[1:]
