"""Retrain and promote over a history on disk."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path

import pytest

from baseline.adapters.history import ParquetHistory
from baseline.adapters.shelf import FolderShelf
from baseline.adapters.sql.library import open_library
from baseline.adapters.sql.migrate import migrate
from baseline.domain.alert import Disposition
from baseline.domain.modelset import Alias
from baseline.domain.units import rfc3339
from baseline.domain.window import EdgeCounts
from baseline.features import extract, schema
from baseline.ports import EdgeRow, Feedback, HistoryBatch
from pipelines import card, promote, retrain
from pipelines._books import confirmed
from tests.unit.services_score.making import NAMES, T0, UNTIL, history


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hours of the invented fleet as Parquet."""
    folder = tmp_path_factory.mktemp("history")
    windows = list(history())
    edges: dict[object, EdgeRow] = {}
    for window in windows:
        if window.horizon_s == 300:
            for key, counts in window.edges.items():
                hour = window.start // 3600 * 3600
                row = EdgeRow(window.workload, hour, key, EdgeCounts(), (), (), ())
                edges.setdefault((window.workload, hour, key), row).counts.add(counts)
    batch = HistoryBatch("flows-0-1", [(window, extract.vector(window)) for window in windows], list(edges.values()))
    ParquetHistory(str(folder), schema_hash=schema.hash()).write(batch)
    return folder


def retrained(folder: Path, shelf: Path, *more: str) -> int:
    """The command's exit."""
    return retrain.main([
        "--history", str(folder), "--shelf", str(shelf), "--since", rfc3339(T0), "--until", rfc3339(UNTIL), *more,
    ])  # fmt: skip


def test_a_candidate_is_fitted_and_promoted(folder: Path, tmp_path: Path) -> None:
    """Candidate first, current after the gate, the former current previous."""
    shelf, report = tmp_path / "shelf", tmp_path / "report.json"
    assert retrained(folder, shelf, "--report", str(report)) == 0
    found = json.loads(report.read_text(encoding="utf-8"))
    assert found["workloads"] == len(NAMES)
    stand = FolderShelf(str(shelf))
    assert stand.resolve(Alias.CANDIDATE) == found["id"]
    assert stand.resolve(Alias.CURRENT) is None
    assert promote.main([found["id"], "--shelf", str(shelf), "--history", str(folder)]) == 0
    assert stand.resolve(Alias.CURRENT) == found["id"]
    assert retrained(folder, shelf, "--seed", "2") == 0
    second = stand.resolve(Alias.CANDIDATE)
    assert second is not None
    assert second != found["id"]
    assert promote.main([second, "--shelf", str(shelf)]) == 0
    assert (stand.resolve(Alias.CURRENT), stand.resolve(Alias.PREVIOUS)) == (second, found["id"])


def test_two_readers_make_the_same_set_as_one(folder: Path, tmp_path: Path) -> None:
    """How the work is cut changes no byte."""
    assert retrained(folder, tmp_path / "one") == 0
    assert retrained(folder, tmp_path / "two", "--jobs", "2") == 0
    ids = [FolderShelf(str(tmp_path / name)).resolve(Alias.CANDIDATE) for name in ("one", "two")]
    assert ids[0] == ids[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # Dask's worker processes leave sockets to their exit
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the same, seen by the collector
def test_workers_of_dask_make_the_same_set_as_one_process(folder: Path, tmp_path: Path) -> None:
    """Where the work runs changes no byte."""
    assert retrained(folder, tmp_path / "one") == 0
    assert retrained(folder, tmp_path / "dask", "--jobs", "2", "--backend", "dask") == 0
    ids = [FolderShelf(str(tmp_path / name)).resolve(Alias.CANDIDATE) for name in ("one", "dask")]
    assert ids[0] == ids[1]


def test_a_backend_that_is_not_installed_says_what_to_install(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 and the extra's name; an address for processes of this machine is refused, too."""
    monkeypatch.setitem(sys.modules, "ray", None)
    assert retrained(folder, tmp_path / "shelf", "--backend", "ray") == 1
    assert "calico-baseline[ray]" in capsys.readouterr().err
    assert retrained(folder, tmp_path / "shelf", "--cluster", "tcp://scheduler:8786") == 1
    assert "for Dask or Ray" in capsys.readouterr().err


def test_the_card_of_a_set_says_what_it_cannot_see(folder: Path, tmp_path: Path) -> None:
    """From the gate, the history and the suite's report."""
    assert retrained(folder, tmp_path / "shelf") == 0
    suite = {
        "figures": [{"row": "r", "name": "recall", "value": 0.5, "unit": "", "verdict": "gate", "note": "made up"}]
    }
    (tmp_path / "suite.json").write_text(json.dumps(suite), encoding="utf-8")
    out = tmp_path / "card.md"
    assert card.main([
        "candidate", "--shelf", str(tmp_path / "shelf"), "--history", str(folder), "--suite",
        str(tmp_path / "suite.json"), "--out", str(out),
    ]) == 0  # fmt: skip
    text = out.read_text(encoding="utf-8")
    assert f"{len(NAMES)} workloads, {rfc3339(T0)}" in text
    assert "golden attacks found on 4 workloads" in text
    assert "theft that is slow within every hour" in text
    assert "habits that had not come back yet on 4 workloads" in text
    assert "| r | recall | 0.5  | gate | made up |" in text
    assert card.main(["ffff", "--shelf", str(tmp_path / "shelf"), "--out", str(out)]) == 1


def test_nothing_to_learn_from_is_refused(tmp_path: Path) -> None:
    """Exit 3 and an empty shelf."""
    assert retrained(tmp_path / "empty", tmp_path / "shelf") == 3
    assert list(FolderShelf(str(tmp_path / "shelf")).sets()) == []


def test_a_set_that_misses_golden_attacks_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Aliases stay as they were."""
    assert retrained(folder, tmp_path / "shelf") == 0
    shelf = FolderShelf(str(tmp_path / "shelf"))
    candidate = shelf.resolve(Alias.CANDIDATE)
    assert candidate is not None
    assert promote.main([candidate, "--shelf", str(tmp_path / "shelf"), "--alerts-per-week", "1e-30"]) == 3
    assert "golden" in capsys.readouterr().err
    assert shelf.resolve(Alias.CURRENT) is None


def test_promoting_what_is_not_there_fails(tmp_path: Path) -> None:
    """Exit 1."""
    assert promote.main(["0123456789abcdef", "--shelf", str(tmp_path)]) == 1


def test_windows_of_a_confirmed_alert_never_teach(folder: Path, tmp_path: Path) -> None:
    """With the books at hand a confirmed attack is left out; a dismissed alert teaches."""
    url = f"sqlite:///{tmp_path / 'books.db'}"
    migrate(url)
    workload = next(iter(history())).workload
    with closing(open_library(url)) as library, library.transaction() as books:
        for number, disposition in enumerate((Disposition.CONFIRMED, Disposition.DISMISSED)):
            start = float(T0 + number * 3600)
            books.feedback.add(
                Feedback(
                    alert_id=f"a{number}",
                    workload=workload,
                    disposition=disposition,
                    window_start=start,
                    window_end=start + 1800,
                    by="ada",
                    at=start,
                )
            )
    assert confirmed(url) == [(workload, float(T0), T0 + 1800.0)]
    reports = [tmp_path / "all.json", tmp_path / "left-out.json"]
    assert retrained(folder, tmp_path / "s1", "--report", str(reports[0])) == 0
    assert retrained(folder, tmp_path / "s2", "--report", str(reports[1]), "--books", url) == 0
    every, fewer = (json.loads(report.read_text(encoding="utf-8"))["h300.windows"] for report in reports)
    assert every - fewer == 6


def test_shards_give_the_set_of_all_at_once_with_any_number_of_jobs(folder: Path, tmp_path: Path) -> None:
    """Windows and edges read by workers of their own; the id of a set follows from its bytes."""
    ids = set()
    for name, more in {
        "whole": (),
        "one": ("--shards", "1"),
        "three": ("--shards", "3"),
        "jobs": ("--shards", "3", "--jobs", "2"),
    }.items():
        assert retrained(folder, tmp_path / name, *more) == 0
        ids.add(FolderShelf(str(tmp_path / name)).resolve(Alias.CANDIDATE))
    assert len(ids) == 1


def test_a_sample_of_the_fleet_gives_another_set_that_passes_the_gate(folder: Path, tmp_path: Path) -> None:
    """Three of four workloads speak for all."""
    shelf = tmp_path / "shelf"
    assert retrained(folder, shelf, "--shards", "2", "--sample", "3") == 0
    candidate = FolderShelf(str(shelf)).resolve(Alias.CANDIDATE)
    assert candidate is not None
    assert retrained(folder, tmp_path / "whole") == 0
    assert candidate != FolderShelf(str(tmp_path / "whole")).resolve(Alias.CANDIDATE)
    assert promote.main([candidate, "--shelf", str(shelf), "--history", str(folder)]) == 0
