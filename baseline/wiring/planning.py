"""How restrictions are planned, and who is told."""

from __future__ import annotations

from collections.abc import Sequence

from baseline.policy.situation import GuardOptions
from baseline.ports import Books
from baseline.services import decide, restrict
from baseline.settings import Settings

# Settings and guards call their numbers by the same names; a test holds the two together.
_GUARD_NUMBERS = (
    "evidence_factor", "evidence_windows", "lag_max_s", "protected_namespaces", "protected_nets", "concurrent_max",
    "namespace_max", "workload_max", "hourly_max", "burst_max", "workloads_share", "namespace_share", "cool_down_s",
    "platform_share", "platform_min", "platform_within_s", "platform_pause_s",
)  # fmt: skip


def restrict_options(settings: Settings, *, relaxed: frozenset[str] = frozenset()) -> restrict.RestrictOptions:
    """How restrictions are proposed and guarded."""
    chosen = settings.restriction
    guards = GuardOptions(
        own_namespace=settings.cluster.namespace,
        cluster=settings.cluster.name,
        relaxed=relaxed,
        **{name: getattr(chosen, name) for name in _GUARD_NUMBERS},
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
    return tuple(name for name, url in named.items() if url.get_secret_value())
