"""What the web app needs, handed over once at its making."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Request

from baseline.domain.alert import Alert
from baseline.domain.restriction import HOLD_S, Restriction
from baseline.policy.plan import Refusal
from baseline.ports import Books, Clock, Library, Metrics, Shelf

BookPlanner = Callable[[Books, Alert, float], Restriction | Refusal]  # in the request's transaction, at this time


class ServedMetrics(Metrics, Protocol):
    """Metrics that can be scraped."""

    def render(self) -> bytes:
        """Prometheus text format."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """How the API answers."""

    cluster: str = "default"  # what a bare namespace/name means
    channels: tuple[str, ...] = ()  # whom the outbox tells
    hold_s: float = HOLD_S  # what a confirmation holds for; a hold may ask for another time
    body_limit: int = 64 * 1024  # bytes of a request
    version: str = "0.1.0"  # said in the OpenAPI document


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """The ports of the app."""

    library: Library
    clock: Clock
    metrics: ServedMetrics
    shelf: Shelf
    planner: BookPlanner
    options: WebOptions


def _rooms(request: Request) -> Rooms:
    rooms = request.app.state.rooms
    assert isinstance(rooms, Rooms)
    return rooms


InRooms = Annotated[Rooms, Depends(_rooms)]
