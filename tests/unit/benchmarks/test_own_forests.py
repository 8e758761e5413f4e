"""The comparison of whose forest speaks, on a few invented pods."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from baseline.detectors.forest import OWN_ROWS
from benchmarks import own_forests

PODS, MINUTES, METRICS = 8, int(OWN_ROWS / own_forests.LEARNED) + 40, 6


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """CSV files of eight pods, and two that must be left out: other columns, and too short."""
    rng, names = np.random.default_rng(4), [f"metric_{number}" for number in range(METRICS)]
    table = pd.DataFrame()
    for pod in range(PODS):
        table = pd.DataFrame(np.exp(rng.normal(pod, 0.3, size=(MINUTES, METRICS))), columns=names)
        table.insert(0, "TimeStamp", np.arange(MINUTES))
        table.insert(0, "Pod", f"pod-{pod}")
        table.to_csv(tmp_path / f"pod-{pod}.csv", index=False)
    table[["Pod", "metric_0"]].to_csv(tmp_path / "other.csv", index=False)
    table[:50].to_csv(tmp_path / "short.csv", index=False)
    return tmp_path


def test_every_forest_is_told_for_clean_and_for_attacked_history(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both beside each other, above chance on clean history, and the same as JSON."""
    path = tmp_path / "figures.json"
    assert own_forests.main(["--metrics", str(folder), "--seeds", "2", "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["pods"] == PODS
    assert list(found["ap"]) == list(own_forests.WHOSE)
    assert all(one["clean"] > 0.03 for one in found["ap"].values())  # base rate 0.015
    assert f"{found['ap']['mean']['clean']:.3f}" in capsys.readouterr().out


def test_a_quarter_of_the_pods_learned_the_attack_they_are_judged_by(folder: Path) -> None:
    """A tenth of their minutes; the others' history is clean; nothing learned is judged."""
    pods = own_forests.read(folder)
    learned, judged, is_odd, is_sullied = own_forests.made(pods, rng=np.random.default_rng(1))
    sullied = np.unique(judged.pods[is_sullied])
    assert len(sullied) == own_forests.SULLIED * PODS
    for pod in range(PODS):
        far = (np.sort(learned.residuals[learned.pods == pod], axis=1)[:, -own_forests.MOVED] > 2.5).mean()
        assert far == pytest.approx(own_forests.SHARE if pod in sullied else 0.0, abs=0.04)
        assert is_odd[judged.pods == pod].sum() == own_forests.ODD
