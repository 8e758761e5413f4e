"""The benchmark of new edges in a small configuration, and that what it claims can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import novelty


def test_it_tells_three_ways_and_the_chance_and_calls_itself_simulated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rarity among peers finds more than the fleet's prior alone, and the told chance is near what came."""
    path = tmp_path / "figures.json"
    assert novelty.main(["--seeds", "1", "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["is_simulated"]
    by_name = {row["name"]: row for row in found["rows"]}
    assert by_name["peer groups and rarity"]["auroc"] > by_name["fleet's prior"]["auroc"]
    assert by_name["peer groups and rarity"]["found"] >= by_name["fleet's prior"]["found"]
    assert found["chance_told"] == pytest.approx(found["chance_came"], rel=0.25)
    assert "simulated" in capsys.readouterr().out
