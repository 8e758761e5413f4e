"""From an alert in the book to an object in the cluster and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import pytest

from baseline.adapters.clock import PlayedClock
from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.memory.cluster import MemoryCluster
from baseline.adapters.metrics import PrometheusMetrics
from baseline.domain.alert import Alert
from baseline.domain.edge import Direction, Peer, PeerKind
from baseline.domain.errors import Conflict, Denied, Invalid, Missing, OutsideError, Unavailable
from baseline.domain.restriction import Mode, Restriction, State, approved, ended, held
from baseline.domain.workload import WorkloadId
from baseline.policy import contract
from baseline.policy.render import render
from baseline.policy.situation import GuardOptions
from baseline.ports import Books, Library, NamespaceFacts, WorkloadFacts
from baseline.services import decide
from baseline.services.attempts import Attempts
from baseline.services.reconcile import ReconcileOptions, Report, reconcile
from baseline.services.restrict import RestrictOptions, Result, Surroundings, plan_alerts
from tests.unit.policy.making import BILLING, NOW, WEB, alert, deny, evidence, proposed, wanted

CHANNEL = "webhook"


class Control:
    """Books, a cluster and one control's memory, at a time the test moves."""

    def __init__(self) -> None:
        self.library = MemoryLibrary()
        self.clock = PlayedClock(NOW)
        self.cluster = MemoryCluster(self.clock)
        self.cluster.set_enforcement(enabled=True)
        self.metrics = PrometheusMetrics()
        self.attempts = Attempts(seed=1)
        self.namespaces: dict[str, NamespaceFacts] = {}

    def store(self, *items: Alert | Restriction) -> None:
        """Put things into the books."""
        with self.library.transaction() as books:
            for item in items:
                if isinstance(item, Alert):
                    books.alerts.put(item)
                else:
                    books.restrictions.add(item)

    def plan(self, *, mode: Mode = Mode.AUTO_NARROW, relaxed: frozenset[str] = frozenset()) -> list[Result]:
        """One planning pass with a known lag."""
        options = RestrictOptions(mode=mode, guards=GuardOptions(relaxed=relaxed))
        around = Surroundings(namespaces=self.namespaces, lag_s=1.0)
        done = plan_alerts(self.library, now=self.clock.now(), options=options, around=around, metrics=self.metrics)
        return [result for _, result in done]

    def run(self) -> Report:
        """One reconciling pass."""
        return reconcile(
            self.library,
            self.cluster,
            now=self.clock.now(),
            options=ReconcileOptions(channels=(CHANNEL,)),
            attempts=self.attempts,
            metrics=self.metrics,
            namespaces=self.namespaces,
        )

    def later(self, seconds: float) -> None:
        """Move on."""
        self.clock.advance_to(self.clock.now() + seconds)

    def names(self) -> list[str]:
        """What is in the tier."""
        return [obj.name for obj in self.cluster.policies().objects]

    def book(self) -> list[Restriction]:
        """All restrictions."""
        with self.library.transaction() as books:
            return list(books.restrictions.find(limit=100).items)

    def only(self) -> Restriction:
        """The one restriction there is."""
        (restriction,) = self.book()
        return restriction

    def actions(self) -> list[str]:
        """Audited actions, oldest first."""
        with self.library.transaction() as books:
            return [entry.action for entry in reversed(books.audit.find(limit=100).items)]

    def told(self) -> list[str]:
        """Kinds of events in the outbox."""
        with self.library.transaction() as books:
            return [delivery.event.kind.value for delivery in books.outbox.due(now=1e12, limit=100)]

    def change(self, restriction: Restriction) -> None:
        """Store what a person did."""
        with self.library.transaction() as books:
            books.restrictions.update(restriction)


@pytest.fixture
def control() -> Control:
    """A control over empty books and an empty cluster with the button on."""
    return Control()


def test_an_alert_in_an_automatic_namespace_becomes_an_object(control: Control) -> None:
    """Plan, guard, approve, create: each step is in the book and in the audit log."""
    control.store(alert())
    assert control.plan() == [Result.APPROVED]
    assert control.run().created == [f"shop/{control.only().object_name}"]
    assert control.only().state is State.APPLIED
    assert control.actions() == ["restriction.approve", "object.create"]
    assert control.told() == ["restriction.applied"]


def test_the_shipped_default_proposes_and_writes_nothing(control: Control) -> None:
    """In mode recommend a person applies."""
    control.store(alert())
    assert control.plan(mode=Mode.RECOMMEND) == [Result.PROPOSED]
    assert control.run().writes == 0
    assert control.only().detail.startswith("namespace shop is in mode recommend")


def test_a_namespace_label_decides_over_the_default_mode(control: Control) -> None:
    """Observe means that nobody restricts there."""
    control.namespaces["shop"] = NamespaceFacts("shop", Mode.OBSERVE, False)
    control.store(alert())
    assert control.plan() == [Result.REFUSED]
    assert control.only().state is State.REFUSED


def test_planning_goes_on_without_the_cluster_and_only_proposes(control: Control) -> None:
    """The API server is down since the start: nobody knows the namespace's mode, so a person decides."""
    control.store(alert())
    options = RestrictOptions(mode=Mode.AUTO_NARROW)
    around = Surroundings(namespaces=None, lag_s=1.0)
    done = plan_alerts(control.library, now=NOW, options=options, around=around, metrics=control.metrics)
    assert [result for _, result in done] == [Result.PROPOSED]


def test_an_alert_is_planned_once_for_each_of_its_revisions(control: Control) -> None:
    """An idle pass plans nothing."""
    control.store(alert())
    control.plan()
    assert control.plan() == []


def test_newer_evidence_changes_a_proposal_but_not_what_is_in_force(control: Control) -> None:
    """A person approves exactly what they saw."""
    first = alert()
    control.store(first)
    control.plan(mode=Mode.RECOMMEND)
    control.store(replace(first, edges=(*first.edges, evidence(BILLING)), updated_at=NOW + 1, revision=2))
    assert control.plan(mode=Mode.RECOMMEND) == [Result.PROPOSED]
    assert len(control.only().rules) == 2
    control.change(approved(control.only(), by="ann", now=NOW))
    control.store(replace(first, edges=first.edges, updated_at=NOW + 2, revision=3))
    assert control.plan(mode=Mode.RECOMMEND) == [Result.KEPT]
    assert len(control.only().rules) == 2


def test_a_refused_plan_is_audited_once_with_its_reason(control: Control) -> None:
    """The same reason is not told again with every window."""
    first = alert(local_labels=())
    control.store(first)
    assert control.plan() == [Result.REFUSED]
    control.store(replace(first, updated_at=NOW + 1, revision=2))
    assert control.plan() == [Result.REFUSED]
    assert control.actions() == ["alert.not_restricted"]


def test_labels_from_the_workload_book_stand_in_for_missing_ones(control: Control) -> None:
    """The log does not show labels in every record."""
    with control.library.transaction() as books:
        books.workloads.see([WorkloadFacts(workload=WEB, first_seen=NOW, last_seen=NOW, labels=(("app", "web"),))])
    control.store(alert(local_labels=()))
    assert control.plan() == [Result.APPROVED]
    assert control.only().selector == (("app", "web"),)


def test_an_idle_pass_writes_nothing(control: Control) -> None:
    """Not to the cluster, not to the audit log."""
    control.store(wanted())
    control.run()
    writes, actions, revision = list(control.cluster.writes), control.actions(), control.only().revision
    for _ in range(3):
        assert control.run().writes == 0
    assert (control.cluster.writes, control.actions(), control.only().revision) == (writes, actions, revision)


def test_an_expired_restriction_is_deleted_and_then_told(control: Control) -> None:
    """Time ends it without anybody."""
    control.store(wanted())
    control.run()
    control.later(900)
    assert len(control.run().deleted) == 1
    assert control.names() == []
    assert (control.only().state, control.only().ended_by) == (State.EXPIRED, "expiry")
    assert control.told() == ["restriction.applied", "restriction.released"]


def test_a_release_deletes_the_object_in_the_next_pass(control: Control) -> None:
    """By dismissal or by hand: the book says it, control does it."""
    control.store(wanted())
    control.run()
    control.change(ended(control.only(), state=State.RELEASED, by="ann", now=NOW))
    control.run()
    assert control.names() == []
    assert control.only().ended_by == "ann"


def test_a_hold_moves_the_expiry_of_the_object(control: Control) -> None:
    """The object says itself how long it lives."""
    control.store(wanted())
    control.run()
    control.change(held(control.only(), by="ann", now=NOW))
    assert len(control.run().replaced) == 1
    (obj,) = control.cluster.policies().objects
    assert contract.expires_at(obj.manifest) == pytest.approx(NOW + 4 * 3600)
    assert control.run().writes == 0


def test_a_drifted_object_is_put_right(control: Control) -> None:
    """Somebody edited our policy to allow more."""
    control.store(wanted())
    control.run()
    (obj,) = control.cluster.policies().objects
    edited = {**obj.manifest, "spec": {**obj.manifest["spec"], "egress": []}}
    control.cluster.replace(edited, revision=obj.revision)
    assert len(control.run().replaced) == 1
    assert len(control.cluster.policies().objects[0].manifest["spec"]["egress"]) == 3


def test_an_object_deleted_by_hand_is_not_put_back(control: Control) -> None:
    """Whoever deletes it in the cluster has released it."""
    control.store(wanted())
    control.run()
    (obj,) = control.cluster.policies().objects
    control.cluster.delete(obj)
    assert control.run().created == []
    assert (control.only().state, control.only().ended_by) == (State.RELEASED, "somebody in the cluster")


def test_a_foreign_object_of_our_name_is_left_and_the_restriction_fails(control: Control) -> None:
    """Never overwrite what we do not own."""
    restriction = wanted()
    theirs = render(restriction, instance="another", now=NOW)
    control.cluster.put(theirs)
    control.store(restriction)
    report = control.run()
    assert (report.writes, report.foreign) == (0, 1)
    assert control.only().state is State.FAILED
    assert control.told() == ["restriction.failed"]


def test_a_lost_database_loses_nothing_that_is_live(control: Control) -> None:
    """Objects are adopted as they are, not rewritten, and still expire."""
    control.store(wanted(deny(), deny(BILLING), allow_dns=False))
    control.run()
    before = control.cluster.policies().objects
    control.library = MemoryLibrary()
    assert len(control.run().adopted) == 1
    assert control.run().writes == 0
    assert control.cluster.policies().objects == before
    assert control.only().state is State.APPLIED
    assert control.only().rules == (deny(), deny(BILLING))
    control.later(900)
    control.run()
    assert control.names() == []


def test_an_edited_orphan_lives_no_longer_than_the_longest_life(control: Control) -> None:
    """What cannot be adopted still ends."""
    manifest = render(wanted(), instance="default", now=NOW)
    del manifest["metadata"]["annotations"][contract.EXPIRES_AT]
    control.cluster.put(manifest)
    assert len(control.run().unreadable) == 1
    control.later(24 * 3600)
    control.run()
    assert control.names() == []


def test_the_red_button_keeps_new_objects_out_and_lets_old_ones_end(control: Control) -> None:
    """Off: nothing new; what is there expires."""
    control.store(wanted())
    control.run()
    control.cluster.set_enforcement(enabled=False)
    control.store(wanted(alert_id="a-2"))
    report = control.run()
    assert (report.created, report.is_enforcing) == ([], False)
    assert "enforcement is off: nothing new is applied" in [restriction.detail for restriction in control.book()]
    control.later(900)
    control.run()
    assert control.names() == []


def test_a_protected_namespace_is_refused_again_before_the_write(control: Control) -> None:
    """The label may have come after the proposal."""
    control.namespaces["shop"] = NamespaceFacts("shop", None, True)
    control.store(wanted())
    assert control.run().created == []
    assert (control.only().state, control.only().detail) == (State.FAILED, "namespace shop is protected")


def test_a_namespace_that_only_observes_is_refused_before_the_write(control: Control) -> None:
    """A person approved without knowing it."""
    control.namespaces["shop"] = NamespaceFacts("shop", Mode.OBSERVE, False)
    control.store(wanted(by="ann"))
    assert control.run().created == []
    assert control.only().state is State.FAILED


def test_nothing_is_created_while_the_namespaces_labels_were_never_read(control: Control) -> None:
    """One may be protected; what is approved waits and says so."""
    control.store(wanted())
    report = reconcile(
        control.library,
        control.cluster,
        now=NOW,
        options=ReconcileOptions(),
        attempts=control.attempts,
        metrics=control.metrics,
        namespaces=None,
    )
    assert report.created == []
    assert control.only().state is State.APPROVED
    assert "not known yet" in control.only().detail


def test_a_crash_after_the_write_is_repaired_by_the_next_pass(control: Control) -> None:
    """The answer was lost: the object is there, and the book learns of it."""
    control.store(wanted())
    control.cluster.fail("create", Unavailable("connection reset"), after=True)
    with pytest.raises(Unavailable):
        control.run()
    control.later(60)
    assert control.run().writes == 0
    assert control.only().state is State.APPLIED
    assert control.actions().count("object.create") == 1


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (Invalid("422: spec.selector"), State.FAILED),
        (Conflict("exists"), State.APPROVED),
        (Denied("403"), State.APPROVED),
        (Missing("namespace"), State.APPROVED),
    ],
)
def test_each_refusal_of_a_create_is_retried_or_given_up(control: Control, error: OutsideError, ends: State) -> None:
    """What cannot get better fails at once; the rest waits with its reason."""
    control.store(wanted())
    control.cluster.fail("create", error)
    control.run()
    assert control.only().state is ends
    assert str(error) in control.only().detail
    assert control.cluster.calls["create"] == 1
    control.run()
    assert control.cluster.calls["create"] == 1, "tried again at once"
    control.later(2)
    control.run()
    assert control.only().state is (State.FAILED if ends is State.FAILED else State.APPLIED)


def test_a_name_that_conflicts_again_and_again_is_given_up(control: Control) -> None:
    """An object outside our tier has our name, so the list never shows it."""
    control.store(wanted())
    control.cluster.fail("create", Conflict("exists"), times=3)
    for _ in range(3):
        control.run()
        control.later(30)
    assert control.only().state is State.FAILED


def test_retry_after_is_honoured(control: Control) -> None:
    """A busy server is not asked before it said."""
    control.store(wanted())
    control.cluster.fail("create", Unavailable("429", retry_after_s=120))
    with pytest.raises(Unavailable):
        control.run()
    control.later(119)
    control.run()
    assert control.cluster.calls["create"] == 1
    control.later(2)
    control.run()
    assert control.only().state is State.APPLIED


def test_deletes_come_before_creates(control: Control) -> None:
    """A create that fails keeps no release waiting."""
    control.store(wanted())
    control.run()
    control.later(900)
    control.store(wanted(alert_id="a-2", at=NOW + 900))
    control.cluster.fail("create", Unavailable("down"))
    with pytest.raises(Unavailable):
        control.run()
    assert control.names() == []


def test_two_controls_at_once_make_one_object(control: Control) -> None:
    """The second one meets a name that exists, and finds it in place."""
    control.store(wanted())
    restriction = control.only()
    control.cluster.create(render(restriction, instance="default", now=NOW))
    other = Attempts(seed=2)
    report = reconcile(
        control.library,
        control.cluster,
        now=NOW,
        options=ReconcileOptions(),
        attempts=other,
        metrics=control.metrics,
        namespaces={},
    )
    assert (report.writes, len(control.names())) == (0, 1)
    assert control.only().state is State.APPLIED


def test_the_second_alert_about_the_same_pair_is_not_restricted_twice(control: Control) -> None:
    """Both sides of one attack alert; the initiator is restricted once."""
    database = WorkloadId("cluster", "shop", "db")
    back = evidence(Peer(PeerKind.WORKLOAD, "shop", "web"), direction=Direction.INGRESS, workload=database)
    control.store(alert(), alert(back, workload=database))
    results: Sequence[Result] = control.plan()
    assert sorted(results) == [Result.APPROVED, Result.REFUSED]
    assert control.only().workload == WEB


def test_a_proposal_is_never_written(control: Control) -> None:
    """Recommended is not approved."""
    control.store(proposed())
    assert control.run().writes == 0


def test_a_dismissal_just_after_the_alert_was_read_for_planning_is_respected(control: Control) -> None:
    """Control reads what waits, then plans one by one: a person may decide in between."""
    control.store(alert())
    began: list[int] = []

    class Interrupted:
        """The library; a person dismisses between the first transaction and the second."""

        @contextmanager
        def transaction(self) -> Iterator[Books]:
            began.append(1)
            if len(began) == 2:
                with control.library.transaction() as books:
                    decide.dismiss(books, alert().id, by="ada", now=NOW)
            with control.library.transaction() as books:
                yield books

        def __getattr__(self, name: str) -> object:
            return getattr(control.library, name)

    around = Surroundings(namespaces={}, lag_s=1.0)
    options = RestrictOptions(mode=Mode.AUTO_NARROW)
    library = cast("Library", Interrupted())
    assert list(plan_alerts(library, now=NOW, options=options, around=around, metrics=control.metrics)) == []
    assert control.book() == []
    assert control.plan() == []
