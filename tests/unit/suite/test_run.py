"""The runner of the suite: what stands, what fell, and what a broken row does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pipelines import evaluate
from pipelines.suite import run
from pipelines.suite.figure import Figure, Verdict


def figure(value: float | None, **more: object) -> Figure:
    """One of a row named `invented`."""
    return Figure(row="invented", name="recall", value=value, **more)  # type: ignore[arg-type]  # as the test says


@pytest.fixture(name="row")
def _row(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A row of the suite that measures what the test puts in."""
    module = ModuleType("pipelines.suite.invented")
    monkeypatch.setitem(sys.modules, "pipelines.suite.invented", module)
    monkeypatch.setattr(run, "ROWS", ("invented",))
    module.NEEDS = ("flows",)  # type: ignore[attr-defined]  # as a row has it
    return module


@pytest.mark.parametrize(
    ("value", "stands"),
    [(0.9, Verdict.GOAL), (0.6, Verdict.GATE), (0.4, Verdict.FELL), (None, Verdict.ABSENT)],
)
def test_a_figure_stands_against_gate_and_goal(value: float | None, stands: Verdict) -> None:
    """Below the gate falls; between gate and goal stands; without a value nothing is claimed."""
    assert figure(value, gate=(0.5, None), goal=(0.8, None)).verdict is stands


def test_a_missed_goal_without_a_gate_fails_nothing() -> None:
    """It is told."""
    assert figure(0.1, goal=(0.8, None)).verdict is Verdict.TOLD
    assert run.fell([figure(0.1, goal=(0.8, None))]) == []


def test_the_suite_fails_when_a_gate_fell(row: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1, the figure named, and everything in the report."""
    (tmp_path / "flows").mkdir()
    row.figures = lambda data, *, is_quick, seed: [figure(0.4, gate=(0.5, None)), figure(0.7)]  # type: ignore[attr-defined]
    path = tmp_path / "report.json"
    assert evaluate.main(["--suite", "--data", str(tmp_path), "--report", str(path)]) == 1
    assert "fell: invented recall" in capsys.readouterr().out
    found = json.loads(path.read_text(encoding="utf-8"))
    assert [one["verdict"] for one in found["figures"]] == ["fell", "told", "told"]


def test_a_row_that_breaks_fails_and_hides_no_other(
    row: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its error stands in the table."""
    (tmp_path / "flows").mkdir()
    row.figures = lambda data, *, is_quick, seed: 1 / 0  # type: ignore[attr-defined]
    assert evaluate.main(["--suite", "--data", str(tmp_path)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_data_that_is_not_there_is_told_and_fails_only_where_all_is_required(
    row: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A user without the data sets gets a table; a machine that must have them gets a failure."""
    monkeypatch.delenv("BASELINE_REQUIRE_ALL", raising=False)
    assert evaluate.main(["--suite", "--data", str(tmp_path)]) == 0
    assert "no flows below" in capsys.readouterr().out
    monkeypatch.setenv("BASELINE_REQUIRE_ALL", "1")
    assert evaluate.main(["--suite", "--data", str(tmp_path)]) == 1


def test_every_row_of_the_suite_says_what_it_needs() -> None:
    """Name, data and function, each under the name it is listed by."""
    from importlib import import_module

    for name in run.ROWS:
        module = import_module(f"pipelines.suite.{name}")
        assert name == module.NAME
        assert isinstance(module.NEEDS, tuple)
        assert callable(module.figures)
