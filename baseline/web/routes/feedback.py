"""What dismissals silence, and what decisions have taught: read, revoke, reset."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from baseline.domain.errors import NotFound
from baseline.domain.workload import WorkloadId
from baseline.ports import Books
from baseline.services import suppress, weigh
from baseline.web import documented, reading, schemas
from baseline.web.auth import Viewer
from baseline.web.changes import JSON, Changed, Posted, etag, once
from baseline.web.rooms import InRooms
from baseline.web.routes.query import SuppressionQuery, WeightsQuery, workload_of

router = APIRouter(prefix="/api/v1", tags=["feedback"])


@router.get("/suppressions", response_model=schemas.SuppressionPage, responses=documented.listing())
def list_suppressions(
    rooms: InRooms, _caller: Viewer, request: Request, query: Annotated[SuppressionQuery, Query()]
) -> Response:
    """Suppressions, newest first."""
    workload, now = workload_of(query.workload, cluster=rooms.options.cluster), rooms.clock.now()
    with rooms.library.transaction() as books:
        found = books.suppressions.find(
            workload=workload,
            alert_id=query.alert,
            ending_after=now if query.active else None,
            limit=query.limit,
            after=query.after,
        )
    items = [schemas.suppression(one, now=now) for one in found.items]
    return reading.page(request, schemas.SuppressionPage(items=items, after=found.after), after=found.after)


@router.get("/suppressions/{suppression_id}", response_model=schemas.SuppressionView, responses=documented.moving())
def read_suppression(rooms: InRooms, _caller: Viewer, suppression_id: str) -> Response:
    """One suppression with what it has silenced, which moves no ETag: there is no 304."""
    with rooms.library.transaction() as books:
        found = books.suppressions.get(suppression_id)
    view = schemas.suppression(found, now=rooms.clock.now())
    return Response(view.model_dump_json(), headers={"ETag": etag(found.revision)}, media_type=JSON)


@router.post(
    "/suppressions/{suppression_id}/revoke", response_model=schemas.SuppressionView, responses=documented.changing()
)
def revoke_suppression(post: Posted, suppression_id: str, body: schemas.RevokeBody | None = None) -> Response:
    """End it now: windows that end from now on are shown again."""
    said = body or schemas.RevokeBody()

    def act(books: Books, revision: int, now: float) -> Changed:
        over = suppress.revoke(books, suppression_id, by=post.caller.name, now=now, note=said.note, revision=revision)
        return Changed(schemas.suppression(over, now=now), over.revision)

    return once(post, body=said, act=act)


@router.get("/weights", response_model=schemas.WeightsPage, responses=documented.listing())
def list_weights(
    rooms: InRooms, _caller: Viewer, request: Request, query: Annotated[WeightsQuery, Query()]
) -> Response:
    """Weights in force in order of group; every version of one workload's, newest first, where it is named."""
    workload = workload_of(query.workload, cluster=rooms.options.cluster)
    with rooms.library.transaction() as books:
        found = (
            books.weightings.in_force(limit=query.limit, after=query.after)
            if workload is None
            else books.weightings.versions(weigh.group_of(workload), limit=query.limit, after=query.after)
        )
    page = schemas.WeightsPage(items=[schemas.weights(one) for one in found.items], after=found.after)
    return reading.page(request, page, after=found.after)


@router.get("/weights/{workload_id:path}", response_model=schemas.WeightsView, responses=documented.single())
def read_weights(rooms: InRooms, _caller: Viewer, request: Request, workload_id: str) -> Response:
    """The weights in force for a workload: `namespace/name`, or `cluster/namespace/name`."""
    group = _group(workload_id, cluster=rooms.options.cluster)
    with rooms.library.transaction() as books:
        newest = books.weightings.newest(group)
    if newest is None:
        raise NotFound("weighting", group)
    return reading.one(request, schemas.weights(newest), revision=newest.version)


@router.post("/weights/{workload_id:path}/reset", response_model=schemas.WeightsView, responses=documented.changing())
def reset_weights(post: Posted, workload_id: str, body: schemas.ResetBody | None = None) -> Response:
    """Let everything count 1 again, from the next model set on. Former versions stay readable."""
    said = body or schemas.ResetBody()
    group = _group(workload_id, cluster=post.rooms.options.cluster)

    def act(books: Books, revision: int, now: float) -> Changed:
        made = weigh.reset(books, group, by=post.caller.name, now=now, note=said.note, version=revision)
        return Changed(schemas.weights(made), made.version)

    return once(post, body=said, act=act)


def _group(text: str, *, cluster: str) -> str:
    try:
        return weigh.group_of(WorkloadId.parse(text, cluster=cluster))
    except ValueError as error:
        raise NotFound("weighting", text[:300]) from error
