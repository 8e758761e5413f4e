"""Around every request: headers, sizes, who is asking, counting, and the last net for errors.

Plain ASGI, so that a stranger is turned away before a byte of a body is parsed.
"""

from __future__ import annotations

import time

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from baseline.domain.errors import BaselineError
from baseline.ports import Token
from baseline.services import tokens
from baseline.web import problems
from baseline.web.problems import Problem
from baseline.web.rooms import Rooms

log = structlog.get_logger()

API = "/api/"
OPEN_PATHS = frozenset({"/api/v1/openapi.json"})  # says what the API is, nothing of what it holds
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Shell:
    """The outermost layer of the app."""

    def __init__(self, app: ASGIApp, *, rooms: Rooms) -> None:
        self._app = app
        self._rooms = rooms

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        try:
            await self._serve(scope, receive, send_on)
        except (Problem, BaselineError) as error:
            await problems.logged(error, path=scope["path"])(scope, receive, send_on)
        except Exception as error:
            log.exception("request_failed", path=scope["path"], error=type(error).__name__)
            if not status:
                await problems.of(error)(scope, receive, send_on)
        finally:
            self._count(scope, status, time.perf_counter() - started)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(API) and scope["path"] not in OPEN_PATHS:
            secret = _secret(Headers(scope=scope))
            scope.setdefault("state", {})["token"] = await run_in_threadpool(self._authenticate, secret)
        await self._app(scope, await _limited(scope, receive, limit=self._rooms.options.body_limit), send)

    def _authenticate(self, secret: str) -> Token:
        with self._rooms.library.transaction() as books:
            token = tokens.bearer(books, secret, now=self._rooms.clock.now())
        if token is None:
            raise Problem(
                401,
                "This token is unknown, revoked or expired.",
                headers={"WWW-Authenticate": 'Bearer realm="calico-baseline", error="invalid_token"'},
            )
        return token

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")  # the template: paths would be endless labels
        self._rooms.metrics.count("http_requests_total", route=route, code=str(status or 500))
        self._rooms.metrics.observe("http_request_seconds", seconds, route=route)


def _secret(headers: Headers) -> str:
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise Problem(
            401,
            "Send Authorization: Bearer TOKEN; `baseline tokens create` makes one.",
            headers={"WWW-Authenticate": 'Bearer realm="calico-baseline"'},
        )
    return secret.strip()


async def _limited(scope: Scope, receive: Receive, *, limit: int) -> Receive:
    """The request's body, read whole and at most ``limit`` bytes of it; the app then reads it from memory."""
    if scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return receive
    too_large = Problem(413, f"A request may have {limit} bytes.", headers={"Connection": "close"})
    declared = Headers(scope=scope).get("content-length", "0")
    if not declared.isdigit() or int(declared) > limit:
        raise too_large
    body, is_more = b"", True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        is_more = message.get("more_body", False)
        if len(body) > limit:
            raise too_large
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
