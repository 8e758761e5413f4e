"""CESNET-103 with injected attack hours: the protocol of the project's evidence (detection.md, run 1), draw for draw.

40 weeks of one real network, hourly. 6 weeks are learned from, 2 calibrated on, the rest is judged. 160 hours of the
judged part are changed, 40 of each kind: *exfil* (1.5 times the busiest hour's bytes, uploaded), *scan* (0.8 times
its destinations, in tiny flows), *night* (a daytime hour at night) and *drop* (a night hour by day). Real oddities
that nobody labelled stay among the negatives, so average precision is a lower bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from baseline.features.table import FloatArray, IntArray

FOLDER = "cesnet-ts24-103"
WEEK = 168  # hours
LEARNED, CALIBRATED = 6 * WEEK, 2 * WEEK
INJECTED = 160
KINDS = ("exfil", "scan", "night", "drop")
COLUMNS = (
    "n_flows", "n_packets", "n_bytes", "sum_n_dest_asn", "sum_n_dest_ports", "sum_n_dest_ip", "tcp_udp_ratio_bytes",
    "dir_ratio_bytes", "avg_duration",
)  # fmt: skip
COLUMN = {name: place for place, name in enumerate(COLUMNS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The real hours: ``starts`` epoch seconds UTC (n,), ``real`` (n, 9) in order of COLUMNS."""

    starts: IntArray
    real: FloatArray

    @property
    def hours(self) -> IntArray:
        """Hour of the day of each, 0 to 23."""
        return np.asarray(self.starts // 3600 % 24, dtype=np.int64)

    @property
    def is_weekend(self) -> npt.NDArray[np.bool_]:
        """Saturdays and Sundays; day 0 of the epoch was a Thursday."""
        return np.asarray((self.starts // 86_400 + 3) % 7 >= 5, dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """The hours with attacks: ``values`` (n, 9), ``kinds`` (n,) empty where all is real, positions ``judged``."""

    values: FloatArray
    kinds: npt.NDArray[np.str_]
    judged: IntArray

    @property
    def is_attack(self) -> npt.NDArray[np.bool_]:
        """Which hours were changed, (n,)."""
        return np.asarray(self.kinds != "", dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """How scores find the attacks; recalls at the thresholds that one real hour a week, or a day, is above."""

    average_precision: float
    base_rate: float
    at_week: float
    at_day: float
    at_day_by_kind: dict[str, float]
    hits_at_week: npt.NDArray[np.bool_]  # of each attack, in order of time
    hits_at_day: npt.NDArray[np.bool_]


def read(folder: Path) -> Series:
    """The real hours in order of time."""
    rows = pd.read_csv(folder / "103.csv.gz").merge(pd.read_csv(folder / "times_1_hour.csv.gz"), on="id_time")
    times = pd.to_datetime(rows["time"], utc=True)
    starts = (times - pd.Timestamp(0, tz="UTC")) // pd.Timedelta(seconds=1)
    return Series(starts=starts.to_numpy().astype(np.int64), real=rows[list(COLUMNS)].to_numpy(dtype=np.float64))


def inject(series: Series, *, seed: int, strength: float = 1.0) -> Injected:
    """The protocol's attacks. ``strength`` scales what exfil and scan add; night and drop are real hours, moved."""
    rng = np.random.default_rng(seed)
    hours, is_weekend, real = series.hours, series.is_weekend, series.real
    judged = np.arange(LEARNED + CALIBRATED, len(real))
    values, kinds = real.copy(), np.zeros(len(real), dtype="<U5")
    busiest = _busiest(series)
    is_night, is_day = hours[judged] < 5, (hours[judged] >= 10) & (hours[judged] <= 15) & ~is_weekend[judged]
    for number, drawn in enumerate(rng.choice(judged, INJECTED, replace=False)):
        kind, where = KINDS[number % len(KINDS)], drawn
        if kind == "exfil":
            _exfiltrate(values[where], strength * busiest)
        elif kind == "scan":
            _scan(values[where], strength * busiest)
        else:
            is_there, is_taken = (is_night, is_day) if kind == "night" else (is_day, is_night)
            where = rng.choice(judged[is_there & (kinds[judged] == "")])
            values[where] = real[rng.choice(judged[is_taken])]
        kinds[where] = kind
    return Injected(values=values, kinds=kinds, judged=judged)


def measured(scores: FloatArray, injected: Injected) -> Measured:
    """Compare scores of all hours, (n,), higher = more unusual, with what was injected into the judged ones."""
    from sklearn.metrics import average_precision_score

    judged, is_attack = scores[injected.judged], injected.is_attack[injected.judged]
    kinds = injected.kinds[injected.judged]
    week, day = (threshold(judged[~is_attack], hours=len(judged), a_week=rate) for rate in (1.0, 7.0))
    return Measured(
        average_precision=float(average_precision_score(is_attack, judged)),
        base_rate=float(is_attack.mean()),
        at_week=float((judged[is_attack] > week).mean()),
        at_day=float((judged[is_attack] > day).mean()),
        at_day_by_kind={kind: float((judged[kinds == kind] > day).mean()) for kind in KINDS},
        hits_at_week=np.asarray(judged[is_attack] > week, dtype=np.bool_),
        hits_at_day=np.asarray(judged[is_attack] > day, dtype=np.bool_),
    )


def threshold(real: FloatArray, *, hours: int, a_week: float) -> float:
    """What ``a_week`` real hours in a week of judged ones are above."""
    return float(np.sort(real)[::-1][int(a_week * (hours / WEEK))])


def _busiest(series: Series) -> FloatArray:
    """The largest of the learned part's medians by hour of the day, for each column."""
    hours, values = series.hours[:LEARNED], series.real[:LEARNED]
    return np.asarray(np.max([np.median(values[hours == hour], axis=0) for hour in np.unique(hours)], axis=0))


def _exfiltrate(hour: FloatArray, busiest: FloatArray) -> None:
    hour[COLUMN["n_bytes"]] += 1.5 * busiest[COLUMN["n_bytes"]]
    hour[COLUMN["n_packets"]] += 1.2 * busiest[COLUMN["n_packets"]]
    hour[COLUMN["dir_ratio_bytes"]] = max(hour[COLUMN["dir_ratio_bytes"]], 0.8)


def _scan(hour: FloatArray, busiest: FloatArray) -> None:
    flows = 0.5 * busiest[COLUMN["n_flows"]]
    hour[COLUMN["sum_n_dest_ip"]] += 0.8 * busiest[COLUMN["sum_n_dest_ip"]]
    hour[COLUMN["n_flows"]] += flows
    hour[COLUMN["n_packets"]] += flows
    hour[COLUMN["n_bytes"]] += 60 * flows
