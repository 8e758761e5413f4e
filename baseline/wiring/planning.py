"""How restrictions are planned, and who is told."""

from __future__ import annotations

from collections.abc import Sequence

from baseline.policy.situation import GuardOptions
from baseline.ports import Books
from baseline.services import decide, restrict
from baseline.settings import Settings


def restrict_options(settings: Settings, *, relaxed: frozenset[str] = frozenset()) -> restrict.RestrictOptions:
    """How restrictions are proposed and guarded."""
    chosen = settings.restriction
    guards = GuardOptions(
        protected_namespaces=chosen.protected_namespaces,
        own_namespace=settings.cluster.namespace,
        cluster=settings.cluster.name,
        concurrent_max=chosen.concurrent_max,
        namespace_max=chosen.namespace_max,
        hourly_max=chosen.hourly_max,
        cool_down_s=chosen.cool_down_s,
        relaxed=relaxed,
    )
    return restrict.RestrictOptions(mode=chosen.mode, ttl_s=chosen.ttl_s, guards=guards)


def planner(settings: Settings, books: Books, *, now: float) -> decide.Planner:
    """Plans an alert for a person who asks for its restriction: guards that only ask are answered by the asking."""
    options = restrict_options(settings)
    around = restrict.Surroundings(namespaces=None)
    return lambda alert: restrict.considered(books, alert, now=now, options=options, around=around, automatic=False)


def channels(settings: Settings) -> Sequence[str]:
    """Names of the channels that are told."""
    chosen = settings.notify
    named = {"webhook": chosen.webhook_url, "alertmanager": chosen.alertmanager_url}
    return tuple(name for name, url in named.items() if url)
