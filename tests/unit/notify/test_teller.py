"""The pump's loop: it goes on whatever happens, and stops when it is asked to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from baseline.adapters.memory.books import MemoryBooks, MemoryLibrary
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.notify.teller import Teller, notifiers
from baseline.domain.errors import Invalid, Unavailable
from baseline.services.events import alert_opened
from baseline.services.notify import Pumped
from tests.contracts.nouns import T0, an_alert
from tests.unit.notify.receiver import listening
from tests.unit.notify.test_pump import FakeChannel


class CountingClock:
    """A clock that asks to stop after some waits."""

    def __init__(self, waits: int) -> None:
        self.waits = waits

    def now(self) -> float:
        """T0."""
        return T0

    def wait(self, seconds: float) -> bool:
        """Stop when none is left."""
        self.waits -= 1
        return self.waits <= 0


class FlakyLibrary(MemoryLibrary):
    """Books that are away for the first passes."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = 0

    @contextmanager
    def transaction(self) -> Iterator[MemoryBooks]:
        """A transaction, or none."""
        if self.failures:
            self.failures -= 1
            raise Unavailable("away")
        with super().transaction() as books:
            yield books


def test_books_that_are_away_are_counted_and_come_back() -> None:
    """Two passes fail, the third tells; each failure is counted and logged."""
    library, metrics, channel = FlakyLibrary(), PrometheusMetrics(), FakeChannel()
    with library.transaction() as books:
        books.outbox.add(alert_opened(an_alert(), now=T0), channels=["a"])
    library.failures = 2
    with capture_logs() as logged:
        thread = Teller(library, [channel], clock=CountingClock(3), metrics=metrics).start()
        thread.join(20)
    assert not thread.is_alive()
    assert len(channel.heard) == 1
    assert metrics.value("loop_errors_total", error="Unavailable") == 2
    assert [line["event"] for line in logged] == ["telling_failed", "telling_failed"]


def test_with_nobody_to_tell_it_ends_at_once() -> None:
    """An empty setting costs nothing."""
    clock = CountingClock(5)
    Teller(MemoryLibrary(), [], clock=clock, metrics=PrometheusMetrics()).run()
    assert clock.waits == 5


def test_channels_are_those_with_a_url() -> None:
    """Both told over real HTTP; a webhook without a secret is refused at the start."""
    library, clock = MemoryLibrary(), CountingClock(1)
    with listening() as receiver:
        found = notifiers(
            webhook_url=f"{receiver.url}/hook",
            webhook_secret="s" * 16,
            alertmanager_url=receiver.url,
            source="/baseline/east",
            clock=clock,
        )
        with library.transaction() as books:
            books.outbox.add(alert_opened(an_alert(), now=T0), channels=[one.channel for one in found])
        told = Teller(library, found, clock=clock, metrics=PrometheusMetrics()).run_once()
    assert told == Pumped(delivered=2)
    assert {heard.path for heard in receiver.heard} == {"/hook", "/api/v2/alerts"}
    assert not notifiers(webhook_url="", webhook_secret="", alertmanager_url="", source="s", clock=clock)
    with pytest.raises(Invalid):
        notifiers(webhook_url=receiver.url, webhook_secret="", alertmanager_url="", source="s", clock=clock)
