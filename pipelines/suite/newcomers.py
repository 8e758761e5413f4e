"""Row: workloads in their first 24 hours, when nobody has a baseline of their own for them. Report only.

Simulated (``simulate``): three weeks of the shop are learned; then, on a Thursday at eight, nine workloads appear and
are judged for a day by that set, without retraining:

owner    a new ReplicaSet of a known Deployment (three of them): other pods, the same workload, so its own baseline
peers    a new Deployment like one that is there, called by the same and calling the same, in the same namespace
neither  a batch trainer, a queue and its worker in a namespace nobody knew

Once undisturbed, for false alerts; once attacked at four ages by a sweep (200 inner addresses, nobody answers), a
theft (300 MB to a new address), a brute force (400 connections to one peer's port 22) and a beacon (five small
connections to a new address in each window), two windows of five minutes each. An attack window is found when the
workload deviates in a window that overlaps it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from baseline.domain.deviation import Deviation
from baseline.domain.edge import Peer
from baseline.domain.units import HOUR_S
from baseline.features.table import IntArray
from pipelines.suite import simulate
from pipelines.suite._automatic import consequences
from pipelines.suite._curves import STEP_S
from pipelines.suite._learned import Learned
from pipelines.suite.figure import Figure
from pipelines.suite.negatives import EVENT_DAY
from pipelines.suite.simulate import Stream, Traffic, World, outside, pods

NAME = "newcomers"
NEEDS = ("isp-5min",)
ARRIVAL = EVENT_DAY + 8 * HOUR_S
HISTORY_DAYS, QUICK_DAYS = 21, 2
ZONE = "UTC"
AGES = ((0, 1), (1, 6), (6, 24))  # hours
ATTACKED_AT_H = (0.5, 3.0, 9.0, 16.0)
ATTACK_STEPS = 2
LIVES_H, QUICK_LIVES_H = 24, 4
OWNED = ("adservice", "paymentservice", "recommendationservice")
LIKE = {"cartservice-b": "cartservice", "currencyservice-b": "currencyservice", "shippingservice-b": "shippingservice"}
GROUPS: Mapping[str, Sequence[Peer]] = {
    "owner": [pods("shop", name) for name in OWNED],
    "peers": [pods("shop", name) for name in LIKE],
    "neither": [pods("lab", name) for name in ("queue", "trainer", "worker")],
}


class Strike(NamedTuple):
    """One attack on one newcomer."""

    who: Peer
    kind: str
    step: int


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """By group and hour of age."""
    world = World.make(data, seed=seed, is_small=True, zone=ZONE)
    known = Learned.learned(world, until=ARRIVAL, days=QUICK_DAYS if is_quick else HISTORY_DAYS)
    hours = QUICK_LIVES_H if is_quick else LIVES_H
    calm, _ = _day(known, hours, is_attacked=False)
    attacked, strikes = _day(known, hours, is_attacked=True)
    found = []
    for group, members in GROUPS.items():
        for begin, end in AGES:
            if begin < hours:
                age = f"{begin}-{end} h"
                found.append(
                    _recall(group, age, [s for s in strikes if s.who in members and begin <= _age(s) < end], attacked)
                )
                found.append(_false(group, age, members, calm, begin, end))
    return found


def _age(strike: Strike) -> float:
    return strike.step * STEP_S / HOUR_S


def _day(known: Learned, hours: int, *, is_attacked: bool) -> tuple[list[Deviation], list[Strike]]:
    """A day with the newcomers in it."""
    traffic = known.world.traffic(ARRIVAL, hours / 24)
    _arrive(traffic, known.world)
    strikes = _strikes(traffic, known.world) if is_attacked else []
    for strike in strikes:
        ATTACKS[strike.kind](traffic, strike)
    return known.deviations(simulate.closed(traffic), traffic, zone=ZONE), strikes


def _arrive(traffic: Traffic, world: World) -> None:
    """New pods of the owned, twins beside those alike, and a namespace of its own kind."""
    for name in OWNED:
        who = pods("shop", name)
        traffic.rolled[who] = 0
        for stream in traffic.of(who):
            stream.started[:2] += stream.pool
    demand = world.shop.demand(traffic.starts, zone=ZONE, rng=world.rng("newcomers"))
    for name, model in LIKE.items():
        new, old = pods("shop", name), pods("shop", model)
        for stream in traffic.of(old):
            _twin(traffic, world, stream, old=old, new=new)
    queue, trainer, worker = GROUPS["neither"]
    world.link(traffic, worker, queue, 5672, demand=demand, requests=4000, is_pooled=False)
    world.link(traffic, worker, outside("198.51.100.60"), 443, demand=demand, requests=50, is_pooled=True)
    world.link(traffic, trainer, outside("198.51.100.61"), 443, demand=np.ones(traffic.steps), requests=80,
               sizes=(900, 400_000), is_pooled=True)  # fmt: skip
    world.link(traffic, trainer, queue, 5672, demand=demand, requests=100, is_pooled=True)
    for who in GROUPS["neither"]:
        world.surroundings(traffic, who, demand=demand)


def _twin(traffic: Traffic, world: World, stream: Stream, *, old: Peer, new: Peer) -> None:
    """The same link with the new end, a little more or less of it."""
    factor = np.exp(world.rng("twin", new, stream.dest).normal(0.0, 0.2, size=traffic.steps) * 0.3)
    source = new if stream.source == old else stream.source
    dest = new if stream.dest == old else stream.dest
    traffic.streams.append(
        replace(
            stream, source=source, dest=dest, started=(stream.started * factor).astype(np.int64),
            failed=stream.failed.copy(), bytes_out=(stream.bytes_out * factor).astype(np.int64),
            bytes_in=(stream.bytes_in * factor).astype(np.int64),
        )
    )  # fmt: skip


def _strikes(traffic: Traffic, world: World) -> list[Strike]:
    """Every newcomer at every age, the kinds in an order of its own."""
    found = []
    for members in GROUPS.values():
        for who in members:
            kinds = world.rng("strikes", who).permutation(sorted(ATTACKS))
            for kind, hour in zip(kinds, ATTACKED_AT_H, strict=True):
                step = round(hour * HOUR_S / STEP_S)
                if step + ATTACK_STEPS <= traffic.steps:
                    found.append(Strike(who, str(kind), step))
    return found


def _strike(
    traffic: Traffic, strike: Strike, dest: Peer, port: int, *, started: int, failed: int, out: int, back: int
) -> None:
    """Some connections in each window of the attack."""

    def during(value: int) -> IntArray:
        array = np.zeros(traffic.steps, dtype=np.int64)
        array[strike.step : strike.step + ATTACK_STEPS] = value
        return array

    traffic.streams.append(
        Stream(
            source=strike.who, dest=dest, port=port, started=during(started), failed=during(failed),
            bytes_out=during(out), bytes_in=during(back),
        )
    )  # fmt: skip


def _sweep(traffic: Traffic, strike: Strike) -> None:
    for number in range(200):
        _strike(traffic, strike, outside(f"10.20.{number // 100}.{number % 100 + 1}"), 445, started=1, failed=1, out=60,
                back=0)  # fmt: skip


def _theft(traffic: Traffic, strike: Strike) -> None:
    _strike(traffic, strike, outside("192.0.2.66"), 443, started=2, failed=0, out=150_000_000, back=900_000)


def _brute_force(traffic: Traffic, strike: Strike) -> None:
    _strike(traffic, strike, pods("shop", "redis-cart"), 22, started=200, failed=0, out=500_000, back=600_000)


def _beacon(traffic: Traffic, strike: Strike) -> None:
    _strike(traffic, strike, outside("192.0.2.77"), 443, started=5, failed=0, out=4000, back=9000)


ATTACKS: Mapping[str, Callable[[Traffic, Strike], None]] = {
    "beacon": _beacon, "brute force": _brute_force, "sweep": _sweep, "theft": _theft,
}  # fmt: skip


def _recall(group: str, age: str, strikes: Sequence[Strike], deviations: Sequence[Deviation]) -> Figure:
    """Share of the attack windows found."""
    found: list[bool] = []
    missed: set[str] = set()
    for strike in strikes:
        own = [one for one in deviations if one.workload == simulate.workload(strike.who)]
        for number in range(ATTACK_STEPS):
            start = ARRIVAL + (strike.step + number) * STEP_S
            is_found = any(one.window_start < start + STEP_S and one.window_end > start for one in own)
            found.append(is_found)
            missed |= set() if is_found else {strike.kind}
    note = f"simulated; {len(found)} attack windows; missed some of: {', '.join(sorted(missed)) or 'none'}"
    value = float(np.mean(found)) if found else None
    return Figure(row=NAME, name=f"{group}, age {age}: attack windows found", value=value, note=note)


def _false(group: str, age: str, members: Sequence[Peer], calm: Sequence[Deviation], begin: int, end: int) -> Figure:
    """Alerts of the undisturbed day that open at that age, for each workload."""
    who = {simulate.workload(peer) for peer in members}
    alerts = [alert for alert in consequences(calm, {}).alerts.values() if alert.workload in who]
    inside = [alert for alert in alerts if begin * HOUR_S < alert.opened_at - ARRIVAL <= end * HOUR_S]
    note = "simulated; at " + (", ".join(sorted({alert.workload.name for alert in inside})) or "nobody")
    return Figure(
        row=NAME, name=f"{group}, age {age}: false alerts", value=len(inside) / len(members), unit="a workload",
        note=note,
    )  # fmt: skip
