"""The converter of the Yatesbury benchmark, on samples made here after its README."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from baseline.domain.units import parse_rfc3339
from pipelines import _yatesbury_log as log
from pipelines import evaluate, yatesbury
from pipelines._recording import Recording

HEADER = (
    "time,Source IP,Destination IP,Source port,Destination port,Protocol,Traffic flow,Traffic decision,Flow State,"
    "Packets sent,Bytes sent,Packets received,Bytes received"
)
LABELS = "Source IP,Destination IP,time,label"
BEGIN = parse_rfc3339("2024-04-16T10:00:00Z")


def line(at: float = 0.0, **changes: object) -> str:
    """A row of nsg.csv, `at` seconds after the beginning: web speaks to a database, changed as told."""
    row: dict[str, object] = {
        "time": BEGIN + at, "source": "10.0.0.4", "dest": "10.0.0.5", "sport": 50_000, "dport": 5432, "protocol": "T",
        "flow": "O", "decision": "A", "state": "B", "ps": "", "bs": "", "pr": "", "br": "",
    }  # fmt: skip
    return ",".join(str(value) for value in (row | changes).values())


def parsed(*lines: str) -> list[log.NsgRow]:
    """Lines as rows."""
    return list(log.read_rows([HEADER, *lines]))


def converted(*lines: str) -> list[dict[str, Any]]:
    """Lines as records."""
    rows = parsed(*lines)
    return list(yatesbury.records(yatesbury.counted(rows), yatesbury.local_addresses(rows)))


def test_a_row_is_read_as_the_benchmark_describes_it() -> None:
    """Direction, decision and state are letters; a beginning flow has no statistics."""
    (row,) = parsed(line(5.0, state="E", ps=3, bs=300, pr=2, br=200, decision="D", flow="I", protocol="U"))
    assert (row.source, row.dest, row.dest_port, row.protocol) == ("10.0.0.4", "10.0.0.5", 5432, "udp")
    assert (row.is_outbound, row.is_denied, row.state) == (False, True, "E")
    assert (row.packets_sent, row.bytes_sent, row.packets_received, row.bytes_received) == (3, 300, 2, 200)
    assert row.reporter == "10.0.0.5"
    assert parsed(line())[0].bytes_sent == 0


@pytest.mark.parametrize(
    "text", ["1713261600", "1713261600000", "2024-04-16T10:00:00Z", "2024-04-16 10:00:00", "2024-04-16 10:00:00+00:00"]
)
def test_a_time_is_read_in_any_of_its_spellings_and_is_utc_without_a_zone(text: str) -> None:
    """Seconds, milliseconds, ISO 8601."""
    assert log.moment(text) == BEGIN


@pytest.mark.parametrize(
    "change", [{"protocol": "X"}, {"flow": ""}, {"decision": "?"}, {"state": "Z"}, {"time": "noon"}, {"source": "web"}]
)
def test_what_is_no_row_is_named_by_its_line(change: dict[str, object]) -> None:
    """Line 2 is the first behind the header."""
    with pytest.raises(ValueError, match="line 3"):
        parsed(line(), line(0.0, **change))


def test_each_interface_reports_its_own_side() -> None:
    """The source's row is a src record with what it sent as out; the destination's a dst record with it as in."""
    statistics = {"state": "E", "ps": 10, "bs": 1000, "pr": 5, "br": 400}
    src, dst = converted(line(1.0, **statistics), line(1.0, flow="I", **statistics))[::-1]
    assert (src["reporter"], src["bytes_out"], src["bytes_in"], src["host"]) == (
        "src",
        1000,
        400,
        "node-ip-10-0-0-4-vm",
    )
    assert (dst["reporter"], dst["bytes_out"], dst["bytes_in"], dst["host"]) == (
        "dst",
        400,
        1000,
        "node-ip-10-0-0-5-vm",
    )


def test_statistics_are_spread_back_to_the_flows_last_row_and_nothing_is_lost() -> None:
    """A begin and an end 150 s later: the minutes between share what was sent by their time."""
    found = converted(line(0.0), line(150.0, state="E", ps=15, bs=1500, pr=0, br=0))
    assert [(one["start_time"] - BEGIN, one["bytes_out"]) for one in found] == [(0, 600), (60, 600), (120, 300)]
    assert [one["num_flows_started"] for one in found] == [1, 0, 0]
    assert [one["num_flows_completed"] for one in found] == [0, 0, 1]


def test_statistics_of_a_flow_older_than_the_log_stay_in_their_minute() -> None:
    """Nobody knows since when; they are not spread over time that may not have been theirs."""
    (found,) = converted(line(90.0, state="C", ps=1, bs=100, pr=1, br=100))
    assert (found["start_time"] - BEGIN, found["bytes_out"], found["num_flows_started"]) == (60, 100, 0)


def test_statistics_reach_back_five_minutes_at_most() -> None:
    """A row that was lost must not smear traffic over an hour."""
    found = converted(line(0.0), line(3600.0, state="C", ps=1, bs=500, pr=0, br=0))
    assert min(one["start_time"] for one in found if one["bytes_out"]) == BEGIN + 3300


def test_only_addresses_with_an_interface_in_the_log_are_workloads() -> None:
    """Others are networks: public or private."""
    outwards = [line(dest="8.8.8.8", dport=53), line(dest="10.9.9.9", dport=54), line(flow="I")]
    kinds = {one["dest_port"]: (one["dest_type"], one["dest_name_aggr"]) for one in converted(*outwards)}
    assert kinds == {53: ("net", "pub"), 54: ("net", "pvt"), 5432: ("wep", "ip-10-0-0-5-vm")}


def test_a_denied_flow_is_a_start_that_was_refused() -> None:
    """Apart from the allowed ones of the same edge."""
    found = converted(line(), line(decision="D", sport=1), line(decision="D", sport=2))
    assert {one["action"]: one["num_flows_started"] for one in found} == {"allow": 1, "deny": 2}


def test_attacked_windows_that_touch_are_one_event_of_the_source() -> None:
    """Windows without an attack and pairs without a workload are none; a source outside blames the destination."""
    rows = [f"10.0.0.4,10.0.0.5,{BEGIN + at},{label}" for at, label in ((0, 1), (120, 1), (240, 0), (360, 1))]
    rows += [f"203.0.113.9,10.0.0.5,{BEGIN},1", f"203.0.113.9,203.0.113.8,{BEGIN},1"]
    attacked = list(log.read_labels([LABELS, *rows]))
    found = yatesbury.events(attacked, frozenset({"10.0.0.4", "10.0.0.5"}), label="scan")
    web, database = "yatesbury/ip-10-0-0-4-vm", "yatesbury/ip-10-0-0-5-vm"
    assert [(name, start - BEGIN, end - BEGIN) for name, start, end, _ in found] == [
        (web, 0, 240), (database, 0, 120), (web, 360, 480),
    ]  # fmt: skip


def scenario(folder: Path) -> Path:
    """An hour of three hosts; in the last ten minutes one scans another."""
    lines = [HEADER]
    for minute in range(60):
        for source, dest, port in (("10.0.0.4", "10.0.0.5", 5432), ("10.0.0.6", "10.0.0.4", 80)):
            for number in range(3):
                at, flow = 60.0 * minute + 15 * number, {"source": source, "dest": dest, "dport": port}
                for end in ("O", "I"):
                    lines.append(line(at, sport=1000 + number, flow=end, **flow))
                    done = {"state": "E", "ps": 6, "bs": 900 + minute % 7, "pr": 5, "br": 4000, "flow": end}
                    lines.append(line(at + 5, sport=1000 + number, **done, **flow))
    for port in range(1, 1500):
        scan = {"source": "10.0.0.6", "dest": "10.0.0.5", "dport": port, "sport": 40_000}
        lines.append(line(3000 + port / 5, **scan))
    folder.mkdir()
    (folder / "nsg.csv").write_text("\n".join(lines) + "\n")
    labels = [f"10.0.0.6,10.0.0.5,{BEGIN + 3000 + 120 * n},1" for n in range(3)]
    (folder / "label.csv").write_text("\n".join([LABELS, f"10.0.0.4,10.0.0.5,{BEGIN},0", *labels]) + "\n")
    return folder


def test_a_scenario_is_converted_and_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the benchmark's two files to events found: hosts keep their names on the way, and bytes repeat."""
    source = scenario(tmp_path / "Vertical Port Scan")
    assert yatesbury.main(["--source", str(source), "--out", str(tmp_path)]) == 0
    assert "3 hosts" in capsys.readouterr().out
    first = (tmp_path / "yatesbury.jsonl.gz").read_bytes()
    assert (tmp_path / "yatesbury.labels.csv").read_text().splitlines()[1] == (
        "yatesbury/ip-10-0-0-6-vm,2024-04-16T10:50:00Z,2024-04-16T10:56:00Z,vertical-port-scan"
    )
    recording = Recording([tmp_path / "yatesbury.jsonl.gz"])
    flows = list(recording)
    assert not recording.rejected
    assert {flow.local.name_aggr for flow in flows} == {f"ip-10-0-0-{n}-vm" for n in (4, 5, 6)}
    options = ["--fit-until", "2024-04-16T10:45:00Z", "--mature", "--no-floor", "--report", str(tmp_path / "r.json")]
    files = ["--flows", str(tmp_path / "yatesbury.jsonl.gz"), "--labels", str(tmp_path / "yatesbury.labels.csv")]
    assert evaluate.main([*files, *options]) == 0
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["total"]["workloads"] == 3
    assert (report["total"]["events"], report["total"]["events_found"]) == (1, 1)
    assert yatesbury.main(["--source", str(source), "--out", str(tmp_path)]) == 0
    assert (tmp_path / "yatesbury.jsonl.gz").read_bytes() == first
    assert gzip.decompress(first).count(b"\n") == len(flows)


def test_a_folder_without_the_files_and_a_file_that_is_none_fail(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1 and the reason in a line; nothing is written."""
    assert yatesbury.main(["--source", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    (tmp_path / "nsg.csv").write_text(HEADER + "\nnonsense\n")
    (tmp_path / "label.csv").write_text(LABELS + "\n")
    assert yatesbury.main(["--source", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    (tmp_path / "nsg.csv").write_text(HEADER + "\n")
    assert yatesbury.main(["--source", str(tmp_path), "--out", str(tmp_path / "out")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert [reason.split(":")[0] for reason in told] == ["failed"] * 3
    assert "line 2" in told[1]
    assert not (tmp_path / "out").exists()
