"""The books in memory: for tests, for parts of the demo, and as the plainest statement of what a book does.

A transaction works on copies of the shelves and puts them in place when it succeeds; transactions run one at a time,
as in SQLite. Nouns are frozen, so copying the shelves is enough.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeVar

from baseline.adapters.sql import cursor, rules
from baseline.domain.alert import Alert, Decision, Disposition, decided
from baseline.domain.errors import Conflict, KeyReused, NotFound, StaleRevision, Unavailable
from baseline.domain.restriction import Restriction, State
from baseline.domain.suppression import Suppression, noted
from baseline.domain.workload import WorkloadId
from baseline.ports import (
    AuditEntry,
    Delivery,
    Event,
    Feedback,
    Page,
    Sign,
    Silence,
    StoredAnswer,
    Token,
    Weighting,
    WorkloadFacts,
)

WAIT_S = 10.0  # for another transaction to end

T = TypeVar("T")


@dataclass(slots=True)
class _Shelves:
    alerts: dict[str, Alert] = field(default_factory=dict)
    planned: dict[str, int] = field(default_factory=dict)
    restrictions: dict[str, Restriction] = field(default_factory=dict)
    workloads: dict[str, WorkloadFacts] = field(default_factory=dict)
    feedback: dict[str, Feedback] = field(default_factory=dict)
    suppressions: dict[str, Suppression] = field(default_factory=dict)
    weightings: dict[str, tuple[Weighting, ...]] = field(default_factory=dict)  # by group, in order of version
    signs: dict[str, Sign] = field(default_factory=dict)
    audit: dict[int, AuditEntry] = field(default_factory=dict)
    outbox: dict[tuple[str, str], tuple[Delivery, str]] = field(default_factory=dict)  # and how it ended, "" if not yet
    tokens: dict[str, Token] = field(default_factory=dict)
    answers: dict[tuple[str, str], tuple[float, str, StoredAnswer | None]] = field(default_factory=dict)

    def copy(self) -> _Shelves:
        return _Shelves(*(dict(getattr(self, name)) for name in self.__slots__))


class MemoryAlerts:
    """An ``AlertBook`` over dictionaries."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def get(self, alert_id: str) -> Alert:
        """NotFound when there is none."""
        if alert_id not in self._shelves.alerts:
            raise NotFound("alert", alert_id)
        return self._shelves.alerts[alert_id]

    def put(self, alert: Alert) -> bool:
        """Insert, or update with what is newer; True when it is new."""
        if alert.id in self._shelves.alerts:
            self._shelves.alerts[alert.id] = rules.advanced(self._shelves.alerts[alert.id], alert)
            return False
        self._shelves.alerts[alert.id] = alert
        return True

    def decide(self, alert_id: str, decision: Decision, *, revision: int | None) -> Alert:
        """Store a decision, if the alert still is at ``revision``."""
        stored = self.get(alert_id)
        if revision is not None and revision != stored.revision:
            raise StaleRevision("alert", alert_id, expected=revision, actual=stored.revision)
        self._shelves.alerts[alert_id] = decided(stored, decision)
        return self._shelves.alerts[alert_id]

    def find(
        self,
        *,
        disposition: Disposition | None = None,
        workload: WorkloadId | None = None,
        since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Alert]:
        """Newest first."""
        found = [
            alert
            for alert in self._shelves.alerts.values()
            if (disposition is None or alert.disposition is disposition)
            and (workload is None or alert.workload == workload)
            and (since is None or alert.opened_at >= since)
        ]
        return _newest(found, lambda alert: (alert.opened_at, alert.id), limit=limit, after=after)

    def unplanned(self, limit: int) -> Sequence[Alert]:
        """Not dismissed and changed since they were planned, oldest first."""
        waiting = [
            alert
            for alert in self._shelves.alerts.values()
            if alert.disposition is not Disposition.DISMISSED
            and self._shelves.planned.get(alert.id, 0) < alert.revision
        ]
        return sorted(waiting, key=lambda alert: (alert.opened_at, alert.id))[:limit]

    def planned(self, alert_id: str, *, revision: int) -> None:
        """Note a planned revision; an older one than noted changes nothing."""
        self.get(alert_id)
        self._shelves.planned[alert_id] = max(revision, self._shelves.planned.get(alert_id, 0))


class MemoryRestrictions:
    """A ``RestrictionBook`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def get(self, restriction_id: str) -> Restriction:
        """NotFound when there is none."""
        if restriction_id not in self._shelves.restrictions:
            raise NotFound("restriction", restriction_id)
        return self._shelves.restrictions[restriction_id]

    def add(self, restriction: Restriction) -> Restriction:
        """Insert if absent; the stored one either way."""
        return self._shelves.restrictions.setdefault(restriction.id, restriction)

    def update(self, restriction: Restriction) -> Restriction:
        """Replace the revision before this one; StaleRevision when another stands there."""
        actual = self.get(restriction.id).revision
        if restriction.revision != actual + 1:
            raise StaleRevision("restriction", restriction.id, expected=restriction.revision - 1, actual=actual)
        self._shelves.restrictions[restriction.id] = restriction
        return restriction

    def find(
        self,
        *,
        states: Iterable[State] | None = None,
        alert_id: str | None = None,
        workload: WorkloadId | None = None,
        ended_since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Restriction]:
        """Newest first."""
        wanted = None if states is None else frozenset(states)
        found = [
            one
            for one in self._shelves.restrictions.values()
            if (wanted is None or one.state in wanted)
            and (alert_id is None or one.alert_id == alert_id)
            and (workload is None or one.workload == workload)
            and (ended_since is None or (one.ended_at > 0 and one.ended_at >= ended_since))
        ]
        return _newest(found, lambda one: (one.created_at, one.id), limit=limit, after=after)


class MemoryWorkloads:
    """A ``WorkloadBook`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def see(self, facts: Sequence[WorkloadFacts]) -> None:
        """Insert or widen."""
        for seen in facts:
            stored = self._shelves.workloads.get(seen.workload.key)
            self._shelves.workloads[seen.workload.key] = rules.widened(stored, seen) if stored else seen

    def get(self, workload: WorkloadId) -> WorkloadFacts:
        """NotFound when never seen."""
        if workload.key not in self._shelves.workloads:
            raise NotFound("workload", workload.key)
        return self._shelves.workloads[workload.key]

    def find(
        self,
        *,
        namespace: str | None = None,
        seen_since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[WorkloadFacts]:
        """In order of key."""
        limit = cursor.bounded(limit)
        start = None if after is None else cursor.decode_text(after)
        found = [
            facts
            for key, facts in sorted(self._shelves.workloads.items())
            if (namespace is None or facts.workload.namespace == namespace)
            and (seen_since is None or facts.last_seen >= seen_since)
            and (start is None or key > start)
        ]
        return cursor.page(found[: limit + 1], limit=limit, key=lambda facts: cursor.encode(facts.workload.key, ""))

    def count(self, *, seen_since: float) -> Mapping[str, int]:
        """Workloads seen since, by namespace."""
        numbers: dict[str, int] = {}
        for facts in self._shelves.workloads.values():
            if facts.last_seen >= seen_since:
                numbers[facts.workload.namespace] = numbers.get(facts.workload.namespace, 0) + 1
        return numbers


class MemoryFeedback:
    """A ``FeedbackBook`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def add(self, feedback: Feedback) -> None:
        """Insert or replace by alert id."""
        self._shelves.feedback[feedback.alert_id] = feedback

    def since(self, at: float) -> Sequence[Feedback]:
        """All feedback given at or after, in order of time."""
        given = [one for one in self._shelves.feedback.values() if one.at >= at]
        return sorted(given, key=lambda one: (one.at, one.alert_id))


class MemorySuppressions:
    """A ``SuppressionBook`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def get(self, suppression_id: str) -> Suppression:
        """NotFound when there is none."""
        if suppression_id not in self._shelves.suppressions:
            raise NotFound("suppression", suppression_id)
        return self._shelves.suppressions[suppression_id]

    def add(self, suppression: Suppression) -> Suppression:
        """Insert if absent; the stored one either way."""
        return self._shelves.suppressions.setdefault(suppression.id, suppression)

    def update(self, suppression: Suppression) -> Suppression:
        """Replace the revision before this one, but for what it has silenced."""
        stored = self.get(suppression.id)
        if suppression.revision != stored.revision + 1:
            raise StaleRevision(
                "suppression", suppression.id, expected=suppression.revision - 1, actual=stored.revision
            )
        updated = replace(suppression, silenced=stored.silenced)
        self._shelves.suppressions[suppression.id] = updated
        return updated

    def note(self, silences: Sequence[Silence]) -> None:
        """Add silenced windows to their suppressions' records."""
        for suppression_id, windows in rules.by_suppression(silences).items():
            stored = self._shelves.suppressions.get(suppression_id)
            if stored is not None:
                more = replace(stored, silenced=noted(stored.silenced, windows))
                self._shelves.suppressions[suppression_id] = more

    def mark(self) -> tuple[int, int]:
        """How many there are, and how many revisions of them."""
        found = self._shelves.suppressions.values()
        return len(found), sum(one.revision for one in found)

    def standing(self, *, ending_after: float) -> Sequence[Suppression]:
        """All that end after this time, in order of making."""
        found = [one for one in self._shelves.suppressions.values() if one.ends_at > ending_after]
        return sorted(found, key=lambda one: (one.made_at, one.id))

    def find(
        self,
        *,
        workload: WorkloadId | None = None,
        alert_id: str | None = None,
        ending_after: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Suppression]:
        """Newest first."""
        found = [
            one
            for one in self._shelves.suppressions.values()
            if (workload is None or one.workload == workload)
            and (alert_id is None or one.alert_id == alert_id)
            and (ending_after is None or one.ends_at > ending_after)
        ]
        return _newest(found, lambda one: (one.made_at, one.id), limit=limit, after=after)


class MemoryWeightings:
    """A ``WeightingBook`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def newest(self, group: str) -> Weighting | None:
        """The version in force."""
        return self._shelves.weightings.get(group, (None,))[-1]

    def add(self, weighting: Weighting) -> Weighting:
        """Insert the next version."""
        before = self._shelves.weightings.get(weighting.group, ())
        if weighting.version != len(before) + 1:
            raise StaleRevision("weighting", weighting.group, expected=weighting.version - 1, actual=len(before))
        self._shelves.weightings[weighting.group] = (*before, weighting)
        return weighting

    def versions(self, group: str, *, limit: int = 100, after: str | None = None) -> Page[Weighting]:
        """Newest first."""
        limit = cursor.bounded(limit)
        start = None if after is None else cursor.decode_number(after)[0]
        found = [
            one for one in reversed(self._shelves.weightings.get(group, ())) if start is None or one.version < start
        ]
        return cursor.page(found[: limit + 1], limit=limit, key=lambda one: cursor.encode(one.version, ""))

    def in_force(self, *, limit: int = 100, after: str | None = None) -> Page[Weighting]:
        """The newest version of each group, in order of group."""
        limit = cursor.bounded(limit)
        start = None if after is None else cursor.decode_text(after)
        found = [
            versions[-1]
            for group, versions in sorted(self._shelves.weightings.items())
            if start is None or group > start
        ]
        return cursor.page(found[: limit + 1], limit=limit, key=lambda one: cursor.encode(one.group, ""))


class MemorySigns:
    """A ``SignBook`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def put(self, sign: Sign) -> None:
        """Insert or replace the member's."""
        self._shelves.signs[sign.member] = sign

    def since(self, at: float) -> Sequence[Sign]:
        """Those given at or after, in order of member."""
        return [sign for _, sign in sorted(self._shelves.signs.items()) if sign.at >= at]

    def forget(self, *, before: float) -> None:
        """Delete those given before."""
        self._shelves.signs = {member: sign for member, sign in self._shelves.signs.items() if sign.at >= before}


class MemoryAudit:
    """An ``AuditLog`` over a dictionary by number."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def append(self, entry: AuditEntry) -> None:
        """Write one entry."""
        self._shelves.audit[len(self._shelves.audit) + 1] = entry

    def find(self, *, target: str | None = None, limit: int = 100, after: str | None = None) -> Page[AuditEntry]:
        """Newest first, by number."""
        limit = cursor.bounded(limit)
        start = None if after is None else cursor.decode_number(after)[0]
        found = [
            (number, entry)
            for number, entry in reversed(self._shelves.audit.items())
            if (target is None or entry.target == target) and (start is None or number < start)
        ]
        page = cursor.page(found[: limit + 1], limit=limit, key=lambda item: cursor.encode(item[0], ""))
        return Page([entry for _, entry in page.items], page.after)


class MemoryOutbox:
    """An ``Outbox`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def add(self, event: Event, *, channels: Sequence[str]) -> None:
        """Insert once per (event id, channel); due at once."""
        for channel in channels:
            waiting = Delivery(event=event, channel=channel, tries=0, due=0.0)
            self._shelves.outbox.setdefault((event.id, channel), (waiting, ""))

    def due(self, *, now: float, limit: int, channel: str | None = None) -> Sequence[Delivery]:
        """Undelivered and not waiting for a later try, oldest event first."""
        waiting = [
            one
            for one, end in self._shelves.outbox.values()
            if not end and one.due <= now and (channel is None or one.channel == channel)
        ]
        return sorted(waiting, key=lambda one: (one.event.at, one.event.id, one.channel))[:limit]

    def delivered(self, event_id: str, channel: str, *, at: float) -> None:
        """Done."""
        self._tried(event_id, channel, due=None, end=f"delivered at {at}")

    def failed(self, event_id: str, channel: str, *, error: str, retry_at: float | None) -> None:
        """Try again at ``retry_at``; None gives up."""
        self._tried(event_id, channel, due=retry_at, end=f"given up: {error}" if retry_at is None else "")

    def _tried(self, event_id: str, channel: str, *, due: float | None, end: str) -> None:
        if (event_id, channel) not in self._shelves.outbox:
            raise NotFound("delivery", f"{event_id}/{channel}")
        waiting, _ = self._shelves.outbox[event_id, channel]
        tried = waiting._replace(tries=waiting.tries + 1, due=waiting.due if due is None else due)
        self._shelves.outbox[event_id, channel] = (tried, end)


class MemoryTokens:
    """A ``TokenBook`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def add(self, token: Token) -> None:
        """Conflict when the name is taken."""
        if token.name in self._shelves.tokens:
            raise Conflict(f"a token named {token.name!r} exists already")
        self._shelves.tokens[token.name] = token

    def by_hash(self, token_hash: str) -> Token | None:
        """The token, revoked or not."""
        return next((token for token in self._shelves.tokens.values() if token.hash == token_hash), None)

    def revoke(self, name: str, *, at: float) -> None:
        """NotFound when there is none; the first revocation stays."""
        if name not in self._shelves.tokens:
            raise NotFound("token", name)
        token = self._shelves.tokens[name]
        if token.revoked_at is None:
            self._shelves.tokens[name] = replace(token, revoked_at=at)

    def all(self) -> Sequence[Token]:
        """In order of name."""
        return [self._shelves.tokens[name] for name in sorted(self._shelves.tokens)]


class MemoryAnswers:
    """An ``IdempotencyBook`` over a dictionary."""

    def __init__(self, shelves: _Shelves) -> None:
        self._shelves = shelves

    def begin(self, *, token: str, key: str, request_hash: str, now: float) -> StoredAnswer | None:
        """Claim the key (None), or the stored answer of the same request."""
        for name, (claimed_at, _, answer) in list(self._shelves.answers.items()):
            if now - claimed_at >= (rules.CLAIM_S if answer is None else rules.ANSWERS_KEPT_S):
                del self._shelves.answers[name]
        if (token, key) not in self._shelves.answers:
            self._shelves.answers[token, key] = (now, request_hash, None)
            return None
        _, first_hash, answer = self._shelves.answers[token, key]
        if first_hash != request_hash:
            raise KeyReused("this idempotency key was used for another request")
        if answer is None:
            raise Conflict("this request is being answered: ask again in a moment")
        return answer

    def finish(self, *, token: str, key: str, answer: StoredAnswer) -> None:
        """Store the answer of a claimed key."""
        claim = self._shelves.answers.get((token, key))
        if claim is None or claim[2] is not None:
            raise NotFound("claimed idempotency key", key)
        self._shelves.answers[token, key] = (claim[0], claim[1], answer)

    def abandon(self, *, token: str, key: str) -> None:
        """Give a claimed key free; a stored answer stays."""
        claim = self._shelves.answers.get((token, key))
        if claim is not None and claim[2] is None:
            del self._shelves.answers[token, key]


class MemoryBooks:
    """All books over one set of shelves."""

    def __init__(self, shelves: _Shelves) -> None:
        self.alerts = MemoryAlerts(shelves)
        self.restrictions = MemoryRestrictions(shelves)
        self.workloads = MemoryWorkloads(shelves)
        self.feedback = MemoryFeedback(shelves)
        self.suppressions = MemorySuppressions(shelves)
        self.weightings = MemoryWeightings(shelves)
        self.signs = MemorySigns(shelves)
        self.audit = MemoryAudit(shelves)
        self.outbox = MemoryOutbox(shelves)
        self.tokens = MemoryTokens(shelves)
        self.idempotency = MemoryAnswers(shelves)


class MemoryLibrary:
    """A ``Library`` in this process's memory."""

    def __init__(self) -> None:
        self._shelves = _Shelves()
        self._writing = threading.Lock()
        self._locks: set[str] = set()
        self._locking = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[MemoryBooks]:
        """One transaction; they run one at a time, so never open a second one inside."""
        if not self._writing.acquire(timeout=WAIT_S):
            raise Unavailable("another transaction does not end", retry_after_s=1.0)
        try:
            working = self._shelves.copy()
            yield MemoryBooks(working)
            self._shelves = working
        finally:
            self._writing.release()

    def check(self) -> None:
        """Memory answers."""

    @contextmanager
    def advisory_lock(self, name: str) -> Iterator[bool]:
        """Try to be the only holder of a name."""
        with self._locking:
            is_ours = name not in self._locks
            self._locks.add(name)
        try:
            yield is_ours
        finally:
            if is_ours:
                with self._locking:
                    self._locks.discard(name)


def _newest(found: list[T], key: Callable[[T], tuple[float, str]], *, limit: int, after: str | None) -> Page[T]:
    """A page in descending order of (time, id)."""
    limit = cursor.bounded(limit)
    start = None if after is None else cursor.decode_number(after)
    rest = sorted((one for one in found if start is None or key(one) < start), key=key, reverse=True)
    return cursor.page(rest[: limit + 1], limit=limit, key=lambda one: cursor.encode(*key(one)))
