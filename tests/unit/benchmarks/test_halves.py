"""Both halves of the recording, each judged after the other, on forty minutes of it."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from baseline.domain.flow import Flow
from baseline.domain.units import parse_rfc3339
from baseline.services.outcome import Label
from benchmarks import halves
from pipelines import _halves
from pipelines._recording import Recording

RECORDINGS = Path(__file__).resolve().parents[3] / "baseline" / "recordings"
SINCE, UNTIL = parse_rfc3339("2023-03-10T09:55:00Z"), parse_rfc3339("2023-03-10T10:35:00Z")
MIDDLE = _halves.middle()


def cut(name: str, path: Path) -> Path:
    """Forty minutes of a shipped recording."""
    with gzip.open(RECORDINGS / name, "rt", encoding="utf-8") as lines:
        path.write_text("".join(line for line in lines if SINCE < json.loads(line)["end_time"] <= UNTIL))
    return path


def test_each_half_is_judged_after_the_other_and_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Events, times and false alerts of two directions, their sums, and the clean recording beside them."""
    path = tmp_path / "figures.json"
    attacked = cut("westermo.jsonl.gz", tmp_path / "attacked.jsonl")
    clean = cut("westermo-clean.jsonl.gz", tmp_path / "clean.jsonl")
    assert halves.main(["--recording", str(attacked), "--clean", str(clean), "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    second, first = found["recording"]
    assert (second["events"], first["events"]) == (7, 6)  # scans and brute forces that start in these minutes
    assert first["hours_tested"] == pytest.approx(20 / 60, abs=0.02)
    assert second["hours_tested"] == pytest.approx(20 / 60, abs=0.02)
    together = found["recording_together"]
    assert together["events"] == second["events"] + first["events"]
    assert together["events_found"] == second["events_found"] + first["events_found"] > 0
    assert together["time_to_detect_worst_s"] >= together["time_to_detect_median_s"] > 0
    assert len(first["missed"]) == first["events"] - first["events_found"]
    assert all(" at 2023-03-10T09:" in name or " at 2023-03-10T10:" in name for name in first["missed"])  # moved back
    assert found["clean_together"]["events"] == 0
    assert "learned 2nd half, tested 1st" in capsys.readouterr().out


def test_the_moved_half_lies_behind_the_other_and_keeps_its_place_in_the_hour() -> None:
    """What is learned ends before what is tested begins, and the records are otherwise the same."""
    flows = [flow for flow in Recording([RECORDINGS / "westermo-clean.jsonl.gz"]) if flow.end <= UNTIL]
    learned = [flow for flow in flows if flow.end > MIDDLE]
    moved = [_halves.later(flow) for flow in flows if flow.end <= MIDDLE]
    assert max(flow.end for flow in learned) < min(flow.start for flow in moved)
    before, after = flows[0], moved[0]
    assert after.start % 3600 == before.start % 3600
    assert after.end - after.start == before.end - before.start
    assert replace(after, start=before.start, end=before.end) == before


def test_labels_move_with_their_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each direction is compared with the events of the half it tests, and fitted up to where that begins."""
    seen: list[tuple[float, int, float]] = []

    def judged(flows: list[Flow], labels: list[Label], *, fit_until: float, moved_s: float, name: str) -> str:
        seen.append((fit_until, len(labels), min(flow.start for flow in flows if flow.end > fit_until)))
        return name

    monkeypatch.setattr(_halves, "judged", judged)
    flow = next(iter(Recording([RECORDINGS / "westermo-clean.jsonl.gz"])))
    flows = [replace(flow, start=start, end=start + 15) for start in range(0, 300, 15)]
    labels = [Label(workload="plant/left", start=at, end=at + 5.0, label="scan") for at in (20.0, 100.0, 200.0)]
    _halves.both(flows, labels, middle=150.0)
    (fit_second, labels_of_all, begin_second), (fit_first, labels_of_first, begin_first) = seen
    assert (fit_second, labels_of_all, begin_second) == (150.0, 3, 150)
    assert (fit_first, labels_of_first, begin_first) == (7200, 2, 7200)
