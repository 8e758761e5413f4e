"""Suppressions: a dismissal's time-limited word that more of the same is normal, too.

A suppression names one workload, never more, and ends by itself. It covers what was dismissed and nothing that goes
beyond it: another family, another edge, or much more of the same is shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from uuid import uuid5

from baseline.domain.alert import MAIN_SHARE, NAMESPACE, Alert
from baseline.domain.deviation import NEW_EDGE, Deviation, EdgeEvidence, Family, Reason
from baseline.domain.edge import EdgeKey
from baseline.domain.errors import NotAllowed
from baseline.domain.units import DAY_S, format_duration
from baseline.domain.workload import WorkloadId

LONGEST_S = 90.0 * DAY_S  # nothing is forgotten for longer without being asked again
P_BEYOND = 1e4  # p smaller by this is beyond: twice the step (100) from "two windows of three" to "one window alone"
SIZE_BEYOND = 3.0  # amounts larger by this are beyond; by judgement: jobs grow, but do not triple unnoticed
HOURS_MOST = 3  # an alert that spans more hours of the week than this is no habit of an hour
_MATTERS = {"connections": 10.0, "bytes_out": 262_144.0, "bytes_in": 262_144.0, "failed": 10.0}  # docs/detection.md
SILENCED_KEPT = 120  # newest silenced windows kept by name; the count goes on


class Scope(StrEnum):
    """How much a dismissal covers."""

    ONCE = "once"  # this alert and nothing later
    HOUR = "hour"  # workload and families at these hours of the week; no peer or port that is new
    EDGE = "edge"  # workload and families on exactly these edges
    WORKLOAD = "workload"  # workload and families, whatever the edges
    ALWAYS = "always"  # as ``edge``, for the longest time there is; then we ask again

    @property
    def is_of_edges(self) -> bool:
        """Whether it names edges."""
        return self in (Scope.EDGE, Scope.ALWAYS)

    @property
    def is_of_hours(self) -> bool:
        """Whether it names hours of the week."""
        return self is Scope.HOUR


# An hour of the week comes back in seven days: a week would hold one return at most.
DEFAULT_S = {
    Scope.HOUR: 28.0 * DAY_S, Scope.EDGE: 7.0 * DAY_S, Scope.WORKLOAD: 7.0 * DAY_S, Scope.ALWAYS: LONGEST_S,
}  # fmt: skip


class State(StrEnum):
    """Where in its life."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How far what was dismissed went."""

    p: float  # the smallest
    lasted_s: int  # from the first deviating window's start to the end of the newest
    horizon_s: int  # length of the strongest window: ``above`` and ``below`` are of it
    above: tuple[tuple[str, float], ...]  # features above their normal range, and their amount, natural units
    below: frozenset[str]  # features below it
    edges_horizon_s: int  # length of the newest window: an edge's evidence is the newest there is
    sums: tuple[tuple[str, float], ...]  # over its edges, natural units
    unlisted: int  # new edges it counted and did not list


@dataclass(frozen=True, slots=True, kw_only=True)
class Silenced:
    """What a suppression has kept from people. Nothing is dropped without being counted here."""

    count: int = 0  # deviating windows
    first_at: float = 0.0  # event time: start of the first
    last_at: float = 0.0  # event time: end of the last
    windows: tuple[tuple[int, int, float], ...] = ()  # start, end, p; in order of end, the newest are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """More of what one alert told is not shown, until it expires or is revoked."""

    id: str
    alert_id: str
    workload: WorkloadId
    scope: Scope
    families: frozenset[Family]
    edges: frozenset[EdgeKey]  # those of the alert
    slots: frozenset[int]  # hours of the week the alert spanned, in ``zone``
    zone: str
    extent: Extent
    reason: str
    by: str
    made_at: float
    expires_at: float
    revoked_at: float = 0.0  # 0: never
    revoked_by: str = ""
    revision: int = 1
    silenced: Silenced = field(default_factory=Silenced)

    @property
    def ends_at(self) -> float:
        """Its expiry, or the moment it was revoked."""
        return min(self.expires_at, self.revoked_at) if self.revoked_at else self.expires_at

    def state(self, *, now: float) -> State:
        """Where in its life it is."""
        if self.revoked_at:
            return State.REVOKED
        return State.ACTIVE if now < self.expires_at else State.EXPIRED

    def is_active(self, at: float) -> bool:
        """Whether it speaks for a window that ended at this event time: the answer never changes by asking later."""
        return self.made_at <= at < self.ends_at


def made(
    alert: Alert, *, scope: Scope, slots: frozenset[int], zone: str, reason: str, by: str, now: float,
    until: float | None = None,
) -> Suppression:  # fmt: skip
    """The suppression of an alert; ``slots`` are the hours of the week its windows began in.

    Raises NotAllowed for a scope that fits nothing the alert tells, a missing reason, or a time out of bounds.
    """
    if scope is Scope.ONCE:
        raise NotAllowed("a dismissal of scope once makes no suppression: nothing later is silenced")
    if not reason.strip():
        raise NotAllowed(f"a dismissal of scope {scope} needs a reason: it decides about what nobody has seen yet")
    if scope.is_of_edges and not alert.edges:
        raise NotAllowed(f"alert {alert.id} names no edges: dismiss it by workload or by hour")
    if scope.is_of_hours and not 0 < len(slots) <= HOURS_MOST:
        raise NotAllowed(f"alert {alert.id} spans {len(slots)} hours of the week, {HOURS_MOST} at most are a habit")
    expires_at = now + DEFAULT_S[scope] if until is None else until
    if not now < expires_at <= now + LONGEST_S:
        raise NotAllowed(f"a suppression ends after now and within {format_duration(LONGEST_S)}")
    return Suppression(
        id=str(uuid5(NAMESPACE, f"suppression|{alert.id}|{scope}|{now!r}")), alert_id=alert.id,
        workload=alert.workload, scope=scope, families=frozenset(alert.families),
        edges=frozenset(evidence.edge.key for evidence in alert.edges), slots=slots, zone=zone, extent=extent(alert),
        reason=reason, by=by, made_at=now, expires_at=expires_at,
    )  # fmt: skip


def extent(alert: Alert) -> Extent:
    """How far an alert went: its strongest window, and how long it lasted."""
    first = (alert.window_start, alert.window_end, alert.p)
    timeline = alert.timeline or (first,)
    return Extent(
        p=alert.p,
        lasted_s=max(int(alert.updated_at) - alert.window_start, *(end - start for start, end, _ in timeline)),
        horizon_s=max((end - start for start, end, p in timeline if p == alert.p), default=first[1] - first[0]),
        above=tuple((reason.feature, reason.actual) for reason in alert.reasons if reason.z > 0),
        below=frozenset(reason.feature for reason in alert.reasons if reason.z <= 0),
        edges_horizon_s=timeline[-1][1] - timeline[-1][0],
        sums=_sums(alert.edges),
        unlisted=_unlisted(alert.reasons, alert.edges),
    )


def covers(suppression: Suppression, deviation: Deviation, *, slot: int) -> bool:
    """Whether the deviation is not to be shown. ``slot`` is the hour of the week its window began in."""
    return (
        suppression.is_active(deviation.window_end)
        and matches(suppression, deviation, slot=slot)
        and not is_beyond(suppression, deviation)
    )


def matches(suppression: Suppression, deviation: Deviation, *, slot: int) -> bool:
    """Whether the deviation is of what was dismissed, however much of it."""
    if deviation.workload != suppression.workload or not suppression.families.issuperset(deviation.families):
        return False
    if suppression.scope.is_of_edges:
        return _carried(deviation.edges, suppression.edges) and not _has_strangers(suppression, deviation)
    if suppression.scope.is_of_hours:
        return slot in suppression.slots and not _has_strangers(suppression, deviation)
    return suppression.scope is Scope.WORKLOAD


def is_beyond(suppression: Suppression, deviation: Deviation) -> bool:
    """Whether the deviation is much stronger or larger than what was dismissed."""
    known = suppression.extent
    if deviation.p < known.p / P_BEYOND:
        return True
    horizon_s = deviation.window_end - deviation.window_start
    most = dict(known.sums)
    longer = _longer(horizon_s, known.edges_horizon_s, known)
    for name, amount in _sums(deviation.edges):
        if amount > SIZE_BEYOND * longer * max(most[name], _MATTERS[name]):
            return True
    longer = _longer(horizon_s, known.horizon_s, known)
    is_by_rule = not deviation.voices
    return any(
        _is_larger(reason, known, longer=longer, is_by_rule=is_by_rule)
        for reason in deviation.reasons
        if reason.share >= MAIN_SHARE
    )


def revoked(suppression: Suppression, *, by: str, now: float) -> Suppression:
    """Ended by a person: windows that end from now on are shown again. NotAllowed when it has ended already."""
    state = suppression.state(now=now)
    if state is not State.ACTIVE:
        raise NotAllowed(f"suppression {suppression.id} is {state} already")
    return replace(
        suppression, revoked_at=max(now, suppression.made_at), revoked_by=by, revision=suppression.revision + 1
    )


def noted(silenced: Silenced, windows: Iterable[tuple[int, int, float]]) -> Silenced:
    """The record with more silenced windows. Idempotent: a window it holds, or one older than all it holds by name
    when it holds as many as it can, changes nothing.
    """
    known = {(start, end): p for start, end, p in silenced.windows}
    is_full = len(known) >= SILENCED_KEPT
    oldest = min((end for _, end in known), default=0)
    fresh = {
        (start, end): p
        for start, end, p in windows
        if (start, end) not in known and not (is_full and end <= oldest)
    }  # fmt: skip
    if not fresh:
        return silenced
    kept = sorted(((start, end, p) for (start, end), p in (known | fresh).items()), key=lambda row: (row[1], row[0]))
    return Silenced(
        count=silenced.count + len(fresh),
        first_at=min([*(float(start) for start, _ in fresh), *([silenced.first_at] if silenced.count else [])]),
        last_at=max(silenced.last_at, *(float(end) for _, end in fresh)),
        windows=tuple(kept[-SILENCED_KEPT:]),
    )


def _longer(horizon_s: int, known_s: int, known: Extent) -> float:
    """How much more a longer window may hold: what went on for an hour in windows of a minute fills one of an hour."""
    return max(1.0, min(horizon_s, known.lasted_s) / known_s)


def _is_larger(reason: Reason, known: Extent, *, longer: float, is_by_rule: bool) -> bool:
    """A feature that has turned round is another event; one that was no reason is bounded by the sums over edges.

    What a rule found over many windows (a scan, a beacon, a slow theft) is covered only where a rule was dismissed.
    """
    above = dict(known.above)
    if reason.z <= 0:
        return reason.feature in above and reason.feature not in known.below
    if reason.feature not in above:
        return is_by_rule or reason.feature in known.below
    grows = 1.0 if reason.family in (Family.SHAPE, Family.TIMING) else longer  # ratios do not add up over time
    return reason.actual > SIZE_BEYOND * grows * above[reason.feature]


def _carried(evidence: tuple[EdgeEvidence, ...], edges: frozenset[EdgeKey]) -> bool:
    """Whether these edges carry the deviation, but for less than one main edge's share."""
    whole = sum(one.share for one in evidence)
    ours = sum(one.share for one in evidence if one.edge.key in edges)
    return whole > 0 and ours >= (1.0 - MAIN_SHARE) * whole


def _has_strangers(suppression: Suppression, deviation: Deviation) -> bool:
    """Whether the deviation shows, or counts, an edge that neither the baseline nor the dismissed alert knew."""
    if any(one.is_new and one.edge.key not in suppression.edges for one in deviation.edges):
        return True
    return _unlisted(deviation.reasons, deviation.edges) > suppression.extent.unlisted


def _unlisted(reasons: tuple[Reason, ...], evidence: tuple[EdgeEvidence, ...]) -> int:
    """New edges that are counted but, being many or of little weight, not listed."""
    counted = max((int(reason.actual) for reason in reasons if reason.feature == NEW_EDGE), default=0)
    return max(0, counted - sum(one.is_new for one in evidence))


def _sums(evidence: tuple[EdgeEvidence, ...]) -> tuple[tuple[str, float], ...]:
    return (
        ("connections", float(sum(one.connections for one in evidence))),
        ("bytes_out", float(sum(one.bytes_out for one in evidence))),
        ("bytes_in", float(sum(one.bytes_in for one in evidence))),
        ("failed", float(sum(one.failed for one in evidence))),
    )
