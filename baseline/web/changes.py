"""Changes by POST: once per Idempotency-Key, only on the revision that was read, all or nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Annotated, NamedTuple

import structlog
from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from baseline.domain.errors import Unavailable
from baseline.ports import Books, Library, StoredAnswer, Token
from baseline.web.auth import Responder
from baseline.web.problems import Problem
from baseline.web.rooms import InRooms, Rooms

log = structlog.get_logger()

_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_ETAG = re.compile(r'"(\d{1,9})"')
JSON = "application/json"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Required. Any unique text of up to 128 visible ASCII characters, such as a UUID. "
        "Repeating the same request with the same key gives the first answer again.",
        examples=["3f0a7c52-5d0e-4f5e-9c39-0d4f1f0c6a11"],
    ),
]
IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="Required. The ETag of what you decide about, as you read it.",
        examples=['"3"'],
    ),
]


class Post(NamedTuple):
    """A change that is asked for, by whom, and what it says of itself."""

    rooms: Rooms
    request: Request
    caller: Token
    key: str | None
    if_match: str | None


def _post(
    rooms: InRooms, request: Request, caller: Responder, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Post:
    return Post(rooms, request, caller, key, if_match)


Posted = Annotated[Post, Depends(_post)]


class Changed(NamedTuple):
    """What a change answers with."""

    view: BaseModel
    revision: int
    location: str = ""


def etag(revision: int) -> str:
    """A revision as an entity tag."""
    return f'"{revision}"'


def revision_of(if_match: str | None) -> int:
    """The revision that was read; 428 when it is not said, 400 when it is not one of our tags."""
    if if_match is None:
        raise Problem(428, "Send If-Match with the ETag of what you read, so that nobody's change is overwritten.")
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise Problem(400, f"If-Match is not an ETag of ours: {if_match[:40]!r}; send it as you read it, with quotes.")
    return int(found[1])


def once(post: Post, *, body: BaseModel, act: Callable[[Books, int, float], Changed]) -> Response:
    """Run ``act(books, revision, now)`` in one transaction and answer, or repeat the answer this key had.

    The key is claimed in a transaction of its own, so that the same request running elsewhere is a conflict at once;
    the answer is stored with the change. A change that fails leaves nothing and gives the key free again.
    """
    if post.key is None or not _KEY.fullmatch(post.key):
        raise Problem(400, "Send Idempotency-Key: up to 128 visible ASCII characters that no other request uses.")
    revision = revision_of(post.if_match)
    library, name, key = post.rooms.library, post.caller.name, post.key
    now = post.rooms.clock.now()
    request_hash = _hash(post.request.method, post.request.url.path, revision, body)
    with library.transaction() as books:
        first = books.idempotency.begin(token=name, key=key, request_hash=request_hash, now=now)
    if first is not None:
        return _answer(first, is_repeated=True)
    try:
        with library.transaction() as books:
            answer = _stored(act(books, revision, now), request_hash)
            books.idempotency.finish(token=name, key=key, answer=answer)
    except BaseException:
        _abandon(library, name, key)
        raise
    return _answer(answer, is_repeated=False)


def _abandon(library: Library, token: str, key: str) -> None:
    """Give the key free. Where even that fails, the claim ends by itself after a minute."""
    try:
        with library.transaction() as books:
            books.idempotency.abandon(token=token, key=key)
    except Unavailable:
        log.warning("idempotency_key_kept", token=token)


def _hash(method: str, path: str, revision: int, body: BaseModel) -> str:
    sent = json.dumps(body.model_dump(mode="json", exclude_defaults=True), sort_keys=True)
    return hashlib.sha256(f"{method}\n{path}\n{revision}\n{sent}".encode()).hexdigest()


def _stored(changed: Changed, request_hash: str) -> StoredAnswer:
    headers = {"ETag": etag(changed.revision)}
    if changed.location:
        headers["Location"] = changed.location
    return StoredAnswer(request_hash, 200, changed.view.model_dump_json().encode(), headers)


def _answer(stored: StoredAnswer, *, is_repeated: bool) -> Response:
    headers = {**stored.headers, **({"Idempotent-Replayed": "true"} if is_repeated else {})}
    return Response(stored.body, status_code=stored.status, headers=headers, media_type=JSON)
