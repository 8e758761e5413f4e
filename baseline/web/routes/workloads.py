"""Workloads and model sets: read only."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from baseline.domain.errors import NotFound
from baseline.domain.modelset import Alias
from baseline.domain.workload import WorkloadId
from baseline.web import documented, reading, schemas
from baseline.web.auth import Viewer
from baseline.web.rooms import InRooms
from baseline.web.routes.query import WorkloadQuery, time_of

router = APIRouter(prefix="/api/v1", tags=["workloads"])


@router.get("/workloads", response_model=schemas.WorkloadPage, responses=documented.listing())
def list_workloads(
    rooms: InRooms, _caller: Viewer, request: Request, query: Annotated[WorkloadQuery, Query()]
) -> Response:
    """Workloads in order of name."""
    with rooms.library.transaction() as books:
        found = books.workloads.find(
            namespace=query.namespace,
            seen_since=time_of(query.seen_since),
            limit=query.limit,
            after=query.after,
        )
    page = schemas.WorkloadPage(items=[schemas.workload(facts) for facts in found.items], after=found.after)
    return reading.page(request, page, after=found.after)


@router.get("/workloads/{workload_id:path}", response_model=schemas.WorkloadView, responses=documented.single())
def read_workload(rooms: InRooms, _caller: Viewer, request: Request, workload_id: str) -> Response:
    """One workload: `namespace/name`, or `cluster/namespace/name` where there are several clusters."""
    try:
        workload = WorkloadId.parse(workload_id, cluster=rooms.options.cluster)
    except ValueError as error:
        raise NotFound("workload", workload_id[:300]) from error
    with rooms.library.transaction() as books:
        facts = books.workloads.get(workload)
    return reading.one(request, schemas.workload(facts), revision=facts.revision)


@router.get("/model-sets", response_model=schemas.ModelSetPage, responses=documented.problems(), tags=["model sets"])
def list_model_sets(rooms: InRooms, _caller: Viewer, request: Request) -> Response:
    """Model sets, newest first, and which of them is in use."""
    pointed = {alias: rooms.shelf.resolve(alias) for alias in Alias}
    items = [
        schemas.model_set(manifest, aliases=[alias.value for alias in Alias if pointed[alias] == manifest.id])
        for manifest in rooms.shelf.sets()
    ]
    return reading.page(request, schemas.ModelSetPage(items=items), after=None)
