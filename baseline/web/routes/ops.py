"""The three pages every process serves, without a token."""

from __future__ import annotations

import structlog
from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from baseline.domain.errors import Unavailable
from baseline.web.rooms import InRooms

log = structlog.get_logger()

router = APIRouter(include_in_schema=False)


@router.get("/livez")
def live() -> Response:
    """The process answers."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz")
def ready(rooms: InRooms) -> Response:
    """The books answer and are migrated."""
    try:
        rooms.library.check()
    except Unavailable as error:  # its message names hosts and files: for the log, not for whoever asks
        log.warning("not_ready", detail=str(error))
        return JSONResponse({"status": "unavailable", "books": "unavailable"}, status_code=503)
    return JSONResponse({"status": "ok", "books": "ok"})


@router.get("/metrics")
def metrics(rooms: InRooms) -> Response:
    """Prometheus text format."""
    return Response(rooms.metrics.render(), media_type="text/plain; version=0.0.4")
