"""A simulated fleet to retrain on: seasonal feature vectors and edges, made directly, from a seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from baseline.detectors.edgeuse import EdgeUse
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.units import DAY_S, HOUR_S
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import OwnerKind, WorkloadId
from baseline.features import schema
from baseline.features.table import FloatArray, WindowTable
from baseline.ports import EdgeRow, HistoryBatch
from baseline.services.train import Lesson

T0 = 1_767_571_200  # Monday 2026-01-05T00:00:00Z
HORIZON_S = 300
NAMESPACES = 20
EDGES = 10  # of one workload
SILENT = 0.15  # share of windows in which a workload does nothing, which makes ties


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """How large, how long and by which seed."""

    workloads: int
    days: int
    seed: int = 1

    @property
    def until(self) -> float:
        """End of the history."""
        return float(T0 + self.days * DAY_S)

    def ids(self) -> list[WorkloadId]:
        """Workloads in order of key."""
        return [
            WorkloadId(
                "c", f"space-{number * NAMESPACES // self.workloads:02d}", f"app-{number:05d}", OwnerKind.DEPLOYMENT
            )
            for number in range(self.workloads)
        ]  # fmt: skip

    def table(self, line: int, workload: WorkloadId) -> WindowTable:
        """Four weeks of one workload: a daily curve, its weekends, a drift, noise, silence and a rare burst."""
        rng = np.random.default_rng([self.seed, line])
        starts = np.arange(T0, T0 + self.days * DAY_S, HORIZON_S, dtype=np.int64)
        values = _vectors(starts, rng)
        return WindowTable(
            workload=workload, horizon_s=HORIZON_S, starts=starts, values=values, quiet=(values == 0).all(axis=1)
        )

    def uses(self, line: int) -> list[EdgeUse]:
        """Edges of one workload: most from the beginning, some later."""
        rng = np.random.default_rng([self.seed, line, 1])
        first = np.where(rng.random(EDGES) < 0.8, T0, T0 + rng.uniform(0, self.days * DAY_S, EDGES))
        return [
            EdgeUse(
                key=_edge(line, number, self.workloads), first_seen=float(first[number]), last_seen=self.until - 1,
                connections=int(rng.integers(1, 10_000)), bytes_out=10_000, bytes_in=20_000, hours=self.days * 12,
                days=(1 << min(self.days, 64)) - 1,
            )
            for number in range(EDGES)
        ]  # fmt: skip

    def lesson(self) -> Lesson:
        """What reading the fleet's history would give."""
        ids = self.ids()
        return Lesson(
            workloads=ids,
            tables={HORIZON_S: {line: self.table(line, workload) for line, workload in enumerate(ids)}},
            uses=[self.uses(line) for line in range(self.workloads)],
            since=float(T0),
            until=self.until,
        )

    def batches(self) -> Iterator[HistoryBatch]:
        """The same as history is written: a batch a day, edges by the hour."""
        ids = self.ids()
        tables = [self.table(line, workload) for line, workload in enumerate(ids)]
        a_day = DAY_S // HORIZON_S
        for day in range(self.days):
            windows, edges = [], []
            for line, table in enumerate(tables):
                for at in range(day * a_day, (day + 1) * a_day):
                    start = int(table.starts[at])
                    window = Window(workload=ids[line], start=start, end=start + HORIZON_S, edges={})
                    windows.append((window, table.values[at]))
                edges += [
                    EdgeRow(ids[line], hour, _edge(line, number, self.workloads), _counts(hour), (), (), ())
                    for hour in range(T0 + day * DAY_S, T0 + (day + 1) * DAY_S, HOUR_S)
                    for number in range(EDGES)
                ]
            yield HistoryBatch(f"flows-0-{day:04d}", windows, edges)


def _vectors(starts: np.ndarray[tuple[int], np.dtype[np.int64]], rng: np.random.Generator) -> FloatArray:
    width = schema.WIDTH
    hour = (starts % DAY_S) / DAY_S * 2 * np.pi
    is_weekend = (starts // DAY_S + 3) % 7 >= 5
    curve = np.sin(hour + rng.uniform(0, 2 * np.pi)) * np.where(is_weekend, 0.4, 1.0)
    drift = np.cumsum(rng.normal(0, 0.01, len(starts)))
    level, swing, noise = rng.uniform(0.5, 6, width), rng.uniform(0, 0.6, width), rng.uniform(0.05, 0.4, width)
    values = level + swing * (curve + drift)[:, None] + noise * rng.standard_normal((len(starts), width))
    values += (rng.random(len(starts)) < 0.002)[:, None] * rng.exponential(2, width)
    values[rng.random(len(starts)) < SILENT] = 0.0
    return np.asarray(np.maximum(values, 0.0))


def _edge(line: int, number: int, workloads: int) -> EdgeKey:
    peer = Peer(PeerKind.WORKLOAD, "space-00", f"app-{(line * 7 + number * 13) % max(1, workloads):05d}")
    return EdgeKey(Direction.EGRESS if number % 2 else Direction.INGRESS, peer, 8000 + number, "tcp")


def _counts(hour: int) -> EdgeCounts:
    return EdgeCounts(
        records=12, flows=24, started=24, packets_in=72, packets_out=72, bytes_in=20_000, bytes_out=10_000,
        first_seen=float(hour), last_seen=float(hour + HOUR_S - 1),
    )  # fmt: skip
