"""The loop around planning and reconciling, the janitor, and what both say about themselves."""

from __future__ import annotations

import pytest

from baseline.adapters.clock import PlayedClock
from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.memory.cluster import MemoryCluster
from baseline.adapters.metrics import PrometheusMetrics
from baseline.control.janitor import Janitor, JanitorOptions, release_all, sweep
from baseline.control.loop import Control, ControlOptions
from baseline.control.status import Status
from baseline.domain.errors import Conflict, Denied, Unavailable
from baseline.domain.restriction import Mode, State
from baseline.policy import contract
from baseline.policy.render import render
from baseline.ports import NamespaceFacts
from baseline.services.attempts import Attempts
from baseline.services.restrict import RestrictOptions
from tests.unit.policy.making import NOW, alert, wanted

AUTO = ControlOptions(restrict=RestrictOptions(mode=Mode.AUTO_NARROW))


class Setup:
    """One control over memory."""

    def __init__(self, options: ControlOptions = AUTO) -> None:
        self.clock = PlayedClock(NOW)
        self.library = MemoryLibrary()
        self.cluster = MemoryCluster(self.clock)
        self.cluster.set_enforcement(enabled=True)
        self.metrics = PrometheusMetrics()
        self.control = Control(
            self.library,
            self.cluster,
            clock=self.clock,
            metrics=self.metrics,
            options=options,
            seed=7,
            lag_s=lambda: 1.0,
        )
        with self.library.transaction() as books:
            books.alerts.put(alert())

    def state(self) -> State | None:
        """Of the one restriction, if there is one."""
        with self.library.transaction() as books:
            found = books.restrictions.find().items
        return found[0].state if found else None


def test_one_pass_takes_an_alert_to_its_object() -> None:
    """Plan and reconcile, in this order."""
    setup = Setup()
    report = setup.control.run_once()
    assert report is not None
    assert len(report.created) == 1
    assert setup.state() is State.APPLIED
    assert setup.control.status.ready() == (True, setup.control.status.ready()[1])


def test_alerts_are_planned_while_the_cluster_is_away_and_restricted_when_it_is_back() -> None:
    """Planning asks a person as long as nobody knows the namespace; the parts fail apart."""
    setup = Setup()
    setup.cluster.fail("namespaces", Unavailable("down"), times=1)
    setup.cluster.fail("list", Unavailable("down"), times=1)
    assert setup.control.run_once() is None
    assert setup.state() is State.PROPOSED
    is_ready, told = setup.control.status.ready()
    assert not is_ready
    assert sorted(told["problems"]) == ["cluster", "namespaces"]
    setup.clock.advance_to(NOW + 2)
    setup.control.run_once()
    assert setup.control.status.ready()[0]


def test_the_namespaces_labels_are_read_now_and_then_only() -> None:
    """Fifteen seconds between two reads, however many passes."""
    setup = Setup()
    for second in range(31):
        setup.clock.advance_to(NOW + second)
        setup.control.run_once()
    assert setup.cluster.calls["namespaces"] == 3


def test_a_label_that_came_later_is_heeded() -> None:
    """The namespace was protected after the first read."""
    setup = Setup(ControlOptions(restrict=RestrictOptions(mode=Mode.RECOMMEND)))
    setup.control.run_once()
    setup.cluster.name_space(NamespaceFacts("shop", Mode.AUTO, True))
    with setup.library.transaction() as books:
        books.restrictions.add(wanted(by="ann"))
    setup.clock.advance_to(NOW + 16)
    setup.control.run_once()
    assert setup.cluster.policies().objects == []


def test_the_tier_is_seen_to_once_where_control_may() -> None:
    """Otherwise the deploy manifests made it."""
    managing = Setup(ControlOptions(manages_tier=True))
    for second in range(3):
        managing.clock.advance_to(NOW + 20 * second)
        managing.control.run_once()
    assert managing.cluster.calls["tier"] == 1
    assert "tier" not in Setup().cluster.calls


def test_only_what_is_ours_and_expired_is_swept() -> None:
    """Another installation's objects and our own live ones stay."""
    clock = PlayedClock(NOW)
    cluster = MemoryCluster(clock)
    for name, instance, at in (("old", "default", NOW - 1000), ("live", "default", NOW), ("theirs", "x", NOW - 1000)):
        cluster.put(render(wanted(at=at, alert_id=name), instance=instance, now=at))
    swept = sweep(cluster, instance="default", metrics=PrometheusMetrics())
    assert (len(swept.deleted), len(swept.kept), swept.foreign) == (1, 1, 1)
    assert len(cluster.policies().objects) == 2


def test_one_object_that_cannot_be_deleted_keeps_no_other_alive() -> None:
    """It is told, and tried again by the next sweep."""
    clock = PlayedClock(NOW)
    cluster = MemoryCluster(clock)
    for name in ("a", "b", "c"):
        cluster.put(render(wanted(at=NOW - 1000, alert_id=name), instance="default", now=NOW - 1000))
    cluster.fail("delete", Denied("403"))
    janitor = Janitor(cluster, clock=clock, metrics=PrometheusMetrics(), options=JanitorOptions(), seed=1)
    swept = janitor.run_once()
    assert swept is not None
    assert (len(swept.deleted), len(swept.failed)) == (2, 1)
    janitor.run_once()
    assert cluster.policies().objects == []


def test_release_all_presses_the_button_and_deletes_what_has_not_expired() -> None:
    """An object that somebody is writing at this moment is read again."""
    clock = PlayedClock(NOW)
    cluster = MemoryCluster(clock)
    cluster.set_enforcement(enabled=True)
    cluster.put(render(wanted(), instance="default", now=NOW))
    cluster.put(render(wanted(alert_id="theirs"), instance="x", now=NOW))
    cluster.fail("delete", Conflict("changed"))
    swept = release_all(cluster, instance="default", metrics=PrometheusMetrics())
    assert (len(swept.deleted), swept.failed) == (1, {})
    assert not cluster.enforcement_enabled()
    assert len(cluster.policies().objects) == 1


@pytest.mark.parametrize(
    ("annotations", "born", "expected"),
    [
        ({contract.EXPIRES_AT: "2026-09-21T15:00:00Z"}, "2026-09-21T14:00:00Z", 3600),
        ({}, "2026-09-21T14:00:00Z", 86_400),
        ({contract.EXPIRES_AT: "tomorrow"}, "2026-09-21T14:00:00Z", 86_400),
        ({contract.EXPIRES_AT: "2100-01-01T00:00:00Z"}, "2026-09-21T14:00:00Z", 86_400),
        (
            {contract.EXPIRES_AT: "2026-09-21T16:00:00Z", contract.MAX_EXPIRES_AT: "2026-09-21T15:00:00Z"},
            "2026-09-21T14:00:00Z",
            3600,
        ),
    ],
)
def test_an_object_tells_when_it_has_to_be_gone(annotations: dict[str, str], born: str, expected: float) -> None:
    """The earliest of what it says and the longest life from its creation."""
    manifest = {"metadata": {"annotations": annotations, "creationTimestamp": born}}
    assert contract.expires_at(manifest) - contract.expires_at(
        {"metadata": {"annotations": {contract.EXPIRES_AT: born}, "creationTimestamp": born}}
    ) == pytest.approx(expected)


def test_an_object_that_tells_no_time_at_all_has_expired() -> None:
    """Nobody could ever end it otherwise."""
    assert contract.expires_at({"metadata": {"annotations": {}}}) == 0.0


def test_pauses_double_up_to_their_limit_and_differ_between_objects() -> None:
    """Half a second to a minute, stretched by up to a half."""
    attempts = Attempts(seed=1)
    pauses = [attempts.failed("a", now=0.0) for _ in range(12)]
    assert all(0.5 * 2**tries <= pause <= 0.75 * 2**tries for tries, pause in enumerate(pauses[:7]))
    assert all(60 <= pause <= 90 for pause in pauses[7:])
    assert attempts.failed("b", now=0.0) != pauses[0]
    attempts.succeeded("a")
    assert attempts.may("a", now=0.0)


def test_a_problem_is_news_once_and_ready_again_when_it_is_gone() -> None:
    """A log line for each change, not for each pass."""
    status = Status("cluster")
    assert status.ready()[0] is False
    status.ok("cluster", now=NOW)
    assert status.ready()[0] is True
    assert status.problem("cluster", Unavailable("down")) is True
    assert status.problem("cluster", Unavailable("still down")) is False
    assert status.problem("cluster", Denied("403")) is True


def test_a_standby_is_ready_and_a_new_leader_has_to_reach_its_parts() -> None:
    """Waiting is the standby's whole work; who takes over is not ready before books and cluster answered."""
    setup = Setup()
    seen = []

    class Stopping(PlayedClock):
        """Stops the loop at its second pause: once standing by, once as leader."""

        def wait(self, seconds: float) -> bool:
            seen.append(setup.control.status.ready())
            if len(seen) == 1:
                first.__exit__(None, None, None)
                return False
            return True

    first = setup.library.advisory_lock("control")
    assert first.__enter__() is True
    setup.control = Control(
        setup.library, setup.cluster, clock=Stopping(NOW), metrics=setup.metrics, options=AUTO, seed=7
    )
    setup.control.run()
    assert [(is_ready, told["is_leader"]) for is_ready, told in seen] == [(True, False), (True, True)]
    status = Status("books", "cluster")
    status.stands_by()
    assert status.ready()[0] is True
    status.leads()
    assert status.ready() == (
        False,
        {"problems": {"books": "not reached yet", "cluster": "not reached yet"}, "last_success": {}},
    )
