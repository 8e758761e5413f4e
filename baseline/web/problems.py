"""Errors as HTTP: the one place that knows both. Bodies are problem+json (RFC 9457).

A problem's ``type`` is stable and for programs; ``detail`` is for people. Nothing internal is ever told: an error
we did not foresee is a bare 500.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from baseline.domain import errors
from baseline.domain.errors import BaselineError

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
TYPES = "urn:calico-baseline:problem:"

# The first class that matches; subclasses stand before their parents.
_TABLE: tuple[tuple[type[BaselineError], int, str, str], ...] = (
    (errors.NotFound, 404, "not-found", "There is no such thing"),
    (errors.StaleRevision, 412, "stale-revision", "Somebody changed it after you read it"),
    (errors.NotAllowed, 409, "not-allowed", "Not in this state"),
    (errors.UnsafeRestriction, 409, "unsafe-restriction", "The restriction would be unsafe"),
    (errors.KeyReused, 422, "idempotency-key-reused", "The Idempotency-Key was used for another request"),
    (errors.Conflict, 409, "conflict", "Something else got there first"),
    (errors.Invalid, 422, "invalid", "The request cannot be read"),
    (errors.Unavailable, 503, "unavailable", "Try again later"),
    (errors.OutsideError, 502, "outside", "Something we depend on failed"),
)

_STATUS = {
    400: ("bad-request", "The request cannot be read"),
    401: ("unauthenticated", "Say who you are"),
    403: ("forbidden", "Your token's role does not allow this"),
    404: ("not-found", "There is no such thing"),
    405: ("method-not-allowed", "Not with this method"),
    413: ("too-large", "The request is too large"),
    415: ("unsupported-media-type", "Send application/json"),
    422: ("invalid", "The request cannot be read"),
    428: ("precondition-required", "Say which revision you read"),
    500: ("internal", "We failed"),
}


class Problem(Exception):
    """An error of HTTP itself: credentials, headers, sizes. Everything else is an error of the domain."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        super().__init__(detail)


def response(
    status: int,
    detail: str,
    *,
    slug: str = "",
    title: str = "",
    headers: Mapping[str, str] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Response:
    """A problem as an answer."""
    known_slug, known_title = _STATUS.get(status, ("error", "The request failed"))
    body = {
        "type": TYPES + (slug or known_slug),
        "title": title or known_title,
        "status": status,
        "detail": detail,
        **(extra or {}),
    }
    # ASCII only and no NaN: whatever hostile names an error carries, the answer stays plain JSON.
    content = json.dumps(body, ensure_ascii=True, allow_nan=False).encode()
    return Response(content, status_code=status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def of(error: Exception) -> Response:
    """The answer to an error; what is not ours is a 500 that says nothing."""
    if isinstance(error, Problem):
        return response(error.status, error.detail, headers=error.headers)
    for kind, status, slug, title in _TABLE:
        if isinstance(error, kind):
            return response(status, _detail(error), slug=slug, title=title, headers=_headers(error))
    return response(500, "The request failed on our side; the logs have the details.")


def logged(error: Exception, *, path: str) -> Response:
    """The answer to an error; the log gets what the answer does not tell."""
    answer = of(error)
    if answer.status_code >= 500:
        log.warning("request_failed", path=path, error=type(error).__name__, detail=str(error)[:1000])
    return answer


def _detail(error: BaselineError) -> str:
    if isinstance(error, errors.Unavailable):  # its message names hosts and files
        return "A part that this needs is not available; nothing was changed."
    return str(error)[:1000]


def _headers(error: BaselineError) -> Mapping[str, str]:
    if isinstance(error, errors.Unavailable):
        return {"Retry-After": str(max(1, round(error.retry_after_s or 1)))}
    if isinstance(error, errors.StaleRevision):
        return {"ETag": f'"{error.actual}"'}
    return {}


def _invalid(error: RequestValidationError) -> Response:
    wrong = [
        {"at": "/".join(str(part) for part in each["loc"]), "detail": str(each["msg"])[:300]}
        for each in error.errors()[:20]
    ]
    detail = "; ".join(f"{each['at']}: {each['detail']}" for each in wrong)[:1000]
    return response(422, detail, extra={"errors": wrong})


def install(app: FastAPI) -> None:
    """Answer every error the app raises with a problem."""

    def known(request: Request, error: Exception) -> Response:
        return logged(error, path=request.url.path)

    def validation(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return _invalid(error)

    def http(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        is_ours = error.status_code in _STATUS
        detail = _STATUS[error.status_code][1] if is_ours else "The request failed."
        return response(error.status_code, detail, headers=error.headers)

    app.add_exception_handler(BaselineError, known)
    app.add_exception_handler(Problem, known)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
