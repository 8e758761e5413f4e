"""The pages that probes and Prometheus read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.ops import OpsServer


@dataclass(slots=True)
class Process:
    """A process that is as well as it is told to be."""

    url: str = ""
    is_alive: bool = True
    is_ready: bool = True


@pytest.fixture(name="process")
def _process() -> Iterator[Process]:
    """With one dead letter on its books."""
    process, metrics = Process(), PrometheusMetrics()
    metrics.count("dead_letters_total", reason="not_json")
    server = OpsServer(
        "127.0.0.1", 0, metrics=metrics, live=lambda: process.is_alive,
        ready=lambda: (process.is_ready, {"lag_s": 3.5, "waits_for": "the <broker>"}),
    )  # fmt: skip
    process.url = server.address
    yield process
    server.close()


@pytest.mark.parametrize("is_well", [True, False])
def test_liveness_is_the_loops(process: Process, is_well: bool) -> None:
    """200 while it comes round, 503 when it is stuck; readiness does not follow it."""
    process.is_alive = is_well
    answer = httpx.get(f"{process.url}/livez")
    assert answer.status_code == (200 if is_well else 503)
    assert answer.json() == {"status": "ok" if is_well else "unavailable"}
    assert httpx.get(f"{process.url}/readyz").status_code == 200


@pytest.mark.parametrize("is_well", [True, False])
def test_readiness_says_why(process: Process, is_well: bool) -> None:
    """503 with the details while it cannot work; a process that waits is alive."""
    process.is_ready = is_well
    answer = httpx.get(f"{process.url}/readyz?verbose=1")
    assert answer.status_code == (200 if is_well else 503)
    assert answer.json() == {
        "status": "ok" if is_well else "unavailable", "lag_s": 3.5, "waits_for": "the <broker>",
    }  # fmt: skip
    assert httpx.get(f"{process.url}/livez").status_code == 200


def test_metrics_are_prometheus_text(process: Process) -> None:
    """With the content type that Prometheus asks for."""
    answer = httpx.get(f"{process.url}/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'baseline_dead_letters_total{reason="not_json"} 1.0' in answer.text


@pytest.mark.parametrize("path", ["/", "/livez/", "/metrics/../livez/x", "//evil.example/livez"])
def test_there_is_nothing_else(process: Process, path: str) -> None:
    """404, whatever is asked for, and no version of anything in the headers."""
    answer = httpx.get(f"{process.url}{path}")
    assert answer.status_code == 404
    assert answer.headers["Server"].strip() == "baseline"


def test_only_reading_is_answered(process: Process) -> None:
    """There is nothing to write."""
    assert httpx.post(f"{process.url}/livez").status_code == 501


def test_a_closed_server_listens_no_more(process: Process) -> None:
    """Its port is free for the next."""
    server = OpsServer(
        "127.0.0.1", 0, metrics=PrometheusMetrics(), live=lambda: True, ready=lambda: (True, {})
    )  # fmt: skip
    address = server.address
    server.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/livez")
