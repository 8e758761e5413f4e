"""What control writes into the books about objects in the cluster: one transaction for each step, told and audited.

Every step reads the stored restriction again: a person may have decided since the pass began. A step that finds the
books already there changes nothing, so a crash after any write is repaired by doing the step again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baseline.domain.errors import NotFound, StaleRevision
from baseline.domain.restriction import LIVE, MAX_TTL_S, Restriction, State, applied, ended
from baseline.ports import AuditEntry, Books, EventKind, Library, Metrics
from baseline.services.events import restriction_changed

ACTOR = "control"
PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The books, as one pass of control writes them."""

    library: Library
    metrics: Metrics
    now: float
    channels: Sequence[str]

    def live(self) -> list[Restriction]:
        """Everything approved, applied or held."""
        found: list[Restriction] = []
        after: str | None = None
        with self.library.transaction() as books:
            while True:
                page = books.restrictions.find(states=LIVE, limit=PAGE, after=after)
                found += page.items
                after = page.after
                if after is None:
                    return found

    def known(self, restriction_id: str) -> Restriction | None:
        """As stored now; None when the books do not know it."""
        with self.library.transaction() as books:
            try:
                return books.restrictions.get(restriction_id)
            except NotFound:
                return None

    def applied(self, restriction: Restriction, *, verb: str = "create") -> None:
        """Its object is there. The restriction is told as applied once."""

        def step(books: Books, stored: Restriction) -> Restriction:
            self._audit(books, f"object.{verb}", stored, {})
            after = applied(stored, now=self.now)
            if after is not stored:
                books.outbox.add(
                    restriction_changed(EventKind.RESTRICTION_APPLIED, after, now=self.now), channels=self.channels
                )
                self.metrics.count("restrictions_total", state=after.state.value)
                approved_at = stored.max_expires_at - MAX_TTL_S
                self.metrics.observe("restriction_apply_seconds", max(0.0, self.now - approved_at))
            return after

        self._change(restriction, step)

    def over(self, restriction: Restriction, *, state: State, by: str, detail: str = "") -> None:
        """It ended by time, in the cluster, or by failing."""
        kind = EventKind.RESTRICTION_FAILED if state is State.FAILED else EventKind.RESTRICTION_RELEASED

        def step(books: Books, stored: Restriction) -> Restriction:
            after = ended(stored, state=state, by=by, now=self.now, detail=detail)
            if after is not stored:
                self._audit(books, f"restriction.{_VERBS[state]}", stored, {"by": by, "why": detail})
                books.outbox.add(restriction_changed(kind, after, now=self.now), channels=self.channels)
                self.metrics.count("restrictions_total", state=state.value)
                if state is State.EXPIRED:
                    self.metrics.count("restrictions_expired_total", by=ACTOR)
            return after

        self._change(restriction, step)

    def waiting(self, restriction: Restriction, why: str) -> None:
        """It cannot be applied yet; the reason is stored once, however often it is tried."""

        def step(_: Books, stored: Restriction) -> Restriction:
            if stored.detail == why or not stored.is_live:
                return stored
            return replace(stored, detail=why, revision=stored.revision + 1)

        self._change(restriction, step)

    def adopted(self, restriction: Restriction) -> None:
        """An object of ours that the books did not know."""
        with self.library.transaction() as books:
            books.restrictions.add(restriction)
            self._audit(books, "restriction.adopt", restriction, {})

    def wrote(self, verb: str, namespace: str, name: str, detail: Mapping[str, Any]) -> None:
        """One write to the cluster that belongs to no step of its own."""
        entry = AuditEntry(
            at=self.now, actor=ACTOR, action=f"object.{verb}", target=f"object/{namespace}/{name}", detail=detail
        )
        with self.library.transaction() as books:
            books.audit.append(entry)

    def _change(self, restriction: Restriction, step: Callable[[Books, Restriction], Restriction]) -> None:
        try:
            with self.library.transaction() as books:
                stored = books.restrictions.get(restriction.id)
                after = step(books, stored)
                if after is not stored:
                    books.restrictions.update(after)
        except (StaleRevision, NotFound):
            return  # somebody else was faster; the next pass starts from what they wrote

    def _audit(self, books: Books, action: str, restriction: Restriction, detail: Mapping[str, Any]) -> None:
        target = f"restriction/{restriction.id}"
        if action.startswith("object."):
            target = f"object/{restriction.workload.namespace}/{restriction.object_name}"
        told = {"restriction": restriction.id, **detail}
        books.audit.append(AuditEntry(at=self.now, actor=ACTOR, action=action, target=target, detail=told))


_VERBS = {State.EXPIRED: "expire", State.RELEASED: "release", State.FAILED: "fail"}
