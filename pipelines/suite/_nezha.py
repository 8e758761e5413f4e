"""Nezha's pod metrics as flow records, and real attacks laid onto its workloads.

**How the metrics become flows.** Each row of a pod's metrics is a minute of its node's export. ``NetworkReceiveBytes``
and ``NetworkTransmitBytes`` are bytes a second (``x 60``). They are laid on the services' call graph (``_graphs``) as
seen by that pod's own reporter: half of what it sends goes to a telemetry collector (its transmit rate is ten times its
receive rate even where it serves nobody), the other half is shared evenly by its callers (answers) and callees
(requests); what it receives is shared evenly by callers, callees and, at a tenth of a share, the collector. So the two
ends of an edge each tell what their own pod's counters say. Connections: Online Boutique speaks gRPC and telemetry goes
by OTLP, which keep theirs: one is open and none is started. Train Ticket speaks HTTP: one for every 8 KiB received on
an edge from a caller or sent to a callee, a count that follows volume, as with a fixed request size. Ports are Online
Boutique's own; Train Ticket's are taken to be 8080. What the metrics do not show (databases, DNS, failures) is absent.

**Trap.** Some pods of 2022-08-22 have clocks that are 200,000,000 s ahead (2028): ``Time`` tells the right minute, so
it is read and ``TimeStamp`` is not. Minutes are aligned down; of two rows in a minute the later counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from baseline.domain.flow import Action, Counts, Endpoint, EndpointKind, Flow, Reporter
from baseline.domain.units import MINUTE_S
from baseline.domain.workload import owner
from baseline.features.table import IntArray
from pipelines.suite import _graphs

CLUSTER = "nezha"
COLLECTOR_SHARE = 0.5  # of what a pod sends
COLLECTOR_WEIGHT = 0.1  # of a share, in what it receives
BYTES_A_CONNECTION = 8192
PACKET_BYTES = 1000
SYSTEMS: Mapping[str, tuple[str, ...]] = {
    "boutique": ("2022-08-22", "2022-08-23"),
    "ticket": ("2023-01-29", "2023-01-30"),
}
KEEPS = frozenset({"boutique"})  # gRPC
GRAPHS = {"boutique": _graphs.boutique, "ticket": _graphs.ticket}
FOLDER = "nezha-k8s-metrics"
NODES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One pod's day: name, and bytes a minute received and sent by minute of the epoch."""

    name: str
    minutes: IntArray  # epoch seconds, ascending
    received: IntArray
    sent: IntArray

    @property
    def workload(self) -> str:
        """The owner, by the product's own derivation."""
        return owner(name_aggr="", pod_name=self.name)[0]


class Fault(NamedTuple):
    """One injected fault."""

    at: float
    workload: str
    kind: str


def read_pods(folder: Path) -> list[Pod]:
    """The pods of one day, by name."""
    pods = []
    for path in sorted(folder.glob("*_metric.csv.gz")):
        frame = pd.read_csv(path, usecols=["Time", "PodName", "NetworkReceiveBytes", "NetworkTransmitBytes"])
        times = pd.to_datetime(frame["Time"].str.slice(0, 19), utc=True, format="%Y-%m-%d %H:%M:%S")
        frame["minute"] = times.astype("datetime64[s, UTC]").astype("int64") // MINUTE_S * MINUTE_S
        frame = frame.drop_duplicates("minute", keep="last").sort_values("minute")
        received, sent = (
            np.asarray((frame[name].fillna(0.0).clip(lower=0.0) * MINUTE_S).round(), dtype=np.int64)
            for name in ("NetworkReceiveBytes", "NetworkTransmitBytes")
        )
        pods.append(
            Pod(
                name=str(frame["PodName"].iloc[0]),
                minutes=np.asarray(frame["minute"], dtype=np.int64),
                received=received,
                sent=sent,
            )
        )
    return pods


def read_faults(folder: Path) -> list[Fault]:
    """What was injected that day, by ``inject_time``: ``inject_timestamp`` is off by a time zone on two days."""
    found = []
    for path in folder.glob("*-fault_list.json"):
        for faults in json.loads(path.read_text(encoding="utf-8")).values():
            for fault in faults:
                at = pd.Timestamp(fault["inject_time"], tz="UTC").timestamp()
                name = owner(name_aggr="", pod_name=fault["inject_pod"])[0]
                found.append(Fault(at, name, fault["inject_type"]))
    return sorted(found)


def endpoint(namespace: str, pod: str) -> Endpoint:
    """A pod as aggregated logs name it: its ReplicaSet's prefix and labels."""
    prefix, template_hash = pod.rsplit("-", 2)[0], pod.rsplit("-", 2)[1]
    labels = (("app", prefix), ("pod-template-hash", template_hash))
    return Endpoint(EndpointKind.WORKLOAD, namespace, "", f"{prefix}-{template_hash}-*", "", labels)


def flows(pods: Sequence[Pod], system: str) -> Iterator[Flow]:
    """Records of one day, a minute each, in order of time."""
    ends = {pod.workload: endpoint(system, pod.name) for pod in pods}
    links = {pod.name: _links(pod.workload, system, ends) for pod in pods}
    rows = sorted(
        (int(minute), number, place) for number, pod in enumerate(pods) for place, minute in enumerate(pod.minutes)
    )
    for minute, number, place in rows:
        pod = pods[number]
        received, sent = int(pod.received[place]), int(pod.sent[place])
        if received or sent:
            yield from _minute(
                ends[pod.workload], links[pod.name], minute, received, sent, host=f"node-{number % NODES}"
            )


class _Link(NamedTuple):
    """One edge of a pod: is it the caller, the other end, port, and its shares of what is sent and received."""

    is_caller: bool
    other: Endpoint
    port: int
    sent: float
    received: float
    is_kept: bool  # its connections stay open


def _links(own: str, system: str, ends: Mapping[str, Endpoint]) -> list[_Link]:
    beside: list[tuple[bool, Endpoint, int]] = []
    for call in GRAPHS[system]():
        if own in (call.caller, call.callee):
            is_caller = own == call.caller
            other = call.callee if is_caller else call.caller
            beside.append((is_caller, ends.get(other) or unrecorded(other), call.port))
    whole = len(beside) + COLLECTOR_WEIGHT
    links = [
        _Link(is_caller, other, port, (1 - COLLECTOR_SHARE) / len(beside), 1 / whole, is_kept=system in KEEPS)
        for is_caller, other, port in beside
    ]
    share = COLLECTOR_SHARE if beside else 1.0
    return [*links, _Link(True, unrecorded("otel-collector"), 4317, share, COLLECTOR_WEIGHT / whole, is_kept=True)]


def unrecorded(name: str) -> Endpoint:
    """A workload of the graph that Nezha has no metrics of."""
    labels = (("app", name), ("pod-template-hash", "5d4c6b7f8"))
    return Endpoint(EndpointKind.WORKLOAD, "platform", "", f"{name}-5d4c6b7f8-*", "", labels)


def _minute(
    own: Endpoint, links: Sequence[_Link], minute: int, received: int, sent: int, *, host: str
) -> Iterator[Flow]:
    for link in links:
        out, back = round(link.sent * sent), round(link.received * received)
        started = 0 if link.is_kept else round((out if link.is_caller else back) / BYTES_A_CONNECTION)
        source, dest = (own, link.other) if link.is_caller else (link.other, own)
        yield Flow(
            cluster=CLUSTER, host=host, reporter=Reporter.SRC if link.is_caller else Reporter.DST, action=Action.ALLOW,
            source=source, dest=dest, dest_port=link.port, protocol="tcp", service=None, start=minute,
            end=minute + MINUTE_S,
            counts=Counts(
                packets_in=back // PACKET_BYTES + 1, packets_out=out // PACKET_BYTES + 1, bytes_in=back, bytes_out=out,
                flows=started + 1, started=started, completed=started,
            ),
        )  # fmt: skip
