"""The API on a real socket: requests in tests are real requests, concurrent ones are concurrent."""

from __future__ import annotations

import atexit
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.metrics import PrometheusMetrics
from baseline.domain.alert import Alert
from baseline.domain.errors import NotFound
from baseline.domain.modelset import Alias, Manifest
from baseline.domain.restriction import Restriction
from baseline.policy.plan import Refusal
from baseline.ports import Books, Library, Role
from baseline.services import tokens
from baseline.web.app import create_app
from baseline.web.rooms import WebOptions
from tests.contracts.nouns import T0, a_restriction
from tests.ground.waiting import eventually

NOW = T0 + 1000
MANIFEST = Manifest(
    id="0123456789abcdef", format=1, schema_hash="s", recipe='zone = "Europe/Berlin"', created_at=T0,
    trained_from=T0 - 100, trained_until=T0, data_hash="d", workloads=3, files={},
    metrics={"false_alerts_per_day": 0.4, "odd": float("nan")},
)  # fmt: skip


class StillClock:
    """A clock that stands until it is told otherwise."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> float:
        """The time it was set to."""
        return self.time

    def wait(self, seconds: float) -> bool:
        """Nobody waits here."""
        raise NotImplementedError


class OneShelf:
    """A shelf with one set, which is current."""

    def put(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Not asked of it."""
        raise NotImplementedError

    def manifest(self, set_id: str) -> Manifest:
        """The one."""
        if set_id != MANIFEST.id:
            raise NotFound("model set", set_id)
        return MANIFEST

    def open(self, set_id: str) -> Mapping[str, Mapping[str, Any]]:
        """Not asked of it."""
        raise NotImplementedError

    def sets(self) -> Sequence[Manifest]:
        """The one."""
        return [MANIFEST]

    def resolve(self, alias: Alias) -> str | None:
        """Current only."""
        return MANIFEST.id if alias is Alias.CURRENT else None

    def point(self, alias: Alias, set_id: str) -> None:
        """Not asked of it."""
        raise NotImplementedError


def plans(_books: Books, alert: Alert, now: float) -> Restriction | Refusal:
    """A planner that always proposes."""
    return a_restriction(alert, now=now)


class Api:
    """A served app, its parts, and requests to it."""

    def __init__(self, address: str, library: Library, clock: StillClock, metrics: PrometheusMetrics) -> None:
        self.library = library
        self.clock = clock
        self.metrics = metrics
        self._numbers = itertools.count(1)
        self.client = httpx.Client(base_url=address, timeout=30, limits=httpx.Limits(max_connections=50))
        self.secrets: dict[Role, str] = {}

    def make_tokens(self) -> None:
        """One token a role, named after it."""
        with self.library.transaction() as books:
            for number, role in enumerate(Role):
                self.secrets[role] = tokens.create(
                    books, name=role.value, role=role, entropy=bytes([number]) * 32, now=T0, by="test"
                )

    def headers(self, role: Role) -> dict[str, str]:
        """The header that says who asks."""
        return {"Authorization": f"Bearer {self.secrets[role]}"}

    def get(self, path: str, role: Role = Role.VIEWER, **options: Any) -> httpx.Response:
        """GET /api/v1/PATH as this role."""
        headers = self.headers(role) | options.pop("headers", {})
        return self.client.get(f"/api/v1/{path}", headers=headers, **options)

    def post(
        self,
        path: str,
        body: object = None,
        *,
        revision: int | str | None = 1,
        key: str | None = "fresh",
        role: Role = Role.RESPONDER,
    ) -> httpx.Response:
        """POST /api/v1/PATH as this role; with a key of its own unless one is given."""
        headers = self.headers(role)
        if key is not None:
            headers["Idempotency-Key"] = f"test-{next(self._numbers)}" if key == "fresh" else key
        if revision is not None:
            headers["If-Match"] = f'"{revision}"' if isinstance(revision, int) else revision
        return self.client.post(f"/api/v1/{path}", headers=headers, json=body)


class Server:
    """One listening server a test process, which serves whichever app is set: starting one takes 0.2 s."""

    def __init__(self) -> None:
        self.app: ASGIApp | None = None
        config = uvicorn.Config(
            self._serve, host="127.0.0.1", port=0, log_level="error", ws="none", lifespan="off", interface="asgi3"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        eventually(lambda: self._server.started, interval_s=0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)

    def stop(self) -> None:
        """End it and wait for its thread."""
        self._server.should_exit = True
        self._thread.join(10)


@cache
def _server() -> Server:
    server = Server()
    atexit.register(server.stop)
    return server


@contextmanager
def served(
    library: Library | None = None, *, planner: Callable[[Books, Alert, float], Restriction | Refusal] = plans
) -> Iterator[Api]:
    """The API over this library, answering on a real port, with a token a role. One at a time."""
    books, clock, metrics = library or MemoryLibrary(), StillClock(), PrometheusMetrics()
    options = WebOptions(cluster="east", channels=("webhook",))
    server = _server()
    server.app = create_app(
        library=books, clock=clock, metrics=metrics, shelf=OneShelf(), planner=planner, options=options
    )
    api = Api(server.address, books, clock, metrics)
    api.make_tokens()
    with api.client:
        yield api


def is_problem(answer: httpx.Response, status: int, slug: str) -> bool:
    """Whether this is that problem, complete and of the right type."""
    body = answer.json()
    assert answer.status_code == status, (answer.status_code, body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == status
    assert body["type"] == f"urn:calico-baseline:problem:{slug}"
    return True
