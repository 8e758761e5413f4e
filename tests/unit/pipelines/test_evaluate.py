"""The evaluate command on the shipped recording, and what comparing with labels means."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baseline.domain.deviation import Deviation, Family, Maturity
from baseline.domain.errors import GateRefused
from baseline.domain.units import parse_rfc3339
from baseline.domain.workload import WorkloadId
from baseline.services import outcome
from baseline.services.evaluate import run as run_evaluation
from baseline.services.outcome import Label
from baseline.services.train import Recipe
from baseline.wiring import stores
from pipelines import _report, evaluate
from pipelines._recording import Recording

RECORDINGS = Path(__file__).resolve().parents[3] / "baseline" / "recordings"
HALF = "2023-03-10T10:15:00Z"


def deviation(start: int, *, name: str = "web", horizon_s: int = 60) -> Deviation:
    """One that deviates."""
    return Deviation(
        workload=WorkloadId("c", "shop", name), window_start=start, window_end=start + horizon_s, p=1e-9,
        threshold=1e-5, family=Family.VOLUME, families=(Family.VOLUME,), reasons=(), edges=(),
        maturity=Maturity.MATURE, model_set="x",
    )  # fmt: skip


def label(start: float, end: float, kind: str = "scan") -> Label:
    """An event of the web."""
    return Label(workload="shop/web", start=start, end=end, label=kind)


def run(tmp_path: Path, recording: str, *more: str) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    """The command's exit, report and alert lines."""
    report, alerts = tmp_path / "report.json", tmp_path / "alerts.jsonl"
    code = evaluate.main([
        "--flows", str(RECORDINGS / recording), "--labels", str(RECORDINGS / "westermo.labels.csv"),
        "--fit-until", HALF, "--mature", "--alerts", str(alerts), "--report", str(report), *more,
    ])  # fmt: skip
    lines = [json.loads(line) for line in alerts.read_text(encoding="utf-8").splitlines()]
    return code, json.loads(report.read_text(encoding="utf-8")), lines


def test_the_second_half_of_the_recording_is_judged_after_the_first(tmp_path: Path) -> None:
    """At least nine of ten scans and brute forces, no false alert, and the luck of dice beside it."""
    code, report, lines = run(tmp_path, "westermo.jsonl.gz")
    assert code == 0
    assert report["total"]["events"] == 16
    assert report["total"]["events_found"] >= 15
    assert report["total"]["false_alerts"] == 0
    assert report["total"]["time_to_detect_median_s"] <= 60
    assert report["floor"]["null"]["events_found"] == 0
    assert {line["workload"] for line in lines} == {"plant/workstation"}
    assert set(lines[0]) >= {"opened_at", "window_start", "window_end", "p", "reasons", "family", "families", "edges"}
    assert all(edge["direction"] == "egress" for line in lines for edge in line["edges"])
    assert {line["rise"]["spread"] for line in lines if line["rise"]} == {"concentrated"}
    assert all(line["counterfactuals"] and line["voices"]["tail"]["share"] > 0 for line in lines)


def test_the_first_half_is_judged_after_the_second() -> None:
    """The other way round: the first half is moved behind the second by two hours and judged."""
    middle, later = parse_rfc3339(HALF), 7200
    flows = [
        flow if flow.end > middle else replace(flow, start=flow.start + later, end=flow.end + later)
        for flow in Recording([RECORDINGS / "westermo.jsonl.gz"])
    ]
    args = ["--flows", "-", "--fit-until", "2023-03-10T11:01:00Z", "--mature", "--report", "-"]
    plan = evaluate.plan_of(evaluate.arguments(args))
    course = run_evaluation(sorted(flows, key=lambda flow: flow.end), plan)
    labels = [
        replace(label, start=label.start + later, end=label.end + later)
        for label in evaluate.read_labels(RECORDINGS / "westermo.labels.csv")
        if label.start < middle
    ]
    found = outcome.compare(course.deviations, labels, since=plan.test_from, until=plan.test_from + 86_400)
    assert len(found.findings) == 16
    assert found.found >= 15
    assert len(found.false_alerts) == 0


def test_the_clean_recording_raises_nothing_strong(tmp_path: Path) -> None:
    """Nothing that a restriction could stand on."""
    code, report, lines = run(tmp_path, "westermo-clean.jsonl.gz", "--no-floor")
    assert code == 0
    assert "floor" not in report
    assert [line for line in lines if line["p"] < line["threshold"] / 50 and len(line["families"]) > 1] == []


def test_a_recording_that_ends_before_the_test_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report about nothing must not look clean."""
    report = tmp_path / "report.json"
    flows = str(RECORDINGS / "westermo-clean.jsonl.gz")
    assert evaluate.main(["--flows", flows, "--fit-until", "2030-01-01T00:00:00Z", "--report", str(report)]) == 3
    assert "nothing after the fit part" in capsys.readouterr().err


def test_a_recording_without_a_fit_part_is_refused(tmp_path: Path) -> None:
    """Too little to learn from is exit 3, not a traceback."""
    flows = str(RECORDINGS / "westermo-clean.jsonl.gz")
    args = ["--flows", flows, "--fit-until", "2020-01-01T00:00:00Z", "--report", str(tmp_path / "r.json")]
    assert evaluate.main(args) == 3


def test_a_missing_file_fails(tmp_path: Path) -> None:
    """Exit 1."""
    args = ["--flows", str(tmp_path / "none"), "--fit-until", HALF, "--report", str(tmp_path / "r.json")]
    assert evaluate.main(args) == 1


def test_an_event_is_found_by_an_overlapping_window_and_timed_by_its_end() -> None:
    """Time to detect runs from the event's start to the end of the window that raised."""
    found = outcome.compare([deviation(120)], [label(130, 150)], since=0, until=1000)
    assert found.recall == 1.0
    assert found.delays() == [50.0]
    assert found.false_alerts == ()


def test_false_alerts_are_merged_within_an_hour() -> None:
    """Alerts are counted on the false side, not windows."""
    found = outcome.compare([deviation(0), deviation(600), deviation(9000)], [], since=0, until=10_000)
    assert len(found.false_alerts) == 2
    assert found.recall is None


def test_labels_that_say_ignore_count_neither_way() -> None:
    """No event to find, and no false alert inside."""
    found = outcome.compare([deviation(120)], [label(100, 200, "ignore-mitm")], since=0, until=1000)
    assert found.findings == ()
    assert found.false_alerts == ()


def test_another_workload_s_event_excuses_nothing() -> None:
    """Labels speak of their workload."""
    found = outcome.compare([deviation(120, name="db")], [label(100, 200)], since=0, until=1000)
    assert found.recall == 0.0
    assert len(found.false_alerts) == 1


@pytest.mark.parametrize(
    "row", ["shop/web,yesterday,2026-01-01T00:00:00Z,x", "web,2026-01-01T00:00:00Z,2026-01-01T01:00:00Z,x",
            "shop/web,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z,x", "shop/web"],
)  # fmt: skip
def test_a_bad_labels_line_is_named(row: str) -> None:
    """With its number."""
    with pytest.raises(ValueError, match="labels line 2"):
        outcome.read_labels(["workload,start,end,label", row])


def test_an_alert_is_told_again_after_a_pause_only() -> None:
    """Windows in a row are one line; a pause, or other main edges, make another."""
    from baseline.services.evaluate import Course

    course = Course(deviations=[deviation(0), deviation(60), deviation(120), deviation(600)])
    assert [line["window_start"] for line in _report.alert_lines(course)] == [
        "1970-01-01T00:00:00Z", "1970-01-01T00:10:00Z",
    ]  # fmt: skip


def test_shipped_recipes_are_read_and_unknown_keys_refused() -> None:
    """A misspelt key must not be ignored."""
    assert stores.recipe("default").horizons_s == (60, 300, 3600)
    assert stores.recipe("demo").is_mature
    with pytest.raises(GateRefused, match="unknown keys: horizon"):
        Recipe.parse("horizon = [60]")
    with pytest.raises(GateRefused):
        Recipe.parse("horizons_s = [61]")


def test_the_fit_never_sees_the_test_part(tmp_path: Path) -> None:
    """The same set, whatever comes after the fit part."""
    args = ["--flows", str(RECORDINGS / "westermo.jsonl.gz"), "--fit-until", HALF, "--report", str(tmp_path / "r")]
    plan = evaluate.plan_of(evaluate.arguments(args))
    flows = list(Recording([RECORDINGS / "westermo.jsonl.gz"]))
    cut = parse_rfc3339("2023-03-10T10:30:00Z")
    whole = run_evaluation(flows, plan)
    part = run_evaluation([flow for flow in flows if flow.end <= cut], replace(plan))
    assert whole.model is not None
    assert part.model is not None
    assert whole.model.id == part.model.id


def test_a_packed_file_that_was_cut_off_fails_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a recording must not look like a whole one, nor end in a traceback."""
    cut, report = tmp_path / "cut.jsonl.gz", tmp_path / "report.json"
    whole = gzip.compress(b"{}\n" * 50_000)
    cut.write_bytes(whole[: len(whole) // 2])
    argv = ["--flows", str(cut), "--fit-until", "2026-01-01T00:00:00Z", "--report", str(report)]
    assert evaluate.main(argv) == 1
    assert "is damaged" in capsys.readouterr().err
    assert not report.exists()
