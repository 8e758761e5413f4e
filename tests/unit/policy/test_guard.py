"""Each guard at its number, from both sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from baseline.domain.deviation import Family, Maturity
from baseline.domain.restriction import Mode, State, ended
from baseline.domain.workload import WorkloadId
from baseline.policy.guard import GUARDS, NEVER_RELAXED, Verdict, consult
from baseline.policy.situation import Answer, GuardOptions, Situation
from tests.unit.policy.making import DB, NOW, OUTSIDE, WEB, alert, deny, evidence, proposed, wanted

OPTIONS = GuardOptions()


def situation(**changes: Any) -> Situation:
    """Everything in order: this one would be applied automatically."""
    told: dict[str, Any] = {
        "alert": alert(),
        "restriction": proposed(),
        "now": NOW,
        "mode": Mode.AUTO_NARROW,
        "is_protected": False,
        "lag_s": 1.0,
        "workloads": {"shop": 100, "billing": 200},
        **changes,
    }
    return Situation(**told)


def said(guard: str, now: Situation, options: GuardOptions = OPTIONS) -> Answer:
    """What one guard answers."""
    answer, sentence = GUARDS[guard](now, options)
    assert sentence
    return answer


def test_everything_in_order_is_allowed_and_every_guard_says_so() -> None:
    """What was checked is kept."""
    verdict = consult(situation(), OPTIONS)
    assert verdict.answer is Answer.ALLOW, verdict.sentence
    assert [outcome.guard for outcome in verdict.outcomes] == list(GUARDS)


@pytest.mark.parametrize(
    ("mode", "answer"),
    [
        (Mode.OBSERVE, Answer.REFUSE),
        (Mode.RECOMMEND, Answer.ASK),
        (Mode.AUTO_NARROW, Answer.ALLOW),
        (Mode.AUTO, Answer.ALLOW),
        (None, Answer.ASK),
    ],
)
def test_the_mode_decides_how_far_we_act(mode: Mode | None, answer: Answer) -> None:
    """An unknown mode is a careful one."""
    assert said("mode", situation(mode=mode)) is answer


@pytest.mark.parametrize("namespace", ["kube-system", "calico-system", "tigera-operator", "calico-baseline"])
def test_protected_namespaces_are_refused_to_everybody(namespace: str) -> None:
    """By name, with or without a label."""
    there = proposed(workload=WorkloadId("cluster", namespace, "web"))
    assert said("protected", situation(restriction=there)) is Answer.REFUSE


def test_a_protect_label_and_another_cluster_are_refused() -> None:
    """We enforce in one cluster only."""
    assert said("protected", situation(is_protected=True)) is Answer.REFUSE
    assert said("protected", situation(), GuardOptions(cluster="elsewhere")) is Answer.REFUSE
    assert said("protected", situation(), GuardOptions(cluster="cluster")) is Answer.ALLOW


def test_dns_needs_a_person_and_the_api_server_is_never_denied() -> None:
    """Cutting either breaks more than it saves."""
    assert said("infrastructure", situation(restriction=proposed(deny(DB, ports=(53,))))) is Answer.ASK
    nets = GuardOptions(protected_nets=("203.0.113.0/24",))
    assert said("infrastructure", situation(restriction=proposed(deny(OUTSIDE))), nets) is Answer.REFUSE
    assert said("infrastructure", situation(restriction=proposed(deny(OUTSIDE)))) is Answer.ALLOW


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"p": 1.9e-7}, Answer.ALLOW),
        ({"p": 2.1e-7}, Answer.ASK),
        ({"families": (Family.FAN_OUT,)}, Answer.ALLOW),
    ],
)
def test_evidence_must_be_far_past_the_threshold(changes: Mapping[str, Any], answer: Answer) -> None:
    """A fiftieth of it; one family is enough when nothing normal can be cut."""
    assert said("evidence", situation(alert=alert(**changes))) is answer


def test_one_family_on_known_edges_needs_a_person() -> None:
    """And so does a rule wider than what was seen."""
    known = alert(evidence(is_new=False), families=(Family.VOLUME,))
    assert said("evidence", situation(alert=known)) is Answer.ASK
    ratio = alert(evidence(is_new=False), families=(Family.VOLUME, Family.SHAPE))
    assert said("evidence", situation(alert=ratio)) is Answer.ASK, "a ratio of amounts is no second witness"
    single = alert(families=(Family.FAN_OUT,))
    assert said("evidence", situation(alert=single, restriction=proposed(deny(ports=())))) is Answer.ASK


@pytest.mark.parametrize("maturity", [Maturity.LEARNING, Maturity.PROVISIONAL])
def test_a_young_baseline_needs_a_person(maturity: Maturity) -> None:
    """It has not seen a week."""
    assert said("maturity", situation(alert=alert(maturity=maturity))) is Answer.ASK


def test_evidence_older_than_two_windows_needs_a_person() -> None:
    """A minute each here."""
    assert said("freshness", situation(now=NOW + 120)) is Answer.ALLOW
    assert said("freshness", situation(now=NOW + 121)) is Answer.ASK


def test_a_stream_that_is_behind_or_silent_needs_a_person() -> None:
    """Sixty seconds."""
    assert said("lag", situation(lag_s=60.0)) is Answer.ALLOW
    assert said("lag", situation(lag_s=60.1)) is Answer.ASK
    assert said("lag", situation(lag_s=None)) is Answer.ASK


def test_a_time_to_live_without_bounds_is_refused() -> None:
    """A day at most."""
    assert said("ttl", situation(restriction=proposed(ttl_s=86_401.0))) is Answer.REFUSE
    assert said("ttl", situation(restriction=proposed(ttl_s=0.0))) is Answer.REFUSE


def test_normal_traffic_is_cut_by_persons_only() -> None:
    """An edge the baseline expects at this hour; one that is not denied does not matter."""
    normal = alert(evidence(is_new=False, normal_rate=0.2))
    assert said("normal-traffic", situation(alert=normal)) is Answer.ASK
    beside = alert(evidence(), evidence(OUTSIDE, is_new=False, normal_rate=9.0))
    assert said("normal-traffic", situation(alert=beside)) is Answer.ALLOW


def _live(count: int, *, namespace: str = "other", by: str = "auto") -> list[Any]:
    return [
        wanted(workload=WorkloadId("cluster", namespace, f"w{number}"), alert_id=f"x-{namespace}-{number}", by=by)
        for number in range(count)
    ]


def test_automatic_restrictions_are_budgeted_and_a_persons_are_not() -> None:
    """Five at once, two in a namespace, one on a workload."""
    assert said("concurrent", situation(live=_live(4))) is Answer.ALLOW
    assert said("concurrent", situation(live=_live(5))) is Answer.ASK
    assert said("concurrent", situation(live=_live(5, by="ann"))) is Answer.ALLOW
    assert said("namespace-concurrent", situation(live=_live(1, namespace="shop"))) is Answer.ALLOW
    assert said("namespace-concurrent", situation(live=_live(2, namespace="shop"))) is Answer.ASK
    assert said("workload-concurrent", situation(live=[wanted(alert_id="other", by="ann")])) is Answer.ASK


def test_the_rate_is_a_bucket_of_three_that_refills_every_six_minutes() -> None:
    """Ten an hour."""
    burst = [NOW - 3.0, NOW - 2.0, NOW - 1.0]
    assert said("rate", situation(approvals=burst[:2])) is Answer.ALLOW
    assert said("rate", situation(approvals=burst)) is Answer.ASK
    assert said("rate", situation(approvals=burst, now=NOW + 361)) is Answer.ALLOW
    steady = [NOW - 3599 + 360 * number for number in range(10)]
    assert said("rate", situation(approvals=steady)) is Answer.ASK


def test_a_share_of_all_workloads_and_of_a_namespace_at_most() -> None:
    """Two and ten per cent, and always at least one."""
    assert said("share", situation(live=_live(5))) is Answer.ALLOW
    assert said("share", situation(live=_live(6))) is Answer.ASK
    small = {"shop": 3}
    assert said("share", situation(workloads=small)) is Answer.ALLOW
    assert said("share", situation(workloads=small, live=_live(1))) is Answer.ASK
    assert said("namespace-share", situation(workloads=small, live=_live(1, namespace="shop"))) is Answer.ASK


def test_a_released_workload_cools_down() -> None:
    """Half an hour."""
    over = ended(wanted(), state=State.RELEASED, by="ann", now=NOW)
    assert said("cool-down", situation(ended=[over], now=NOW + 1799)) is Answer.ASK
    assert said("cool-down", situation(ended=[over], now=NOW + 1800)) is Answer.ALLOW


def test_many_workloads_at_once_are_an_event_of_the_platform() -> None:
    """More than a tenth and at least five within five minutes; then nothing automatic for half an hour."""
    fleet = {"shop": 50}
    crowd = [(NOW - 200.0 + number, WorkloadId("cluster", "shop", f"w{number}")) for number in range(5)]
    assert said("platform-event", situation(workloads=fleet, anomalies=crowd)) is Answer.ASK
    assert said("platform-event", situation(workloads=fleet, anomalies=crowd[:4])) is Answer.ALLOW
    assert said("platform-event", situation(workloads={"shop": 100}, anomalies=crowd)) is Answer.ALLOW
    assert said("platform-event", situation(workloads=fleet, anomalies=crowd, now=NOW + 1500)) is Answer.ASK
    assert said("platform-event", situation(workloads=fleet, anomalies=crowd, now=NOW + 1700)) is Answer.ALLOW
    spread = [(at - 400 * number, who) for number, (at, who) in enumerate(crowd)]
    assert said("platform-event", situation(workloads=fleet, anomalies=sorted(spread))) is Answer.ALLOW


def test_the_strongest_answer_decides_and_its_sentence_comes_first() -> None:
    """Refuse over ask over allow."""
    verdict: Verdict = consult(situation(mode=Mode.OBSERVE, lag_s=None), OPTIONS)
    assert verdict.answer is Answer.REFUSE
    assert verdict.sentence.startswith("namespace shop is in mode observe")


def test_a_relaxed_guard_lets_through_and_says_what_it_would_have_said() -> None:
    """The demo relaxes some, and shows it."""
    relaxed = replace(OPTIONS, relaxed=frozenset({"maturity"}))
    verdict = consult(situation(alert=alert(maturity=Maturity.LEARNING)), relaxed)
    assert verdict.answer is Answer.ALLOW
    assert "maturity: allow: relaxed: the baseline is learning" in map(str, verdict.outcomes)


@pytest.mark.parametrize("name", ["matureness", *sorted(NEVER_RELAXED)])
def test_a_misspelt_or_a_hard_guard_cannot_be_relaxed(name: str) -> None:
    """A safety setting is never silently ignored."""
    with pytest.raises(ValueError, match=name):
        consult(situation(), replace(OPTIONS, relaxed=frozenset({name})))


def test_the_restricted_workload_is_the_one_the_guards_look_at() -> None:
    """Not the alerted one."""
    assert situation().workload == WEB
