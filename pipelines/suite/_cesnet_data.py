"""CESNET-TimeSeries24, entity 103: forty weeks of hours of a real network, and the injections put into them.

Injections follow the protocol of run 1: the same draws for the same seed. Exfiltration and scan have a strength, in
multiples of the protocol's; an hour of the day at night, and of the night by day, have none.
"""

from __future__ import annotations

import csv
import gzip
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from baseline.domain.deviation import Family
from baseline.domain.edge import Direction
from baseline.features.schema import Feature, Measure, Schema
from baseline.features.table import FloatArray, IntArray

FOLDER = "cesnet-ts24-103"
FLOWS, PACKETS, BYTES, ASNS, PORTS, IPS, TCP_SHARE, UPLOAD_SHARE, DURATION = range(9)
COLUMNS = ("n_flows", "n_packets", "n_bytes", "sum_n_dest_asn", "sum_n_dest_ports", "sum_n_dest_ip",
           "tcp_udp_ratio_bytes", "dir_ratio_bytes", "avg_duration")  # fmt: skip
KINDS = ("exfil", "scan", "night", "drop")
BUSY_BYTES, BUSY_PACKETS, LEAST_UPLOAD = 1.5, 1.2, 0.8  # of an exfiltration, in busy hours
BUSY_IPS, BUSY_FLOWS, PROBE_BYTES = 0.8, 0.5, 60.0  # of a scan
NIGHT_ENDS, DAY = 5, (10, 15)
NOISE = 0.02  # smallest scale, log units: an hour holds thousands of flows


def _feature(name: str, family: Family) -> Feature:
    # Measured on a logarithm already; falls count in full, because half of the injections are falls.
    return Feature(
        name=name, family=family, direction=Direction.EGRESS, measure=Measure.RATIO, words=name, fall=1.0, noise=NOISE
    )


SCHEMA = Schema([
    *(_feature(name, Family.VOLUME) for name in COLUMNS[:3]),
    *(_feature(name, Family.FAN_OUT) for name in COLUMNS[3:6]),
    *(_feature(name, Family.SHAPE) for name in COLUMNS[6:]),
    *(_feature(name, Family.SHAPE) for name in (
        "bytes_per_flow", "packets_per_flow", "ips_per_flow", "ports_per_ip", "ips_per_asn",
    )),
])  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Hours of one entity, in order."""

    starts: IntArray  # epoch seconds
    counts: FloatArray  # (n, len(COLUMNS)), natural units

    @property
    def hours(self) -> IntArray:
        """Hour of the day, UTC."""
        return np.asarray(self.starts // 3600 % 24, dtype=np.int64)

    @property
    def is_weekend(self) -> npt.NDArray[np.bool_]:
        """Saturdays and Sundays."""
        return np.asarray((self.starts // 86_400 + 3) % 7 >= 5)  # 1970-01-01 was a Thursday

    def first(self, count: int) -> Series:
        """The first hours."""
        return Series(starts=self.starts[:count], counts=self.counts[:count])


def read(data: Path) -> Series:
    """The series; raises OSError or KeyError for files that are not those."""
    with gzip.open(data / FOLDER / "times_1_hour.csv.gz", "rt", encoding="utf-8") as lines:
        times = {row["id_time"]: datetime.fromisoformat(row["time"]) for row in csv.DictReader(lines)}
    with gzip.open(data / FOLDER / "103.csv.gz", "rt", encoding="utf-8") as lines:
        rows = [(times[row["id_time"]], [float(row[name]) for name in COLUMNS]) for row in csv.DictReader(lines)]
    return Series(
        starts=np.array([int(time.timestamp()) for time, _ in rows], dtype=np.int64),
        counts=np.array([counts for _, counts in rows]),
    )


def vectors(counts: FloatArray) -> FloatArray:
    """Logarithms of the amounts, the shares as they are, and differences of logarithms: (n, SCHEMA.width)."""
    logs = np.log1p(counts[:, :TCP_SHARE])
    per = [(BYTES, FLOWS), (PACKETS, FLOWS), (IPS, FLOWS), (PORTS, IPS), (IPS, ASNS)]
    ratios = [logs[:, above] - logs[:, below] for above, below in per]
    return np.column_stack([logs, counts[:, TCP_SHARE:], *ratios])


def injected(
    series: Series, *, learned: int, tested_from: int, count: int, seed: int, strength: float = 1.0
) -> tuple[FloatArray, npt.NDArray[np.str_]]:
    """Counts with the injections, and each hour's kind: one of KINDS, or empty.

    learned : hours that say what a busy hour is; nothing is injected before ``tested_from``.
    """
    rng, total = np.random.default_rng(seed), len(series.starts)
    counts, kinds = series.counts.copy(), np.full(total, "", dtype="<U5")
    tested, hours = np.arange(tested_from, total), series.hours
    is_day = (hours[tested] >= DAY[0]) & (hours[tested] <= DAY[1]) & ~series.is_weekend[tested]
    is_night = hours[tested] < NIGHT_ENDS
    busy = np.max([np.median(series.counts[:learned][hours[:learned] == hour], axis=0) for hour in range(24)], axis=0)
    for number, drawn in enumerate(rng.choice(tested, count, replace=False)):
        kind, at = KINDS[number % len(KINDS)], int(drawn)
        if kind == "exfil":
            counts[at, BYTES] += strength * BUSY_BYTES * busy[BYTES]
            counts[at, PACKETS] += strength * BUSY_PACKETS * busy[PACKETS]
            counts[at, UPLOAD_SHARE] = max(counts[at, UPLOAD_SHARE], LEAST_UPLOAD)
        elif kind == "scan":
            probes = strength * BUSY_FLOWS * busy[FLOWS]
            counts[at, IPS] += strength * BUSY_IPS * busy[IPS]
            counts[at, [FLOWS, PACKETS, BYTES]] += probes * np.array([1.0, 1.0, PROBE_BYTES])
        else:
            to, source = (is_night, is_day) if kind == "night" else (is_day, is_night)
            at = int(rng.choice(tested[to & (kinds[tested] == "")]))
            counts[at] = series.counts[int(rng.choice(tested[source]))]
        kinds[at] = kind
    return counts, kinds
