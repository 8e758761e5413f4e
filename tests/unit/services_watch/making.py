"""Weeks of a small cluster as windows of five minutes and an hour, invented, seeded, benign; a set fitted on one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np

from baseline.detectors.fitted import FittedSet
from baseline.domain import window as windows
from baseline.domain.deviation import Deviation
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.units import DAY_S, HOUR_S, WEEK_S
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features import extract
from baseline.services import train, watch
from baseline.services.evaluate import Notebook
from baseline.services.judging import JudgeState
from baseline.services.score import JudgeOptions
from baseline.services.train import Recipe

T0 = 1_767_571_200  # Monday 2026-01-05T00:00:00Z
LEARNED_S = WEEK_S
UNTIL = T0 + LEARNED_S
STEP_S = 300
OPTIONS = JudgeOptions(horizons_s=(300, 3600))
JOB = WorkloadId("c", "shop", "backup", OwnerKind.CRON_JOB)
NAMES = ("web", "db", "proxy", "scraper", "poller", "shipper")
NEW_TARGETS = {UNTIL + 2 * DAY_S: "cart", UNTIL + 4 * DAY_S: "mail"}  # deployed in the weeks that are judged
OUTAGE = (UNTIL + 3 * DAY_S + 10 * HOUR_S, UNTIL + 3 * DAY_S + 11 * HOUR_S)  # the way out of the cluster is down


def workload(name: str) -> WorkloadId:
    """Of the one cluster and namespace."""
    return JOB if name == "backup" else WorkloadId("c", "shop", name)


def edge(peer: str, port: int = 443) -> EdgeKey:
    """To a workload of the shop, or an address."""
    far = Peer(PeerKind.ADDRESS, "", peer) if "." in peer else Peer(PeerKind.WORKLOAD, "shop", peer)
    return EdgeKey(Direction.EGRESS, far, port, "tcp")


def talk(at: int, connections: int = 1, *, sent: int = 600) -> EdgeCounts:
    """Connections that were answered; ``sent`` bytes in all."""
    return EdgeCounts(
        records=1, flows=connections, started=connections, completed=connections, packets_in=9 * connections,
        packets_out=9 * connections, bytes_in=2000 * connections, bytes_out=sent, largest_bytes_out=sent,
        first_seen=at, last_seen=at,
    )  # fmt: skip


def silence(at: int) -> EdgeCounts:
    """A connection that nobody answered."""
    return EdgeCounts(
        records=1, flows=1, started=1, packets_out=3, bytes_out=180, attempts=1, first_seen=at, last_seen=at
    )


class Cluster:
    """What its workloads do, step by step."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._drift = 0.0

    def step(self, at: int) -> Iterator[Window]:
        """Five minutes of everybody."""
        for name in NAMES:
            yield Window(workload=workload(name), start=at, end=at + STEP_S, edges=getattr(self, f"_{name}")(at))
        if at % DAY_S == 2 * HOUR_S:  # quiet windows of jobs are emitted only for a day; the next run ends them
            yield Window(workload=JOB, start=at, end=at + STEP_S, edges={edge("db", 5432): talk(at, 3, sent=9000)})

    def _day(self, at: int) -> float:
        return 1.0 + 0.8 * float(np.sin(2 * np.pi * ((at % DAY_S) / DAY_S - 0.3)))

    def _out(self, at: int, connections: int = 1, *, sent: int = 600) -> EdgeCounts:
        return silence(at) if OUTAGE[0] <= at < OUTAGE[1] else talk(at, connections, sent=sent)

    def _web(self, at: int) -> dict[EdgeKey, EdgeCounts]:
        found = {edge("db", 5432): talk(at, 1 + int(self._rng.poisson(60 * self._day(at))), sent=50_000)}
        for begun, name in NEW_TARGETS.items():
            if at >= begun:  # a new dependency is called all day
                found[edge(name, 8080)] = talk(at, 1 + int(self._rng.poisson(9 * self._day(at))))
        if self._rng.random() < 0.3 * self._day(at):
            found[edge("198.51.100.7")] = self._out(at, 1 + int(self._rng.poisson(2)))
        return found

    def _db(self, at: int) -> dict[EdgeKey, EdgeCounts]:
        return {edge("web", 9999): talk(at)} if self._rng.random() < 0.01 else {}

    def _proxy(self, at: int) -> dict[EdgeKey, EdgeCounts]:
        found = {}
        for _ in range(int(self._rng.poisson(3 * self._day(at)))):  # 6,000 new peers a week, one in twenty is dead
            peer = edge(f"20.{self._rng.integers(250)}.{self._rng.integers(250)}.{self._rng.integers(250)}")
            found[peer] = (
                silence(at) if self._rng.random() < 0.05 else self._out(at, sent=int(self._rng.integers(9000)))
            )
        return found

    def _scraper(self, at: int) -> dict[EdgeKey, EdgeCounts]:
        new = [name for begun, name in NEW_TARGETS.items() if at >= begun]
        return {edge(name, 8080): talk(at, 10) for name in ("web", "db", "proxy", *new)}

    def _poller(self, at: int) -> dict[EdgeKey, EdgeCounts]:
        return {edge("192.0.2.1"): self._out(at, 5)}

    def _shipper(self, at: int) -> dict[EdgeKey, EdgeCounts]:
        self._drift = 0.98 * self._drift + 0.05 * float(self._rng.normal())
        noise = float(self._rng.normal(0, 0.3))
        return {edge("192.0.2.50"): self._out(at, 4, sent=int(5e6 * self._day(at) * np.exp(self._drift + noise)))}


def weeks(*, begin: int, until: int, seed: int) -> Iterator[list[Window]]:
    """Windows that close together, in order: one end and horizon a list."""
    cluster = Cluster(seed)
    hour: dict[WorkloadId, list[Window]] = {}
    for at in range(begin, until, STEP_S):
        short = sorted(cluster.step(at), key=lambda window: window.workload.key)
        yield short
        for window in short:
            hour.setdefault(window.workload, []).append(window)
        if (at + STEP_S) % HOUR_S == 0:
            start = at + STEP_S - HOUR_S
            yield [windows.merge(parts, start=start, end=start + HOUR_S) for parts in hour.values()]
            hour = {}


@cache
def fitted() -> FittedSet:
    """What two weeks of the cluster taught: hours, and edges."""
    notebook = Notebook()
    for batch in weeks(begin=T0, until=UNTIL, seed=1):
        for window in batch:
            notebook.add(window)
    lesson = notebook.lesson(since=T0, until=UNTIL, calibrate_from=None, horizons_s=(3600,))
    return train.opened(*train.fit_lesson(lesson, recipe=Recipe(horizons_s=(3600,), is_mature=True), now=UNTIL, seed=1))


def watched(
    batches: Iterable[list[Window]], state: JudgeState | None = None, *, options: JudgeOptions = OPTIONS
) -> list[Deviation]:
    """What the rules say of windows that close together, list by list."""
    kept, found = state or JudgeState(), []
    for batch in batches:
        vectors = extract.vectors(batch)
        found += watch.watch(batch, vectors, model=fitted(), state=kept, options=options, facts={})
    return found
