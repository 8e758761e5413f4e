"""The conversion of Westermo's recording: identity, counting, direction, labels, and the shipped files themselves."""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import baseline
from baseline.domain.workload import OwnerKind, owner
from pipelines import _records, westermo
from pipelines import _westermo_devices as devices
from pipelines import _westermo_rows as rows
from tests.conftest import shared_dir

SHIPPED = Path(baseline.__file__).parent / "recordings"
WORKSTATION_MAC, BOTTOM_MAC, HUB_MAC = "00:24:9b:6d:b8:89", "00:07:7c:8c:43:63", "00:07:7c:88:6e:83"
PLC_1_MAC, HMI_MAC, A2_MAC = "b8:27:eb:6d:4f:4b", "b8:27:eb:15:88:9c", "b8:27:eb:d1:b7:ef"
EVENT_LINES = (
    "[1678444174.081 -- 2023-03-10 10:29:34 -- 0.00] [INFO] data collection starts",
    "[1678444220.000 -- x -- 1] [BAD-MITM-START] Manual MITM starts",
    "[1678444253.000 -- x -- 2] [BAD-MITM-END] done",
    "[1678444276.000 -- x -- 3] [BAD-MISCONF-DUPLICATION-START] hub|centre(phy) given ip 198.18.134.6 (same as bottom)",
    "[1678444314.000 -- x -- 4] [BAD-MISCONF-DUPLICATION-END]cleaned up, reset ip 198.18.134.1 on hub|centre(phy)",
    "[1678444332.000 -- x -- 5] [BAD-SSH-START] SSH 248 times (T=5) target: 198.18.134.6",
    "[1678444459.000 -- x -- 6] [BAD-SSH-END] 74 of 248 retval 5",
    "[1678444473.000 -- x -- 7] [GOOD-SSH-START] target: 198.18.134.5 top",
    "[1678444476.000 -- x -- 8] [GOOD-SSH-END] done",
    "[1678444587.000 -- x -- 9] [BAD-MISCONF-START] Misconf bad address bottom: 198.18.134.6 --> 198.134.18.38",
    "[1678444615.000 -- x -- 10] [BAD-MISCONF-END] Fix misconfiguration with a good address (198.18.134.38)",
    "[1678444716.000 -- x -- 11] [BAD-PORTSCAN2-START] several devices nmap 198.18.134.38 198.18.134.1 198.18.134.38",
    "[1678444812.000 -- x -- 12] [BAD-PORTSCAN2-END] 2",
)


def row(**changes: object) -> dict[str, str]:
    """A row of workstation and bottom, both ends one packet of 60 bytes without flags, changed as told."""
    columns: dict[str, object] = {"protocol": "IPV4-TCP", "end": 100.0, "NST_M_Label": "Normal"}
    for end, mac, address in (("s", BOTTOM_MAC, "198.18.134.6"), ("r", WORKSTATION_MAC, "198.18.134.99")):
        columns |= {f"{end}MACs": mac, f"{end}IPs": address, f"{end}Packets": 1, f"{end}BytesSum": 60}
        columns |= {f"{end}{flag}Rate": 0.0 for flag in ("Syn", "Fin", "Rst")} | {f"{end}AckRate": 1.0}
    return {key: str(value) for key, value in (columns | changes).items()}


def segments(*made: dict[str, str], capture: str = "left") -> list[rows.Segment]:
    """The rows as one capture point's segments, with nobody's address ever changed."""
    copies = rows.group_copies(made)
    return [segment for each in made for segment in rows.segments_of(each, capture, copies, devices.AddressBook())]


def converted(made: list[rows.Segment]) -> list[dict[str, Any]]:
    """Segments as records, decided from themselves."""
    return westermo.convert(made, westermo.plan(made))


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording converted anew from the shared data; skips (or fails) without it."""
    out = tmp_path_factory.mktemp("westermo")
    source = shared_dir() / "data" / "westermo-network-traffic"
    assert westermo.main(["--source", str(source), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def recording() -> list[dict[str, Any]]:
    """The shipped records."""
    with gzip.open(SHIPPED / "westermo.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def seconds(text: str) -> float:
    """RFC 3339 as epoch seconds."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("macs", "address", "expected"),
    [
        (BOTTOM_MAC, "198.134.18.38", ("bottom",)),
        (HUB_MAC, "198.18.134.6", ("hub",)),
        (f"{WORKSTATION_MAC}/{HUB_MAC}", "198.18.134.99", ("workstation",)),
        (f"{HUB_MAC}/{BOTTOM_MAC}", "198.18.134.6", ("bottom",)),
        (A2_MAC, "198.18.134.15", ("hmi",)),
        (f"{PLC_1_MAC}/{HMI_MAC}", "0.0.0.0", ("plc-1", "hmi")),
        ("ff:ff:ff:ff:ff:ff", "255.255.255.255", ()),
        ("01:00:5e:00:00:16", "224.0.0.22", ()),
    ],
)
def test_a_device_is_known_by_its_mac_and_a_relayed_packet_by_its_address(
    macs: str, address: str, expected: tuple[str, ...]
) -> None:
    """The MAC decides through address changes; where several devices forwarded, the address does."""
    assert devices.senders(macs, address, at=100.0, book=devices.AddressBook()) == expected


def test_an_unknown_mac_is_an_error() -> None:
    """A device that is not in the table must not vanish silently."""
    with pytest.raises(KeyError):
        devices.senders("b8:27:eb:00:00:00", "198.18.134.31", at=0.0, book=devices.AddressBook())


def test_events_are_told_in_utc_with_the_devices_that_held_the_addresses_then() -> None:
    """Local time becomes UTC; targets are looked up as of the event's start; nobody is named twice."""
    events, book = devices.read_events(EVENT_LINES)
    assert [(e.number, e.kind, e.attacker, e.victims) for e in events] == [
        (1, "mitm", "pi-a2", ("plc-1", "hmi")),
        (2, "duplicate-address", "", ("hub", "bottom")),
        (3, "ssh-bruteforce", "workstation", ("bottom",)),
        (4, "benign-ssh", "", ("top",)),
        (5, "wrong-address", "", ("bottom",)),
        (6, "port-scan-2", "workstation", ("bottom", "hub")),
    ]
    assert (events[2].start, events[2].end) == (1678440732.0, 1678440859.0)
    assert book.owner("198.18.134.6", at=events[4].start) == "bottom"
    assert book.owner("198.18.134.6", at=events[4].end) is None


def test_an_end_without_its_start_is_an_error() -> None:
    """A cut events file must not yield half the labels."""
    with pytest.raises(ValueError, match="end without its start"):
        devices.read_events(EVENT_LINES[2:])


def test_labels_name_the_initiator_and_benign_logins_have_none() -> None:
    """Attacks carry the workstation, layer-2 events everybody concerned under an ignore label."""
    table = list(westermo.label_rows(devices.read_events(EVENT_LINES)[0]))
    assert [(line[0], line[3]) for line in table[1:]] == [
        ("plant/pi-a2", "ignore-mitm"),
        ("plant/plc-1", "ignore-mitm"),
        ("plant/hmi", "ignore-mitm"),
        ("plant/hub", "ignore-duplicate-address"),
        ("plant/bottom", "ignore-duplicate-address"),
        ("plant/workstation", "ssh-bruteforce"),
        ("plant/bottom", "ignore-wrong-address"),
        ("plant/workstation", "port-scan-2"),
    ]
    assert table[6][1:3] == ("2023-03-10T09:32:12.000Z", "2023-03-10T09:34:19.000Z")


def test_pod_hashes_look_like_those_of_kubernetes_and_differ() -> None:
    """Owner derivation must see a ReplicaSet hash in every name."""
    hashes = {device.pod_hash for device in devices.DEVICES.values()}
    assert len(hashes) == len(devices.DEVICES) == 11
    assert all(re.fullmatch(r"[bcdfghjklmnpqrstvwxz2456789]{10}", each) for each in hashes)


def test_each_device_is_its_own_deployment() -> None:
    """The product derives exactly the workload that the labels name, with labels and without."""
    for name, device in devices.DEVICES.items():
        labels = {"app": name, "pod-template-hash": device.pod_hash}
        assert owner(name_aggr=device.name_aggr, labels=labels) == (name, OwnerKind.DEPLOYMENT)
        assert owner(name_aggr=device.name_aggr) == (name, OwnerKind.DEPLOYMENT)


def test_a_packet_on_its_way_through_counts_once() -> None:
    """A capture point between two devices records both passages; at an end it records one."""
    passing = dict(segments(row(sPackets=14, rPackets=28), capture="left")[0].sent)
    at_the_end = dict(segments(row(sPackets=7, rPackets=14), capture="bottom")[0].sent)
    assert passing["workstation"].packets == at_the_end["workstation"].packets == 14
    assert passing["bottom"].octets == 30.0


def test_a_flooded_packet_counts_once() -> None:
    """The smallest count of a group's rows is one packet; joint senders share theirs."""
    group = {
        "protocol": "IPV4-UDP",
        "sIPs": "0.0.0.0",
        "rIPs": "255.255.255.255",
        "rMACs": "ff:ff:ff:ff:ff:ff",
        "rPackets": 0,
        "rBytesSum": 0,
        "sSynRate": "",
        "rSynRate": "",
    }
    made = segments(row(**group, sMACs=PLC_1_MAC, sPackets=3), row(**group, sMACs=f"{PLC_1_MAC}/{HMI_MAC}", sPackets=6))
    assert [(segment.sent[0][0], segment.sent[0][1].packets) for segment in made] == [
        ("plc-1", 1.0),
        ("plc-1", 1.0),
        ("hmi", 1.0),
    ]


def test_the_initiator_is_who_sends_syn_without_ack() -> None:
    """The row's order says nothing: bottom comes first in it and only answers; the SYN-ACK starts nothing."""
    records = converted(segments(row(sPackets=2, rPackets=4, sSynRate=1.0, rSynRate=0.5, rAckRate=0.5)))
    assert {(r["source_name_aggr"].split("-")[0], r["dest_name_aggr"].split("-")[0]) for r in records} == {
        ("workstation", "bottom")
    }
    assert {(r["reporter"], r["num_flows_started"]) for r in records} == {("src", 1), ("dst", 1)}


def test_in_and_out_are_relative_to_the_reporter() -> None:
    """What the initiator sent is out in the src record and in in the dst record, each from its own node."""
    made = segments(row(sPackets=2, rPackets=6, rSynRate=1.0, rAckRate=0.0))
    made += segments(row(sPackets=1, rPackets=3, rSynRate=1.0, rAckRate=0.0), capture="bottom")
    told = {r["reporter"]: (r["host"], r["packets_in"], r["packets_out"]) for r in converted(made)}
    assert told == {"src": ("node-left", 1, 3), "dst": ("node-bottom", 3, 1)}


def test_a_responder_whose_node_saw_nothing_reports_the_best_view() -> None:
    """The record still exists once, from the responder's node, counted where the pair was seen."""
    told = {r["reporter"]: r["host"] for r in converted(segments(row(rSynRate=1.0, rAckRate=0.0)))}
    assert told == {"src": "node-left", "dst": "node-bottom"}


def test_a_segment_belongs_to_the_interval_of_its_end() -> None:
    """Intervals are half open and aligned to the epoch."""
    records = converted(segments(row(end=104.999), row(end=105.0)))
    assert [(r["start_time"], r["end_time"]) for r in records] == [(90, 105)] * 2 + [(105, 120)] * 2


def test_leaving_attacks_out_keeps_the_normal_rows_of_the_same_interval() -> None:
    """An interval that mixes both shrinks to its normal rows, and nothing changes direction."""
    made = segments(row(rPackets=8, rSynRate=1.0, rAckRate=0.0, NST_M_Label="BAD-SSH"), row(rPackets=2))
    rest = westermo.convert([s for s in made if s.label not in westermo.ATTACK_LABELS], westermo.plan(made))
    assert [r["packets_out"] for r in rest if r["reporter"] == "src"] == [1]


def test_udp_flows_start_after_idleness_and_complete_before_it() -> None:
    """Two silent intervals are 30 s, after which conntrack has forgotten the flow."""
    slots = {n: (rows.Side(), rows.Side()) for n in (10, 11, 13, 16)}
    assert {n: westermo.connections("udp", n, slots) for n in slots} == {10: (1, 0), 11: (0, 0), 13: (0, 1), 16: (1, 1)}


def test_the_shipped_files_are_what_the_converter_makes(again: Path) -> None:
    """Converted again, every file has the same content, and the archives carry no time and no name."""
    for name in ("westermo.jsonl.gz", "westermo-clean.jsonl.gz"):
        # The compressed bytes also depend on the zlib at hand; what is inside does not.
        assert gzip.decompress((again / name).read_bytes()) == gzip.decompress((SHIPPED / name).read_bytes())
        assert (SHIPPED / name).read_bytes()[3:8] == bytes(5)
    for name in ("westermo.labels.csv", "westermo.events.csv"):
        assert (again / name).read_bytes() == (SHIPPED / name).read_bytes()


def test_the_same_records_give_the_same_bytes(tmp_path: Path, recording: list[dict[str, Any]]) -> None:
    """Writing twice on one machine makes identical files."""
    for name in ("one", "two"):
        _records.write_records(tmp_path / name, recording)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_shipped_files_are_small() -> None:
    """Everything together stays below 3 MB, with its attribution beside it."""
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 3_000_000
    assert "CC-BY-4.0" in (SHIPPED / "ATTRIBUTION.md").read_text(encoding="utf-8")


def test_every_flow_is_reported_once_an_interval(recording: list[dict[str, Any]]) -> None:
    """No key twice, sorted by time, and never a record without packets."""
    keys = Counter(
        (r["end_time"], r["reporter"], r["source_name_aggr"], r["dest_name_aggr"], r["proto"]) for r in recording
    )
    assert max(keys.values()) == 1
    assert [r["end_time"] for r in recording] == sorted(r["end_time"] for r in recording)
    assert all(r["packets_in"] + r["packets_out"] > 0 and r["end_time"] - r["start_time"] == 15 for r in recording)


def test_both_ends_tell_of_the_same_conversations(recording: list[dict[str, Any]]) -> None:
    """Counted at two capture points, workstation and bottom agree within one percent."""
    out: Counter[str] = Counter()
    for r in recording:
        if r["dest_name_aggr"].startswith("bottom-") and r["proto"] == "tcp":
            out[r["reporter"]] += r["packets_out"] if r["reporter"] == "src" else r["packets_in"]
    assert out["src"] > 20_000
    assert out["src"] == pytest.approx(out["dst"], rel=0.01)


def test_the_attempts_the_test_script_counted_are_in_the_recording(recording: list[dict[str, Any]]) -> None:
    """Each brute force logged how often it tried: that many connections start towards its victim, give or take two."""
    source = shared_dir() / "data" / "westermo-network-traffic" / "events.txt"
    tries = [int(n) for n in re.findall(r"BAD-SSH-START\] SSH (\d+) times", source.read_text(encoding="utf-8"))]
    with (SHIPPED / "westermo.events.csv").open(encoding="utf-8") as lines:
        attacks = [event for event in csv.DictReader(lines) if event["kind"] == "ssh-bruteforce"]
    assert len(attacks) == len(tries) == 16
    for attack, count in zip(attacks, tries, strict=True):
        victim = attack["victims"].removeprefix("plant/")
        started = sum(
            r["num_flows_started"]
            for r in recording
            if r["reporter"] == "src"
            and r["dest_labels"]
            and f"app={victim}" in r["dest_labels"]["labels"]
            and r["end_time"] > seconds(attack["start"])
            and r["start_time"] <= seconds(attack["end"])
        )
        assert abs(started - count) <= 2, attack


def test_devices_live_where_most_of_their_packets_were_seen() -> None:
    """A capture point that is a device is its own home; A2 sent nothing under its own address to go by."""
    folder = shared_dir() / "data" / "westermo-network-traffic"
    events, book = devices.read_events((folder / "events.txt").read_text(encoding="utf-8").splitlines())
    assert len(events) == 94
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    source = rows.read_source(folder, book)
    for segment in source.segments:
        (name, side), (other, other_side) = segment.sent
        for end in {name, other} if rows.GROUP not in (name, other) else ():
            seen[end][segment.capture] += round(side.packets + other_side.packets)
    assert source.left_out == {"ARP": 8854, "LLDP": 1629}
    for name in devices.DEVICES.keys() - {"pi-a2", *rows.CAPTURE_POINTS}:
        assert seen[name].most_common(1)[0][0] == devices.DEVICES[name].home, name
    assert all(devices.DEVICES[name].home == name for name in rows.CAPTURE_POINTS)
