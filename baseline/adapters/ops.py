"""The three pages every process serves: ``/livez``, ``/readyz`` and ``/metrics``.

Standard library only, in a thread of its own, so that a stuck loop still answers and the janitor needs no web
framework.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from baseline.adapters.metrics import PrometheusMetrics

Readiness = Callable[[], tuple[bool, Mapping[str, Any]]]
Liveness = Callable[[], bool]


class OpsServer:
    """Serves until closed. ``port`` 0 takes a free one; ``address`` says which."""

    def __init__(self, host: str, port: int, *, metrics: PrometheusMetrics, ready: Readiness, live: Liveness) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(metrics, ready, live))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="ops", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """``http://host:port``."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Stop serving and wait for the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _handler(metrics: PrometheusMetrics, ready: Readiness, live: Liveness) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version = "baseline"
        sys_version = ""
        timeout = 10  # seconds a silent client may hold a thread

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/livez":
                self._answer_json(live(), {})
            elif path == "/readyz":
                self._answer_json(*ready())
            elif path == "/metrics":
                self._answer(200, metrics.render(), "text/plain; version=0.0.4; charset=utf-8")
            else:
                self._answer(404, b"not found\n", "text/plain")

        def _answer_json(self, is_well: bool, detail: Mapping[str, Any]) -> None:
            body = json.dumps({"status": "ok" if is_well else "unavailable", **detail}).encode()
            self._answer(200 if is_well else 503, body, "application/json")

        def _answer(self, code: int, body: bytes, content_type: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Probes every few seconds are no events."""

    return Handler
