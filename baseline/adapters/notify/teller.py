"""The pump's loop: a thread of any process that has the books. The pump's lock lets one at a time be at work."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog

from baseline.adapters.notify.alertmanager import Alertmanager
from baseline.adapters.notify.http import TIMEOUT_S
from baseline.adapters.notify.webhook import Webhook
from baseline.ports import Clock, Library, Metrics, Notifier
from baseline.services.notify import Pumped, PumpOptions, pump

log = structlog.get_logger()

INTERVAL_S = 1.0  # between passes; an alert is told within this and a bit


def notifiers(
    *,
    webhook_url: str,
    webhook_secret: str,
    alertmanager_url: str,
    source: str,
    clock: Clock,
    timeout_s: float = TIMEOUT_S,
) -> Sequence[Notifier]:
    """The channels whose URL is not empty. ``source`` names this installation, such as ``/baseline/east``.

    Raises
    ------
    Invalid
        A webhook without a secret of 16 characters: there is no unsigned one.
    """
    found: list[Notifier] = []
    if webhook_url:
        found.append(Webhook(webhook_url, secret=webhook_secret, source=source, clock=clock, timeout_s=timeout_s))
    if alertmanager_url:
        found.append(Alertmanager(alertmanager_url, timeout_s=timeout_s))
    return found


class Teller:
    """Tells what is due, pass by pass, until the clock is stopped."""

    def __init__(
        self,
        library: Library,
        channels: Sequence[Notifier],
        *,
        clock: Clock,
        metrics: Metrics,
        options: PumpOptions | None = None,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._library = library
        self._channels = channels
        self._clock = clock
        self._metrics = metrics
        self._options = options or PumpOptions()
        self._interval_s = interval_s

    def start(self) -> threading.Thread:
        """Run in a thread that ends with the process."""
        thread = threading.Thread(target=self.run, name="teller", daemon=True)
        thread.start()
        return thread

    def run(self) -> None:
        """Until the clock is stopped; with nobody to tell there is nothing to do."""
        while self._channels:
            self.run_once()
            if self._clock.wait(self._interval_s):
                return

    def run_once(self) -> Pumped:
        """One pass; an error is counted and logged, and the next pass starts afresh."""
        try:
            told = pump(
                self._library, self._channels, now=self._clock.now(), options=self._options, metrics=self._metrics
            )
        except Exception as error:
            log.exception("telling_failed", error=type(error).__name__)
            self._metrics.count("loop_errors_total", error=type(error).__name__)
            return Pumped()
        if told.postponed or told.given_up:
            log.warning("not_told", postponed=told.postponed, given_up=told.given_up)
        return told
