"""Realised over nominal alert rate on real series without injections: does one alert a week mean one alert a week?

Every series is one workload, judged by sets fitted weekly on up to six weeks before, with the product's calibration,
hysteresis and merging. The labelled events of the taxi series (a marathon, Thanksgiving, Christmas, New Year, a
blizzard) are real: their windows are left out of alerts and of time, and told apart.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from baseline.detectors.protocol import Rows
from baseline.domain.deviation import Family
from baseline.domain.edge import Direction
from baseline.domain.units import HOUR_S, WEEK_S
from baseline.features.schema import Feature, Measure, Schema
from baseline.features.table import IntArray
from pipelines.suite import _cesnet_data as cesnet_data
from pipelines.suite import rolling
from pipelines.suite.figure import Figure

NAME = "series"
NEEDS = ("isp-5min", cesnet_data.FOLDER, "nab")
GATE, GOAL = (0.3, 1.5), (0.5, 1.3)
MOST_WEEKS = 6  # learned from
RESAMPLES = 1000
TAXI, TAXI_LABELS = "nab/realKnownCause/nyc_taxi.csv.gz", "nab/labels/combined_windows.json"
SCHEMA = Schema([
    Feature(name="amount", family=Family.VOLUME, direction=Direction.EGRESS, measure=Measure.RATIO, words="amount",
            fall=1.0, noise=cesnet_data.NOISE),
])  # fmt: skip
Span = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One series."""

    name: str
    horizon_s: int
    least_weeks: int  # learned before the first set
    rows: Callable[[Path], Rows]
    events: Callable[[Path], Sequence[Span]] = lambda _: ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What came of one series."""

    weeks: float  # judged, without labelled events
    by_week: list[int]  # alerts
    events: int
    events_found: int


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """Measure."""
    found = []
    counts = []
    for source in SOURCES[-1:] if is_quick else SOURCES:
        count = _counted(source, data, is_quick=is_quick, seed=seed)
        counts.append(count)
        note = f"{sum(count.by_week)} alerts in {count.weeks:.1f} weeks at one a week"
        if count.events:
            note += f"; {count.events_found} of {count.events} labelled events alerted, not counted"
        found.append(_figure(source.name, count.by_week, count.weeks, note=note, seed=seed))
    together = [alerts for count in counts for alerts in count.by_week]
    weeks = sum(count.weeks for count in counts)
    return [
        *found,
        _figure("all together", together, weeks, note=f"{sum(together)} alerts in {weeks:.1f} weeks", seed=seed),
    ]


def _figure(name: str, by_week: list[int], weeks: float, *, note: str, seed: int) -> Figure:
    rng = np.random.default_rng(seed)
    drawn = np.array(by_week)[rng.integers(0, len(by_week), (RESAMPLES, len(by_week)))].mean(axis=1)
    scale = len(by_week) / weeks if weeks else 0.0
    return Figure(
        row=NAME, name=name, value=sum(by_week) / weeks if weeks else None, unit="realised / nominal",
        interval=(float(np.quantile(drawn, 0.025) * scale), float(np.quantile(drawn, 0.975) * scale)),
        gate=GATE, goal=GOAL, note=note,
    )  # fmt: skip


def _counted(source: Source, data: Path, *, is_quick: bool, seed: int) -> Count:
    rows, week = source.rows(data), WEEK_S // source.horizon_s
    if is_quick:
        rows = rows.pick(np.arange((source.least_weeks + 1) * week))
    plan = rolling.Plan(
        horizon_s=source.horizon_s, learned=MOST_WEEKS * week, least=source.least_weeks * week, refit=week
    )
    p = rolling.judged(rows, rolling.fits(rows, plan, seed=seed), plan).p
    tested = rows.starts[plan.least :]
    alerts = rolling.alerts(tested, p[plan.least :], plan)
    events = [event for event in source.events(data) if event[0] >= tested[0]]
    outside = alerts[~_within(alerts, events)]
    begin = int(tested[0])
    return Count(
        weeks=float((~_within(tested, events)).sum() / week),
        by_week=np.bincount((outside - begin) // WEEK_S, minlength=-(-len(tested) // week)).tolist(),
        events=len(events),
        events_found=sum(bool(((alerts >= start) & (alerts <= end)).any()) for start, end in events),
    )


def _within(starts: IntArray, spans: Sequence[Span]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    inside = np.zeros(len(starts), dtype=np.bool_)
    for begin, end in spans:
        inside |= (starts >= begin) & (starts <= end)
    return inside


def _column(path: Path, time: str, amount: str) -> Rows:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        found = [(_epoch(row[time]), float(row[amount])) for row in csv.DictReader(lines)]
    starts = np.array([start for start, _ in found], dtype=np.int64)
    return rolling.rows_of(SCHEMA, np.log1p(np.array([[value] for _, value in found])), starts)


def _epoch(text: str) -> int:
    """Times without a zone are taken for UTC: only their hour of the week counts, which is their own."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _cesnet(data: Path) -> Rows:
    series = cesnet_data.read(data)
    return rolling.rows_of(cesnet_data.SCHEMA, cesnet_data.vectors(series.counts), series.starts)


def _taxi_events(data: Path) -> list[Span]:
    text = (data / TAXI_LABELS).read_text(encoding="utf-8")
    labels, _ = json.JSONDecoder().raw_decode(text)
    return [(float(_epoch(begin)), float(_epoch(end))) for begin, end in labels["realKnownCause/nyc_taxi.csv"]]


SOURCES = (
    Source(
        name="UK backbone, 5 min", horizon_s=300, least_weeks=3,
        rows=lambda data: _column(data / "isp-5min/it_uk_5m.csv.gz", "time_count", "bytes"),
    ),
    Source(
        name="WorldCup98, 5 min", horizon_s=300, least_weeks=2,
        rows=lambda data: _column(data / "isp-5min/worldcup98_5m.csv.gz", "timestamp", "count_raw"),
    ),
    Source(
        name="NAB taxi, 30 min", horizon_s=1800, least_weeks=MOST_WEEKS, events=_taxi_events,
        rows=lambda data: _column(data / TAXI, "timestamp", "value"),
    ),
    Source(name="CESNET, 1 h", horizon_s=HOUR_S, least_weeks=MOST_WEEKS, rows=_cesnet),
)  # fmt: skip
