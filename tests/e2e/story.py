"""The main job from end to end, as a story that runs on any ground: real servers, or the embedded parts.

Flow logs of the last hours become a baseline; three workloads attack now; each of their restrictions ends another
way. Everything is done as people do it: commands, environment variables, the REST API.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from baseline.adapters.sql.library import open_library
from baseline.domain.units import parse_rfc3339
from baseline.policy import contract
from tests.e2e import traffic
from tests.e2e.processes import Person, Processes, done
from tests.ground.require import CHECKOUT
from tests.ground.waiting import eventually

CLUSTER, INSTANCE = "e2e", "e2e"
HISTORY_S = 2 * 3600 + 1800
LIVE_S = 240  # of event time before the attack's end
ATTACK_S = 120
GONE_WITHIN_S = 5.0  # after a dismissal
SHORT_TTL_S = 8
DETECTED_WITHIN_S = 45.0
OPEN_STATES = ("proposed", "approved", "applied", "held")

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
        self._books_url = ground.books_url
        web = processes["web"]
        token = max(re.findall(r"\S{20,}", processes.run("tokens", "create", "ann", "--role", "responder")), key=len)
        self.person = Person(web.base_url, token)

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

    def audits(self, id_: str, action: str) -> int:
        """Audit rows of one restriction and verb."""
        library = open_library(self._books_url)
        try:
            with library.transaction() as books:
                rows = books.audit.find(target=f"restriction/{id_}", limit=100).items
        finally:
            library.close()
        return sum(row.action == action for row in rows)


@contextmanager
def running(ground: Ground, folder: Path) -> Iterator[Stage]:
    """Start everything, learn the last hours, promote; the running stream takes the new set up by itself."""
    processes = Processes(folder, settings(ground.bootstrap, ground.books_url, folder))
    with ExitStack() as stack:
        stack.callback(processes.stop)
        processes.run("migrate")
        for verb, own in (("stream", {}), ("web", {}), ("control", ground.control), ("janitor", ground.janitor)):
            processes.start(verb, **own)
        learn(processes)
        processes.ready()
        eventually(
            lambda: processes["stream"].metric("baseline_model_set_loads_total", result="ok") >= 1,
            30.0,
            message=f"the stream took up the promoted set\n{processes['stream'].tail()}",
        )
        stage = Stage(ground, processes)
        stack.callback(stage.person.close)
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


def attack_now(stage: Stage) -> None:
    """Feed the attack by command, and wait until the stream has read it."""
    told = stage.processes.run("feed", *recorded_attack(stage.processes.folder))
    assert " 0 dead letters" in told, told
    sent = int(told.split()[0])
    stage.until(
        lambda: stage.processes["stream"].metric("baseline_flows_consumed_total", result="ok") >= sent,
        30.0,
        "the stream read what was fed",
    )


def alerts_open(stage: Stage) -> list[dict[str, Any]]:
    """Wait for the alert of every attacker, and nobody's but theirs and their victim's; the alerts."""
    began = time.monotonic()
    wanted = set(traffic.ATTACKERS)
    stage.until(
        lambda: wanted <= {alert["workload"]["id"] for alert in stage.person.items("/alerts")},
        DETECTED_WITHIN_S,
        "every attacker has an alert",
    )
    stage.figures["alerts after"] = time.monotonic() - began
    alerts = stage.person.items("/alerts")
    assert {alert["workload"]["id"] for alert in alerts} <= wanted | {traffic.VICTIM}
    for alert in alerts:
        assert f"{traffic.SSH}" in alert["sentence"], alert["sentence"]
        assert alert["maturity"] == "mature"
    return alerts


def one_acts_by_itself(stage: Stage) -> dict[str, Any]:
    """The budgets let exactly one restriction be automatic in so small a fleet; the others wait for a person."""
    (automatic,) = stage.until(lambda: stage.restrictions("applied"), 15.0, "one is applied")
    assert automatic["approved_by"] == "auto", automatic
    assert all(": allow: " in line for line in automatic["guards"]), automatic["guards"]
    stage.until(lambda: len(stage.restrictions("proposed")) == len(traffic.ATTACKERS) - 1, 15.0, "two are proposed")
    assert {one["workload"]["id"] for one in stage.restrictions(*OPEN_STATES)} == set(traffic.ATTACKERS)
    for proposed in stage.restrictions("proposed"):
        assert stage.object_of(proposed["id"]) is None, "a proposal is in the cluster"
    _is_narrow(stage, automatic)
    return automatic


def _is_narrow(stage: Stage, restriction: Mapping[str, Any]) -> None:
    """The policy denies the attacker its attack, says why and until when, and nothing else."""
    found = stage.object_of(restriction["id"])
    assert found is not None, "the book says applied and the cluster holds nothing"
    namespace, name = restriction["workload"]["id"].split("/")
    spec = found["spec"]
    assert found["metadata"]["namespace"] == namespace
    assert (spec["tier"], spec["types"]) == ("behaviour", ["Egress"])
    assert f"app == '{name}'" in spec["selector"]
    (deny,) = [rule for rule in spec["egress"] if rule["action"] == "Deny"]
    assert deny["destination"]["ports"] == [traffic.SSH]
    assert "app == 'payments-db'" in deny["destination"]["selector"]
    assert {rule["action"] for rule in spec["egress"]} <= {"Deny", "Pass"}
    annotations = found["metadata"]["annotations"]
    assert annotations[contract.ALERT] == restriction["alert_id"]
    assert 0 < parse_rfc3339(annotations[contract.EXPIRES_AT]) - time.time() <= restriction["ttl_s"] + 1


def dismissed_is_gone_at_once(stage: Stage, restriction: Mapping[str, Any]) -> None:
    """By REST; measured from before the request to the cluster without the object."""
    alert = f"/alerts/{restriction['alert_id']}"
    began = time.monotonic()
    stage.person.post(f"{alert}/dismiss", of=alert, body={"note": "the new backup job"})
    stage.until_gone(restriction["id"], GONE_WITHIN_S)
    stage.figures["dismissed and gone after"] = time.monotonic() - began
    ended = stage.until_state(restriction["id"], "released")
    assert ended["ended_by"] == "dismissal by ann"


def applied_by_several_at_once(stage: Stage, restriction: Mapping[str, Any]) -> None:
    """Twice through the API and once by command, at the same moment: one approval, one object."""
    alert = f"/alerts/{restriction['alert_id']}"
    answers: list[dict[str, Any]] = []

    def ask() -> None:
        answers.append(stage.person.post(f"{alert}/restrict", of=alert, body={"level": "R1"}))

    command = stage.processes.begin("restrictions", "apply", restriction["id"], "--by", "bob")
    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(20.0)
    told = done(command)
    assert [one["id"] for one in answers] == [restriction["id"]] * 2
    assert restriction["id"] in told
    applied = stage.until_state(restriction["id"], "applied")
    assert applied["approved_by"] in ("ann", "cli:bob")
    assert stage.audits(restriction["id"], "restriction.approve") == 1
    _is_narrow(stage, applied)


def confirmed_is_held(stage: Stage, restriction: Mapping[str, Any]) -> None:
    """Confirming extends it in the book and in the cluster."""
    before = parse_rfc3339(stage.restriction(restriction["id"])["expires_at"])
    alert = f"/alerts/{restriction['alert_id']}"
    stage.person.post(f"{alert}/confirm", of=alert, body={"note": "we know this one"})
    held = stage.until_state(restriction["id"], "held")
    until = parse_rfc3339(held["expires_at"])
    assert until > before + 3600

    def says() -> float:
        found = stage.object_of(restriction["id"])
        assert found is not None, "the held object is not there"
        return parse_rfc3339(found["metadata"]["annotations"][contract.EXPIRES_AT])

    stage.until(lambda: abs(says() - until) < 1, 10.0, "the object says that it is held")


def expires_by_itself(stage: Stage, restriction: Mapping[str, Any]) -> None:
    """Applied for some seconds by a person; nobody does anything more."""
    alert = f"/alerts/{restriction['alert_id']}"
    approved = stage.person.post(f"{alert}/restrict", of=alert, body={"level": "R1", "ttl": f"{SHORT_TTL_S}s"})
    assert approved["id"] == restriction["id"]
    expires_at = parse_rfc3339(approved["expires_at"])
    stage.until(lambda: stage.object_of(restriction["id"]) is not None, SHORT_TTL_S, "it is in the cluster")
    stage.until_gone(restriction["id"], SHORT_TTL_S + GONE_WITHIN_S)
    stage.figures["expired and gone after its time by"] = time.time() - expires_at
    assert time.time() >= expires_at - 1, "it ended before its time"
    ended = stage.until_state(restriction["id"], "expired")
    assert parse_rfc3339(ended["ended_at"]) >= expires_at - 1


def released_by_hand(stage: Stage, restriction: Mapping[str, Any]) -> None:
    """By command; and nothing of ours is left."""
    assert stage.object_of(restriction["id"]) is not None, "the held one did not stay"
    stage.processes.run("restrictions", "release", restriction["id"], "--note", "cleaned", "--by", "bob")
    stage.until_gone(restriction["id"], GONE_WITHIN_S)
    assert stage.until_state(restriction["id"], "released")["ended_by"] == "cli:bob"
    assert stage.ground.objects() == {}


def tell(ground: Ground, folder: Path) -> dict[str, float]:
    """The whole story; figures in seconds."""
    began = time.monotonic()
    with running(ground, folder) as stage:
        stage.figures["ready after"] = time.monotonic() - began
        attack_now(stage)
        alerts_open(stage)
        first = one_acts_by_itself(stage)
        second, third = stage.restrictions("proposed")
        dismissed_is_gone_at_once(stage, first)
        applied_by_several_at_once(stage, second)
        confirmed_is_held(stage, second)
        expires_by_itself(stage, third)
        released_by_hand(stage, second)
        stage.figures["all of it"] = time.monotonic() - began
        return stage.figures


def in_words(figures: Mapping[str, float]) -> str:
    """A line for whoever runs pytest with -s."""
    return "\n" + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in figures.items()) + "\n"
