"""What a fit reads from history."""

from __future__ import annotations

import numpy as np

from baseline.adapters.memory.history import MemoryHistory
from baseline.domain.edge import EdgeKey
from baseline.features import extract
from baseline.ports import EdgeRow, HistoryBatch
from baseline.services import train
from baseline.services.train import Recipe
from tests.unit.services_score.making import T0, counts, edge, minute, workload


def _row(key: EdgeKey, *, hour: int, at: float) -> EdgeRow:
    return EdgeRow(workload("web"), hour, key, counts(3, at=at), (), (), ())


def test_an_interval_within_an_hour_knows_exactly_the_edges_used_in_it() -> None:
    """Rows of edges are hourly: one hour may hold edges from before, within and after what is to be learned."""
    history = MemoryHistory()
    since, until = T0 + 1_200.0, T0 + 2_400.0
    window = minute("web", T0 + 1_800, rng=np.random.default_rng(1))
    rows = [_row(edge("db"), hour=T0, at=since + 5), _row(edge("old"), hour=T0, at=since - 5)]
    rows += [_row(edge("new"), hour=T0, at=until + 5), _row(edge("later"), hour=T0 + 3_600, at=T0 + 3_700)]
    history.write(HistoryBatch("one", [(window, extract.vector(window))], rows))
    lesson = train.read(history, recipe=Recipe(), since=since, until=until)
    assert [[use.key for use in uses] for uses in lesson.uses] == [[edge("db")]]
