"""Restrictions: read them, hold them, end them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from baseline.ports import Books
from baseline.services import decide
from baseline.web import documented, reading, schemas
from baseline.web.auth import Viewer
from baseline.web.changes import Changed, Posted, once
from baseline.web.rooms import InRooms
from baseline.web.routes.query import RestrictionQuery, workload_of

router = APIRouter(prefix="/api/v1/restrictions", tags=["restrictions"])


@router.get("", response_model=schemas.RestrictionPage, responses=documented.listing())
def list_restrictions(
    rooms: InRooms, _caller: Viewer, request: Request, query: Annotated[RestrictionQuery, Query()]
) -> Response:
    """Restrictions, newest first."""
    workload = workload_of(query.workload, cluster=rooms.options.cluster)
    with rooms.library.transaction() as books:
        found = books.restrictions.find(
            states=query.state, alert_id=query.alert, workload=workload, limit=query.limit, after=query.after
        )
    page = schemas.RestrictionPage(items=[schemas.restriction(one) for one in found.items], after=found.after)
    return reading.page(request, page, after=found.after)


@router.get("/{restriction_id}", response_model=schemas.RestrictionView, responses=documented.single())
def read_restriction(rooms: InRooms, _caller: Viewer, request: Request, restriction_id: str) -> Response:
    """One restriction with its rules and what the guards said."""
    with rooms.library.transaction() as books:
        restriction = books.restrictions.get(restriction_id)
    return reading.one(request, schemas.restriction(restriction), revision=restriction.revision)


@router.post("/{restriction_id}/release", response_model=schemas.RestrictionView, responses=documented.changing())
def release_restriction(post: Posted, restriction_id: str, body: schemas.ReleaseBody | None = None) -> Response:
    """End it now; one that has ended stays as it ended."""
    said = body or schemas.ReleaseBody()

    def act(books: Books, revision: int, now: float) -> Changed:
        over = decide.release(
            books,
            restriction_id,
            by=post.caller.name,
            now=now,
            revision=revision,
            note=said.note,
            channels=post.rooms.options.channels,
        )
        return Changed(schemas.restriction(over), over.revision)

    return once(post, body=said, act=act)


@router.post("/{restriction_id}/hold", response_model=schemas.RestrictionView, responses=documented.changing())
def hold_restriction(post: Posted, restriction_id: str, body: schemas.HoldBody | None = None) -> Response:
    """Extend it, at most four hours at a time and a day in all."""
    said = body or schemas.HoldBody()

    def act(books: Books, revision: int, now: float) -> Changed:
        kept = decide.hold(books, restriction_id, by=post.caller.name, now=now, revision=revision, hold_s=said.ttl)
        return Changed(schemas.restriction(kept), kept.revision)

    return once(post, body=said, act=act)
