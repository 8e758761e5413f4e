"""The rows on simulated traffic and on Nezha's metrics run, on less, and say what they are."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest

from baseline.domain.edge import Direction
from baseline.domain.workload import WorkloadId
from pipelines.suite import _nezha, _overlays, frog, negatives, newcomers, nezha
from pipelines.suite.figure import Figure, Verdict
from tests.ground.require import shared_dir


def quick(row: ModuleType) -> dict[str, Figure]:
    """Its figures, by name."""
    for folder in row.NEEDS:
        shared_dir("data", folder)
    return {figure.name: figure for figure in row.figures(shared_dir("data"), is_quick=True, seed=1)}


def check_they_are_finite(found: dict[str, Figure]) -> None:
    """Numbers, of the row that made them."""
    assert found
    assert all(figure.value is None or np.isfinite(figure.value) for figure in found.values())


def test_what_happens_in_every_cluster_is_measured_event_by_event() -> None:
    """Each event has its restrictions and its alerts, and says that it is simulated."""
    found = quick(negatives)
    check_they_are_finite(found)
    assert {f"{event}: restrictions" for event in (*negatives.EVENTS, "backfill", "holiday unknown")} <= set(found)
    assert all(figure.note.startswith("simulated") for figure in found.values())
    assert found["counter reset: restrictions"].value == 0.0
    assert found["scale 1 -> 10: restrictions"].value == 0.0


def test_newcomers_are_reported_by_hour_of_age_and_fail_nothing() -> None:
    """Three groups, attacked and not."""
    found = quick(newcomers)
    check_they_are_finite(found)
    assert {name.split(",")[0] for name in found} == set(newcomers.GROUPS)
    assert {figure.verdict for figure in found.values()} <= {Verdict.TOLD, Verdict.ABSENT}
    assert all(figure.note.startswith("simulated") for figure in found.values())


def test_the_frog_is_heated_on_its_one_link_only() -> None:
    """Two per cent a day, doubled after 35 days."""
    from pipelines.suite.simulate import World

    world = World.make(shared_dir("data"), seed=1, is_small=True)
    cold, hot = (world.traffic(frog.BEGIN, 4) for _ in range(2))
    frog.heat(hot, since=frog.BEGIN + 86_400)
    changed = [
        (a, b) for a, b in zip(cold.streams, hot.streams, strict=True) if not np.array_equal(a.bytes_out, b.bytes_out)
    ]
    assert [(a.source, a.dest) for a, _ in changed] == [(frog.FROG, frog.PEER)]
    last = changed[0][1].bytes_out[-288:].sum() / changed[0][0].bytes_out[-288:].sum()
    assert last == pytest.approx(frog.GROWTH**3, rel=1e-3)
    assert pytest.approx(2.0, rel=1e-3) == frog.GROWTH**frog.GROWS_DAYS


def test_the_frogs_row_rides_and_says_so() -> None:
    """Weekly retraining, on less."""
    found = quick(frog)
    check_they_are_finite(found)
    assert all(figure.note.startswith("simulated") for figure in found.values())


def test_metrics_become_flows_whose_sums_are_the_metrics() -> None:
    """What a pod received and sent in a minute is what its reporter's records hold."""
    pod = _nezha.Pod(
        name="cartservice-579f59597d-wc2lz", minutes=np.array([600]), received=np.array([90_000]),
        sent=np.array([2_000_000]),
    )  # fmt: skip
    flows = list(_nezha.flows([pod], "boutique"))
    assert sum(flow.counts.bytes_in for flow in flows) == pytest.approx(90_000, abs=5)
    assert sum(flow.counts.bytes_out for flow in flows) == pytest.approx(2_000_000, abs=5)
    ends = {(flow.source.name_aggr.split("-")[0], flow.dest.name_aggr.split("-")[0]) for flow in flows}
    assert ends == {
        ("frontend", "cartservice"), ("checkoutservice", "cartservice"), ("cartservice", "redis"),
        ("cartservice", "otel"),
    }  # fmt: skip


def test_the_clock_of_2028_is_not_believed() -> None:
    """A pod whose timestamps are 200,000,000 s ahead lies in its own day."""
    folder = shared_dir("data", _nezha.FOLDER, "2022-08-22")
    pods = {pod.workload: pod for pod in _nezha.read_pods(folder)}
    assert abs(int(pods["adservice"].minutes[0]) - int(pods["frontend"].minutes[0])) <= 120
    assert {fault.workload for fault in _nezha.read_faults(folder)} <= set(pods)


def test_an_overlay_keeps_the_attacks_counts_and_uses_addresses_nobody_used() -> None:
    """Laid on an empty workload, its windows hold the attack and nothing else."""
    attack = _overlays.apt29(shared_dir("data", "otrf-apt29", "day2", "NEWYORK_conn.log.gz"))
    assert attack.contacts
    assert all(contact.key.direction is Direction.EGRESS for contact in attack.contacts)
    assert all(str(contact.key.peer).startswith(("203.0.113.", "legacy/")) for contact in attack.contacts)
    from baseline.domain.window import Window

    host = WorkloadId("c", "shop", "web")
    empty = [Window(workload=host, start=start, end=start + 300, edges={}) for start in range(0, 7200, 300)]
    laid = _overlays.Laid(attack=attack, workload=host, start=900.0)
    windows = [window for batch in _overlays.laid_on([[one] for one in empty], [laid]) for window in batch]
    sent = sum(counts.bytes_out for window in windows for counts in window.edges.values())
    assert sent == sum(contact.counts.bytes_out for contact in attack.contacts)
    assert windows[0].edges == {}


def test_nezhas_row_runs_on_a_morning_of_the_shop() -> None:
    """Alerts against their budget, and attacks on the same workloads."""
    found = quick(nezha)
    check_they_are_finite(found)
    assert found["windows that pass the evidence rule"].value == 0.0
    assert found["overlays alerted"].value > 0  # type: ignore[operator]  # just checked to be a number
