"""A small fleet's windows with a day of history, and a set fitted on them: invented, deterministic, fast."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np

from baseline.detectors.fitted import FittedSet
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.modelset import Manifest
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.score import JudgeOptions
from baseline.services.train import Recipe

T0 = 1_767_571_200  # Monday 2026-01-05T00:00:00Z
HOURS = 6
UNTIL = T0 + HOURS * 3600
NAMES = ("cache", "db", "proxy", "web")
OPTIONS = JudgeOptions(horizons_s=(60, 300))


def workload(name: str) -> WorkloadId:
    """Of the one cluster and namespace."""
    return WorkloadId("c", "shop", name)


def edge(peer: str, *, port: int = 5432, direction: Direction = Direction.EGRESS) -> EdgeKey:
    """An edge to or from a workload of the shop, or an address."""
    far = Peer(PeerKind.ADDRESS, "", peer) if "." in peer else Peer(PeerKind.WORKLOAD, "shop", peer)
    return EdgeKey(direction, far, port, "tcp")


def counts(connections: int, *, at: float, size: int = 800, failed: int = 0) -> EdgeCounts:
    """Some connections of `size` bytes each way."""
    return EdgeCounts(
        records=1, flows=connections, started=connections, packets_in=3 * connections, packets_out=3 * connections,
        bytes_in=size * connections, bytes_out=size * connections, attempts=failed, first_seen=at, last_seen=at,
    )  # fmt: skip


def minute(name: str, start: int, *, rng: np.random.Generator, horizon_s: int = 60) -> Window:
    """What a workload does when nothing is wrong."""
    at, many = float(start + horizon_s - 1), horizon_s // 60
    edges = {}
    if name == "web":
        edges[edge("db")] = counts(int(rng.poisson(20 * many)), at=at)
        edges[edge("cache", port=6379)] = counts(int(rng.poisson(40 * many)), at=at)
    if name == "db":
        edges[edge("web", direction=Direction.INGRESS)] = counts(int(rng.poisson(20 * many)), at=at)
    if name == "cache":
        edges[edge("web", port=6379, direction=Direction.INGRESS)] = counts(int(rng.poisson(40 * many)), at=at)
    if name == "proxy":
        for _ in range(int(rng.poisson(4 * many)) + 1):
            edges[edge(f"20.{rng.integers(200)}.{rng.integers(200)}.7", port=443)] = counts(2, at=at, size=5000)
    return Window(workload=workload(name), start=start, end=start + horizon_s, edges=edges)


def history(*, hours: int = HOURS, seed: int = 1) -> Iterator[Window]:
    """Windows of a minute and of five, in order of their end."""
    rng = np.random.default_rng(seed)
    for start in range(T0, T0 + hours * 3600, 60):
        for name in NAMES:
            yield minute(name, start, rng=rng)
        if (start + 60) % 300 == 0:
            for name in NAMES:
                yield minute(name, start - 240, rng=rng, horizon_s=300)


@cache
def fitted_files() -> tuple[Manifest, dict[str, bytes]]:
    """A set of the history above."""
    notebook = Notebook()
    for window in history():
        notebook.add(window)
    lesson = notebook.lesson(since=T0, until=UNTIL, calibrate_from=None, horizons_s=(60, 300))
    return train.fit_lesson(lesson, recipe=Recipe(horizons_s=(60, 300), is_mature=True), now=UNTIL, seed=1)


@cache
def fitted() -> FittedSet:
    """The same, opened."""
    return train.opened(*fitted_files())


def quiet_minutes(count: int, *, begin: int = UNTIL, seed: int = 9) -> list[Window]:
    """Ordinary minutes after the history, of all workloads, in order."""
    rng = np.random.default_rng(seed)
    return [minute(name, begin + 60 * step, rng=rng) for step in range(count) for name in NAMES]


def with_edges(window: Window, more: dict[EdgeKey, EdgeCounts]) -> Window:
    """The window with something added."""
    return Window(workload=window.workload, start=window.start, end=window.end, edges={**window.edges, **more})
