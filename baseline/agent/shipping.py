"""From a line to the log: find whose record it is, stamp it, key it, produce it. Used by the agent and by feeding."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import lru_cache

from baseline.domain.attribution import reporting_workload, workload_of
from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Flow, Heartbeat
from baseline.formats import UNCOUNTED, decode, encode_heartbeat, stamp
from baseline.ports import DeadLetter, FlowSink, Metrics

DEAD_LETTER_MAX_BYTES = 64 * 1024


class Outcome(StrEnum):
    """What became of a line."""

    SENT = "sent"
    DEAD = "dead"  # kept as a dead letter
    SKIPPED = "skipped"  # understood, but nobody's: a forwarding node's or a host's own record
    BLANK = "blank"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippingOptions:
    """Where lines go and whose they are."""

    topic: str
    cluster: str
    host: str  # the node's name; a record that names its own host keeps it
    mirror_peers: tuple[str, ...] = ()  # namespace/name globs of workloads on nodes that write no flow log


class Shipper:
    """Produces lines and heartbeats; holds nothing but counts."""

    def __init__(self, sink: FlowSink, metrics: Metrics, options: ShippingOptions) -> None:
        self._sink = sink
        self._metrics = metrics
        self._options = options
        self._is_unreported = lru_cache(maxsize=65_536)(self._matches_mirror_peer)

    def read(self, line: bytes, *, position: str) -> Flow | DeadLetter | Outcome:
        """The line's flow, the dead letter to keep instead, or why it is neither."""
        if not line.strip():
            return Outcome.BLANK
        try:
            record = decode(line, cluster=self._options.cluster, host=self._options.host)
        except MalformedRecord as error:
            if error.reason in UNCOUNTED:
                return Outcome.SKIPPED
            return dead_letter(error.reason, detail=str(error), position=position, value=line)
        return record if isinstance(record, Flow) else Outcome.SKIPPED

    def ship(self, line: bytes, flow: Flow) -> Outcome:
        """Produce the line, keyed by its reporting workload, and once more for a peer that nobody reports for.

        Raises OutsideError when the sink takes it not; shipping the same line again is then safe.
        """
        sent = Outcome.SKIPPED
        if workload := reporting_workload(flow):
            self._send(workload.key, stamp(line, cluster=flow.cluster, host=flow.host), flow)
            sent = Outcome.SENT
        peer = workload_of(flow.cluster, flow.remote)
        if peer and not flow.mirrored and self._is_unreported(str(peer)):
            self._send(peer.key, stamp(line, cluster=flow.cluster, host=flow.host, mirrored=True), flow)
            sent = Outcome.SENT
        return sent

    def beat(self, heartbeat: Heartbeat) -> None:
        """A heartbeat to every partition, because each is read by itself."""
        value = encode_heartbeat(heartbeat)
        key = f"{heartbeat.cluster}//{heartbeat.host}".encode()
        for partition in self._sink.partitions(self._options.topic):
            self._sink.send(
                self._options.topic, key=key, value=value, partition=partition, timestamp=heartbeat.event_time
            )
        self._metrics.count("agent_heartbeats_total")

    def _send(self, key: str, value: bytes, flow: Flow) -> None:
        self._sink.send(self._options.topic, key=key.encode(), value=value, timestamp=float(flow.event_time))
        self._metrics.count("agent_records_sent_total")
        self._metrics.count("agent_bytes_sent_total", len(value))

    def _matches_mirror_peer(self, workload: str) -> bool:
        return any(fnmatchcase(workload, pattern) for pattern in self._options.mirror_peers)


def dead_letter(reason: str, *, detail: str, position: str, value: bytes) -> DeadLetter:
    """A dead letter with the first 64 KiB of the line."""
    return DeadLetter(reason=reason, detail=detail, position=position, value=value[:DEAD_LETTER_MAX_BYTES])
