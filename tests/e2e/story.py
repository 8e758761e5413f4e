"""The main job from end to end, as a story that runs on any ground: real servers, or the embedded parts.

Flow logs of the last hours become a baseline; three workloads attack now; each of their restrictions ends another
way, the last by the janitor with everything else dead. Everything is done as people do it: commands, environment
variables, the REST API.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from baseline.domain.units import parse_rfc3339
from baseline.policy import contract
from tests.e2e import traffic
from tests.e2e.processes import done
from tests.e2e.stage import CONTROLS, Ground, Stage, recorded_attack, running

GONE_WITHIN_S = 5.0  # after a dismissal
TAKEN_OVER_WITHIN_S = 15.0  # the standby tries every 5 s
SHORT_TTL_S = 8
SWEPT_WITHIN_S = 15.0  # the janitor looks every 10 s
DETECTED_WITHIN_S = 45.0
OPEN_STATES = ("proposed", "approved", "applied", "held")


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


def one_of_two_controls_leads_and_dies(stage: Stage) -> None:
    """Only one of them acts; after a kill -9 the other one takes its place."""
    (leader,) = stage.leaders()
    stage.processes[leader].kill()
    (other,) = set(CONTROLS) - {leader}
    began = time.monotonic()
    stage.until(lambda: stage.leaders() == [other], TAKEN_OVER_WITHIN_S, f"{other} leads")
    stage.figures["standby leads after"] = time.monotonic() - began


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


def ended_by_the_janitor(stage: Stage, restriction: Mapping[str, Any], *, held: Mapping[str, Any]) -> None:
    """A person asks again for one that has expired; then everything but the janitor is killed. What is held stays."""
    alert = f"/alerts/{restriction['alert_id']}"
    again = stage.person.post(f"{alert}/restrict", of=alert, body={"level": "R1", "ttl": f"{SHORT_TTL_S}s"})
    assert again["id"] == restriction["id"]
    expires_at = parse_rfc3339(again["expires_at"])
    stage.until(lambda: stage.object_of(restriction["id"]) is not None, SHORT_TTL_S, "it is in the cluster again")
    for name in ("stream", "web", *CONTROLS):
        stage.processes[name].kill()
    stage.until_gone(restriction["id"], SHORT_TTL_S + SWEPT_WITHIN_S)
    assert time.time() >= expires_at - 1, "it ended before its time"
    stage.figures["expired and swept after its time by"] = time.time() - expires_at
    assert stage.object_of(held["id"]) is not None, "the janitor took one that has not expired"
    stage.start()
    stage.until_state(restriction["id"], "expired")


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
        one_of_two_controls_leads_and_dies(stage)
        applied_by_several_at_once(stage, second)
        confirmed_is_held(stage, second)
        expires_by_itself(stage, third)
        ended_by_the_janitor(stage, third, held=second)
        released_by_hand(stage, second)
        stage.figures["all of it"] = time.monotonic() - began
        return stage.figures


def in_words(figures: Mapping[str, float]) -> str:
    """A line for whoever runs pytest with -s."""
    return "\n" + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in figures.items()) + "\n"
