"""Zeek's connections as a workload's flow records, and the overlays of APT29 on benign devices."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from baseline.domain.flow import Endpoint, EndpointKind, Flow, Reporter
from pipelines.suite import _zeek, apt29
from pipelines.suite._zeek import Connection, Place
from tests.ground.require import shared_dir

HOST, CONTROL, OTHER = "10.0.1.6", "192.168.0.4", "10.0.1.4"
PLACE = Place(
    cluster="c", node="node-1", endpoint=Endpoint(EndpointKind.WORKLOAD, "plant", "", "hmi-49dc86b4df-*", "", None)
)


def connection(**changes: object) -> Connection:
    """From the host to command and control at 1000 s, without duration, changed as told."""
    made: dict[str, object] = {
        "start": 1000.0, "duration_s": 0.0, "origin": HOST, "responder": CONTROL, "port": 8443, "protocol": "tcp",
        "bytes_sent": 900, "bytes_back": 300, "packets_sent": 9, "packets_back": 3,
    }  # fmt: skip
    return Connection(**(made | changes))  # type: ignore[arg-type]  # as the test says


def told(*connections: Connection, moved_s: float = 0.0) -> list[Flow]:
    """As the node of PLACE reports them."""
    outside = frozenset({CONTROL})
    return list(_zeek.flows(connections, host=HOST, outside=outside, place=PLACE, moved_s=moved_s))


def test_a_connection_of_the_host_is_a_source_record_to_a_peer_without_an_address() -> None:
    """Command and control is public; counts are the host's."""
    (flow,) = told(connection())
    assert (flow.reporter, flow.source, flow.dest.name_aggr, flow.dest_port) == (
        Reporter.SRC, PLACE.endpoint, "pub", 8443,
    )  # fmt: skip
    assert (flow.counts.bytes_out, flow.counts.bytes_in, flow.counts.started, flow.counts.completed) == (900, 300, 1, 1)


def test_a_connection_to_the_host_is_a_destination_record_and_turns_in_and_out() -> None:
    """A workstation next to it is private."""
    (flow,) = told(connection(origin=OTHER, responder=HOST, port=5985))
    assert (flow.reporter, flow.dest, flow.source.name_aggr) == (Reporter.DST, PLACE.endpoint, "pvt")
    assert (flow.counts.bytes_out, flow.counts.bytes_in) == (300, 900)


def test_a_long_connection_counts_in_every_interval_of_its_life() -> None:
    """30 s over three intervals of 15 s: bytes by time, started in the first, completed in the last."""
    found = told(connection(start=1007.5, duration_s=30.0))
    assert [flow.start for flow in found] == [1005, 1020, 1035]
    assert [flow.counts.bytes_out for flow in found] == [375, 450, 75]
    assert [(flow.counts.started, flow.counts.completed) for flow in found] == [(1, 0), (0, 0), (0, 1)]


def test_connections_of_one_peer_and_port_in_one_interval_are_one_record() -> None:
    """As Calico aggregates them; another port is another record."""
    found = told(connection(), connection(start=1001.0), connection(port=443))
    assert sorted((flow.dest_port, flow.counts.started) for flow in found) == [(443, 1), (8443, 2)]


def test_a_move_keeps_what_was_in_it() -> None:
    """The same counts, so much later."""
    (here,), (there,) = told(connection()), told(connection(), moved_s=1500.0)
    assert (there.start - here.start, there.counts) == (1500, here.counts)


def test_the_attack_is_what_goes_to_command_and_control_and_remote_management() -> None:
    """Ordinary traffic of the attacked network is no part of it."""
    attack = [connection(), connection(origin=OTHER, responder=HOST, port=5985)]
    assert apt29.attack_of([*attack, connection(responder="10.0.0.4", port=53)]) == attack


def test_a_log_of_zeek_is_read_and_its_host_known(tmp_path: Path) -> None:
    """JSON lines; counts that Zeek left out are zero, and bytes include headers where it counted them."""
    rows = [
        {"ts": 5.0, "id_orig_h": HOST, "id_resp_h": CONTROL, "id_resp_p": 443, "proto": "tcp", "orig_bytes": 10,
         "orig_ip_bytes": 50, "orig_pkts": 1},
        {"ts": 2.0, "id_orig_h": OTHER, "id_resp_h": HOST, "id_resp_p": 5985, "proto": "tcp", "duration": 1.5},
    ]  # fmt: skip
    path = tmp_path / "conn.log.gz"
    with gzip.open(path, "wt") as lines:
        lines.write("\n".join(json.dumps(row) for row in rows))
    first, second = _zeek.read(path)
    assert (first.start, first.duration_s, first.bytes_sent) == (2.0, 1.5, 0)
    assert (second.bytes_sent, second.packets_sent) == (50, 1)
    assert _zeek.host_of([first, second]) == HOST


@pytest.mark.slow
def test_the_row_says_of_each_log_what_stood_out() -> None:
    """Two logs on two devices: recall altogether and by log, and how many were alerted on."""
    data = shared_dir("data", apt29.FOLDER).parent
    found = {figure.name: figure for figure in apt29.figures(data, is_quick=True, seed=1)}
    assert set(found) == {
        "recall of attack windows", "overlays alerted on", "recall of attack windows, day1 NASHUA",
        "recall of attack windows, day1 SCRANTON",
    }  # fmt: skip
    assert found["recall of attack windows, day1 NASHUA"].unit == "of 6 windows"
    assert (found["recall of attack windows"].value or 0.0) > 0.8
    assert all(figure.gate is None for figure in found.values())
