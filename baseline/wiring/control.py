"""The controller, and the telling beside it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from baseline.adapters.notify.teller import Teller, notifiers
from baseline.adapters.sql.library import SqlLibrary
from baseline.control.loop import Control, ControlOptions
from baseline.ports import Clock, Metrics
from baseline.services import signs
from baseline.services.reconcile import ReconcileOptions
from baseline.settings import Settings
from baseline.wiring import Ready
from baseline.wiring.cluster import cluster
from baseline.wiring.planning import channels, restrict_options
from baseline.wiring.stores import library


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlProcess:
    """The controller, ready to run."""

    control: Control

    def run(self) -> None:
        """Until the clock is stopped."""
        self.control.run()

    def ready(self) -> Ready:
        """Ready while books and cluster answer."""
        return self.control.status.ready()


@contextmanager
def control(
    settings: Settings,
    *,
    clock: Clock,
    metrics: Metrics,
    relaxed: frozenset[str] = frozenset(),
    poll_s: float = 1.0,
) -> Iterator[ControlProcess]:
    """Plans, applies and ends restrictions. ``relaxed`` guards are the demo's; no setting relaxes one."""
    restricting = restrict_options(settings, relaxed=relaxed)
    options = ControlOptions(
        restrict=restricting,
        reconcile=ReconcileOptions(
            instance=settings.cluster.instance, channels=tuple(channels(settings)), guards=restricting.guards
        ),
        poll_s=poll_s,
        manages_tier=settings.cluster.manages_tier,
    )
    with library(settings) as books, _telling(settings, books, clock=clock, metrics=metrics):
        yield ControlProcess(
            control=Control(
                books,
                cluster(settings, clock),
                clock=clock,
                metrics=metrics,
                options=options,
                seed=secrets.randbits(32),
                lag_s=lambda: signs.lag_s(books, now=clock.now()),
            )
        )


@contextmanager
def _telling(settings: Settings, books: SqlLibrary, *, clock: Clock, metrics: Metrics) -> Iterator[None]:
    """Events are told by a thread beside control, never in enforcement's way."""
    chosen = settings.notify
    told = notifiers(
        webhook_url=chosen.webhook_url.get_secret_value(),
        webhook_secret=chosen.webhook_secret.get_secret_value(),
        alertmanager_url=chosen.alertmanager_url.get_secret_value(),
        source=f"/baseline/{settings.cluster.name}",
        clock=clock,
        timeout_s=chosen.timeout_s,
    )
    if not told:
        yield
        return
    thread = Teller(books, told, clock=clock, metrics=metrics).start()
    try:
        yield
    finally:
        thread.join(chosen.timeout_s)  # the stopped clock ends it; a delivery in progress may finish
