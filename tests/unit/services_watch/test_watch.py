"""Sequential rules in the judging path: what they raise, what they leave alone, and what they remember."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import seasonal
from baseline.detectors.combine import under
from baseline.domain.deviation import Deviation, Family
from baseline.domain.edge import EdgeKey
from baseline.domain.units import DAY_S, HOUR_S, WEEK_S
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features import calendar, extract, schema
from baseline.policy.situation import GuardOptions
from baseline.services import promote, watch
from baseline.services.judging import JudgeState
from baseline.services.score import JudgeOptions, judge
from baseline.services.triage import TriageState, triage
from tests.unit.services_watch.making import (
    JOB,
    OPTIONS,
    STEP_S,
    UNTIL,
    edge,
    fitted,
    silence,
    talk,
    watched,
    weeks,
    workload,
)

RESET = EdgeCounts(records=1, flows=1, started=1, packets_in=1, packets_out=1, bytes_in=40, bytes_out=60)


def at(step: int, edges: dict[EdgeKey, EdgeCounts], *, name: str = "db", begin: int = UNTIL) -> list[Window]:
    """One five-minute window of one workload."""
    start = begin + step * STEP_S
    return [Window(workload=workload(name), start=start, end=start + STEP_S, edges=edges)]


def beaconing(hours: int, *, every: int = 3, peer: str = "203.0.113.9") -> Iterator[list[Window]]:
    """A database that calls an address nobody knew, every quarter of an hour."""
    for step in range(12 * hours):
        yield at(step, {edge(peer): talk(0, sent=512)} if step % every == 0 else {})


@pytest.mark.slow
def test_a_benign_week_costs_far_less_than_the_budget() -> None:
    """Seven workloads with a proxy, a scraper with new targets, a rollout, a poller, a job and an hour of outage."""
    found = watched(weeks(begin=UNTIL, until=UNTIL + WEEK_S, seed=2))
    assert found == []


def test_four_resets_on_new_ports_are_a_scan() -> None:
    """Closed ports answer with one bare packet; that is no conversation."""
    ports = {edge("cart", port): RESET for port in (21, 22, 23, 25)}
    found = watched([at(0, {edge("db", 5432): talk(0), **ports}, name="web")])
    assert len(found) == 1
    scan = found[0]
    assert scan.families == (Family.FAN_OUT, Family.FAILURE)
    assert {evidence.edge.port for evidence in scan.edges} == {21, 22, 23, 25}
    assert all(evidence.is_new and evidence.failed == 1 for evidence in scan.edges)
    assert "4 of 4 first contacts" in scan.reasons[0].sentence
    assert scan.p < scan.threshold


def test_a_scan_of_one_contact_an_hour_is_found_at_its_fourth() -> None:
    """What no window shows; the edges of the windows before are told, too."""
    found = watched(at(12 * hour, {edge(f"10.0.0.{hour}", 22): silence(0)}) for hour in range(4))
    assert [(one.window_start - UNTIL) // HOUR_S for one in found] == [3]
    assert len(found[0].edges) == 4


def test_a_sweep_that_goes_on_is_one_alert() -> None:
    """However many addresses it touches in every window."""
    sweep = [at(step, {edge(f"10.0.{step}.{n}", 22): silence(0) for n in range(6)}) for step in range(5)]
    found = watched(sweep)
    assert len(found) == 5
    state = TriageState()
    alerts = {alert.id for deviation in found for alert in triage([deviation], state=state, now=0.0)}
    assert len(alerts) == 1


def test_a_newcomer_that_scans_is_found_and_one_that_talks_is_not() -> None:
    """All of its edges are first contacts, and nothing else is known of it."""
    scan = {edge(f"10.0.0.{n}", 22): silence(0) for n in range(9)}
    talking = {edge(f"10.0.1.{n}", 80): talk(0) for n in range(9)}
    found = watched([at(0, scan, name="stranger") + at(0, talking, name="visitor")])
    assert [one.workload.name for one in found] == ["stranger"]


def test_trying_a_dead_peer_again_is_no_scan() -> None:
    """A failed contact counts once, and one that the baseline knows never."""
    assert watched(at(step, {edge("10.0.0.1", 22): silence(0)}) for step in range(50)) == []
    assert watched(at(step, {edge("db", 5432): silence(0)}, name="web") for step in range(50)) == []


def test_an_outage_is_no_scan() -> None:
    """What was always used fails as well."""
    fresh = {edge(f"10.0.0.{n}", 443): silence(0) for n in range(9)}
    assert watched([at(0, {edge("192.0.2.1"): silence(0), **fresh}, name="poller")]) == []
    assert watched([at(0, fresh, name="db") + at(0, {edge("192.0.2.1"): silence(0)}, name="poller")]) == []
    assert watched([at(0, fresh, name="db") + at(0, {edge("192.0.2.1"): talk(0)}, name="poller")]) != []


def test_a_new_beacon_is_told_once_with_its_edge() -> None:
    """After half a day; the numbers are in the sentence."""
    found = watched(beaconing(48))
    assert len(found) == 1
    assert found[0].family is Family.TIMING
    assert (found[0].window_end - UNTIL) / HOUR_S == pytest.approx(11, abs=1)
    assert str(found[0].edges[0].edge) == "shop/db -> 203.0.113.9:443/tcp"
    assert "every 15 min in 11 of the last 24 h" in found[0].reasons[0].sentence


def test_a_workload_that_beacons_again_soon_is_held() -> None:
    """By its own past: what was told counts as a false alarm, and a second within weeks would cost too much."""
    state = JudgeState()
    assert len(watched(beaconing(14), state)) == 1
    later = [at(12 * 24 + step, {edge("203.0.113.77"): talk(0)} if step % 3 == 0 else {}) for step in range(12 * 14)]
    assert watched(later, state) == []


def test_a_nightly_job_that_stays_away_is_told_and_never_restricts() -> None:
    """Low: half of the threshold, no edges."""
    nights: list[list[Window]] = []
    for step in range(12 * 24 * 8 + 12 * 4):
        batch = at(step, {edge("web", 9999): talk(0)})
        start = batch[0].start
        if start % DAY_S == 2 * HOUR_S and step < 12 * 24 * 8:
            batch.insert(0, Window(workload=JOB, start=start, end=start + STEP_S, edges={edge("db", 5432): talk(0)}))
        nights.append(batch)
    found = watched(nights)
    assert [(one.workload.name, one.family) for one in found] == [("backup", Family.TIMING)]
    assert found[0].edges == ()
    assert found[0].p == found[0].threshold / 2
    assert "7 of its last 7 runs came 24 h after the one before" in found[0].reasons[0].sentence


def leaking(hours: int, *, shift: float, seed: int) -> list[Window]:
    """Hours of the shipper whose external bytes lie ``shift`` scales above the normal of each hour, plus noise."""
    line = fitted().line(workload("shipper"))
    tables = under(fitted().horizons[3600], "seasonal")
    column = schema.INDEX["external_bytes_out"]
    rng = np.random.default_rng(seed)
    found = []
    for hour in range(hours):
        start = UNTIL + hour * HOUR_S
        slot = np.array([calendar.slot(start)])
        centre, scale, _ = (table[0, column] for table in seasonal.expected(tables, np.array([line]), slot))
        sent = schema.natural(schema.FEATURES[column], centre + scale * (shift + rng.normal()))
        counts = talk(start, 48, sent=int(sent))
        counts.largest_bytes_out = int(sent / 12)
        edges = {edge("192.0.2.50"): counts}
        found.append(Window(workload=workload("shipper"), start=start, end=start + HOUR_S, edges=edges))
    return found


def test_a_slow_leak_is_found_by_its_sum_while_no_hour_stands_out() -> None:
    """Seven tenths of a scale in every hour, for ten days; the same noise without it stays quiet."""
    options = JudgeOptions(horizons_s=(3600,))
    calm = judge(leaking(240, shift=0.0, seed=5), model=fitted(), state=JudgeState(), options=options).deviations
    assert calm == []
    found = judge(leaking(240, shift=0.7, seed=5), model=fitted(), state=JudgeState(), options=options).deviations
    assert [one.reasons[0].feature for one in found] == ["external_bytes_sum"]
    assert found[0].family is Family.VOLUME
    assert str(found[0].edges[0].edge) == "shop/shipper -> 192.0.2.50:443/tcp"
    assert "more than usual sent to external peers over" in found[0].reasons[0].sentence


def test_a_rollout_begins_the_sum_anew() -> None:
    """What came before says nothing of the new version."""
    state, options = JudgeState(), JudgeOptions(horizons_s=(3600,))
    judge(leaking(80, shift=0.7, seed=5), model=fitted(), state=state, options=options)
    sums = state.of(workload("shipper")).watched.cusum
    assert sums.total > 0
    watch.forget_volume(state, [workload("shipper")])
    assert sums.total == 0


def everything() -> list[list[Window]]:
    """A scan, a beacon and benign steps, together."""
    benign = [batch for batch in weeks(begin=UNTIL, until=UNTIL + DAY_S, seed=3) if batch[0].horizon_s == STEP_S]
    for step, batch in enumerate(benign):
        place = next(i for i, window in enumerate(batch) if window.workload.name == "db")
        more = {edge("203.0.113.9"): talk(0)} if step % 3 == 0 else {}
        more |= {edge(f"10.0.{step}.{n}", 22): silence(0) for n in range(6)} if step == 100 else {}
        batch[place] = at(step, {**batch[place].edges, **more})[0]
    return benign


def test_a_window_judged_twice_changes_nothing() -> None:
    """A crash anywhere repeats work: the state stays, and nothing is raised again."""
    state, windows = JudgeState(), everything()
    assert len(watched(windows, state)) >= 2
    before = state.to_bytes()
    assert watched(windows, state) == []
    assert state.to_bytes() == before


@pytest.mark.parametrize("cut", [1, 100, 101, 133, 250])
def test_a_restart_anywhere_changes_no_verdict(cut: int) -> None:
    """The state goes through its bytes; the replayed part is the same again."""
    windows = everything()
    whole_state = JudgeState()
    whole = watched(windows, whole_state)
    state = JudgeState()
    parts = watched(windows[:cut], state)
    state = JudgeState.from_bytes(state.to_bytes())
    parts += watched(windows[cut:], state)
    assert parts == whole
    assert state.to_bytes() == whole_state.to_bytes()


def window_at(begin: int, until: int, edges: dict[EdgeKey, EdgeCounts]) -> Window:
    """Some minutes of the database."""
    return Window(workload=workload("db"), start=UNTIL + 60 * begin, end=UNTIL + 60 * until, edges=edges)


def test_a_shorter_window_is_taken_before_the_longer_one_that_holds_it() -> None:
    """The same contacts are not counted twice."""
    contacts = [{edge(f"10.0.0.{n}", 22): silence(0)} for n in range(3)]
    minutes = [window_at(n, n + 1, edges) for n, edges in enumerate([*contacts, {}, {}])]
    whole = window_at(0, 5, {key: counts for edges in contacts for key, counts in edges.items()})
    state = JudgeState()
    watched([*([one] for one in minutes), [whole]], state, options=JudgeOptions())
    assert state.of(workload("db")).watched.walk.failed == 3


def test_a_hostile_workload_cannot_fill_the_memory() -> None:
    """A thousand new edges in every window, answered and not, inside and out, for days."""
    state = JudgeState()
    for step in range(0, 12 * 24, 6):
        fresh = {
            edge(f"10.{step % 250}.{n // 250}.{n % 250}", 22): (talk(0) if n % 2 else silence(0)) for n in range(1000)
        }
        watched([at(step, fresh)], state)
    assert len(state.to_bytes()) < 100_000


def test_a_state_from_before_the_rules_is_read() -> None:
    """The rules begin with nothing; everything else is kept."""
    state = JudgeState()
    state.of(workload("db")).deviated_until = 77
    stored = json.loads(state.to_bytes())
    del stored["gazes"]
    stored["format"] = 1
    stored["workloads"] = [row[:4] for row in stored["workloads"]]
    again = JudgeState.from_bytes(json.dumps(stored).encode())
    assert again.deviated_until(workload("db")) == 77
    assert again.of(workload("db")).watched.until == 0


def test_no_rule_alone_is_evidence_enough_to_act() -> None:
    """Its p stays above what an automatic restriction asks for, and below the threshold that makes an alert."""
    scan = watched([at(0, {edge(f"10.0.0.{n}", 22): silence(0) for n in range(2000)})])
    found = [*scan, *watched(beaconing(14))]
    assert len(found) == 2
    for one in found:
        assert one.threshold / GuardOptions().evidence_factor < one.p < one.threshold


def test_where_the_window_deviates_anyway_a_rule_adds_its_families() -> None:
    """One deviation a window, with the calibrated p."""
    (scan,) = watched([at(0, {edge(f"10.0.0.{n}", 22): silence(0) for n in range(9)})])
    judged = _like(scan, families=(Family.NOVELTY,))
    (whole,) = watch.joined([judged], [scan])
    assert whole.families == (Family.NOVELTY, Family.FAN_OUT, Family.FAILURE)
    assert whole.p == judged.p
    assert len(whole.reasons) == len(judged.reasons) + 1
    assert watch.joined([], [scan]) == [scan]


def _like(deviation: Deviation, *, families: Sequence[Family]) -> Deviation:
    return Deviation(
        workload=deviation.workload, window_start=deviation.window_start, window_end=deviation.window_end, p=1e-9,
        threshold=1e-5, family=families[0], families=tuple(families), reasons=deviation.reasons, edges=deviation.edges,
        maturity=deviation.maturity, model_set=deviation.model_set,
    )  # fmt: skip


def test_without_a_model_nobody_is_watched() -> None:
    """Everything is in learning."""
    batch = at(0, {edge(f"10.0.0.{n}", 22): silence(0) for n in range(9)})
    state = JudgeState()
    assert watch.watch(batch, extract.vectors(batch), model=None, state=state, options=OPTIONS, facts={}) == []
    assert state.to_bytes() == JudgeState().to_bytes()


def test_judging_runs_the_rules() -> None:
    """The one call in the judging path."""
    batch = at(0, {edge(f"10.0.0.{n}", 22): silence(0) for n in range(4)}, name="stranger")
    found = judge(batch, model=fitted(), state=JudgeState(), options=OPTIONS).deviations
    assert [one.workload for one in found] == [WorkloadId("c", "shop", "stranger")]
    assert found[0].reasons[-1].feature == "first_contacts"


def test_the_rules_do_not_speak_for_a_blind_set() -> None:
    """The gate of promotion asks what the set itself finds; to the random walk the golden scan is always one."""
    arrays = dict(fitted().horizons[3600])
    arrays["final.quantiles"] = np.full_like(arrays["final.quantiles"], 1e9)
    blind = replace(fitted(), horizons={3600: arrays})
    options = JudgeOptions(horizons_s=(3600,))
    assert promote.measure(fitted(), history=None, options=options, seed=1).found["scan"] > 0.9
    assert promote.measure(blind, history=None, options=options, seed=1).found == dict.fromkeys(promote.NEEDED, 0.0)
