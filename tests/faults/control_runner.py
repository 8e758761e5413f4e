"""Kills the control loop at every write and compares the end with an undisturbed run. A program, run by its test.

``python -m tests.faults.control_runner FOLDER [KUBECONFIG]`` prints one JSON line: how many points there were and
every difference. Each pass of control runs in a forked child that sends itself SIGKILL at the chosen point: before or
after a write to the cluster, before or after the commit of a transaction. Then control is started again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import structlog

from baseline.adapters.calico import CalicoCluster, connect
from baseline.adapters.clock import PlayedClock
from baseline.adapters.manifests import ManifestFolder
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.sql.library import open_library
from baseline.adapters.sql.migrate import migrate
from baseline.control.loop import Control, ControlOptions
from baseline.domain.restriction import Mode, State
from baseline.domain.workload import WorkloadId
from baseline.policy.diff import canonical
from baseline.ports import Books, Cluster, ClusterObject, Library
from baseline.services import decide
from baseline.services.reconcile import ReconcileOptions
from baseline.services.restrict import RestrictOptions
from tests.unit.policy.making import NOW, alert, deny, evidence, wanted

INSTANCE = "kills"
CHANNELS = ("webhook",)
PHASES = 3


T = TypeVar("T")


class Fuse:
    """Counts the points passed; burns at the chosen one."""

    def __init__(self, burns_at: int | None) -> None:
        self.passed = 0
        self._burns_at = burns_at

    def point(self) -> None:
        """One point at which the process may die."""
        if self.passed == self._burns_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.passed += 1


class FusedLibrary:
    """A library whose transactions are points before and after their commit."""

    def __init__(self, library: Library, fuse: Fuse) -> None:
        self._library = library
        self._fuse = fuse

    @contextmanager
    def transaction(self) -> Iterator[Books]:
        """One transaction."""
        with self._library.transaction() as books:
            yield books
            self._fuse.point()
        self._fuse.point()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)


class FusedCluster:
    """A cluster whose writes are points before and after."""

    def __init__(self, cluster: Cluster, fuse: Fuse) -> None:
        self._cluster = cluster
        self._fuse = fuse

    def create(self, manifest: Mapping[str, Any]) -> ClusterObject:
        """POST."""
        return self._around(lambda: self._cluster.create(manifest))

    def replace(self, manifest: Mapping[str, Any], *, revision: str) -> ClusterObject:
        """PUT."""
        return self._around(lambda: self._cluster.replace(manifest, revision=revision))

    def delete(self, obj: ClusterObject) -> None:
        """DELETE."""
        self._around(lambda: self._cluster.delete(obj))

    def _around(self, write: Callable[[], T]) -> T:
        self._fuse.point()
        done = write()
        self._fuse.point()
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)


class World:
    """One database file and one cluster."""

    def __init__(self, folder: Path, kubeconfig: str) -> None:
        self.url = f"sqlite:///{folder}/books.db"
        self._folder = folder
        self._kubeconfig = kubeconfig

    def cluster(self, at: float) -> Cluster:
        """A new client of it."""
        if self._kubeconfig:
            return CalicoCluster(connect(kubeconfig=self._kubeconfig))
        return ManifestFolder(self._folder / "restrictions", clock=PlayedClock(at))

    def pass_control(self, phase: int, burns_at: int | None) -> int:
        """Two passes in a child process; the points passed, or -1 when it was killed."""
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            fuse = Fuse(burns_at)
            _control(self, phase, fuse)
            os.write(writing, str(fuse.passed).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as told:
            passed = told.read()
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            return -1
        if os.waitstatus_to_exitcode(status) or not passed:
            raise RuntimeError(f"control failed in phase {phase}: status {status}")
        return int(passed)

    def people(self, phase: int) -> None:
        """What people do before a phase."""
        library = open_library(self.url)
        if phase == 0:
            api = WorkloadId("cluster", "shop", "api")
            with library.transaction() as books:
                books.alerts.put(alert())
                books.alerts.put(alert(evidence(workload=api), workload=api))
                books.restrictions.add(wanted(deny(), alert_id="by-ann", by="ann", workload=api))
        elif phase == 1:
            with library.transaction() as books:
                for one in books.restrictions.find(states={State.APPLIED}).items:
                    if one.approved_by == "auto":
                        decide.release(books, one.id, by="bob", now=NOW + 5, channels=CHANNELS)
                    else:
                        decide.hold(books, one.id, by="bob", now=NOW + 5)
        library.close()

    def end(self) -> dict[str, Any]:
        """What a run leaves behind."""
        library = open_library(self.url)
        with library.transaction() as books:
            found = books.restrictions.find().items
            told = sorted(delivery.event.id for delivery in books.outbox.due(now=1e12, limit=100))
        library.close()
        objects = self.cluster(NOW).policies().objects
        return {
            "objects": [_timeless(obj) for obj in objects],
            "restrictions": sorted([one.id, one.state.value, one.ended_by, one.expires_at] for one in found),
            "told": told,
        }

    def clear(self) -> None:
        """Delete every object."""
        cluster = self.cluster(NOW)
        for obj in cluster.policies().objects:
            cluster.delete(obj)


def _timeless(obj: ClusterObject) -> str:
    metadata = {key: obj.manifest["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    return canonical({"metadata": metadata, "spec": obj.manifest["spec"]})


def _control(world: World, phase: int, fuse: Fuse) -> None:
    clock = PlayedClock(NOW + (0.0, 10.0, 20_000.0)[phase])
    library = open_library(world.url)
    control = Control(
        FusedLibrary(library, fuse),
        FusedCluster(world.cluster(clock.now()), fuse),
        clock=clock,
        metrics=PrometheusMetrics(),
        options=ControlOptions(
            restrict=RestrictOptions(mode=Mode.AUTO_NARROW),
            reconcile=ReconcileOptions(instance=INSTANCE, channels=CHANNELS),
        ),
        seed=1,
        lag_s=lambda: 1.0,
    )
    for _ in range(2):
        control.run_once()
        clock.advance_to(clock.now() + 1)


def _fresh(folder: Path, name: str, kubeconfig: str) -> World:
    place = folder / name
    place.mkdir()
    shutil.copy(folder / "empty.db", place / "books.db")
    world = World(place, kubeconfig)
    cluster = world.cluster(NOW)
    cluster.set_enforcement(enabled=True)
    world.clear()
    return world


def _run(world: World, *, killed_in: int, burns_at: int | None) -> tuple[list[int], list[dict[str, Any]]]:
    points, ends = [], []
    for phase in range(PHASES):
        world.people(phase)
        passed = world.pass_control(phase, burns_at if phase == killed_in else None)
        if passed < 0:
            world.pass_control(phase, None)
        points.append(passed)
        ends.append(world.end())
    return points, ends


def main(folder: Path, kubeconfig: str) -> None:
    """Every point of every phase; with a real API server every third, because each costs half a second."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    migrate(f"sqlite:///{folder}/empty.db")
    points, undisturbed = _run(_fresh(folder, "undisturbed", kubeconfig), killed_in=-1, burns_at=None)
    differences, kills = [], 0
    for phase, count in enumerate(points):
        for burns_at in range(0, count, 3 if kubeconfig else 1):
            name = f"phase-{phase}-point-{burns_at}"
            passed, ends = _run(_fresh(folder, name, kubeconfig), killed_in=phase, burns_at=burns_at)
            kills += passed[phase] < 0
            if ends != undisturbed:
                differences.append({"point": name, "got": ends, "wanted": undisturbed})
    left = [len(end["objects"]) for end in undisturbed]
    sys.stdout.write(json.dumps({"points": points, "kills": kills, "differences": differences, "objects": left}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
