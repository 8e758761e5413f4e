"""Westermo's recording → Calico Enterprise flow logs, with labels beside them.

``python -m pipelines.westermo --source DIR --out DIR`` reads the zipped CSV files of three capture points and
events.txt, and writes ``westermo.jsonl.gz``, ``westermo-clean.jsonl.gz`` (the same without the rows labelled as
attacks), ``westermo.labels.csv`` and ``westermo.events.csv``. Same input, same bytes.
Every mapping and every invention is told in docs/recording.md. The labels decide nothing but what `clean` leaves out.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines._records import NOT_RECORDED, write_records, write_table
from pipelines._westermo_devices import DEVICES, LABELS, NAMESPACE, Event, read_events, rfc3339
from pipelines._westermo_rows import CAPTURE_POINTS, GROUP, Segment, Side, read_source

EXPORT_INTERVAL_S = 15
UDP_IDLE_INTERVALS = 2  # conntrack forgets an unreplied UDP flow after 30 s
ATTACK_LABELS = frozenset({"BAD-SSH", "BAD-PORTSCAN1", "BAD-PORTSCAN2", "BAD-MITM"})

Pair = tuple[str, str, str]  # initiator, responder, protocol


def initiators(segments: Iterable[Segment]) -> dict[tuple[frozenset[str], str], str]:
    """Who opens, for every two ends and protocol: one direction for the whole recording.

    The end with more SYNs without ACK; else the only one that sent anything; else the lower rank. A group never opens.
    """
    sums: dict[tuple[frozenset[str], str], dict[str, Side]] = defaultdict(dict)
    for segment in segments:
        ends = sums[frozenset(name for name, _ in segment.sent), segment.protocol]
        for name, side in segment.sent:
            ends.setdefault(name, Side()).add(side)
    return {key: _opener(ends) for key, ends in sums.items()}


def _opener(ends: dict[str, Side]) -> str:
    def likelihood(name: str) -> tuple[float, bool, int]:
        return -ends[name].opened, ends[name].packets == 0, DEVICES[name].rank

    return min((name for name in ends if name != GROUP), key=likelihood)


def oriented(segment: Segment, opener: dict[tuple[frozenset[str], str], str]) -> tuple[Pair, Side, Side]:
    """The pair of a segment, what its initiator sent, what its responder sent."""
    (name, side), (other, other_side) = segment.sent
    if opener[frozenset((name, other)), segment.protocol] == name:
        return (name, other, segment.protocol), side, other_side
    return (other, name, segment.protocol), other_side, side


@dataclass(frozen=True, slots=True)
class Plan:
    """What is decided once from the whole recording: directions, and whose view counts for each reporting end."""

    opener: dict[tuple[frozenset[str], str], str]
    view: dict[tuple[Pair, str], str]  # (pair, reporting device) -> capture point


def plan(segments: list[Segment]) -> Plan:
    """A reporting device's flow is counted where it lives, or, where that saw nothing of it, where most was seen."""
    opener = initiators(segments)
    seen: dict[Pair, dict[str, float]] = defaultdict(lambda: dict.fromkeys(CAPTURE_POINTS, 0.0))
    for segment in segments:
        pair, out, back = oriented(segment, opener)
        seen[pair][segment.capture] += out.packets + back.packets
    view = {}
    for pair, packets in seen.items():
        best = max(CAPTURE_POINTS, key=packets.__getitem__)
        for name in pair[:2]:
            if name != GROUP:
                view[pair, name] = DEVICES[name].home if packets[DEVICES[name].home] else best
    return Plan(opener, view)


def convert(segments: Iterable[Segment], decided: Plan) -> list[dict[str, Any]]:
    """The flow records, in the order of their end, then reporter and pair."""
    sums: dict[tuple[Pair, str], dict[int, tuple[Side, Side]]] = defaultdict(dict)
    for segment in segments:
        pair, out, back = oriented(segment, decided.opener)
        slot = int(segment.end // EXPORT_INTERVAL_S)
        for name in pair[:2]:
            if name != GROUP and decided.view[pair, name] == segment.capture:
                of_initiator, of_responder = sums[pair, name].setdefault(slot, (Side(), Side()))
                of_initiator.add(out)
                of_responder.add(back)
    records = [record(pair, name, slot, slots) for (pair, name), slots in sums.items() for slot in slots]
    return sorted(
        records,
        key=lambda r: (r["end_time"], r["host"], r["reporter"], r["source_name_aggr"], r["dest_name_aggr"], r["proto"]),
    )


def connections(protocol: str, slot: int, slots: dict[int, tuple[Side, Side]]) -> tuple[int, int]:
    """(started, completed) in `slot`: TCP from its flags, anything else from idle time, as conntrack would."""
    out, back = slots[slot]
    if protocol == "tcp":
        started = round(out.syn)
        return started, min(started, round(max(out.fin, back.fin, out.rst + back.rst)))
    near = range(1, UDP_IDLE_INTERVALS + 1)
    return int(not any(slot - n in slots for n in near)), int(not any(slot + n in slots for n in near))


def record(pair: Pair, reporting: str, slot: int, slots: dict[int, tuple[Side, Side]]) -> dict[str, Any]:
    """One level-2 record of Calico Enterprise's file flow log; in and out are relative to the reporting device."""
    source, dest, protocol = pair
    out, back = slots[slot]
    is_source = reporting == source
    ours, theirs = (out, back) if is_source else (back, out)
    started, completed = connections(protocol, slot, slots)
    policies = [f"0|__PROFILE__|__PROFILE__.kns.{NAMESPACE}|allow|0"]
    return {
        "start_time": slot * EXPORT_INTERVAL_S,
        "end_time": (slot + 1) * EXPORT_INTERVAL_S,
        **endpoint("source", source),
        **endpoint("dest", dest),
        "dest_service_namespace": "-",
        "dest_service_name": "-",
        "dest_service_port": "-",
        "dest_service_port_num": None,
        "dest_domains": None,
        "proto": protocol,
        "action": "allow",
        "reporter": "src" if is_source else "dst",
        "policies": {"all_policies": policies, "enforced_policies": policies, "pending_policies": policies},
        "bytes_in": round(theirs.octets),
        "bytes_out": round(ours.octets),
        "packets_in": round(theirs.packets),
        "packets_out": round(ours.packets),
        "num_flows": max(1, started, completed),
        "num_flows_started": started,
        "num_flows_completed": completed,
        **NOT_RECORDED,
        "host": DEVICES[reporting].node,
    }


def endpoint(end: str, name: str) -> dict[str, Any]:
    """The fields of one end, ``source`` or ``dest``."""
    is_group_peer = name == GROUP
    labels = None if is_group_peer else {"labels": [f"app={name}", f"pod-template-hash={DEVICES[name].pod_hash}"]}
    return {
        f"{end}_ip": None,
        f"{end}_name": "-",
        f"{end}_name_aggr": GROUP if is_group_peer else DEVICES[name].name_aggr,
        f"{end}_namespace": "-" if is_group_peer else NAMESPACE,
        f"{end}_port": None,
        f"{end}_type": "net" if is_group_peer else "wep",
        f"{end}_labels": labels,
    }


def label_rows(events: Iterable[Event]) -> Iterator[tuple[object, ...]]:
    """``workload,start,end,label``: attacks name the initiator, what flows cannot show (``ignore-``) all concerned."""
    yield "workload", "start", "end", "label"
    for event in events:
        label = LABELS.get(event.kind)
        if label is None:
            continue
        concerned = (event.attacker, *event.victims) if label.startswith("ignore-") else (event.attacker,)
        for name in filter(None, concerned):
            yield f"{NAMESPACE}/{name}", rfc3339(event.start), rfc3339(event.end), label


def event_rows(events: Iterable[Event]) -> Iterator[tuple[object, ...]]:
    """``event,kind,start,end,attacker,victims``; several victims are parted by a space."""
    yield "event", "kind", "start", "end", "attacker", "victims"
    for event in events:
        attacker = f"{NAMESPACE}/{event.attacker}" if event.attacker else ""
        victims = " ".join(f"{NAMESPACE}/{name}" for name in event.victims)
        yield event.number, event.kind, rfc3339(event.start), rfc3339(event.end), attacker, victims


def main(argv: list[str] | None = None) -> int:
    """Convert; prints what was read, left out and written."""
    parser = argparse.ArgumentParser(prog="pipelines.westermo", description=__doc__.splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="folder with output_*.zip and events.txt")
    parser.add_argument("--out", type=Path, required=True, help="folder to write the recording to")
    args = parser.parse_args(argv)
    events, book = read_events((args.source / "events.txt").read_text(encoding="utf-8").splitlines())
    source = read_source(args.source, book)
    decided = plan(source.segments)
    args.out.mkdir(parents=True, exist_ok=True)
    full = convert(source.segments, decided)
    clean = convert((s for s in source.segments if s.label not in ATTACK_LABELS), decided)
    write_records(args.out / "westermo.jsonl.gz", full)
    write_records(args.out / "westermo-clean.jsonl.gz", clean)
    write_table(args.out / "westermo.labels.csv", label_rows(events))
    write_table(args.out / "westermo.events.csv", event_rows(events))
    left_out = ", ".join(f"{count} {protocol}" for protocol, count in sorted(source.left_out.items()))
    print(f"{len(source.segments)} segments of IP read, rows left out: {left_out}")
    print(f"{len(full)} records, {len(clean)} without attacks, {len(events)} events")
    return 0


if __name__ == "__main__":
    sys.exit(main())
