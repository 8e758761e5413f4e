"""What the stream writes of alerts, and whom it tells."""

from __future__ import annotations

from dataclasses import replace

from baseline.adapters.memory.books import MemoryLibrary
from baseline.features.windows import WindowOptions
from baseline.ports import Partition
from baseline.stream import steps
from baseline.stream.work import fresh
from tests.contracts.nouns import T0, an_alert
from tests.unit.stream.stage import TOPIC, CountedMetrics


def test_only_the_most_unusual_alerts_of_a_day_are_told_and_all_are_listed() -> None:
    """Twelve weak ones and a strong one against a budget of ten: the last two weak ones are told to no channel."""
    library, metrics = MemoryLibrary(), CountedMetrics()
    work = fresh(Partition(TOPIC, 0), options=WindowOptions(), generation=1, now=T0)
    work.alerts = [replace(an_alert(number), p=5e-5) for number in range(12)] + [replace(an_alert(99), p=1e-5)]
    steps.write(work, library=library, channels=["hook"], now=T0 + 9000, metrics=metrics, alerts_per_day=10)
    with library.transaction() as books:
        told = {delivery.event.subject for delivery in books.outbox.due(now=T0 + 10_000, limit=100)}
        assert len(books.alerts.find().items) == 13
    assert told == {an_alert(number).id for number in (*range(10), 99)}
    assert metrics.total("alerts_over_budget_total") == 2
