"""Rivals on the demo's recording. Numbers over time are a workload's, a minute: bytes both ways are its throughput,
connections what it counts. Each rival is described in its own module.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from baseline.features.table import FloatArray
from pipelines.suite import _kitnet, _rival_series, _rival_sets
from pipelines.suite._rival_series import SeriesRival
from pipelines.suite._rival_sets import SetRival
from pipelines.suite._westermo_trials import Detector, Edges, Found, Minutes, Trial, found_by

THROUGHPUT = ("bytes_out_out", "bytes_in_out", "bytes_out_in", "bytes_in_in")
CONNECTIONS = ("connections_out", "connections_in")


def all_rivals(trials: Sequence[Trial], *, seed: int) -> Iterator[Found]:
    """Every rival through all trials."""
    for name, keeps in (
        ("StackRox-style set", _rival_sets.stackrox_style),
        ("Kubescape-R0011-style", _rival_sets.kubescape_style),
    ):
        yield found_by(name, keeping(keeps), trials, has_threshold=False)
    for name, watches, features in (
        ("Theia-style EWMA", _rival_series.theia_ewma_style, THROUGHPUT),
        ("Theia-style ARIMA", _rival_series.theia_arima_style, THROUGHPUT),
        ("Theia-style DBSCAN", _rival_series.theia_dbscan_style, THROUGHPUT),
        ("Elastic-style high count", _rival_series.elastic_style, CONNECTIONS),
    ):
        yield found_by(name, watching(watches, features), trials)
    yield found_by("KitNET-style", kitnet(seed=seed), trials)


def watching(rival: SeriesRival, features: Sequence[str]) -> Detector:
    """A rival that watches one number of each workload by itself; a workload it has not learned is never unusual."""

    def score(trial: Trial) -> tuple[FloatArray, FloatArray]:
        learned, judged = trial.learned, trial.judged
        past, now = learned.natural(features), judged.natural(features)
        known, asked = np.zeros(len(past)), np.zeros(len(now))
        for name in np.unique(judged.names):
            before, after = learned.names == name, judged.names == name
            count = int(before.sum())
            if count < 2:
                continue
            starts = np.concatenate([learned.starts[before], judged.starts[after]])
            scores = rival(np.concatenate([past[before], now[after]]), starts, count)
            known[before], asked[after] = scores[:count], scores[count:]
        return known, asked

    return score


def keeping(rival: SetRival) -> Detector:
    """A rival that keeps a set of edges: nothing that it learned is new."""

    def score(trial: Trial) -> tuple[FloatArray, FloatArray]:
        news = rival(_own(trial.learned_edges, trial.learned), _own(trial.judged_edges, trial.judged))
        found = [news.get(key, 0) for key in trial.judged.keys()]  # noqa: SIM118 - a method, not a mapping
        return np.zeros(len(trial.learned.names)), np.array(found, dtype=np.float64)

    return score


def kitnet(*, seed: int) -> Detector:
    """One net for everybody, as Kitsune has one for what passes its wire, learning in order of time."""

    def score(trial: Trial) -> tuple[FloatArray, FloatArray]:
        learned = trial.learned
        net = _kitnet.fit(learned.vectors[np.argsort(learned.starts, kind="stable")], seed=seed)
        return net.scores(learned.vectors), net.scores(trial.judged.vectors)

    return score


def _own(edges: Edges, minutes: Minutes) -> Edges:
    return {key: edges[key] for key in minutes.keys() if key in edges}  # noqa: SIM118 - as above
