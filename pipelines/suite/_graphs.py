"""Who calls whom in the two systems that Nezha's metrics come from: workloads, edges and their ports.

Online Boutique's edges are those of the recording itself (the columns of Nezha's ``source_50``), plus its cart's
redis and its load generator, which the metrics leave out. Train Ticket's are written down from the published
system's sources (FudanSELab/train-ticket 1.0) for the pods that Nezha recorded; rarely used calls may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Call(NamedTuple):
    """One edge of a service graph."""

    caller: str
    callee: str
    port: int


BOUTIQUE_PORTS: Mapping[str, int] = {
    "frontend": 8080, "adservice": 9555, "cartservice": 7070, "checkoutservice": 5050, "currencyservice": 7000,
    "emailservice": 8080, "paymentservice": 50051, "productcatalogservice": 3550, "recommendationservice": 8080,
    "shippingservice": 50052, "redis-cart": 6379,
}  # fmt: skip
_BOUTIQUE: Mapping[str, Sequence[str]] = {
    "loadgenerator": ["frontend"],
    "frontend": [
        "adservice", "cartservice", "checkoutservice", "currencyservice", "productcatalogservice",
        "recommendationservice", "shippingservice",
    ],
    "checkoutservice": [
        "cartservice", "currencyservice", "emailservice", "paymentservice", "productcatalogservice", "shippingservice",
    ],
    "recommendationservice": ["productcatalogservice"],
    "cartservice": ["redis-cart"],
}  # fmt: skip

TICKET_PORT = 8080  # of every service: Nezha does not record ports
_ORDERS = ("order", "order-other")
_PRESERVE = ("assurance", "basic", "consign", "contacts", "food", "seat", "security", "station", "user")
_TICKET: Mapping[str, Sequence[str]] = {
    "ui-dashboard": ["gateway"],
    "gateway": [
        "admin-basic-info", "admin-order", "admin-route", "admin-travel", "admin-user", "assurance", "auth", "avatar",
        "basic", "cancel", "config", "consign", "consign-price", "contacts", "delivery", "execute", "food",
        "food-delivery", "inside-payment", "news", "notification", "order", "order-other", "payment", "preserve",
        "preserve-other", "price", "rebook", "route", "route-plan", "seat", "security", "station", "station-food",
        "ticket-office", "train", "train-food", "travel", "travel2", "travel-plan", "user", "verification-code",
        "voucher", "wait-order",
    ],
    "admin-basic-info": ["config", "contacts", "price", "station", "train"],
    "admin-order": _ORDERS,
    "admin-route": ["route", "station"],
    "admin-travel": ["route", "station", "train", "travel", "travel2"],
    "admin-user": ["user"],
    "auth": ["verification-code"],
    "basic": ["price", "route", "station", "train"],
    "cancel": ["inside-payment", "notification", *_ORDERS, "user"],
    "consign": ["consign-price"],
    "execute": _ORDERS,
    "food": ["station-food", "train-food", "travel"],
    "food-delivery": ["station-food"],
    "inside-payment": [*_ORDERS, "payment"],
    "order": ["station"],
    "order-other": ["station"],
    "preserve": [*_PRESERVE, "order", "travel"],
    "preserve-other": [*_PRESERVE, "order-other", "travel2"],
    "rebook": ["inside-payment", *_ORDERS, "route", "seat", "train", "travel", "travel2"],
    "route-plan": ["route", "travel", "travel2"],
    "seat": ["config", *_ORDERS],
    "security": _ORDERS,
    "travel": ["basic", "order", "route", "seat", "train"],
    "travel2": ["basic", "order-other", "route", "seat", "train"],
    "travel-plan": ["route-plan", "seat", "train", "travel", "travel2"],
    "user": ["auth"],
    "voucher": _ORDERS,
    "wait-order": ["contacts", "preserve"],
}  # fmt: skip
_WITHOUT_SUFFIX = frozenset({"ui-dashboard"})


def boutique() -> tuple[Call, ...]:
    """Online Boutique: a dozen workloads."""
    return tuple(
        Call(caller, callee, BOUTIQUE_PORTS[callee]) for caller, callees in _BOUTIQUE.items() for callee in callees
    )


def ticket() -> tuple[Call, ...]:
    """Train Ticket: 46 workloads behind one gateway, names as Nezha's pods have them."""
    return tuple(
        Call(_ticket_name(caller), _ticket_name(callee), TICKET_PORT)
        for caller, callees in _TICKET.items()
        for callee in callees
    )


def _ticket_name(short: str) -> str:
    return f"ts-{short}" if short in _WITHOUT_SUFFIX else f"ts-{short}-service"
