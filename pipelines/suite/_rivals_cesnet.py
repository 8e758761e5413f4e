"""Rivals on CESNET-103 with injected hours: bytes are the throughput, flows what is counted.

The series is one entity without peers, ports or addresses: rivals that keep a set of those have nothing to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baseline.features.table import FloatArray
from pipelines.suite import _cesnet_data as cesnet
from pipelines.suite import _kitnet, _rival_series
from pipelines.suite import _ranking as ranking
from pipelines.suite._cesnet_data import Series

WEEK = 168  # hours
LEARNED, CALIBRATED, EVENTS = 6 * WEEK, 2 * WEEK, 160  # as the row cesnet has them
PAST = LEARNED + CALIBRATED  # a rival has nothing to calibrate: it learns from both
ABSENT = ("StackRox-style set", "Kubescape-R0011-style")

Scorer = Callable[[Series, FloatArray, int], FloatArray]  # series, counts, seed -> scores of all hours


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one rival found of the injections of some seeds."""

    name: str
    precision: float  # average precision, mean over seeds
    hits: dict[float, tuple[npt.NDArray[np.bool_], ...]]  # at so many false alerts a week, a seed: each injection
    kinds: tuple[npt.NDArray[np.str_], ...]  # of each injection

    def recall(self, per_week: float, *, only: Sequence[str] = cesnet.KINDS) -> float:
        """Mean over seeds."""
        return float(
            np.mean([
                hits[np.isin(kinds, only)].mean()
                for hits, kinds in zip(self.hits[per_week], self.kinds, strict=True)
            ])
        )  # fmt: skip


def all_rivals() -> Iterator[tuple[str, Scorer]]:
    """Every rival that can run here."""
    for name, watches, column in (
        ("Theia-style EWMA", _rival_series.theia_ewma_style, cesnet.BYTES),
        ("Theia-style ARIMA", _rival_series.theia_arima_style, cesnet.BYTES),
        ("Theia-style DBSCAN", _rival_series.theia_dbscan_style, cesnet.BYTES),
        ("Elastic-style high count", _rival_series.elastic_style, cesnet.FLOWS),
    ):
        yield name, _watching(watches, column)
    yield "KitNET-style", _kitnet_scores


def found_by(name: str, score: Scorer, series: Series, *, seeds: Sequence[int], rates: Sequence[float]) -> Found:
    """One rival on the injections of each seed, ranked as the row cesnet ranks."""
    precisions: list[float] = []
    kinds_found: list[npt.NDArray[np.str_]] = []
    hits: dict[float, tuple[npt.NDArray[np.bool_], ...]] = dict.fromkeys(rates, ())
    for seed in seeds:
        counts, kinds = cesnet.injected(series, learned=LEARNED, tested_from=PAST, count=EVENTS, seed=seed)
        judged, kinds = score(series, counts, seed)[PAST:], kinds[PAST:]
        is_event = np.asarray(kinds != "", dtype=np.bool_)
        precisions.append(ranking.average_precision(judged, is_event))
        kinds_found.append(kinds[is_event])
        for rate in rates:
            limit = ranking.limit(judged, is_event, int(rate * len(judged) / WEEK))
            hits[rate] = (*hits[rate], np.asarray(judged[is_event] > limit, dtype=np.bool_))
    return Found(name=name, precision=float(np.mean(precisions)), hits=hits, kinds=tuple(kinds_found))


def _watching(rival: _rival_series.SeriesRival, column: int) -> Scorer:
    return lambda series, counts, _: rival(counts[:, column], series.starts, PAST)


def _kitnet_scores(_series: Series, counts: FloatArray, seed: int) -> FloatArray:
    rows = cesnet.vectors(counts)[:, : len(cesnet.COLUMNS)]
    return _kitnet.fit(rows[:PAST], seed=seed).scores(rows)
