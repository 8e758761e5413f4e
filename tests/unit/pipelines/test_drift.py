"""The drift job over a history on disk: proposals, and what is never proposed."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from baseline.adapters.history import ParquetHistory
from baseline.adapters.shelf import FolderShelf
from baseline.adapters.sql.library import open_library
from baseline.adapters.sql.migrate import migrate
from baseline.domain.alert import Disposition
from baseline.domain.modelset import Alias
from baseline.domain.units import DAY_S, rfc3339
from baseline.domain.window import EdgeCounts, Window
from baseline.features import extract, schema
from baseline.ports import Feedback, HistoryBatch
from pipelines import drift, retrain
from tests.unit.services_score.making import T0, minute, workload

LEARNED, NOW = T0 + 2 * DAY_S, T0 + 5 * DAY_S
RECIPE = "horizons_s = [300]\nmin_windows = 60\n"


def doubled(window: Window) -> Window:
    """Four times the connections and bytes."""
    edges = {key: EdgeCounts(first_seen=one.first_seen, last_seen=one.last_seen) for key, one in window.edges.items()}
    for key, one in window.edges.items():
        for _ in range(4):
            edges[key].add(one)
    return Window(workload=window.workload, start=window.start, end=window.end, edges=edges)


@pytest.fixture(name="stores", scope="module")
def _stores(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Five days of history, of which two were learned; the web does four times as much in the last three."""
    history, shelf = tmp_path_factory.mktemp("history"), tmp_path_factory.mktemp("shelf")
    rng = np.random.default_rng(4)
    windows = [
        minute(name, start, rng=rng, horizon_s=300) for start in range(T0, NOW, 300) for name in ("cache", "db", "web")
    ]
    moved = [
        doubled(window) if window.workload.name == "web" and window.start >= LEARNED else window for window in windows
    ]
    batch = HistoryBatch("flows-0-1", [(window, extract.vector(window)) for window in moved], [])
    ParquetHistory(str(history), schema_hash=schema.hash()).write(batch)
    recipe = shelf / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    assert retrain.main([
        "--history", str(history), "--shelf", str(shelf), "--recipe", str(recipe), "--since", rfc3339(T0),
        "--until", rfc3339(LEARNED),
    ]) == 0  # fmt: skip
    stand = FolderShelf(str(shelf))
    candidate = stand.resolve(Alias.CANDIDATE)
    assert candidate is not None
    stand.point(Alias.CURRENT, candidate)
    return history, shelf


def compared(stores: tuple[Path, Path], report: Path, *more: str) -> dict[str, dict[str, object]]:
    """The job's report by workload."""
    history, shelf = stores
    assert drift.main([
        "--history", str(history), "--shelf", str(shelf), "--now", rfc3339(NOW), "--report", str(report), *more,
    ]) == 0  # fmt: skip
    return {one["workload"]: one for one in json.loads(report.read_text(encoding="utf-8"))["workloads"]}


def test_a_workload_that_moved_for_three_days_is_proposed(
    stores: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the features that moved; its neighbours are compared and stay."""
    found = compared(stores, tmp_path / "report.json")
    assert {name for name, one in found.items() if one["is_proposed"]} == {"shop/web"}
    assert "connections_out" in found["shop/web"]["features"]  # type: ignore[operator]  # a list, as JSON has it
    assert found["shop/db"]["days_moved"] == 0
    assert "1 of 3 workloads moved" in capsys.readouterr().out


def test_a_workload_under_a_confirmed_attack_is_never_proposed(stores: tuple[Path, Path], tmp_path: Path) -> None:
    """An attacker who stays is no new normal."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    migrate(url)
    with closing(open_library(url)) as library, library.transaction() as books:
        books.feedback.add(
            Feedback(
                alert_id="a1", workload=workload("web"), disposition=Disposition.CONFIRMED,
                window_start=NOW - 7200.0, window_end=NOW - 3600.0, by="ada", at=NOW - 3000.0,
            )
        )  # fmt: skip
    assert "shop/web" not in compared(stores, tmp_path / "report.json", "--books", url)


def test_without_a_current_set_there_is_nothing_to_compare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 3."""
    assert drift.main(["--history", str(tmp_path / "h"), "--shelf", str(tmp_path / "s")]) == 3
    assert "no current set" in capsys.readouterr().err
