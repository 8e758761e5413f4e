"""The benchmark of decoding and windows in a tiny configuration, and that its reference counts the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from baseline.features.windows import Windower
from benchmarks import records, windows
from benchmarks.reading import HORIZON_S


def test_each_path_is_told_beside_the_reference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four paths with their runs; the reference's ratio is 1, the others' are rates over its rate."""
    path = tmp_path / "figures.json"
    assert windows.main(["--records", "500", "--workloads", "20", "--runs", "2", "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    rates = {row["name"]: row for row in found["rates"]}
    assert list(rates) == [windows.REFERENCE, "decode", "windows", "decode + windows"]
    assert rates[windows.REFERENCE]["ratio"] == 1.0
    assert all(len(row["runs"]) == 2 and row["ratio"] > 0 for row in rates.values())
    assert found["windows"] > 40
    assert "decode + windows" in capsys.readouterr().out


def test_the_reference_counts_what_the_windows_count() -> None:
    """Sums of plain Python and of our windows of 300 s over the same records are equal."""
    values = [value for _, value in records.records(500, workloads=20)]
    windower = Windower()
    for flow in windows.decoded(values):
        windower.add_flow(flow, received_at=flow.end)
    ours = [window for window in windower.finish() if window.horizon_s == HORIZON_S and not window.is_quiet]
    plainly = windows.counted_plainly(values)
    assert len(plainly) == len(ours)
    counts = [edge for window in ours for edge in window.edges.values()]
    sums = [edge for window in plainly.values() for edge in window.values()]
    assert len(sums) == len(counts)
    assert sorted(sums) == sorted(
        [one.flows, one.packets_in, one.packets_out, one.bytes_in, one.bytes_out] for one in counts
    )
