"""The running product and the person in front of it, on any ground: real servers, or the embedded parts."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from baseline.adapters.sql.library import open_library
from baseline.policy import contract
from tests.e2e import traffic
from tests.e2e.processes import Person, Processes
from tests.ground.require import CHECKOUT
from tests.ground.waiting import eventually

CLUSTER, INSTANCE = "e2e", "e2e"
HISTORY_S = 2 * 3600 + 1800
LIVE_S = 240  # of event time before the attack's end
ATTACK_S = 120
PROCESSES = {"stream": "stream", "web": "web", "control": "control", "control-2": "control", "janitor": "janitor"}
CONTROLS = ("control", "control-2")

Seen = TypeVar("Seen")
Objects = Callable[[], Mapping[str, Mapping[str, Any]]]  # policies of our instance, by name, from the cluster itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the story plays. The settings of each process are its own: who needs no cluster is given none."""

    bootstrap: str
    books_url: str
    control: Mapping[str, str]  # how control reaches the cluster
    janitor: Mapping[str, str]
    objects: Objects


class Stage:
    """The running product, and the person in front of it."""

    def __init__(self, ground: Ground, processes: Processes) -> None:
        self.ground = ground
        self.processes = processes
        self.figures: dict[str, float] = {}
        printed = processes.run("tokens", "create", "ann", "--role", "responder")
        self._token = max(re.findall(r"\S{20,}", printed), key=len)
        self.person = Person(processes["web"].base_url, self._token)

    def close(self) -> None:
        """The person goes home."""
        self.person.close()

    def start(self) -> None:
        """Start what is not running, each process with its own settings, and wait until all is ready."""
        for name in PROCESSES:
            if not self.processes[name].is_running:
                _start(self.processes, name, self.ground)
        self.processes.ready()
        self.person.close()
        self.person = Person(self.processes["web"].base_url, self._token)

    def until(self, predicate: Callable[[], Seen], within_s: float, what: str) -> Seen:
        """Wait, and show the logs of everything when it does not come true."""
        try:
            return eventually(predicate, within_s, message=what)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.processes.log_tails()}") from late

    def restrictions(self, *states: str) -> list[dict[str, Any]]:
        """Of the attackers, in these states, newest first."""
        found = self.person.items("/restrictions", state=states)
        return [one for one in found if one["workload"]["id"] in traffic.ATTACKERS]

    def restriction(self, id_: str) -> dict[str, Any]:
        """As the API tells it now."""
        found: dict[str, Any] = self.person.get(f"/restrictions/{id_}")
        return found

    def object_of(self, id_: str) -> Mapping[str, Any] | None:
        """The restriction's policy as the cluster holds it; fails when there are two."""
        found = [one for one in self.ground.objects().values() if contract.restriction_of(one) == id_]
        assert len(found) <= 1, f"{len(found)} objects of one restriction: {found}"
        return found[0] if found else None

    def until_gone(self, id_: str, within_s: float) -> None:
        """Wait until the restriction has no object in the cluster."""
        self.until(lambda: self.object_of(id_) is None, within_s, f"the object of {id_} is gone")

    def until_state(self, id_: str, state: str, within_s: float = 10.0) -> dict[str, Any]:
        """Wait until the book says so; the restriction."""
        self.until(lambda: self.restriction(id_)["state"] == state, within_s, f"{id_} is {state}")
        return self.restriction(id_)

    def leaders(self) -> list[str]:
        """The controls that say that they lead."""
        return [name for name in CONTROLS if self.processes[name].metric("baseline_is_leader") == 1]

    def audits(self, id_: str, action: str) -> int:
        """Audit rows of one restriction and verb."""
        library = open_library(self.ground.books_url)
        try:
            with library.transaction() as books:
                rows = books.audit.find(target=f"restriction/{id_}", limit=100).items
        finally:
            library.close()
        return sum(row.action == action for row in rows)


def _start(processes: Processes, name: str, ground: Ground) -> None:
    own = {"control": ground.control, "janitor": ground.janitor}
    verb = PROCESSES[name]
    processes.start(verb, name=name, **own.get(verb, {}))


@contextmanager
def running(ground: Ground, folder: Path) -> Iterator[Stage]:
    """Start everything, learn the last hours, promote; the running stream takes the new set up by itself."""
    processes = Processes(folder, settings(ground.bootstrap, ground.books_url, folder))
    with ExitStack() as stack:
        stack.callback(processes.stop)
        processes.run("migrate")
        for name in PROCESSES:
            _start(processes, name, ground)
        learn(processes)
        processes.ready()
        eventually(
            lambda: processes["stream"].metric("baseline_model_set_loads_total", result="ok") >= 1,
            30.0,
            message=f"the stream took up the promoted set\n{processes['stream'].tail()}",
        )
        stage = Stage(ground, processes)
        stack.callback(stage.close)
        yield stage


def learn(processes: Processes) -> None:
    """Backfill the last hours into history, fit a set, make it current: the jobs as cron would run them."""
    folder = processes.folder
    end = int(time.time()) // 60 * 60 - LIVE_S
    past = traffic.write(folder / "past.jsonl", traffic.minutes(start=end - HISTORY_S, end=end, seed=1))
    history, shelf = ("--history", folder / "history"), ("--shelf", folder / "shelf")
    recipe = CHECKOUT / "models" / "recipes" / "demo.toml"
    processes.run("-m", "pipelines.backfill", "--flows", past, *history, "--cluster", CLUSTER)
    processes.run("-m", "pipelines.retrain", *history, *shelf, "--recipe", recipe)
    candidate = (folder / "shelf" / "candidate").read_text().strip()
    processes.run("-m", "pipelines.promote", candidate, *history, *shelf)


def settings(bootstrap: str, books_url: str, folder: Path, *, topic: str = "e2e.flows") -> dict[str, str]:
    """Settings of every process, all of it below one folder."""
    return {
        "BASELINE_KAFKA__BOOTSTRAP": bootstrap,
        "BASELINE_KAFKA__FLOWS_TOPIC": topic,
        "BASELINE_KAFKA__DEAD_LETTER_TOPIC": "e2e.dead-letter",
        "BASELINE_KAFKA__GROUP": "e2e",
        "BASELINE_KAFKA__PARTITIONS": "4",
        "BASELINE_BOOKS__URL": books_url,
        "BASELINE_CLUSTER__NAME": CLUSTER,
        "BASELINE_CLUSTER__INSTANCE": INSTANCE,
        "BASELINE_STREAM__CHECKPOINT_URL": str(folder / "checkpoints"),
        "BASELINE_STREAM__CHECKPOINT_INTERVAL_S": "5",
        "BASELINE_HISTORY__URL": str(folder / "history"),
        "BASELINE_MODELS__SHELF_URL": str(folder / "shelf"),
        "BASELINE_MODELS__RELOAD_S": "1",
    }


def recorded_attack(folder: Path) -> tuple[Path, Path]:
    """Recordings of the last full minutes: before the attack, and with it.

    Waits when the present minute is old: evidence is to be planned while it is fresh.
    """
    eventually(lambda: time.time() % 60 < 40, 30.0, message="the present minute is young")
    end = math.floor(time.time() / 60) * 60
    attack = end - ATTACK_S
    calm = traffic.minutes(start=end - LIVE_S, end=attack, seed=2)
    loud = traffic.minutes(start=attack, end=end, seed=3, attackers=traffic.ATTACKERS, attack_from=attack)
    return traffic.write(folder / "calm.jsonl", calm), traffic.write(folder / "loud.jsonl", loud)
