"""The benchmark of retraining in a tiny configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import retrain


def test_it_tells_every_part_and_calls_itself_simulated_and_extrapolated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Parts sum to the whole, and the whole to minutes of the fleet."""
    path = tmp_path / "figures.json"
    arguments = ["--workloads", "2", "--days", "3", "--read", "2", "--fleet", "1000", "--json", str(path)]
    assert retrain.main(arguments) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["is_simulated"]
    assert found["is_extrapolated"]
    fast = found["fitting"]["fast"]
    assert fast["seasonal"] > 0
    assert found["fitting"]["sklearn"]["forest, fit"] > fast["forest, fit"]
    a_workload = sum(found["reading"].values()) + sum(fast.values())
    assert found["minutes"]["fast"] == pytest.approx(a_workload * 1000 / 1e3 / 60 / 2)
    told = capsys.readouterr().out
    assert "simulated" in told
    assert "extrapolated" in told
