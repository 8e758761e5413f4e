"""Rivals on CESNET-103 with injected hours: bytes are the throughput, flows what is counted.

The series is one entity without peers, ports or addresses: rivals that keep a set of those have nothing to keep.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from baseline.features.table import FloatArray
from pipelines.suite import _cesnet_protocol as protocol
from pipelines.suite import _kitnet, _rival_series
from pipelines.suite._cesnet_protocol import COLUMN, Injected, Series

PAST = protocol.LEARNED + protocol.CALIBRATED  # a rival has nothing to calibrate: it learns from both
LOGARITHMIC = 6  # the leading columns, which are counts; the rest are shares and a mean
ABSENT = ("StackRox-style set", "Kubescape-R0011-style")

Scorer = Callable[[Series, Injected, int], FloatArray]  # series, injected, seed -> scores of all hours


def all_rivals() -> Iterator[tuple[str, Scorer]]:
    """Every rival that can run here."""
    for name, watches, column in (
        ("Theia-style EWMA", _rival_series.theia_ewma_style, "n_bytes"),
        ("Theia-style ARIMA", _rival_series.theia_arima_style, "n_bytes"),
        ("Theia-style DBSCAN", _rival_series.theia_dbscan_style, "n_bytes"),
        ("Elastic-style high count", _rival_series.elastic_style, "n_flows"),
    ):
        yield name, _watching(watches, COLUMN[column])
    yield "KitNET-style", _kitnet_scores


def _watching(rival: _rival_series.SeriesRival, column: int) -> Scorer:
    return lambda series, injected, _: rival(injected.values[:, column], series.starts, PAST)


def _kitnet_scores(_series: Series, injected: Injected, seed: int) -> FloatArray:
    values = injected.values
    rows = np.column_stack([np.log1p(values[:, :LOGARITHMIC]), values[:, LOGARITHMIC:]])
    return _kitnet.fit(rows[:PAST], seed=seed).scores(rows)
