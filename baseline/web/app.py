"""The REST API. ``create_app`` makes one; importing makes none."""

from __future__ import annotations

from fastapi import FastAPI

from baseline.ports import Clock, Library, Shelf
from baseline.web import documented, problems
from baseline.web.rooms import BookPlanner, Rooms, ServedMetrics, WebOptions
from baseline.web.routes import alerts, feedback, ops, restrictions, workloads
from baseline.web.shell import Shell

DESCRIPTION = """Alerts on unusual traffic of Kubernetes workloads, and the temporary restrictions against it.

Every request needs `Authorization: Bearer TOKEN`. A **viewer** reads; a **responder** decides too; an **admin** may
do everything. Every POST needs an `Idempotency-Key` and, in `If-Match`, the ETag of what you read. Errors are
problem+json. Listings are pages: pass a page's `after` for the next one."""


def create_app(
    *,
    library: Library,
    clock: Clock,
    metrics: ServedMetrics,
    shelf: Shelf,
    planner: BookPlanner,
    options: WebOptions | None = None,
) -> FastAPI:
    """The API over these ports. ``planner(books, alert, now)`` plans a restriction in the request's transaction."""
    rooms = Rooms(
        library=library,
        clock=clock,
        metrics=metrics,
        shelf=shelf,
        planner=planner,
        options=options or WebOptions(),
    )
    app = FastAPI(
        title="calico-baseline",
        version=rooms.options.version,
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # its page loads scripts from a CDN
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.rooms = rooms
    for room in (alerts, restrictions, feedback, workloads, ops):
        app.include_router(room.router)
    problems.install(app)
    documented.finish(app)
    app.add_middleware(Shell, rooms=rooms)
    return app
