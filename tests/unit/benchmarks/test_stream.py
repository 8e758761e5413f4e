"""The stream benchmark in a tiny configuration, and that it compares like with like."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baseline import formats
from baseline.domain.flow import Flow
from baseline.features.windows import Windower
from benchmarks import quix, records, stream
from benchmarks.reading import HORIZON_S, Reading
from benchmarks.topic import Topic

RECORDS = 500
READING = Reading(records=700, cpu_s=2.0, wall_s=3.0, windows=10, edges=30, bytes_out=9_000)
TOPIC = Topic(bootstrap="localhost:1", broker="x", records=500, tail=200, mean_bytes=1000.0, bytes_out=9_000)


def test_our_side_reads_a_topic_to_closed_windows_and_says_how_fast(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command with 500 records on the embedded broker: exit 0, a table, and the same figures as JSON."""
    path = tmp_path / "figures.json"
    wanted = ["--records", str(RECORDS), "--workloads", "20", "--runs", "1", "--broker", "tansu"]
    assert stream.main([*wanted, "--without-quix", "--json", str(path)]) == 0
    found = json.loads(path.read_text(encoding="utf-8"))
    assert found["records"] == RECORDS
    assert found["broker"].startswith("tansu")
    assert 900 < found["mean_record_bytes"] < 1100
    assert found["windows"] == 40  # 20 workloads, two windows of 300 s
    assert found["windows_of_60_s_of_ours"] > found["windows"]
    (ours,) = found["rates"]
    assert ours["records_per_cpu_s"] > 0
    assert f"{ours['records_per_cpu_s']:,}" in capsys.readouterr().out


def test_the_peer_keeps_the_counters_and_peers_that_our_windows_keep() -> None:
    """The functions given to Quix, run by hand over the same records, end with our windows' edges and sums."""
    theirs: dict[tuple[str, int], dict[str, Any]] = {}
    windower = Windower()
    for _, value in records.records(RECORDS, workloads=20):
        record = json.loads(value)
        event_time = record["end_time"] - 1
        name = (record["source_name_aggr"].rsplit("-", 2)[0], event_time - event_time % HORIZON_S)
        theirs[name] = quix.add(theirs[name], record) if name in theirs else quix.initial(record)
        flow = formats.decode(value, cluster="bench")
        assert isinstance(flow, Flow)
        windower.add_flow(flow, received_at=flow.end)
    ours = {
        (window.workload.name, window.start): window
        for window in windower.finish()
        if window.horizon_s == HORIZON_S and not window.is_quiet
    }
    assert theirs.keys() == ours.keys()
    for name, window in ours.items():
        state, counts = theirs[name], list(window.edges.values())
        assert len(state["edges"]) == len(window.edges)
        assert sorted(state["edges"].values()) == sorted(one.flows for one in counts)
        for counter, field in {
            "num_flows": "flows", "num_flows_started": "started", "num_flows_completed": "completed",
            "packets_in": "packets_in", "packets_out": "packets_out", "bytes_in": "bytes_in", "bytes_out": "bytes_out",
        }.items():  # fmt: skip
            assert state[counter] == sum(getattr(one, field) for one in counts)


def test_two_sides_that_did_the_same_work_are_compared() -> None:
    """Agreement is silent; a rate is records over CPU seconds; a reading survives the pipe between processes."""
    stream.agree({"ours": [READING], "quix": [replace(READING, cpu_s=9.0)]}, TOPIC)
    assert READING.rate == 350.0
    assert Reading.from_json(READING.to_json()) == READING


@pytest.mark.parametrize(
    "other",
    [
        replace(READING, records=699),
        replace(READING, rejected=1),
        replace(READING, windows=9),
        replace(READING, edges=31),
        replace(READING, bytes_out=8_999),
    ],
)
def test_two_sides_that_did_different_work_give_no_figure(other: Reading) -> None:
    """Records left out, refused or counted elsewhere end the benchmark."""
    with pytest.raises(stream.Disagreement):
        stream.agree({"ours": [READING], "quix": [other]}, TOPIC)


def test_without_the_peer_the_benchmark_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 before any broker is started."""
    monkeypatch.setattr(stream, "find_spec", lambda name: None)
    assert stream.main([]) == 1
    assert "uv sync --group bench" in capsys.readouterr().err


def test_records_are_what_real_nodes_would_send() -> None:
    """About a kilobyte, in order of time, the same for a seed, each key once a node and interval."""
    made = [value for _, value in records.records(RECORDS, workloads=5)]
    told = [json.loads(value) for value in made]
    names = ("end_time", "source_name_aggr", "dest_name_aggr", "dest_port", "host")
    assert made == [value for _, value in records.records(RECORDS, workloads=5)]
    assert len({tuple(one[name] for name in names) for one in told}) == RECORDS
    assert [one["end_time"] for one in told] == sorted(one["end_time"] for one in told)
    assert all(900 < len(value) < 1100 for value in made)
