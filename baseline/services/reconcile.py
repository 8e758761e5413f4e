"""Make the cluster as the books want it, and the books as the cluster is: one pass.

Level-triggered: every pass reads the books, then the tier (in this order, so that an object missing from the list was
really gone), and writes only what differs. Names are deterministic and writes carry revisions, so a second control
process at the same time, or a crash after any write, ends in the same objects.

Deletes come first: nothing may keep a release waiting. An object that was applied and is gone was ended by somebody
in the cluster: it is not put back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from baseline.domain.errors import Conflict, Denied, Invalid, Missing, OutsideError, Unavailable, UnsafeRestriction
from baseline.domain.restriction import Mode, Restriction, State, is_wanted
from baseline.policy import contract
from baseline.policy.adopt import adopt
from baseline.policy.diff import Changes, Replacement, diff
from baseline.policy.guard import is_protected_namespace
from baseline.policy.situation import GuardOptions
from baseline.ports import Cluster, ClusterObject, Library, Metrics, NamespaceFacts
from baseline.services.attempts import Attempts
from baseline.services.ledger import Ledger

TRIES_MAX = 3  # conflicts, or a missing namespace, in a row: no longer chance
IN_CLUSTER = "somebody in the cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileOptions:
    """Whose objects, whom to tell."""

    instance: str = "default"
    channels: tuple[str, ...] = ()
    guards: GuardOptions = field(default_factory=GuardOptions)


@dataclass(slots=True, kw_only=True)
class Report:
    """What one pass did; objects as ``namespace/name``."""

    created: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  # given up
    waiting: list[str] = field(default_factory=list)  # to be tried again
    unreadable: list[str] = field(default_factory=list)  # ours, edited by hand: live until their own expiry
    foreign: int = 0
    live: int = 0
    is_enforcing: bool = False

    @property
    def writes(self) -> int:
        """Writes to the cluster."""
        return len(self.created) + len(self.replaced) + len(self.deleted)


def reconcile(
    library: Library,
    cluster: Cluster,
    *,
    now: float,
    options: ReconcileOptions,
    attempts: Attempts,
    metrics: Metrics,
    namespaces: Mapping[str, NamespaceFacts] | None,
) -> Report:
    """One pass. While ``namespaces`` is None (never read: one may be protected) nothing new is created.

    Raises Unavailable, Denied or Missing when the tier cannot be read, and Unavailable at the first object that
    answers so (that object alone then waits longer); everything else is handled object by object.
    """
    ledger = Ledger(library=library, metrics=metrics, now=now, channels=options.channels)
    live = ledger.live()
    listing = cluster.policies()
    is_enforcing = cluster.enforcement_enabled()
    wanted = [restriction for restriction in live if is_wanted(restriction, now=now)]
    changes = diff(wanted, listing.objects, instance=options.instance, now=now)
    report = Report(foreign=len(changes.foreign), live=len(wanted), is_enforcing=is_enforcing)
    one_pass = _Pass(
        cluster=cluster,
        ledger=ledger,
        attempts=attempts,
        options=options,
        namespaces=namespaces,
        report=report,
        changes=changes,
    )
    one_pass.end([restriction for restriction in live if restriction not in wanted])
    one_pass.keep()
    one_pass.begin()
    metrics.gauge("restrictions_live", len(changes.in_place) + len(report.created) + len(report.replaced))
    metrics.gauge("enforcement_enabled", float(is_enforcing))
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pass:
    """The steps of one pass, over what was read at its beginning."""

    cluster: Cluster
    ledger: Ledger
    attempts: Attempts
    options: ReconcileOptions
    namespaces: Mapping[str, NamespaceFacts] | None
    report: Report
    changes: Changes[ClusterObject]

    def end(self, past: list[Restriction]) -> None:
        """Delete what has expired or was released, then say so in the books."""
        still_there: set[str] = set()
        for obj in self.changes.expired:
            if not self._delete(obj, why="expired"):
                still_there.add(contract.restriction_of(obj.manifest))
        for obj in self.changes.unwanted:
            known = self.ledger.known(contract.restriction_of(obj.manifest))
            if known is None:
                self._adopt(obj)
            elif not is_wanted(known, now=self.ledger.now) and not self._delete(obj, why=known.state.value):
                still_there.add(known.id)
        for restriction in past:
            if restriction.id not in still_there:
                why = "" if restriction.applied_at else f"never applied: {restriction.detail}"
                self.ledger.over(restriction, state=State.EXPIRED, by="expiry", detail=why)

    def keep(self) -> None:
        """See to what is there."""
        for restriction, _ in self.changes.in_place:
            if restriction.state is State.APPROVED:
                self.ledger.applied(restriction)  # a crash came between the write and the book
        for replacement in self.changes.replace:
            self._replace(replacement)

    def begin(self) -> None:
        """Create what is approved and not there."""
        for restriction, reason in self.changes.unsafe:
            self._fail(restriction, reason)
        for restriction, _ in self.changes.in_the_way:
            self._fail(restriction, f"an object that is not ours has the name {restriction.object_name}: left alone")
        for restriction, manifest in self.changes.create:
            if restriction.state is not State.APPROVED:
                self.ledger.over(restriction, state=State.RELEASED, by=IN_CLUSTER, detail="its object was deleted")
            else:
                self._create(restriction, manifest)

    def _create(self, restriction: Restriction, manifest: Mapping[str, object]) -> None:
        namespace = restriction.workload.namespace
        name = f"{namespace}/{restriction.object_name}"
        if self.namespaces is None:
            self._wait(restriction, "the labels of namespaces are not known yet")
            return
        facts = self.namespaces.get(namespace)
        if is_protected_namespace(namespace, self.options.guards) or (facts is not None and facts.is_protected):
            self._fail(restriction, f"namespace {namespace} is protected")
            return
        if facts is not None and facts.mode is Mode.OBSERVE:
            self._fail(restriction, f"namespace {namespace} is in mode {facts.mode}: nobody restricts there")
            return
        if not self.report.is_enforcing:
            self._wait(restriction, "enforcement is off: nothing new is applied")
            return
        try:
            if self._try("create", name, lambda: self.cluster.create(manifest)):
                self.report.created.append(name)
                self.ledger.applied(restriction)
            else:
                self.report.waiting.append(name)
        except Invalid as error:
            self._fail(restriction, f"the cluster refused it: {error}")
        except (Conflict, Missing) as error:
            if self.attempts.tries(name) >= TRIES_MAX:
                self._fail(restriction, f"after {TRIES_MAX} tries: {error}")
            else:
                self._wait(restriction, f"to be tried again: {error}")
        except Denied as error:
            self._wait(restriction, f"to be tried again: {error}")
        except Unavailable as error:
            self._wait(restriction, f"to be tried again: {error}")
            raise

    def _replace(self, replacement: Replacement[ClusterObject]) -> None:
        live, detail = replacement.live, {"restriction": replacement.restriction.id, "drift": replacement.is_drift}
        self._announce("replace", live, detail)
        try:
            is_done = self._try(
                "replace", _name(live), lambda: self.cluster.replace(replacement.manifest, revision=live.revision)
            )
        except (Conflict, Denied, Invalid, Missing):
            is_done = False  # counted; read and tried again
        (self.report.replaced if is_done else self.report.waiting).append(_name(live))
        if is_done and replacement.restriction.state is State.APPROVED:
            self.ledger.applied(replacement.restriction)

    def _delete(self, obj: ClusterObject, *, why: str) -> bool:
        self._announce("delete", obj, {"restriction": contract.restriction_of(obj.manifest), "why": why})
        try:
            is_done = self._try("delete", _name(obj), lambda: self.cluster.delete(obj))
        except (Conflict, Denied, Invalid, Missing):
            is_done = False  # counted; read and tried again
        (self.report.deleted if is_done else self.report.waiting).append(_name(obj))
        return is_done

    def _announce(self, verb: str, obj: ClusterObject, detail: Mapping[str, object]) -> None:
        """Audit before the write, once: a crash in between may tell it twice, never not at all."""
        if not self.attempts.tries(_name(obj)):
            self.ledger.wrote(verb, obj.namespace, obj.name, detail)

    def _adopt(self, obj: ClusterObject) -> None:
        try:
            self.ledger.adopted(adopt(obj.manifest, instance=self.options.instance))
            self.report.adopted.append(_name(obj))
        except UnsafeRestriction:
            self.report.unreadable.append(_name(obj))

    def _try(self, verb: str, name: str, write: Callable[[], object]) -> bool:
        """Write unless it is too early; False when it was. Failures are counted and put off, then raised."""
        now = self.ledger.now
        if not self.attempts.may(name, now=now):
            return False
        try:
            write()
        except OutsideError as error:
            retry_after_s = error.retry_after_s if isinstance(error, Unavailable) else None
            self.attempts.failed(name, now=now, retry_after_s=retry_after_s)
            self.ledger.metrics.count("cluster_errors_total", error=type(error).__name__)
            raise
        self.attempts.succeeded(name)
        self.ledger.metrics.count("cluster_writes_total", verb=verb)
        return True

    def _wait(self, restriction: Restriction, why: str) -> None:
        self.ledger.waiting(restriction, why)
        self.report.waiting.append(f"{restriction.workload.namespace}/{restriction.object_name}")

    def _fail(self, restriction: Restriction, why: str) -> None:
        self.ledger.over(restriction, state=State.FAILED, by="control", detail=why)
        self.report.failed.append(f"{restriction.workload.namespace}/{restriction.object_name}")


def _name(obj: ClusterObject) -> str:
    return f"{obj.namespace}/{obj.name}"
