"""The REST API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from baseline.adapters.metrics import PrometheusMetrics
from baseline.ports import Clock
from baseline.settings import Settings
from baseline.web.app import create_app
from baseline.web.rooms import WebOptions
from baseline.wiring.planning import channels, planner
from baseline.wiring.stores import library, shelf


@dataclass(frozen=True, slots=True, kw_only=True)
class WebProcess:
    """The REST API, ready to serve."""

    server: uvicorn.Server

    def run(self) -> None:
        """Until SIGTERM or SIGINT, or until ``server.should_exit`` is set."""
        self.server.run()


@contextmanager
def web(settings: Settings, *, clock: Clock, metrics: PrometheusMetrics) -> Iterator[WebProcess]:
    """Serves people."""
    with library(settings) as books:
        app = create_app(
            library=books,
            clock=clock,
            metrics=metrics,
            shelf=shelf(settings),
            planner=lambda tx, alert, now: planner(settings, tx, now=now)(alert),
            options=WebOptions(
                cluster=settings.cluster.name,
                channels=tuple(channels(settings)),
                hold_s=settings.restriction.hold_s,
            ),
        )
        config = uvicorn.Config(
            app, host=settings.web.host, port=settings.web.port, log_config=None, access_log=False, server_header=False
        )
        yield WebProcess(server=uvicorn.Server(config))
