"""`baseline demo` as a stranger runs it: what it promises of the shipped recordings, and that it plays any other."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.e2e import traffic
from tests.e2e.processes import Processes
from tests.ground.require import CHECKOUT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]  # it plays against the clock; alone it takes a minute

Report = dict[str, Any]
Demo = Callable[..., Report]

START = 1_767_974_400 - 1_200  # 2026-01-09T15:40:00Z: learning ends within the hour it began in
LEARNED_S, PLAYED_S, ATTACK_S = 2_400, 2_400, 120


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """Run the command headless with these words and read its report; it must leave no file behind."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def run(*words: str | Path) -> Report:
        path = tmp_path / "report.json"
        here = Processes(tmp_path, {"TMPDIR": str(scratch)})
        here.run("demo", "--headless", "--report", path, *words, timeout_s=380.0)
        assert list(scratch.glob("baseline-demo-*")) == []
        found: Report = json.loads(path.read_text())
        return found

    return run


def _checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_demo", CHECKOUT / ".ci" / "check_demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _broken(report: Report, *, is_clean: bool) -> list[str]:
    """Promises not kept, but for the time: other tests run beside this one, .ci/run measures it alone."""
    found: list[str] = _checker().broken(report, is_clean=is_clean)
    return [sentence for sentence in found if not sentence.startswith("it took ")]


def test_the_demo_keeps_its_promises(demo: Demo) -> None:
    """One restriction is dismissed, one held, one expires; attacks are found, hardly anything else is."""
    report = demo()
    assert _broken(report, is_clean=False) == []
    labels = report["labels"]
    assert labels["attack_events_found"] >= labels["attack_events"] / 2
    assert labels["false_alerts_per_hour"] <= 1
    assert report["prevented"]["simulated"] is True
    assert report["prevented"]["records"] > 0


def test_without_the_attacks_nothing_is_restricted(demo: Demo) -> None:
    """The same recording, its labelled attack flows left out."""
    report = demo("--clean")
    assert _broken(report, is_clean=True) == []
    assert report["applied"] == 0
    assert report["labels"]["attack_events"] == 0
    assert report["prevented"]["records"] == 0


def test_any_recording_plays(demo: Demo, tmp_path: Path) -> None:
    """Another fleet, another export interval, no labels: its one attack is found and restricted, and nothing else."""
    attacker = traffic.ATTACKERS[0]
    end = START + LEARNED_S + PLAYED_S
    lines = traffic.minutes(start=START, end=end, seed=3, attackers=[attacker], attack_from=end - ATTACK_S)
    recording = traffic.write(tmp_path / "shop.jsonl", lines)
    report = demo("--recording", recording, "--speed", "400")
    assert "labels" not in report
    assert report["recording"]["file"] == "shop.jsonl"
    assert report["records"]["dead_letters"] == 0
    assert report["left_over"] == []
    assert {alert["workload"] for alert in report["alerts"]} == {attacker}
    (restriction,) = [one for one in report["restrictions"] if one["applied_at"]]
    assert restriction["workload"] == attacker
    assert restriction["denied"] == [f"egress {traffic.VICTIM} tcp"]
    assert restriction["manifest"]["spec"]["tier"] == "behaviour"
