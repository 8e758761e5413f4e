"""Restrictions: the time-limited narrowing of one workload's traffic, and its life.

    proposed -> approved -> applied -> released | expired
                    |          |-> held (bounded) -> released | expired
                    |-> failed (the cluster said no; the reason is kept)
    proposed -> refused | released

Whatever happens, it ends: ``expires_at`` never passes ``max_expires_at``, and past it nothing renders.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import uuid5

from baseline.domain.alert import NAMESPACE
from baseline.domain.edge import Direction, Peer
from baseline.domain.errors import NotAllowed, UnsafeRestriction
from baseline.domain.workload import WorkloadId

DEFAULT_TTL_S = 15 * 60.0
HOLD_S = 4 * 3600.0  # a person's hold, each time
MAX_TTL_S = 24 * 3600.0  # from creation, whoever extends
RULES_MAX = 64


class Level(StrEnum):
    """How much it narrows."""

    R1 = "R1"  # deny the deviating edges
    R2 = "R2"  # freeze to baseline
    R3 = "R3"  # isolate


class State(StrEnum):
    """Where it is in its life."""

    PROPOSED = "proposed"  # recommended; nothing in the cluster
    APPROVED = "approved"  # wanted; not yet seen in the cluster
    APPLIED = "applied"  # in the cluster
    HELD = "held"  # in the cluster, extended by a person
    RELEASED = "released"  # ended by a dismissal, by hand, or by the janitor
    EXPIRED = "expired"  # ended by time
    FAILED = "failed"  # the cluster would not take it
    REFUSED = "refused"  # a guard said no


LIVE = frozenset({State.APPROVED, State.APPLIED, State.HELD})
ENDED = frozenset({State.RELEASED, State.EXPIRED, State.FAILED, State.REFUSED})


class Mode(StrEnum):
    """How far we may act in a namespace."""

    OBSERVE = "observe"
    RECOMMEND = "recommend"
    AUTO_NARROW = "auto-narrow"
    AUTO = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One denied edge of an R1: positive match only. Exactly one of ``peer_labels`` and ``nets`` names the peer."""

    direction: Direction
    peer: Peer
    peer_namespace: str = ""  # for workload peers
    peer_labels: tuple[tuple[str, str], ...] = ()  # sorted; never empty for a workload peer
    nets: tuple[str, ...] = ()  # CIDRs, for addresses
    protocol: str = "tcp"
    ports: tuple[int, ...] = ()  # empty: the log shows no ports, every port of the protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """One wanted narrowing. Its id is derived from the alert and level, so that asking twice makes one."""

    id: str
    alert_id: str
    workload: WorkloadId
    selector: tuple[tuple[str, str], ...]  # matchLabels of the owner, sorted, never empty
    level: Level
    rules: tuple[Rule, ...]
    allow_dns: bool  # pass DNS first; False only when DNS is the deviating edge
    state: State
    mode: Mode  # the mode that proposed it
    created_at: float
    ttl_s: float  # asked for, from the moment it is approved
    expires_at: float  # moves by renewal and hold, never past max_expires_at; 0 while proposed
    max_expires_at: float
    approved_by: str = ""  # a person, or "auto"
    applied_at: float = 0.0
    ended_at: float = 0.0
    ended_by: str = ""  # a person, "expiry", "janitor", "dismissal by NAME", ...
    detail: str = ""  # why it was refused, failed or weakened; status for people
    guards: tuple[str, ...] = ()  # guards that were consulted and what they said
    revision: int = 1

    def __post_init__(self) -> None:
        if not self.selector:
            raise UnsafeRestriction(f"restriction {self.id} selects by no label: an empty selector selects everything")
        if self.expires_at > self.max_expires_at:
            raise UnsafeRestriction(f"restriction {self.id} would outlive its maximum")
        if len(self.rules) > RULES_MAX:
            raise UnsafeRestriction(f"restriction {self.id} has {len(self.rules)} rules, more than {RULES_MAX}")

    @property
    def object_name(self) -> str:
        """The policy's name in the cluster, built here and nowhere else."""
        return f"behaviour.{self.id}"

    @property
    def is_live(self) -> bool:
        """Wanted in the cluster."""
        return self.state in LIVE

    @property
    def has_ended(self) -> bool:
        """Over, for whatever reason."""
        return self.state in ENDED


def restriction_id(alert_id: str, level: Level) -> str:
    """Deterministic and a valid DNS label: the API, the CLI and a replay all ask for the same object."""
    return f"r-{uuid5(NAMESPACE, f'restriction|{alert_id}|{level}').hex[:20]}"


def is_wanted(restriction: Restriction, *, now: float) -> bool:
    """Whether the object should exist at ``now``."""
    return restriction.is_live and now < restriction.expires_at


def proposed_again(over: Restriction, plan: Restriction) -> Restriction:
    """A fresh plan in the place of one that has ended, because a person asks again: same id, next revision."""
    if not over.has_ended or plan.state is not State.PROPOSED or plan.id != over.id:
        raise NotAllowed(f"restriction {over.id} is {over.state} and cannot be proposed again")
    return replace(plan, revision=over.revision + 1)


def approved(restriction: Restriction, *, by: str, now: float, ttl_s: float | None = None) -> Restriction:
    """Wanted from now on, for ``ttl_s`` (bounded by its maximum). Only a proposed one can be approved."""
    if restriction.state is not State.PROPOSED:
        raise NotAllowed(f"restriction {restriction.id} is {restriction.state}, not proposed")
    lifetime = restriction.ttl_s if ttl_s is None else ttl_s
    if lifetime <= 0:
        raise NotAllowed(f"time to live must be positive, not {lifetime:g} s")
    maximum = now + MAX_TTL_S
    return replace(
        restriction, state=State.APPROVED, approved_by=by, ttl_s=lifetime, max_expires_at=maximum,
        expires_at=min(now + lifetime, maximum), revision=restriction.revision + 1,
    )  # fmt: skip


def applied(restriction: Restriction, *, now: float) -> Restriction:
    """Seen in the cluster."""
    if restriction.state is not State.APPROVED:
        return restriction
    return replace(restriction, state=State.APPLIED, applied_at=now, detail="", revision=restriction.revision + 1)


def held(restriction: Restriction, *, by: str, now: float, hold_s: float = HOLD_S) -> Restriction:
    """Extended by a person, once more and bounded."""
    if not is_wanted(restriction, now=now):
        raise NotAllowed(f"restriction {restriction.id} is {restriction.state} and cannot be held")
    extended = max(restriction.expires_at, min(now + hold_s, restriction.max_expires_at))
    state = State.HELD if restriction.state is State.APPLIED else restriction.state
    approver = by if restriction.approved_by == "auto" else restriction.approved_by
    return replace(
        restriction,
        state=state,
        expires_at=extended,
        approved_by=approver,
        revision=restriction.revision + 1,
    )


def renewed(restriction: Restriction, *, until: float) -> Restriction:
    """Extended without a person while denied attempts go on; the caller bounds ``until``."""
    target = min(until, restriction.max_expires_at)
    if target <= restriction.expires_at:
        return restriction
    return replace(restriction, expires_at=target, revision=restriction.revision + 1)


def ended(restriction: Restriction, *, state: State, by: str, now: float, detail: str = "") -> Restriction:
    """Over. Ending what has already ended changes nothing."""
    if state not in ENDED:
        raise NotAllowed(f"{state} is not an end")
    if restriction.has_ended:
        return restriction
    return replace(
        restriction,
        state=state,
        ended_at=now,
        ended_by=by,
        detail=detail or restriction.detail,
        revision=restriction.revision + 1,
    )
