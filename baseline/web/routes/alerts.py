"""Alerts: read them, say what they were, restrict."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from baseline.domain.alert import Alert
from baseline.domain.restriction import Level, Restriction
from baseline.domain.suppression import Scope
from baseline.domain.units import parse_moment
from baseline.policy.plan import Refusal
from baseline.ports import Books
from baseline.services import decide, suppress
from baseline.services.suppress import Asked
from baseline.web import documented, reading, schemas
from baseline.web.auth import Viewer
from baseline.web.changes import JSON, Changed, Posted, once
from baseline.web.rooms import InRooms, Rooms
from baseline.web.routes.query import AlertQuery, PreviewQuery, time_of, workload_of

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])


@router.get("", response_model=schemas.AlertPage, responses=documented.listing())
def list_alerts(rooms: InRooms, _caller: Viewer, request: Request, query: Annotated[AlertQuery, Query()]) -> Response:
    """Alerts, newest first."""
    workload = workload_of(query.workload, cluster=rooms.options.cluster)
    with rooms.library.transaction() as books:
        found = books.alerts.find(
            disposition=query.disposition,
            workload=workload,
            since=time_of(query.since),
            limit=query.limit,
            after=query.after,
        )
    page = schemas.AlertPage(items=[schemas.alert(alert) for alert in found.items], after=found.after)
    return reading.page(request, page, after=found.after)


@router.get("/{alert_id}", response_model=schemas.AlertView, responses=documented.single())
def read_alert(rooms: InRooms, _caller: Viewer, request: Request, alert_id: str) -> Response:
    """One alert with its reasons and edges."""
    with rooms.library.transaction() as books:
        alert = books.alerts.get(alert_id)
    return reading.one(request, schemas.alert(alert), revision=alert.revision)


@router.get(
    "/{alert_id}/dismissal-preview", response_model=schemas.PreviewView, responses=documented.problems(404, 409, 422)
)
def preview_dismissal(
    rooms: InRooms, caller: Viewer, alert_id: str, query: Annotated[PreviewQuery, Query()]
) -> Response:
    """What dismissing it with this scope would have silenced in the last 30 days. Changes nothing."""
    now = rooms.clock.now()
    with rooms.library.transaction() as books:
        wish = _asked(rooms, books, alert_id, scope=Scope(query.scope), until=query.until, now=now)
        # Nobody has given a reason or a name yet.
        made = suppress.asked(books.alerts.get(alert_id), wish, reason="preview", by=caller.name, now=now)
        found = suppress.previewed(books, made, now=now)
    view = schemas.preview(made, found, now=now)
    return Response(view.model_dump_json(), media_type=JSON)


@router.post("/{alert_id}/confirm", response_model=schemas.AlertView, responses=documented.changing())
def confirm_alert(post: Posted, alert_id: str, body: schemas.ConfirmBody | None = None) -> Response:
    """It was an attack: what is in force is held, its windows never teach."""
    said = body or schemas.ConfirmBody()

    def act(books: Books, revision: int, now: float) -> Changed:
        alert = decide.confirm(
            books,
            alert_id,
            by=post.caller.name,
            now=now,
            note=said.note,
            revision=revision,
            restrict=said.restrict,
            planner=_planner(post.rooms, books, now),
            hold_s=post.rooms.options.hold_s,
        )
        return Changed(schemas.alert(alert), alert.revision)

    return once(post, body=said, act=act)


@router.post("/{alert_id}/dismiss", response_model=schemas.AlertView, responses=documented.changing())
def dismiss_alert(post: Posted, alert_id: str, body: schemas.DismissBody | None = None) -> Response:
    """It was normal: its restriction ends at once, its windows may teach.

    A scope wider than `once` also makes a suppression, and Location says where it is: more of the same is not shown
    until it ends.
    """
    said = body or schemas.DismissBody()

    def act(books: Books, revision: int, now: float) -> Changed:
        alert = decide.dismiss(
            books,
            alert_id,
            by=post.caller.name,
            now=now,
            note=said.note,
            revision=revision,
            channels=post.rooms.options.channels,
            asked=replace(
                _asked(post.rooms, books, alert_id, scope=Scope(said.scope), until=said.until, now=now),
                accepts_hiding_confirmed=said.accept_hiding_confirmed,
            ),
        )
        made = suppress.newest_of(books, alert_id) if said.scope != "once" else None
        return Changed(schemas.alert(alert), alert.revision, f"/api/v1/suppressions/{made.id}" if made else "")

    return once(post, body=said, act=act)


@router.post("/{alert_id}/restrict", response_model=schemas.RestrictionView, responses=documented.changing())
def restrict_alert(post: Posted, alert_id: str, body: schemas.RestrictBody | None = None) -> Response:
    """Apply the proposed restriction, or plan one on the spot. Asking twice is one restriction.

    If-Match takes the alert's ETag; the answer carries the restriction's, and Location says where it is.
    """
    said = body or schemas.RestrictBody()

    def act(books: Books, revision: int, now: float) -> Changed:
        restriction = decide.restrict(
            books,
            alert_id,
            level=Level(said.level),
            ttl_s=said.ttl,
            by=post.caller.name,
            now=now,
            planner=_planner(post.rooms, books, now),
            revision=revision,
        )
        where = f"/api/v1/restrictions/{restriction.id}"
        return Changed(schemas.restriction(restriction), restriction.revision, where)

    return once(post, body=said, act=act)


def _asked(rooms: Rooms, books: Books, alert_id: str, *, scope: Scope, until: str | None, now: float) -> Asked:
    """How far a dismissal is to reach; only a scope of hours asks in whose zone they are."""
    zone = suppress.zone_of(rooms.shelf, books.alerts.get(alert_id)) if scope.is_of_hours else "UTC"
    return Asked(scope=scope, until=None if until is None else parse_moment(until, now=now), zone=zone)


def _planner(rooms: Rooms, books: Books, now: float) -> decide.Planner:
    def plan(alert: Alert) -> Restriction | Refusal:
        return rooms.planner(books, alert, now)

    return plan
