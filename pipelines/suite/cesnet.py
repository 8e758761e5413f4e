"""CESNET-103 injections: forty weeks of a real network by the hour, four kinds of injected events, four seeds.

Six weeks learned and two calibrated, then thirty-two weeks judged, each by a set fitted on the eight weeks before it,
injections of earlier weeks among them. Windows are ranked by p; the base rate stands beside every average precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors.floor import Random
from baseline.detectors.protocol import Arrays
from baseline.domain.units import HOUR_S
from baseline.features.table import FloatArray
from pipelines.suite import _cesnet_data as cesnet_data
from pipelines.suite import _ranking as ranking
from pipelines.suite import rolling
from pipelines.suite.figure import Figure

NAME = "cesnet"
NEEDS = (cesnet_data.FOLDER,)
WEEK = 168  # hours
LEARNED, CALIBRATED = 6 * WEEK, 2 * WEEK
SEEDS, EVENTS = 4, 160
QUICK_WEEKS, QUICK_EVENTS = 12, 40
STRENGTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
TREES, SAMPLES = 300, 256  # of the plain forests held beside
PLAN = rolling.Plan(horizon_s=HOUR_S, learned=LEARNED + CALIBRATED, calibrated=CALIBRATED, refit=WEEK)
FULL = "full"
LIMITS = {"AP": (0.56, 0.62), "week": (0.45, 0.55), "day": (0.75, 0.82)}  # gate and goal
ABLATIONS = {
    "raw forest": "scikit-learn's forest on the plain amounts and shares",
    "forest + clock": "the same with sine and cosine of the hour and the weekend",
    "seasonal z": "largest residual of the seasonal model",
    "kNN": "the neighbours' voice alone",
    "forest": "the forest's voice alone, on residuals",
    "null": "finds everything equally normal", "random": "finds anything, by the dice",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One seed: what was injected into the tested hours, and every detector's score of them."""

    kinds: npt.NDArray[np.str_]
    scores: Mapping[str, FloatArray]

    @property
    def is_event(self) -> npt.NDArray[np.bool_]:
        """Injected hours."""
        return self.kinds != ""

    def allowed(self, per_week: float) -> int:
        """False alerts in all."""
        return int(per_week * len(self.kinds) / WEEK)

    def found(self, name: str, per_week: float) -> npt.NDArray[np.bool_]:
        """Which events a detector finds at so many false alerts a week, in order of time."""
        scores = self.scores[name]
        return scores[self.is_event] > ranking.limit(scores, self.is_event, self.allowed(per_week))


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """Measure; ``seed`` is the first of the injections' seeds less one, so that 1 gives the protocol's 0 to 3."""
    series = cesnet_data.read(data)
    if is_quick:
        series = series.first(QUICK_WEEKS * WEEK)
    seeds = range(seed - 1, seed - 1 + (1 if is_quick else SEEDS))
    runs, curve = [], []
    for one in seeds:
        counts, kinds = _injected(series, one, is_quick=is_quick)
        sets = rolling.fits(_rows(series, counts), PLAN, seed=one + 1)
        runs.append(_run(series, counts, kinds, sets, seed=one))
        curve.append([_at_strength(series, sets, one, strength, is_quick=is_quick) for strength in STRENGTHS])
    return [*_main(runs), *_by_kind(runs), *_ablations(runs), *_strengths(curve)]


def _injected(
    series: cesnet_data.Series, seed: int, *, is_quick: bool, strength: float = 1.0
) -> tuple[FloatArray, npt.NDArray[np.str_]]:
    return cesnet_data.injected(
        series, learned=LEARNED, tested_from=LEARNED + CALIBRATED, count=QUICK_EVENTS if is_quick else EVENTS,
        seed=seed, strength=strength,
    )  # fmt: skip


def _rows(series: cesnet_data.Series, counts: FloatArray) -> rolling.Rows:
    return rolling.rows_of(cesnet_data.SCHEMA, cesnet_data.vectors(counts), series.starts)


def _run(
    series: cesnet_data.Series, counts: FloatArray, kinds: npt.NDArray[np.str_], sets: dict[int, Arrays], *, seed: int
) -> Run:
    rows = _rows(series, counts)
    judged, tested = rolling.judged(rows, sets, PLAN), slice(LEARNED + CALIBRATED, None)
    plain = np.log1p(counts)
    angle = 2 * np.pi * series.hours / 24
    clock = np.column_stack([plain, np.sin(angle), np.cos(angle), series.is_weekend])
    dice = Random().p_values(rows.starts, seed=seed + 1)
    scores = {
        FULL: -np.log(judged.p), "seasonal z": judged.largest, "kNN": -np.log(judged.voices["neighbours"]),
        "forest": -np.log(judged.voices["forest"]), "raw forest": _forest(plain, seed),
        "forest + clock": _forest(clock, seed), "null": np.zeros(len(rows)), "random": -np.log(dice),
    }  # fmt: skip
    return Run(kinds=kinds[tested], scores={name: values[tested] for name, values in scores.items()})


def _at_strength(
    series: cesnet_data.Series, sets: dict[int, Arrays], seed: int, strength: float, *, is_quick: bool
) -> Run:
    """The same draws at another strength, judged by the sets that were fitted at strength 1."""
    counts, kinds = _injected(series, seed, is_quick=is_quick, strength=strength)
    p = rolling.judged(_rows(series, counts), sets, PLAN).p[LEARNED + CALIBRATED :]
    return Run(kinds=kinds[LEARNED + CALIBRATED :], scores={FULL: -np.log(p)})


def _forest(values: FloatArray, seed: int) -> FloatArray:
    from sklearn.ensemble import IsolationForest

    fitted = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=seed).fit(values[:LEARNED])
    return np.asarray(-fitted.score_samples(values))


def _precision(runs: list[Run], name: str, drawn: list[npt.NDArray[np.int64]] | None = None) -> float:
    found = []
    for number, run in enumerate(runs):
        weights = None
        if drawn is not None:
            weights = np.ones(len(run.kinds))
            events = np.flatnonzero(run.is_event)
            weights[events] = np.bincount(drawn[number], minlength=len(events))
        found.append(ranking.average_precision(run.scores[name], run.is_event, weights))
    return float(np.mean(found))


def _recall(
    runs: list[Run], per_week: float, *, name: str = FULL, only: tuple[str, ...] = cesnet_data.KINDS
) -> tuple[float, tuple[float, float]]:
    """Share of the events of these kinds that are found, and its interval."""
    parts = [run.found(name, per_week)[np.isin(run.kinds[run.is_event], only)] for run in runs]
    value = float(np.mean([part.mean() for part in parts]))
    return value, ranking.interval(
        [len(part) for part in parts],
        lambda drawn: float(np.mean([part[one].mean() for part, one in zip(parts, drawn, strict=True)])), seed=1,
    )  # fmt: skip


def _main(runs: list[Run]) -> list[Figure]:
    rate = float(np.mean([run.is_event.mean() for run in runs]))
    events = [int(run.is_event.sum()) for run in runs]
    between = ranking.interval(events, lambda drawn: _precision(runs, FULL, drawn), seed=1)
    note = f"base rate {rate:.3f}, {len(runs)} seeds, {sum(events)} injections"
    found = [_figure("AP", _precision(runs, FULL), between, limits="AP", note=note)]
    for word, per_week in (("week", 1.0), ("day", 7.0)):
        value, between = _recall(runs, per_week)
        found.append(_figure(f"recall at 1 false alert a {word}", value, between, limits=word))
    return found


def _by_kind(runs: list[Run]) -> list[Figure]:
    return [_figure(f"recall of {kind} at 1 a day", *_recall(runs, 7.0, only=(kind,))) for kind in cesnet_data.KINDS]


def _ablations(runs: list[Run]) -> list[Figure]:
    found = []
    for name, note in ABLATIONS.items():
        found.append(_figure(f"AP of {name}", _precision(runs, name), note=note))
        for word, per_week in (("week", 1.0), ("day", 7.0)):
            found.append(_figure(f"recall of {name} at 1 a {word}", _recall(runs, per_week, name=name)[0]))
    return found


def _strengths(curve: list[list[Run]]) -> list[Figure]:
    found = []
    for place, strength in enumerate(STRENGTHS):
        runs = [run[place] for run in curve]
        value, between = _recall(runs, 7.0, only=("exfil", "scan"))
        note = "exfiltrations and scans, by the sets fitted at strength 1"
        found.append(_figure(f"recall at {strength:g} x strength, 1 a day", value, between, note=note))
    return found


def _figure(
    name: str, value: float, between: tuple[float, float] | None = None, *, limits: str = "", note: str = ""
) -> Figure:
    held: dict[str, Any] = {}
    if limits:
        gate, goal = LIMITS[limits]
        held = {"gate": (gate, None), "goal": (goal, None)}
    return Figure(row=NAME, name=name, value=value, interval=between, note=note, **held)
