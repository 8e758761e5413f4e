"""Control is killed at every write, and what it leaves equals an undisturbed run; two controls make one object."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from baseline.adapters.calico import CalicoCluster, connect
from baseline.adapters.clock import PlayedClock, SystemClock
from baseline.adapters.manifests import ManifestFolder
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.sql.library import open_library
from baseline.adapters.sql.migrate import migrate
from baseline.control.janitor import Janitor, JanitorOptions
from baseline.control.loop import Control, ControlOptions
from baseline.domain.restriction import State
from baseline.ports import Cluster
from tests.ground.kube import KubeApi
from tests.ground.waiting import eventually
from tests.unit.policy.making import NOW, wanted

CHECKOUT = Path(__file__).parents[2]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are made with fork and SIGKILL")


def run_kills(folder: Path, *more: str) -> dict[str, Any]:
    """What the runner says."""
    command = [sys.executable, "-m", "tests.faults.control_runner", str(folder), *more]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@needs_fork
@pytest.mark.timeout(300)
def test_killing_control_at_any_point_changes_nothing_in_the_end(tmp_path: Path) -> None:
    """Before and after every write and every commit: same objects, same states, every event told once."""
    told = run_kills(tmp_path)
    assert told["objects"] == [2, 1, 0]
    assert told["differences"] == []
    assert told["kills"] == sum(told["points"]) >= 30


@needs_fork
@pytest.mark.timeout(300)
def test_killing_control_over_a_real_api_server_changes_nothing_in_the_end(tmp_path: Path, kube_api: KubeApi) -> None:
    """The same with real answers, revisions and preconditions."""
    for namespace in ("shop", "calico-baseline"):
        kube_api.create_namespace(namespace)
    admin = CalicoCluster(connect(kubeconfig=str(kube_api.kubeconfig())))
    admin.ensure_tier()
    told = run_kills(tmp_path, str(kube_api.kubeconfig()))
    assert told["objects"] == [2, 1, 0]
    assert told["differences"] == []
    assert told["kills"] >= 10
    admin.set_enforcement(enabled=False)
    admin.close()


def _two_controls(url: str, clusters: tuple[Cluster, Cluster]) -> None:
    """Both at once, ten passes each, in two threads with connections of their own."""
    start = threading.Barrier(2)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        library = open_library(url)
        clock = PlayedClock(NOW)
        control = Control(
            library,
            clusters[number],
            clock=clock,
            metrics=PrometheusMetrics(),
            options=ControlOptions(),
            seed=number,
        )
        start.wait(10)
        try:
            for _ in range(10):
                control.run_once()
                clock.advance_to(clock.now() + 1)
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            errors.append(error)
        finally:
            library.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []


def _check_applied_once(url: str, cluster: Cluster) -> None:
    library = open_library(url)
    with library.transaction() as books:
        found = books.restrictions.find().items
        told = [delivery.event.id for delivery in books.outbox.due(now=1e12, limit=100)]
    library.close()
    assert [one.state for one in found] == [State.APPLIED] * 3
    assert sorted(obj.name for obj in cluster.policies().objects) == sorted(one.object_name for one in found)
    assert len(told) == len(set(told))


def _books(folder: Path) -> str:
    url = f"sqlite:///{folder}/books.db"
    migrate(url)
    library = open_library(url)
    with library.transaction() as books:
        for number in range(3):
            books.restrictions.add(wanted(alert_id=f"a-{number}"))
    library.close()
    return url


def test_two_controls_at_once_over_a_folder_make_one_object_each(tmp_path: Path) -> None:
    """No lock is held: names, revisions and exclusive creation are enough."""
    url = _books(tmp_path)
    folders = [ManifestFolder(tmp_path / "restrictions", clock=PlayedClock(NOW)) for _ in range(2)]
    folders[0].set_enforcement(enabled=True)
    _two_controls(url, (folders[0], folders[1]))
    _check_applied_once(url, folders[0])


def test_two_controls_at_once_over_a_real_api_server_make_one_object_each(tmp_path: Path, kube_api: KubeApi) -> None:
    """The second POST is a 409, and the next pass finds the object in place."""
    for namespace in ("shop", "calico-baseline"):
        kube_api.create_namespace(namespace)
    url = _books(tmp_path)
    first, second = (CalicoCluster(connect(kubeconfig=str(kube_api.kubeconfig()))) for _ in range(2))
    first.ensure_tier()
    first.set_enforcement(enabled=True)
    _two_controls(url, (first, second))
    _check_applied_once(url, first)
    for obj in first.policies().objects:
        first.delete(obj)
    first.set_enforcement(enabled=False)
    for cluster in (first, second):
        cluster.close()


def test_only_the_holder_of_the_lock_leads(tmp_path: Path) -> None:
    """A second control stands by, and takes over when the first one ends."""
    url = _books(tmp_path)
    folder = ManifestFolder(tmp_path / "restrictions", clock=PlayedClock(NOW))
    clocks = [SystemClock(), SystemClock()]
    metrics = [PrometheusMetrics(), PrometheusMetrics()]
    libraries = [open_library(url), open_library(url)]
    controls = [
        Control(
            libraries[number],
            folder,
            clock=clocks[number],
            metrics=metrics[number],
            options=ControlOptions(poll_s=0.05, standby_s=0.05),
            seed=number,
        )
        for number in range(2)
    ]
    threads = [threading.Thread(target=control.run) for control in controls]
    threads[0].start()
    eventually(lambda: metrics[0].value("is_leader") == 1)
    threads[1].start()
    eventually(lambda: controls[1].status.ready()[1].get("is_leader") is False)
    clocks[0].stop()
    threads[0].join(10)
    eventually(lambda: metrics[1].value("is_leader") == 1)
    clocks[1].stop()
    threads[1].join(10)
    for library in libraries:
        library.close()


def test_the_janitor_ends_what_a_dead_control_left(tmp_path: Path) -> None:
    """Nobody else is alive: no books, no Kafka."""
    clock = PlayedClock(NOW)
    folder = ManifestFolder(tmp_path / "restrictions", clock=clock)
    folder.set_enforcement(enabled=True)
    url = _books(tmp_path)
    library = open_library(url)
    control = Control(library, folder, clock=clock, metrics=PrometheusMetrics(), options=ControlOptions(), seed=1)
    control.run_once()
    library.close()
    janitor = Janitor(folder, clock=clock, metrics=PrometheusMetrics(), options=JanitorOptions(), seed=1)
    first = janitor.run_once()
    assert first is not None
    assert (len(first.kept), first.deleted) == (3, [])
    clock.advance_to(NOW + 900)
    second = janitor.run_once()
    assert second is not None
    assert len(second.deleted) == 3
    assert folder.policies().objects == []
