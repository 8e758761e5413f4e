"""The API server fails in every way it can: control retries, reads again or says what is wrong, and plans on."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import pytest

from baseline.adapters.calico import CalicoCluster, connect
from baseline.adapters.clock import PlayedClock
from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.metrics import PrometheusMetrics
from baseline.control.janitor import Janitor, JanitorOptions, release_all
from baseline.control.loop import Control, ControlOptions
from baseline.domain.errors import Conflict, Denied, Invalid, Missing, OutsideError, Unavailable
from baseline.domain.restriction import Restriction, State
from baseline.policy.render import render
from baseline.services.reconcile import ReconcileOptions
from tests.faults.api_server import FakeApiServer, Reply, Wrong
from tests.ground.kube import KubeApi
from tests.ground.waiting import eventually
from tests.unit.policy.making import NOW, alert, wanted


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    """A server that behaves until told otherwise."""
    fake = FakeApiServer()
    yield fake
    fake.close()


class Running:
    """A control over the fake server, on a clock the test moves."""

    def __init__(self, server: FakeApiServer, *, timeout_s: float = 5.0) -> None:
        self.clock = PlayedClock(NOW)
        self.library = MemoryLibrary()
        self.metrics = PrometheusMetrics()
        self.cluster = server.cluster(timeout_s=timeout_s)
        self.control = Control(
            self.library,
            self.cluster,
            clock=self.clock,
            metrics=self.metrics,
            options=ControlOptions(reconcile=ReconcileOptions()),
            seed=1,
        )

    def store(self, restriction: Restriction) -> None:
        """An approved restriction waits."""
        with self.library.transaction() as books:
            books.restrictions.add(restriction)

    def run(self, passes: int, *, every_s: float = 1.0) -> None:
        """So many passes, a second apart."""
        for _ in range(passes):
            self.control.run_once()
            self.clock.advance_to(self.clock.now() + every_s)

    def only(self) -> Restriction:
        """The one restriction."""
        with self.library.transaction() as books:
            (restriction,) = books.restrictions.find().items
        return restriction

    def problem(self) -> str:
        """What readiness says."""
        _, told = self.control.status.ready()
        return str(told["problems"].get("cluster", ""))


@pytest.fixture
def running(server: FakeApiServer) -> Iterator[Running]:
    """One approved restriction is waiting to be applied."""
    one = Running(server)
    one.store(wanted())
    yield one
    one.cluster.close()


def only_writes(status: int, headers: dict[str, str] | None = None) -> Wrong:
    """Reads work, writes answer this."""

    def wrong(method: str, _: str) -> Reply | None:
        body = json.dumps({"message": f"told {status}"}).encode()
        return None if method == "GET" else Reply(status, body, headers or {})

    return wrong


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Invalid), (401, Denied), (403, Denied), (404, Missing), (409, Conflict), (422, Invalid),
        (429, Unavailable), (500, Unavailable), (503, Unavailable), (504, Unavailable), (302, Unavailable),
    ],
)  # fmt: skip
def test_each_status_has_its_error_and_the_servers_words(
    server: FakeApiServer, status: int, expected: type[OutsideError]
) -> None:
    """And is asked once: nothing below us retries."""
    server.wrong = lambda _method, _path: Reply(status, b'{"message": "because of this"}', {"Location": "/elsewhere"})
    cluster = server.cluster()
    with pytest.raises(expected, match="because of this"):
        cluster.create(render(wanted(), instance="default", now=NOW))
    assert len(server.calls) == 1
    cluster.close()


def test_retry_after_is_told_and_not_slept(server: FakeApiServer) -> None:
    """The caller has other things to do."""
    server.wrong = lambda _method, _path: Reply(429, b"busy", {"Retry-After": "37"})
    cluster = server.cluster()
    began = time.monotonic()
    with pytest.raises(Unavailable) as told:
        cluster.policies()
    assert told.value.retry_after_s == 37
    assert time.monotonic() - began < 5
    cluster.close()


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[]", b'{"items": 7}', b"null", b"[" * 100_000, b"\xff\xfe", b'{"items": {"a": 1}}'],
)
def test_a_hostile_list_is_no_empty_list(server: FakeApiServer, body: bytes) -> None:
    """Taking it for empty would release everything in the books."""
    server.wrong = lambda _method, _path: Reply(200, body)
    cluster = server.cluster()
    with pytest.raises(Unavailable):
        cluster.policies()
    cluster.close()


def test_hostile_entries_of_a_list_are_left_out(server: FakeApiServer) -> None:
    """The good neighbour is kept."""
    good = render(wanted(), instance="default", now=NOW)
    items = [None, 7, {}, {"metadata": 3}, {"metadata": {"name": 1, "namespace": "shop"}}, {**good, "spec": []}, good]
    server.wrong = lambda _method, _path: Reply(200, json.dumps({"items": items, "metadata": []}).encode())
    cluster = server.cluster()
    assert [obj.name for obj in cluster.policies().objects] == [good["metadata"]["name"]]
    cluster.close()


def test_a_list_without_the_servers_time_is_not_believed(server: FakeApiServer) -> None:
    """Expiry is judged by it."""
    server.wrong = lambda _method, _path: Reply(200, b'{"items": []}', has_date=False)
    cluster = server.cluster()
    with pytest.raises(Unavailable, match="Date"):
        cluster.policies()
    cluster.close()


def test_a_list_that_never_ends_is_given_up(server: FakeApiServer) -> None:
    """Each page promises another one."""
    server.wrong = lambda _method, _path: Reply(200, b'{"items": [], "metadata": {"continue": "more"}}')
    cluster = server.cluster()
    with pytest.raises(Unavailable, match="did not end"):
        cluster.policies()
    cluster.close()


def test_a_server_that_hangs_costs_one_time_limit(server: FakeApiServer) -> None:
    """Connections open and nothing is answered."""
    released = threading.Event()
    server.wrong = lambda _method, _path: Reply(hang=released)
    cluster = server.cluster(timeout_s=0.3)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="cannot be reached"):
        cluster.policies()
    assert time.monotonic() - began < 5
    released.set()
    cluster.close()


def test_nobody_listening_is_unavailable(server: FakeApiServer) -> None:
    """Connection refused."""
    cluster = server.cluster()
    server.close()
    with pytest.raises(Unavailable):
        cluster.policies()
    cluster.close()


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (401, "Denied"),
        (403, "Denied"),
        (404, "Missing"),
        (429, "Unavailable"),
        (500, "Unavailable"),
        (503, "Unavailable"),
    ],
)
def test_while_the_tier_cannot_be_read_control_says_so_and_does_not_hammer(
    server: FakeApiServer, running: Running, status: int, word: str
) -> None:
    """A minute of passes is a handful of calls; then all is well within seconds of its return."""
    server.wrong = lambda _method, path: Reply(status, b"{}") if "networkpolicies" in path else None
    running.run(60)
    lists = [path for _, path in server.calls if "networkpolicies" in path]
    assert 4 <= len(lists) <= 12
    assert running.problem().startswith(word)
    assert not running.control.status.ready()[0]
    assert running.only().state is State.APPROVED
    server.wrong = lambda _method, _path: None
    running.run(25)
    assert running.only().state is State.APPLIED
    assert running.control.status.ready()[0]


@pytest.mark.parametrize(
    ("status", "ends"),
    [
        (400, State.FAILED), (422, State.FAILED), (401, State.APPROVED), (403, State.APPROVED), (404, State.FAILED),
        (409, State.FAILED), (429, State.APPROVED), (500, State.APPROVED), (503, State.APPROVED),
    ],
)  # fmt: skip
def test_a_refused_write_is_retried_slowly_or_given_up_with_its_reason(
    server: FakeApiServer, running: Running, status: int, ends: State
) -> None:
    """What cannot get better ends at once; the rest is tried ever more rarely; the reason is in the book."""
    server.wrong = only_writes(status)
    running.run(60)
    writes = [method for method, _ in server.calls if method == "POST"]
    assert 1 <= len(writes) <= 10
    assert running.only().state is ends
    assert f"told {status}" in running.only().detail
    assert running.only().revision <= 4, "every try wrote to the book"


def test_retry_after_of_a_write_is_kept(server: FakeApiServer, running: Running) -> None:
    """Half a minute without one more try."""
    server.wrong = only_writes(503, {"Retry-After": "30"})
    running.run(30)
    assert len([method for method, _ in server.calls if method == "POST"]) == 1


def test_alerts_are_planned_while_the_server_is_down(server: FakeApiServer) -> None:
    """They are proposed; nobody knows the namespace's mode."""
    one = Running(server)
    server.close()
    with one.library.transaction() as books:
        books.alerts.put(alert())
    one.run(3)
    assert one.only().state is State.PROPOSED
    one.cluster.close()


def test_a_slow_server_holds_planning_up_by_its_time_limit_only(server: FakeApiServer) -> None:
    """One pass ends although nothing answers."""
    released = threading.Event()
    server.wrong = lambda _method, _path: Reply(hang=released)
    one = Running(server, timeout_s=0.2)
    with one.library.transaction() as books:
        books.alerts.put(alert())
    began = time.monotonic()
    one.run(1)
    assert time.monotonic() - began < 5
    assert one.only().state is State.PROPOSED
    released.set()
    one.cluster.close()


def test_a_lost_answer_to_a_create_ends_in_one_object(server: FakeApiServer, running: Running) -> None:
    """The server stored it and broke before it answered."""

    def stored_but_broken(method: str, path: str) -> Reply | None:
        if method == "POST" and not server.objects:
            server.answer(method, path, render(wanted(), instance="default", now=NOW))
            return Reply(500, b"broken")
        return None

    server.wrong = stored_but_broken
    running.run(10)
    assert running.only().state is State.APPLIED
    assert len(server.objects) == 1


def test_the_janitor_waits_for_the_server_and_then_sweeps(server: FakeApiServer) -> None:
    """By the server's time, whatever the own clock says."""
    server.objects["behaviour.old"] = {
        **render(wanted(at=NOW - 90_000, created_at=NOW - 90_000), instance="default", now=NOW - 90_000),
    }
    server.objects["behaviour.old"]["metadata"] |= {"name": "behaviour.old", "uid": "u", "resourceVersion": "1"}
    clock, cluster = PlayedClock(0.0), server.cluster()
    janitor = Janitor(cluster, clock=clock, metrics=PrometheusMetrics(), options=JanitorOptions(), seed=1)
    server.wrong = lambda _method, _path: Reply(503, b"down")
    assert janitor.run_once() is None
    assert not janitor.status.ready()[0]
    server.wrong = lambda _method, _path: None
    swept = janitor.run_once()
    assert swept is not None
    assert swept.deleted == ["shop/behaviour.old"]
    assert janitor.status.ready()[0]
    cluster.close()


def test_release_all_ends_everything_of_ours_even_without_the_button(server: FakeApiServer, running: Running) -> None:
    """Pressing it is tried first; not being able to is told, and keeps nothing alive."""
    running.run(1)
    assert len(server.objects) == 1

    def no_button(method: str, path: str) -> Reply | None:
        return Reply(403, b"{}") if "configmaps" in path and method == "PUT" else None

    server.wrong = no_button
    swept = release_all(running.cluster, instance="default", metrics=running.metrics)
    assert len(swept.deleted) == 1
    assert list(swept.failed) == ["enforcement"]
    assert server.objects == {}


def test_a_real_server_that_freezes_and_goes_away_is_unavailable_and_then_well(kube_api: KubeApi) -> None:
    """Frozen: one time limit a call. Gone: refused at once. Back: the same client works."""
    cluster = CalicoCluster(connect(kubeconfig=str(kube_api.kubeconfig()), timeout_s=1.0))
    assert cluster.policies().now == pytest.approx(time.time(), abs=5)
    kube_api.pause()
    try:
        with pytest.raises(Unavailable):
            cluster.policies()
    finally:
        kube_api.resume()
    kube_api.stop()
    try:
        with pytest.raises(Unavailable):
            cluster.policies()
    finally:
        kube_api.start()
    eventually(lambda: cluster.policies().now, 20, ignore=(Unavailable, Denied, Missing))
    cluster.close()


def test_a_real_server_that_does_not_know_us_says_so(kube_api: KubeApi) -> None:
    """A token it never gave, and one without rights."""
    nobody = CalicoCluster(connect(kubeconfig=str(kube_api.kubeconfig("invented"))))
    with pytest.raises(Denied, match="401"):
        nobody.policies()
    poor = CalicoCluster(connect(kubeconfig=str(kube_api.kubeconfig(kube_api.service_account("poor", [])))))
    with pytest.raises(Denied, match="403"):
        poor.policies()
    assert poor.enforcement_enabled() is False
    for cluster in (nobody, poor):
        cluster.close()
