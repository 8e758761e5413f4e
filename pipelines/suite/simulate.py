"""A seeded simulator of weeks of Kubernetes traffic: real curves x real service graphs x overlays. Its figures are
*simulated* and say so wherever they appear.

Real: the shape of demand over day and week and how restless a day is (a UK backbone for ``shop``, a CESNET entity for
``tickets``; see ``_curves``), and who calls whom (Online Boutique and a part of Train Ticket; see ``_graphs``).

Invented, seeded, and the same for a seed whatever the interval: requests a link, bytes a request, which links pool
their connections (gRPC does) and which open them by request, each link's own autocorrelated noise; the services around
the applications (DNS, a telemetry collector, a scraper, a nightly backup); external peers, one of them with changing
addresses, as mail has. A day's restlessness is drawn from real days. No label is used by anything that learns.

Traffic is arrays of counts for each link in steps of five minutes; ``closed`` turns it into closed windows of 300 s
and 3600 s in the order the stream would give them, ``flows`` into flow records of both reporters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from baseline.domain.attribution import peer_of, workload_of
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.flow import Action, Counts, Endpoint, EndpointKind, Flow, Reporter
from baseline.domain.units import DAY_S
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features.table import FloatArray, IntArray
from pipelines.suite import _curves, _graphs
from pipelines.suite._curves import STEP_S, Curve

CLUSTER = "sim"
HORIZONS_S = (300, 3600)
NODES = 4
PACKET_BYTES = 900
NOISE, MEMORY = 0.08, 0.95  # of a link's own level: standard deviation (log) and autocorrelation of a step
SHOP_REQUESTS, TICKET_REQUESTS = 1500.0, 300.0  # a step, of a typical link at average demand
POOLED_SHARE = 0.6  # of the links keep their connections
BACKUP_HOUR = 2
REVISION, NEW_REVISION = "4b5c6d7f8", "6d7f8b9c5"  # pod-template-hashes: letters that Kubernetes makes them of
TICKET_KEPT = frozenset({
    "ts-ui-dashboard", "ts-gateway-service", "ts-travel-service", "ts-order-service", "ts-basic-service",
    "ts-seat-service", "ts-station-service", "ts-train-service", "ts-route-service", "ts-config-service",
    "ts-preserve-service", "ts-inside-payment-service", "ts-payment-service",
})  # fmt: skip
Labels = tuple[tuple[str, str], ...]


def endpoint(namespace: str, name: str, *, revision: str = REVISION) -> Endpoint:
    """A Deployment's pods as aggregated flow logs name them."""
    labels = (("app", name), ("pod-template-hash", revision))
    return Endpoint(EndpointKind.WORKLOAD, namespace, "", f"{name}-{revision}-*", "", labels)


def pods(namespace: str, name: str, *, revision: str = REVISION) -> Peer:
    """The peer that those pods are: through the product's own derivation of owners."""
    return peer_of(endpoint(namespace, name, revision=revision))


def outside(address: str) -> Peer:
    """A named external address."""
    return Peer(PeerKind.ADDRESS, "", address)


CLIENTS = Peer(PeerKind.PUBLIC, "", "pub")
DNS = pods("kube-system", "coredns")
COLLECTOR = pods("observability", "otel-collector")
SCRAPER = pods("observability", "prometheus")


@dataclass(slots=True, kw_only=True)
class Stream:
    """Traffic of one link, step by step; every array int64 (n,). Out and in are the source's."""

    source: Peer
    dest: Peer
    port: int
    protocol: str = "tcp"
    started: IntArray
    failed: IntArray
    bytes_out: IntArray
    bytes_in: IntArray
    pool: int = 0  # connections that stay open


@dataclass(slots=True, kw_only=True)
class Traffic:
    """All links of an interval. ``missing`` holds (workload, step) of windows nobody was alive to report."""

    begin: int
    steps: int
    streams: list[Stream]
    missing: dict[Peer, npt.NDArray[np.bool_]] = field(default_factory=dict)
    since: dict[Peer, int] = field(default_factory=dict)  # first step of workloads that arrive later
    rolled: dict[Peer, int] = field(default_factory=dict)  # first step of a new ReplicaSet

    @property
    def starts(self) -> IntArray:
        """Start of each step, epoch seconds."""
        return self.begin + STEP_S * np.arange(self.steps, dtype=np.int64)

    @property
    def end(self) -> int:
        """End of the last step, epoch seconds."""
        return self.begin + STEP_S * self.steps

    def of(self, peer: Peer) -> list[Stream]:
        """The links that a workload is an end of."""
        return [stream for stream in self.streams if peer in (stream.source, stream.dest)]

    def step(self, time_s: float) -> int:
        """The step that holds a time."""
        return int((time_s - self.begin) // STEP_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What stays the same whatever the interval."""

    seed: int
    shop: Curve
    tickets: Curve | None  # None: a small world, the shop alone
    zone: str = "UTC"

    @classmethod
    def make(cls, data: Path, *, seed: int, is_small: bool, zone: str = "UTC") -> World:
        """From the data folder, with built-in curves where it lacks them."""
        tickets = None if is_small else _curves.cesnet(data)
        return cls(seed=seed, shop=_curves.uk_backbone(data), tickets=tickets, zone=zone)

    def traffic(self, begin: int, days: float, *, holidays: Collection[date] = frozenset()) -> Traffic:
        """Everything from ``begin`` (a whole hour), undisturbed."""
        steps = round(days * DAY_S / STEP_S)
        traffic = Traffic(begin=begin, steps=steps, streams=[])
        self._tenant(traffic, "shop", _graphs.boutique(), self.shop, SHOP_REQUESTS, holidays)
        if self.tickets is not None:
            calls = [call for call in _graphs.ticket() if {call.caller, call.callee} <= TICKET_KEPT]
            self._tenant(traffic, "tickets", calls, self.tickets, TICKET_REQUESTS, holidays)
        return traffic

    def rng(self, *words: object) -> np.random.Generator:
        """Randomness that depends on the seed and these words alone."""
        digest = blake2b("|".join(map(str, (self.seed, *words))).encode(), digest_size=8).digest()
        return np.random.default_rng(int.from_bytes(digest, "little"))

    def link(  # noqa: PLR0913 - one link, by name
        self, traffic: Traffic, source: Peer, dest: Peer, port: int, *, demand: FloatArray, requests: float,
        protocol: str = "tcp", sizes: tuple[float, float] | None = None, is_pooled: bool | None = None,
    ) -> Stream:  # fmt: skip
        """A link that follows ``demand``; sizes are bytes a request, out and in."""
        fixed = self.rng(source, dest, port)  # the link itself
        weight, out, back = np.exp(fixed.normal(0.0, 0.6, size=3))
        kept, turnover = fixed.random() < POOLED_SHARE, float(fixed.uniform(1.0, 6.0))
        keep_alive = float(fixed.uniform(5.0, 40.0))
        out_size, in_size = sizes or (600.0 * out, 4000.0 * back)
        rng = self.rng(source, dest, port, traffic.begin)  # this interval
        level = demand * np.exp(_wandering(rng, traffic.steps))
        many = rng.poisson(np.maximum(requests * (weight if sizes is None else 1.0) * level, 0.0))
        pooled = kept if is_pooled is None else is_pooled
        started = rng.poisson(turnover, size=traffic.steps) if pooled else rng.poisson(many / keep_alive)
        stream = Stream(
            source=source, dest=dest, port=port, protocol=protocol,
            started=np.asarray(started, dtype=np.int64), failed=rng.poisson(0.0005 * started).astype(np.int64),
            bytes_out=(many * out_size * np.exp(rng.normal(0.0, 0.03, traffic.steps))).astype(np.int64),
            bytes_in=(many * in_size * np.exp(rng.normal(0.0, 0.03, traffic.steps))).astype(np.int64),
            pool=int(fixed.integers(4, 24)) if pooled else 0,
        )  # fmt: skip
        traffic.streams.append(stream)
        return stream

    def surroundings(self, traffic: Traffic, who: Peer, *, demand: FloatArray) -> None:
        """What every workload has: DNS, telemetry, scrapes."""
        steady = np.ones(traffic.steps)
        self.link(
            traffic, who, DNS, 53, protocol="udp", demand=demand**0.5, requests=12, sizes=(70, 160), is_pooled=False
        )
        self.link(traffic, who, COLLECTOR, 4317, demand=demand, requests=60, sizes=(4000, 60), is_pooled=True)
        self.link(traffic, SCRAPER, who, 9464, demand=steady, requests=10, sizes=(300, 20_000), is_pooled=True)

    def _tenant(
        self, traffic: Traffic, namespace: str, calls: Sequence[_graphs.Call], curve: Curve, requests: float,
        holidays: Collection[date],
    ) -> None:  # fmt: skip
        drawn = self.rng(namespace, traffic.begin)
        demand = curve.demand(traffic.starts, zone=self.zone, rng=drawn, holidays=holidays)
        for call in calls:
            ends = pods(namespace, call.caller), pods(namespace, call.callee)
            self.link(traffic, *ends, call.port, demand=demand, requests=requests)
        for name in sorted({name for call in calls for name in (call.caller, call.callee)}):
            self.surroundings(traffic, pods(namespace, name), demand=demand)
        _EXTERNAL[namespace](self, traffic, demand)

    def _shop_outside(self, traffic: Traffic, demand: FloatArray) -> None:
        front = pods("shop", "frontend")
        self.link(traffic, CLIENTS, front, 443, demand=demand, requests=900, is_pooled=False)
        self.link(
            traffic, pods("shop", "paymentservice"), outside("198.51.100.20"), 443, demand=demand, requests=150,
            sizes=(2500, 1500), is_pooled=False,
        )  # fmt: skip
        self.link(
            traffic, pods("shop", "shippingservice"), outside("198.51.100.30"), 443, demand=demand, requests=300,
            is_pooled=True,
        )  # fmt: skip
        self._mail(traffic, demand)
        self._backup(traffic)

    def _tickets_outside(self, traffic: Traffic, demand: FloatArray) -> None:
        self.link(traffic, CLIENTS, pods("tickets", "ts-ui-dashboard"), 443, demand=demand, requests=300)
        self.link(
            traffic, pods("tickets", "ts-payment-service"), outside("198.51.100.21"), 443, demand=demand,
            requests=60, sizes=(2500, 1500), is_pooled=False,
        )  # fmt: skip

    def _mail(self, traffic: Traffic, demand: FloatArray) -> None:
        """Sixty mail exchangers, some of them used once in a month: new addresses are normal here."""
        rng = self.rng("mail", traffic.begin)
        for number in range(60):
            share = 1.2 / (number + 1) ** 1.5
            used = rng.poisson(share * demand)
            size = rng.lognormal(10.0, 0.5, traffic.steps)
            traffic.streams.append(
                Stream(
                    source=pods("shop", "emailservice"), dest=outside(f"203.0.113.{number + 1}"), port=25,
                    started=used.astype(np.int64), failed=np.zeros(traffic.steps, dtype=np.int64),
                    bytes_out=(used * size).astype(np.int64), bytes_in=(used * 900).astype(np.int64),
                )
            )  # fmt: skip

    def _backup(self, traffic: Traffic) -> None:
        """A nightly job of half an hour: silent otherwise."""
        rng = self.rng("backup", traffic.begin)
        is_on = (traffic.starts % DAY_S // STEP_S - BACKUP_HOUR * 12) // 6 == 0
        volume = (is_on * rng.lognormal(np.log(40e6), 0.08, traffic.steps)).astype(np.int64)
        job, none = pods("shop", "cart-backup"), np.zeros(traffic.steps, dtype=np.int64)
        started = (is_on * 2).astype(np.int64)
        for source, dest, port, out, back in (
            (job, pods("shop", "redis-cart"), 6379, volume // 200, volume),
            (job, outside("198.51.100.40"), 443, volume, volume // 100),
        ):
            traffic.streams.append(
                Stream(source=source, dest=dest, port=port, started=started, failed=none, bytes_out=out, bytes_in=back)
            )


_EXTERNAL: Mapping[str, Callable[[World, Traffic, FloatArray], None]] = {
    "shop": World._shop_outside,
    "tickets": World._tickets_outside,
}


def _wandering(rng: np.random.Generator, steps: int) -> FloatArray:
    """Autocorrelated noise (log), standard deviation NOISE."""
    shocks = rng.normal(0.0, NOISE * np.sqrt(1 - MEMORY**2), size=steps)
    # An AR(1) by its truncated impulse response: 0.95 ** 120 is 0.2 %.
    found = np.convolve(shocks, MEMORY ** np.arange(120))[:steps]
    return np.asarray(found + rng.normal(0.0, NOISE) * MEMORY ** np.arange(steps))


def workload(peer: Peer) -> WorkloadId:
    """The workload that a peer is."""
    return WorkloadId(CLUSTER, peer.namespace, peer.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the log shows of a workload: ``services.score.Labelled``."""

    labels: Labels
    peer_labels: Mapping[Peer, Labels]
    rollout_at: float | None = None  # event time its newest version was first seen


class Log:
    """What the log shows of workloads as time goes by: their labels, and those of their peers."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        ends = {end for stream in traffic.streams for end in (stream.source, stream.dest)}
        self._pods = sorted(end for end in ends if end.kind is PeerKind.WORKLOAD)
        self._known: dict[tuple[Peer, ...], dict[WorkloadId, Known]] = {}

    def facts(self, *, at: float) -> Mapping[WorkloadId, Known]:
        """Of every workload, with the newest ReplicaSet's hash."""
        rolled = tuple(peer for peer in self._pods if self._traffic.rolled.get(peer, np.inf) < self._traffic.step(at))
        if rolled not in self._known:
            revisions = {peer: NEW_REVISION if peer in rolled else REVISION for peer in self._pods}
            labels = {
                peer: endpoint(peer.namespace, peer.name, revision=revision).labels or ()
                for peer, revision in revisions.items()
            }
            self._known[rolled] = {
                workload(peer): Known(
                    labels=own,
                    peer_labels=labels,
                    rollout_at=float(self._traffic.begin + STEP_S * self._traffic.rolled[peer])
                    if peer in rolled
                    else None,
                )
                for peer, own in labels.items()
            }
        return self._known[rolled]


def closed(
    traffic: Traffic, *, horizons_s: Sequence[int] = HORIZONS_S, only: Collection[WorkloadId] | None = None
) -> Iterator[list[Window]]:
    """Closed windows in order of end, horizon and workload key, a batch for each end."""
    day = DAY_S // STEP_S
    for first in range(0, traffic.steps, day):
        last = min(traffic.steps, first + day)
        batches: dict[int, list[Window]] = {}
        for horizon_s in sorted(horizons_s):
            for window in _windows(traffic, horizon_s, first, last):
                if only is None or window.workload in only:
                    batches.setdefault(window.end, []).append(window)
        for end in sorted(batches):
            yield sorted(batches[end], key=lambda window: (window.horizon_s, window.workload.key))


def _windows(traffic: Traffic, horizon_s: int, first: int, last: int) -> Iterator[Window]:
    """Windows of one horizon whose steps lie in [first, last)."""
    inside = horizon_s // STEP_S
    count = (last - first) // inside
    edges: dict[Peer, list[dict[EdgeKey, EdgeCounts]]] = {}
    for stream in traffic.streams:
        sums = _summed(stream, first, count, inside)
        for end, key in _ends(stream):
            own = edges.setdefault(end, [{} for _ in range(count)])
            _put(own, key, sums, stream.pool, begin=traffic.begin + first * STEP_S, horizon_s=horizon_s)
    for peer, own in edges.items():
        seen = _is_seen(traffic, peer, first, count, inside)
        for number in np.flatnonzero(seen):
            start = traffic.begin + first * STEP_S + int(number) * horizon_s
            yield Window(
                workload=workload(peer), start=start, end=start + horizon_s, edges=own[number],
                hosts=frozenset({node_of(peer)}),
            )  # fmt: skip


def _ends(stream: Stream) -> Iterator[tuple[Peer, EdgeKey]]:
    if stream.source.kind is PeerKind.WORKLOAD:
        yield stream.source, EdgeKey(Direction.EGRESS, stream.dest, stream.port, stream.protocol)
    if stream.dest.kind is PeerKind.WORKLOAD:
        yield stream.dest, EdgeKey(Direction.INGRESS, stream.source, stream.port, stream.protocol)


def _alive(traffic: Traffic, peer: Peer) -> npt.NDArray[np.bool_]:
    alive = np.ones(traffic.steps, dtype=np.bool_)
    if peer in traffic.missing:
        alive &= ~traffic.missing[peer]
    alive[: traffic.since.get(peer, 0)] = False
    return alive


def _is_seen(traffic: Traffic, peer: Peer, first: int, count: int, inside: int) -> npt.NDArray[np.bool_]:
    part = _alive(traffic, peer)[first : first + count * inside].reshape(count, inside)
    return np.asarray(part.any(axis=1))


def _summed(stream: Stream, first: int, count: int, inside: int) -> npt.NDArray[np.int64]:
    """Started, failed, bytes out and in, largest bytes out and steps with anything, (count, 6)."""
    arrays = (stream.started, stream.failed, stream.bytes_out, stream.bytes_in)
    parts = [array[first : first + count * inside].reshape(count, inside) for array in arrays]
    active = (parts[0] + parts[2] + parts[3] > 0).sum(axis=1)
    return np.stack([*(part.sum(axis=1) for part in parts), parts[2].max(axis=1), active], axis=1)


def _put(
    own: list[dict[EdgeKey, EdgeCounts]], key: EdgeKey, sums: npt.NDArray[np.int64], pool: int, *, begin: int,
    horizon_s: int,
) -> None:  # fmt: skip
    is_source = key.direction is Direction.EGRESS
    where = np.flatnonzero(sums[:, 5])
    for number, (started, failed, out, back, largest, active) in zip(where.tolist(), sums[where].tolist(), strict=True):
        end = begin + (number + 1) * horizon_s
        sent, got = (out, back) if is_source else (back, out)
        own[number][key] = EdgeCounts(
            records=active, flows=started + pool, started=started, completed=started,
            packets_in=got // PACKET_BYTES + 2 * started, packets_out=sent // PACKET_BYTES + 2 * started,
            bytes_in=got, bytes_out=sent, attempts=failed if is_source else 0,
            largest_bytes_out=largest if is_source else sent // max(active, 1),
            first_seen=float(end - horizon_s), last_seen=float(end - 1),
        )  # fmt: skip


def node_of(peer: Peer) -> str:
    """The node that runs a workload."""
    return f"node-{blake2b(str(peer).encode(), digest_size=2).digest()[0] % NODES}"


def flows(traffic: Traffic, *, first: int = 0, last: int | None = None) -> Iterator[Flow]:
    """Records of both reporters, one a step and link, in order of time."""
    for step in range(first, traffic.steps if last is None else last):
        start = traffic.begin + step * STEP_S
        for stream in traffic.streams:
            for reporter, own in ((Reporter.SRC, stream.source), (Reporter.DST, stream.dest)):
                if own.kind is PeerKind.WORKLOAD and _alive(traffic, own)[step]:
                    flow = _flow(stream, step, start, reporter, own)
                    if flow.counts.flows:
                        yield flow


def _flow(stream: Stream, step: int, start: int, reporter: Reporter, own: Peer) -> Flow:
    out, back = int(stream.bytes_out[step]), int(stream.bytes_in[step])
    started = int(stream.started[step])
    sent, got = (out, back) if reporter is Reporter.SRC else (back, out)
    return Flow(
        cluster=CLUSTER, host=node_of(own), reporter=reporter, action=Action.ALLOW, source=_end(stream.source),
        dest=_end(stream.dest), dest_port=stream.port, protocol=stream.protocol, service=None, start=start,
        end=start + STEP_S,
        counts=Counts(
            packets_in=got // PACKET_BYTES + 2 * started, packets_out=sent // PACKET_BYTES + 2 * started, bytes_in=got,
            bytes_out=sent, flows=started + stream.pool, started=started, completed=started,
        ),
    )  # fmt: skip


def _end(peer: Peer) -> Endpoint:
    if peer.kind is PeerKind.WORKLOAD:
        return endpoint(peer.namespace, peer.name)
    if peer.kind is PeerKind.PUBLIC:
        return Endpoint(EndpointKind.NETWORK, "", "", "pub", "", None)
    return Endpoint(EndpointKind.NETWORK, "", "", "pub", peer.name, None)


def is_a_workload(peer: Peer) -> bool:
    """Whether the product sees the end as a workload; the derivation of owners must agree with the simulator."""
    return workload_of(CLUSTER, endpoint(peer.namespace, peer.name)) == workload(peer)
