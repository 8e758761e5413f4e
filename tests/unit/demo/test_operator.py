"""The demo's person decides by a rule, and copes with an alert that changes meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from baseline.demo.operator import TRIES, Operator
from baseline.domain.errors import Unavailable


@dataclass(slots=True)
class Api:
    """As much of the API as the person uses. ``refusals`` are answered to the next decisions, then 200."""

    url: str = ""
    restrictions: list[dict[str, Any]] = field(default_factory=list)
    refusals: list[int] = field(default_factory=list)
    posts: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    reads: int = 0
    is_broken: bool = False

    def apply(self, name: str, at: float) -> None:
        """One more restriction stands."""
        self.restrictions.append({"id": name, "alert_id": f"a-{name}", "state": "applied", "applied_at": at})


@pytest.fixture(name="api")
def _api() -> Iterator[Api]:
    """On a free port, for one test."""
    api = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.reads += 1
            if self.headers["Authorization"] != "Bearer secret":
                self._answer(401, {})
            elif api.is_broken:
                self._answer(503, {"detail": "books are away"})
            elif self.path.startswith("/api/v1/restrictions"):
                self._answer(200, {"items": api.restrictions})
            else:
                self._answer(200, {}, etag=f'"{api.reads}"')

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.posts.append((self.path, body, dict(self.headers)))
            self._answer(api.refusals.pop(0) if api.refusals else 200, {"detail": "changed"})

        def _answer(self, code: int, body: dict[str, Any], *, etag: str = "") -> None:
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            if etag:
                self.send_header("ETag", etag)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield api
    server.shutdown()
    server.server_close()
    thread.join(10)


@pytest.fixture(name="person")
def _person(api: Api) -> Iterator[Operator]:
    """With a token."""
    person = Operator(api.url, "secret")
    yield person
    person.close()


def test_the_first_is_dismissed_the_second_confirmed_the_third_left(api: Api, person: Operator) -> None:
    """In order of being applied; every restriction is decided once, plans and ended ones never."""
    api.restrictions.append({"id": "plan", "alert_id": "a", "state": "proposed", "applied_at": None})
    api.apply("late", 20.0)
    api.apply("early", 10.0)
    person.look(now=100.0)
    person.look(now=105.0)
    api.apply("third", 30.0)
    person.look(now=110.0)
    assert [(act.restriction, act.verb, act.at) for act in person.acts] == [
        ("early", "dismiss", 100.0), ("late", "confirm", 100.0), ("third", "none", 110.0),
    ]  # fmt: skip
    assert [path for path, _, _ in api.posts] == ["/api/v1/alerts/a-early/dismiss", "/api/v1/alerts/a-late/confirm"]
    assert all(body["note"].startswith("the demo's") for _, body, _ in api.posts)


def test_an_alert_changed_meanwhile_is_read_again(api: Api, person: Operator) -> None:
    """412 is answered with the newest revision and a new key."""
    api.refusals = [412, 412]
    api.apply("r", 10.0)
    person.look(now=100.0)
    tags = [headers["If-Match"] for _, _, headers in api.posts]
    assert len(tags) == len(set(tags)) == 3
    assert len({headers["Idempotency-Key"] for _, _, headers in api.posts}) == 3
    assert [act.verb for act in person.acts] == ["dismiss"]


def test_it_gives_up_after_some_tries(api: Api, person: Operator) -> None:
    """An alert that never rests fails the demo in words, and is no act."""
    api.refusals = [412] * (TRIES + 1)
    api.apply("r", 10.0)
    with pytest.raises(Unavailable, match="would not dismiss alert a-r: 412"):
        person.look(now=100.0)
    assert len(api.posts) == TRIES
    assert person.acts == []


@pytest.mark.parametrize("code", [403, 404, 409, 500])
def test_another_refusal_is_not_tried_again(api: Api, person: Operator, code: int) -> None:
    """Asking again would change nothing."""
    api.refusals = [code]
    api.apply("r", 10.0)
    with pytest.raises(Unavailable, match=str(code)):
        person.look(now=100.0)
    assert len(api.posts) == 1


def test_an_api_that_is_away_or_refuses_is_told_in_words(api: Api, person: Operator) -> None:
    """Not as a traceback of the HTTP client."""
    api.is_broken = True
    with pytest.raises(Unavailable, match="503"):
        person.look(now=100.0)
    stranger = Operator(api.url, "wrong")
    with pytest.raises(Unavailable, match="401"):
        stranger.look(now=100.0)
    stranger.close()
    nowhere = Operator("http://127.0.0.1:9", "secret")
    with pytest.raises(Unavailable, match="does not answer"):
        nowhere.look(now=100.0)
    with pytest.raises(Unavailable, match="does not answer"):
        nowhere._post("/alerts/a/dismiss", {}, {})
    nowhere.close()
