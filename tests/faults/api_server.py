"""An HTTP server that speaks just enough of the Kubernetes API, and misbehaves on request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from kubernetes import client

from baseline.adapters.calico import CalicoCluster
from baseline.adapters.calico.transport import Transport
from baseline.policy import contract


class Reply(NamedTuple):
    """One canned answer; ``hang`` waits for it instead."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = {}
    hang: threading.Event | None = None
    has_date: bool = True


Wrong = Callable[[str, str], Reply | None]  # (method, path) -> what to answer instead, None to behave


class FakeApiServer:
    """Policies of one namespace in memory; ``wrong`` decides which calls go wrong."""

    def __init__(self) -> None:
        self.wrong: Wrong = lambda _method, _path: None
        self.calls: list[tuple[str, str]] = []
        self.objects: dict[str, dict[str, Any]] = {}
        self.is_enforcing = True
        self._revision = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def cluster(self, *, timeout_s: float = 5.0) -> CalicoCluster:
        """A client of it."""
        configuration = client.Configuration()
        configuration.host = self.url
        return CalicoCluster(Transport(client.ApiClient(configuration), timeout_s=timeout_s))

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def answer(self, method: str, path: str, body: Mapping[str, Any]) -> Reply:
        """What a well-behaved server would say."""
        plain, _, _ = path.partition("?")
        name = plain.rpartition("/")[2]
        if plain.endswith("/configmaps/calico-baseline-enforcement"):
            return _json(200, contract.enforcement("calico-baseline", enabled=self.is_enforcing))
        if plain == "/api/v1/namespaces":
            return _json(200, {"items": [{"metadata": {"name": "shop"}}]})
        if method == "GET":
            return _json(200, {"items": list(self.objects.values())})
        if method == "POST":
            return self._store(body, exists=body["metadata"]["name"] in self.objects)
        if method == "PUT":
            return self._store(body, exists=False)
        if self.objects.pop(name, None) is None:
            return _json(404, {"message": "not found"})
        return _json(200, {"kind": "Status"})

    def _store(self, body: Mapping[str, Any], *, exists: bool) -> Reply:
        if exists:
            return _json(409, {"message": "exists"})
        self._revision += 1
        told = {"resourceVersion": str(self._revision), "uid": "u", "creationTimestamp": "2026-09-21T14:14:00Z"}
        stored = {**body, "metadata": {**body["metadata"], **told}}
        self.objects[body["metadata"]["name"]] = stored
        return _json(201, stored)


def _json(status: int, body: Mapping[str, Any]) -> Reply:
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def _handler(server: FakeApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # one packet for headers and body: two would cost 40 ms of delayed acknowledgement

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = json.loads(self.rfile.read(length)) if length else {}
            server.calls.append((self.command, self.path))
            reply = server.wrong(self.command, self.path) or server.answer(self.command, self.path, sent)
            if reply.hang is not None:
                reply.hang.wait(30)
                self.close_connection = True
                return
            if reply.has_date:
                self.send_response(reply.status)
            else:
                self.send_response_only(reply.status)
            for key, value in reply.headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PUT(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def log_message(self, *_: object) -> None:
            """Silent."""

    return Handler
