"""Answers to GET: one thing with its ETag, or a page with the way to the next."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response

from baseline.web.changes import JSON, etag


def one(request: Request, view: BaseModel, *, revision: int) -> Response:
    """A single thing; 304 when the caller has this revision already."""
    headers = {"ETag": etag(revision)}
    if request.headers.get("if-none-match", "").strip() == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(view.model_dump_json(), headers=headers, media_type=JSON)


def page(request: Request, view: BaseModel, *, after: str | None) -> Response:
    """A page; ``Link`` names the next one, with the same filters."""
    headers = {}
    if after is not None:
        query = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
        headers["Link"] = f'<{request.url.path}?{urlencode([*query, ("after", after)])}>; rel="next"'
    return Response(view.model_dump_json(), headers=headers, media_type=JSON)
