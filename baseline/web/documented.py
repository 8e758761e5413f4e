"""What the OpenAPI document says of answers, and the finishing touches FastAPI leaves to us."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from baseline.web.problems import MEDIA_TYPE
from baseline.web.schemas import ProblemView

Answers = dict[int | str, dict[str, Any]]

_TEXT = {
    304: "You have this revision already (If-None-Match).",
    400: "A required header is missing or malformed.",
    401: "No token, or one that is unknown, revoked or expired.",
    403: "The token's role does not allow this.",
    404: "There is no such thing.",
    409: "Not in this state; or the same Idempotency-Key is being answered right now.",
    412: "Somebody changed it after you read it; ETag says where it is now.",
    413: "The request is too large.",
    422: "The request cannot be read; or its Idempotency-Key was used for another request.",
    428: "If-Match is missing.",
    503: "A part that this needs is not available; nothing was changed. Retry-After says when to ask again.",
}
_ETAG = {"ETag": {"description": "The revision.", "schema": {"type": "string"}}}
_LINK = {"Link": {"description": 'The next page, rel="next"; absent at the end.', "schema": {"type": "string"}}}


def problems(*statuses: int) -> Answers:
    """These statuses, and those every operation may answer, as problem+json."""
    reference = {"schema": {"$ref": "#/components/schemas/ProblemView"}}
    known = sorted({401, 403, 503, *statuses})
    return {status: {"description": _TEXT[status], "content": {MEDIA_TYPE: reference}} for status in known}


def listing() -> Answers:
    """Answers of a listing."""
    return {200: {"headers": _LINK}, **problems(422)}


def single(*statuses: int) -> Answers:
    """Answers of one thing."""
    return {200: {"headers": _ETAG}, 304: {"description": _TEXT[304]}, **problems(404, 422, *statuses)}


def moving() -> Answers:
    """Answers of one thing that also says what moves without a new revision."""
    return {200: {"headers": _ETAG}, **problems(404, 422)}


def changing() -> Answers:
    """Answers of a change."""
    headers = {
        **_ETAG,
        "Idempotent-Replayed": {
            "description": "true when this is the first answer again.",
            "schema": {"type": "string"},
        },
    }
    return {200: {"headers": headers}, **problems(400, 404, 409, 412, 413, 422, 428)}


def finish(app: FastAPI) -> None:
    """Put the problem's schema where the references point to."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        schema = ProblemView.model_json_schema(ref_template="#/components/schemas/{model}")
        document.setdefault("components", {}).setdefault("schemas", {})["ProblemView"] = schema
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
