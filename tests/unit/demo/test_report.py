"""The report says what happened, in plain data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from baseline.adapters.clock import PlayedClock
from baseline.adapters.manifests import ManifestFolder
from baseline.adapters.metrics import PrometheusMetrics
from baseline.cli.demo import summary
from baseline.demo import report
from baseline.demo.operator import Act
from baseline.demo.player import Player
from baseline.demo.product import RELAXED
from baseline.demo.source import Source
from baseline.domain import restriction as restrictions
from baseline.domain.restriction import State
from baseline.policy.render import render
from tests.unit.demo.test_truth import event
from tests.unit.policy.making import NOW, alert, flow, pod, proposed, wanted

KEYS = {
    "format", "recording", "notes", "guards_relaxed", "learned", "records", "windows", "alerts", "restrictions",
    "applied", "prevented", "left_over", "seconds",
}  # fmt: skip


def facts(tmp_path: Path, *, is_clean: bool = False) -> report.Facts:
    """One alert, one restriction that lived for 40 seconds, one that was only proposed."""
    metrics = PrometheusMetrics()
    metrics.count("agent_records_sent_total", 12)
    metrics.count("flows_consumed_total", 10, result="ok")
    metrics.count("dead_letters_total", 2, reason="bad_time")
    metrics.count("agent_lines_total", 1, result="dead")
    metrics.count("windows_closed_total", 5, horizon="60")
    metrics.count("windows_closed_total", 1, horizon="300")
    standing = restrictions.applied(wanted(), now=NOW + 2)
    cluster = ManifestFolder(tmp_path / "restrictions", clock=PlayedClock(NOW), namespace="baseline")
    cluster.create(render(standing, instance="default", now=NOW))
    player = Player(cluster)
    player.look()
    assert player.transform(flow(pod("shop", "web"), pod("shop", "db"))) is None
    over = restrictions.ended(standing, state=State.RELEASED, by="dismissal by demo", now=NOW + 42)
    return report.Facts(
        source=Source(
            path=tmp_path / "flows.jsonl", start=NOW - 3600, cut=NOW - 600, end=NOW + 600, hosts=(), lines=13
        ),
        metrics=metrics,
        alerts=[alert()],
        restrictions=[replace(proposed(alert_id="a-2"), created_at=NOW + 60), over],
        acts=[Act(restriction=over.id, alert=over.alert_id, verb="dismiss", at=NOW + 40)],
        player=player,
        left_over=[],
        trained={"workloads": 3},
        is_clean=is_clean,
    )


def test_a_report_has_all_its_parts_and_is_json(tmp_path: Path) -> None:
    """Labels only where there are any."""
    found = report.build(facts(tmp_path), events=None, seconds=12.34)
    assert set(found) == KEYS
    assert json.loads(json.dumps(found)) == found
    labelled = report.build(facts(tmp_path / "labelled"), events=[event()], seconds=12.34)
    assert set(labelled) == KEYS | {"labels"}
    assert labelled["labels"]["attack_events_found"] == 1


def test_a_report_counts_what_was_counted(tmp_path: Path) -> None:
    """Records by their fate, windows of all lengths, and what is only simulated says so."""
    found = report.build(facts(tmp_path), events=None, seconds=12.34)
    assert found["records"] == {"fed": 12, "consumed": 10, "dead_letters": 3, "late_dropped": 0}
    assert (found["windows"], found["applied"], found["seconds"]) == (6, 1, 12.3)
    prevented = found["prevented"]
    assert (prevented["simulated"], prevented["records"], prevented["connections"]) == (True, 1, 1)
    assert list(prevented["records_by_policy"].values()) == [1]
    assert found["guards_relaxed"] == RELAXED


def test_a_restriction_is_told_with_its_life_and_manifest(tmp_path: Path) -> None:
    """In order of creation; what was never applied has no life."""
    lived, planned = report.build(facts(tmp_path), events=None, seconds=1)["restrictions"]
    assert (lived["state"], lived["person"], lived["ended_by"]) == ("released", "dismiss", "dismissal by demo")
    assert lived["lived_s"] == 40.0
    assert lived["denied"] == ["egress shop/db tcp"]
    assert lived["manifest"]["metadata"]["name"] == f"behaviour.{lived['id']}"
    assert (planned["state"], planned["applied_at"], planned["lived_s"], planned["manifest"]) == (
        "proposed", "", None, None,
    )  # fmt: skip


def test_the_summary_tells_it_in_a_few_lines(tmp_path: Path) -> None:
    """What was applied, what is left, what the labels say, and which guards were relaxed."""
    told: list[dict[str, Any]] = [
        report.build(facts(tmp_path), events=[event()], seconds=1),
        report.build(facts(tmp_path / "clean", is_clean=True), events=None, seconds=1),
    ]
    lines = "\n".join(summary(told[0]))
    assert "10 flow records, 3 dead letters" in lines
    assert "shop/web: egress shop/db tcp: released by dismissal by demo after 40.0 s" in lines
    assert "left over in the cluster: nothing" in lines
    assert "labels: 1 of 1 attack events found" in lines
    assert all(f"relaxed guard {name}" in lines for name in RELAXED)
    assert "labels:" not in "\n".join(summary(told[1]))
