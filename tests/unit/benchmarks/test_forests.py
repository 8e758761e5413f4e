"""The benchmark of forests in a tiny configuration, what it refuses to compare, and that both builders find alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from baseline.detectors import forest_layout
from benchmarks import forests, forests_cost, forests_quality


def test_the_figures_of_a_few_small_forests(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 0, a table, and the same figures as JSON; ratios are those of the times beside them."""
    path = tmp_path / "figures.json"
    small = ["--forests", "30", "--rows", "400", "--features", "5", "--trees", "10", "--samples", "32"]
    assert forests.main([*small, "--runs", "2", "--seeds", "2", "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    scoring, memory, fitting = found["scoring"], found["memory"], found["fitting"]
    assert scoring["ratio"] == pytest.approx(scoring["sklearn_us"] / scoring["ours_us"])
    assert scoring["ratio"] > 10  # a call of scikit-learn costs milliseconds, whatever the machine does
    assert 0 < memory["ours_kb"] < memory["sklearn_pickle_kb"]
    assert fitting["sklearn"]["ratio"] == 1.0
    assert fitting["fast"]["ratio"] == pytest.approx(fitting["sklearn"]["ms"] / fitting["fast"]["ms"])
    assert len(fitting["fast"]["runs"]) == 2
    told = capsys.readouterr().out
    assert "30 distinct forests" in told
    assert f"{found['detection']['fast']['ap']:.3f}" in told


def test_forests_that_score_otherwise_give_no_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One cut moved in a packed forest ends the benchmark with exit 1."""
    rows = np.random.default_rng(1).normal(size=(300, 4))
    fitted = IsolationForest(n_estimators=5, max_samples=64, random_state=1).fit(rows)
    arrays = forest_layout.joined([forest_layout.packed(fitted)], np.array([0]))
    forests_cost.agree(arrays, [fitted], rows)
    arrays["nodes"][0] ^= 1 << 60
    with pytest.raises(forests_cost.Disagreement):
        forests_cost.agree(arrays, [fitted], rows)

    def disagreeing(asked: forests_cost.Asked) -> None:
        raise forests_cost.Disagreement("forest 0")

    monkeypatch.setattr(forests_cost, "memory", disagreeing)
    assert forests.main(["--forests", "1"]) == 1
    assert "forest 0" in capsys.readouterr().err


def test_the_fast_builder_finds_what_scikit_learn_finds() -> None:
    """Average precision and AUROC over ten seeds: equal within the noise of the seeds, and far above the base rate."""
    found = forests_quality.compared(seeds=10)
    for name in ("ap", "auc"):
        assert abs(found[f"{name}_z"]) < 3
        assert abs(found[f"{name}_difference"]) < found["sklearn"][f"{name}_sd"]
    assert found["fast"]["ap"] > 5 * found["base_rate"]
