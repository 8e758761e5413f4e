"""The outbox pump: everything is told once, however often the other side fails, and nobody waits for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest

from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.notify.webhook import Webhook
from baseline.domain.errors import BaselineError, Denied, Invalid, Unavailable
from baseline.ports import Delivery, Event
from baseline.services.events import alert_opened
from baseline.services.notify import LOCK, Pumped, PumpOptions, pump, wait_s
from tests.contracts.nouns import T0, an_alert
from tests.ground.waiting import eventually
from tests.unit.notify.receiver import listening
from tests.unit.notify.test_channels import StillClock

OPTIONS = PumpOptions(tries=4)


@dataclass
class FakeChannel:
    """Hears events, or fails as it is told."""

    channel: str = "a"
    error: BaselineError | None = None
    heard: list[str] = field(default_factory=list)
    tried: int = 0

    def send(self, event: Event) -> None:
        """Hear it or fail."""
        self.tried += 1
        if self.error:
            raise self.error
        self.heard.append(event.id)


class Outbox:
    """A library with some events in it, and passes of the pump over it."""

    def __init__(self, *channels: str, events: int = 1) -> None:
        self.library = MemoryLibrary()
        self.metrics = PrometheusMetrics()
        self.events = [alert_opened(an_alert(number), now=T0 + number) for number in range(events)]
        with self.library.transaction() as books:
            for event in self.events:
                books.outbox.add(event, channels=channels or ("a",))

    def pump(self, *channels: FakeChannel | Webhook, now: float = T0) -> Pumped:
        """One pass."""
        return pump(self.library, channels, now=now, options=OPTIONS, metrics=self.metrics)

    def due(self, now: float) -> list[Delivery]:
        """What waits."""
        with self.library.transaction() as books:
            return list(books.outbox.due(now=now, limit=100))

    def counted(self, result: str, channel: str = "a") -> float:
        """What the metrics say."""
        return self.metrics.value("notifications_total", channel=channel, result=result)


def test_everything_due_is_told_once_and_in_order() -> None:
    """A second pass tells nothing."""
    outbox, channel = Outbox(events=3), FakeChannel()
    assert outbox.pump(channel) == Pumped(delivered=3)
    assert outbox.pump(channel, now=T0 + 1e6) == Pumped()
    assert channel.heard == [event.id for event in outbox.events]
    assert outbox.counted("delivered") == 3


def test_a_channel_that_fails_is_left_alone_for_the_pass() -> None:
    """One try, not one an event; what else waits keeps its tries."""
    outbox, channel = Outbox(events=5), FakeChannel(error=Unavailable("down"))
    assert outbox.pump(channel) == Pumped(postponed=1)
    assert channel.tried == 1
    assert [one.tries for one in outbox.due(T0 + 100)] == [1, 0, 0, 0, 0]


def test_a_channel_that_is_down_starves_no_other() -> None:
    """However much waits for it."""
    outbox = Outbox("a", "b", events=150)
    down, up = FakeChannel("a", error=Unavailable("down")), FakeChannel("b")
    for number in range(2):
        outbox.pump(down, up, now=T0 + number)
    assert len(up.heard) == 150


def test_waits_grow_and_then_it_is_given_up() -> None:
    """Kept, counted, and never tried again."""
    outbox, channel = Outbox(), FakeChannel(error=Unavailable("down"))
    now, waits = T0, []
    for _ in range(3):
        assert outbox.pump(channel, now=now) == Pumped(postponed=1)
        assert outbox.pump(channel, now=now) == Pumped()
        (waiting,) = outbox.due(T0 + 1e9)
        waits.append(waiting.due - now)
        now = waiting.due
    assert waits[0] < waits[1] < waits[2]
    assert outbox.pump(channel, now=now) == Pumped(given_up=1)
    assert outbox.pump(channel, now=T0 + 1e9) == Pumped()
    assert (channel.tried, outbox.counted("given_up")) == (4, 1)


def test_retry_after_is_obeyed_within_reason() -> None:
    """At least what was asked for, at most an hour and the jitter."""
    delivery = Delivery(event=alert_opened(an_alert(), now=T0), channel="a", tries=0, due=T0)
    assert wait_s(delivery, OPTIONS, asked_s=300) == 300
    assert wait_s(delivery, OPTIONS, asked_s=1e9) == pytest.approx(3600 * 1.2)
    outbox, channel = Outbox(), FakeChannel(error=Unavailable("429", retry_after_s=300))
    outbox.pump(channel)
    assert not outbox.due(T0 + 299)
    assert outbox.due(T0 + 300)


def test_waits_are_spread_but_repeatable() -> None:
    """Ten events that failed together do not come back together; the same seed gives the same waits."""
    deliveries = [Delivery(alert_opened(an_alert(number), now=T0), "a", 3, T0) for number in range(10)]
    waits = [wait_s(delivery, OPTIONS) for delivery in deliveries]
    assert len(set(waits)) == 10
    assert all(16 * 0.8 <= wait <= 16 * 1.2 for wait in waits)
    assert waits == [wait_s(delivery, OPTIONS) for delivery in deliveries]
    assert waits != [wait_s(delivery, replace(OPTIONS, seed=1)) for delivery in deliveries]
    assert wait_s(deliveries[0]._replace(tries=5000), OPTIONS) <= 3600 * 1.2


def test_what_is_refused_as_malformed_is_given_up_and_the_rest_told() -> None:
    """The same bytes would be refused again; the next event may be fine."""
    outbox, channel = Outbox(events=2), FakeChannel(error=Invalid("400"))
    assert outbox.pump(channel) == Pumped(given_up=2)


def test_a_wrong_secret_is_tried_again() -> None:
    """Somebody may put it right."""
    outbox, channel = Outbox(), FakeChannel(error=Denied("401"))
    assert outbox.pump(channel) == Pumped(postponed=1)
    channel.error = None
    assert outbox.pump(channel, now=T0 + 60) == Pumped(delivered=1)


def test_one_pump_at_a_time() -> None:
    """A second process does nothing meanwhile."""
    outbox, channel = Outbox(), FakeChannel()
    with outbox.library.advisory_lock(LOCK):
        assert outbox.pump(channel) == Pumped()
    assert channel.tried == 0


def test_the_database_is_free_while_somebody_is_told() -> None:
    """A silent receiver holds up no decision and no restriction."""
    outbox = Outbox("webhook")
    with listening() as receiver:
        receiver.is_silent = True
        webhook = Webhook(receiver.url, secret="s" * 16, source="s", clock=StillClock(), timeout_s=20)
        result: list[Pumped] = []
        thread = threading.Thread(target=lambda: result.append(outbox.pump(webhook)))
        thread.start()
        eventually(lambda: receiver.heard)
        with outbox.library.transaction() as books:
            books.alerts.put(an_alert())
        assert not result
        receiver.silence.set()
        thread.join(20)
        webhook.close()
    assert result == [Pumped(postponed=1)]


def test_an_outage_ends_with_everything_told_once() -> None:
    """500, then 429, then nobody, then well again: each event is accepted exactly once, under its id."""
    outbox = Outbox("webhook", events=4)
    with listening() as receiver:
        webhook = Webhook(receiver.url, secret="s" * 16, source="s", clock=StillClock())
        accepted: list[str] = []
        for number, status in enumerate((500, 429, 200)):
            receiver.status = status
            before = len(receiver.heard)
            outbox.pump(webhook, now=T0 + number * 1000)
            if status == 200:
                accepted += [heard.headers["ce-id"] for heard in receiver.heard[before:]]
        outbox.pump(webhook, now=T0 + 10_000)
        webhook.close()
    assert accepted == [event.id for event in outbox.events]
    assert len(receiver.heard) == 2 + 4
