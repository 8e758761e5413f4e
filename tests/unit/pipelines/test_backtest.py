"""Walking forward over stored history: what a setting would have cost."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from baseline.adapters.history import ParquetHistory
from baseline.domain.edge import EdgeKey
from baseline.domain.units import DAY_S, rfc3339
from baseline.domain.window import EdgeCounts, Window
from baseline.features import extract, schema
from baseline.ports import EdgeRow, HistoryBatch
from pipelines import evaluate
from tests.unit.services_score.making import T0, counts, edge, minute, with_edges

SINCE, UNTIL = T0 + DAY_S, T0 + 2 * DAY_S
ATTACK = SINCE + 9 * 3600
RECIPE = "horizons_s = [300]\nmin_windows = 60\nis_mature = true\n"


def attacked(window: Window) -> Window:
    """The same with a few hundred refused ports of an address nobody talks to."""
    more: dict[EdgeKey, EdgeCounts] = {
        edge("203.0.113.9", port=port): counts(2, at=float(window.end - 1), failed=2) for port in range(1, 300)
    }
    return with_edges(window, more)


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of three workloads; on the second the web scans for a quarter of an hour."""
    folder, rng = tmp_path_factory.mktemp("history"), np.random.default_rng(4)
    (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    windows, rows = [], []
    for start in range(T0, UNTIL, 300):
        for name in ("cache", "db", "web"):
            window = minute(name, start, rng=rng, horizon_s=300)
            if name == "web" and ATTACK <= start < ATTACK + 900:
                window = attacked(window)
            windows.append((window, extract.vector(window)))
            hour = start - start % 3600
            rows += [EdgeRow(window.workload, hour, key, one, (), (), (), start) for key, one in window.edges.items()]
    ParquetHistory(str(folder), schema_hash=schema.hash()).write(HistoryBatch("flows-0-1", windows, rows))
    return folder


def backtest(folder: Path, report: Path, *more: str) -> int:
    """The command's exit."""
    return evaluate.main([
        "--backtest", "--history", str(folder), "--recipe", str(folder / "recipe.toml"), "--since", "1d",
        "--until", rfc3339(UNTIL), "--report", str(report), *more,
    ])  # fmt: skip


def test_the_attack_is_the_one_alert_and_the_one_restriction(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Learned from the day before; a budget a thousand times as generous finds no less."""
    report = tmp_path / "report.json"
    assert backtest(folder, report, "--alerts-per-week", "1", "1000") == 0
    strict, loose = json.loads(report.read_text(encoding="utf-8"))["settings"]
    assert strict["alerts_by_workload"] == {"shop/web": 1}
    assert strict["minutes_by_workload"] == {"shop/web": 15.0}
    assert (strict["alerts_per_day"], strict["restrictions_per_day"]) == (1.0, 1.0)
    assert loose["alerts"] >= strict["alerts"]
    assert "3 workloads over 1.0 days" in capsys.readouterr().out


def test_without_history_before_the_interval_it_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3: a cost of nothing judged is no cost of nothing."""
    assert backtest(folder, tmp_path / "report.json", "--since", rfc3339(T0)) == 3
    assert "no history before" in capsys.readouterr().err
