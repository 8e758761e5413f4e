"""Demand over days and weeks: real shapes, real days of restlessness, and one built-in shape where there is no data.

A curve is a profile by local time of the week and a set of *days*: how one real day each lay above or below that
profile, step by step. A simulated day takes a real one whole, so that what hangs together within a day stays
together; which day is drawn, and the jump at midnight, are ours.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from baseline.domain.units import DAY_S, HOUR_S
from baseline.features import calendar
from baseline.features.table import FloatArray, IntArray

STEP_S = 300
STEPS_A_DAY = DAY_S // STEP_S
STEPS_AN_HOUR = HOUR_S // STEP_S
HALF_WEEK_H = 84
HOLIDAYS = (pd.Timestamp("2004-12-20", tz="UTC"), pd.Timestamp("2005-01-06", tz="UTC"))  # the backbone is academic
SEED_OF_BUILT_IN = 20_260_101


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One shape of demand.

    profile : float64 (168, 12), log of demand by local hour of the week and step of the hour, about 0 on average.
    days : float64 (n, 288), log deviations of n days.
    """

    name: str
    profile: FloatArray
    days: FloatArray

    def demand(
        self, starts: IntArray, *, zone: str, rng: np.random.Generator, holidays: Collection[date] = frozenset()
    ) -> FloatArray:
        """Factors around 1 for steps that start then, shape (n,); a holiday looks like a Sunday."""
        slots = calendar.slots(starts, zone=zone, holidays=holidays)
        number = calendar.days(starts, zone=zone)
        drawn = rng.integers(len(self.days), size=int(number.max() - number.min()) + 1)
        step = (starts % DAY_S) // STEP_S
        restless = self.days[drawn[number - number.min()], step]
        return np.asarray(np.exp(self.profile[slots, starts % HOUR_S // STEP_S] + restless))


def uk_backbone(data: Path) -> Curve:
    """69 days of a UK academic backbone, without the weeks around Christmas; the built-in curve where it is absent."""
    path = data / "isp-5min" / "it_uk_5m.csv.gz"
    if not path.exists():
        return built_in()
    frame = pd.read_csv(path, usecols=["time_count", "bytes"])
    times = pd.to_datetime(frame["time_count"], utc=True)
    is_term = (times < HOLIDAYS[0]) | (times > HOLIDAYS[1])
    level = pd.Series(np.log(frame["bytes"].clip(lower=1e-9)).to_numpy(), index=pd.DatetimeIndex(times))
    return _curve("uk-backbone", level[is_term.to_numpy()])


def cesnet(data: Path) -> Curve:
    """40 weeks of one entity of a national ISP, hourly, its drifting level taken out; built-in where it is absent."""
    folder = data / "cesnet-ts24-103"
    if not (folder / "103.csv.gz").exists():
        return built_in()
    frame = pd.read_csv(folder / "103.csv.gz", usecols=["id_time", "n_flows"])
    with gzip.open(folder / "times_1_hour.csv.gz") as file:
        frame = frame.merge(pd.read_csv(io.BytesIO(file.read())), on="id_time")
    times = pd.DatetimeIndex(pd.to_datetime(frame["time"], utc=True))
    level = pd.Series(np.log(frame["n_flows"].clip(lower=1)).to_numpy(), index=times)
    level = level - level.rolling(2 * HALF_WEEK_H, center=True, min_periods=HALF_WEEK_H).median()
    fine = level.resample(f"{STEP_S}s").interpolate(limit=STEPS_AN_HOUR)
    return _curve("cesnet-103", fine.dropna())


def built_in() -> Curve:
    """Invented: a working day's hump with half of it on weekends, and 60 days of autocorrelated noise of 10 %."""
    hour = np.arange(168) % 24
    hump = 0.6 * np.cos((hour - 14) / 24 * 2 * np.pi) - np.where(np.arange(168) >= 5 * 24, 0.5, 0.0)
    rng = np.random.default_rng(SEED_OF_BUILT_IN)
    shocks = rng.normal(0.0, 0.1 * np.sqrt(1 - 0.98**2), size=(60, STEPS_A_DAY))
    days = np.zeros((60, STEPS_A_DAY))
    days[:, 0] = rng.normal(0.0, 0.1, size=60)
    for step in range(1, STEPS_A_DAY):
        days[:, step] = 0.98 * days[:, step - 1] + shocks[:, step]
    return Curve(name="built-in", profile=np.repeat(hump[:, None] - hump.mean(), STEPS_AN_HOUR, axis=1), days=days)


def _curve(name: str, level: pd.Series) -> Curve:
    """Profile by median, days by what is left; only days that are whole."""
    index = pd.DatetimeIndex(level.index)
    place = (index.day_of_week * STEPS_A_DAY + index.hour * STEPS_AN_HOUR + index.minute // 5).to_numpy()
    values = level.to_numpy(dtype=np.float64)
    profile = pd.Series(values).groupby(place).median().reindex(range(7 * STEPS_A_DAY)).interpolate().to_numpy()
    frame = pd.DataFrame({"day": index.normalize(), "step": place % STEPS_A_DAY, "rest": values - profile[place]})
    days = frame.pivot_table(index="day", columns="step", values="rest").dropna()
    return Curve(
        name=name,
        profile=(profile - profile.mean()).reshape(168, STEPS_AN_HOUR),
        days=days.to_numpy(dtype=np.float64),
    )
