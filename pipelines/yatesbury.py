"""Yatesbury, the public benchmark of NetVigil → Calico Enterprise flow logs, with labels beside them.

``python -m pipelines.yatesbury --source SCENARIO --out DIR`` reads a scenario's ``nsg.csv`` and ``label.csv``, and
writes ``yatesbury.jsonl.gz`` and ``yatesbury.labels.csv`` for ``pipelines.evaluate``. Same input, same bytes. Every
mapping is told in docs/evaluation.md. Nobody ran Calico there: these are an Azure network's logs, told as a cluster's.
"""

from __future__ import annotations

import argparse
import ipaddress
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from baseline.domain.units import rfc3339
from pipelines._records import NOT_RECORDED, write_records, write_table
from pipelines._yatesbury_log import LABEL_WINDOW_S, Attacked, NsgRow, read_labels, read_rows

INTERVAL_S = 60
LOGGED_EVERY_S = 300.0  # how far back the statistics of a continuing flow reach
NAMESPACE = "yatesbury"
OK, FAILED = 0, 1

Key = tuple[int, bool, str, str, int, str, bool]  # interval, outbound, source, dest, port, protocol, denied


@dataclass(slots=True)
class Sums:
    """What one record counts: sent and received are the source's."""

    packets_sent: float = 0.0
    bytes_sent: float = 0.0
    packets_received: float = 0.0
    bytes_received: float = 0.0
    alive: int = 0
    started: int = 0
    completed: int = 0


def local_addresses(rows: Iterable[NsgRow]) -> frozenset[str]:
    """Addresses with an interface of their own in the log: these are the workloads."""
    return frozenset(row.reporter for row in rows)


def counted(rows: Iterable[NsgRow]) -> dict[Key, Sums]:
    """Sums by minute and edge. Statistics are spread evenly back to the flow's last row, 5 min at most.

    A flow's begin counts as started, its end as completed; a denied flow is a start that went nowhere.
    """
    sums: dict[Key, Sums] = defaultdict(Sums)
    last: dict[tuple[object, ...], float] = {}
    for row in sorted(rows, key=lambda one: one.time):
        since = max(last.get(row.flow, row.time), row.time - LOGGED_EVERY_S)
        for number, share in shares(since, row.time):
            cell = sums[key_of(row, number)]
            cell.packets_sent += share * row.packets_sent
            cell.bytes_sent += share * row.bytes_sent
            cell.packets_received += share * row.packets_received
            cell.bytes_received += share * row.bytes_received
            cell.alive += 1
        own = sums[key_of(row, int(row.time // INTERVAL_S))]
        own.started += row.state == "B"
        own.completed += row.state == "E"
        if row.state == "E":
            last.pop(row.flow, None)
        else:
            last[row.flow] = row.time
    return sums


def key_of(row: NsgRow, number: int) -> Key:
    """The record that a row counts in, in one interval."""
    return number, row.is_outbound, row.source, row.dest, row.dest_port, row.protocol, row.is_denied


def shares(since: float, until: float) -> Iterator[tuple[int, float]]:
    """(interval, its share) of the time between two rows; all of it to the one interval they lie in."""
    first, last = int(since // INTERVAL_S), int(until // INTERVAL_S)
    for number in range(first, last + 1):
        inside = min(until, (number + 1) * INTERVAL_S) - max(since, number * INTERVAL_S)
        share = 1.0 if first == last else inside / (until - since)
        if share > 0:
            yield number, share


def records(sums: dict[Key, Sums], workloads: frozenset[str]) -> Iterator[dict[str, Any]]:
    """The flow records, in order of time and edge."""
    for key, cell in sorted(sums.items()):
        yield record(key, cell, workloads)


def record(key: Key, cell: Sums, workloads: frozenset[str]) -> dict[str, Any]:
    """One level-2 record; in and out are relative to the reporting interface."""
    number, is_outbound, source, dest, port, protocol, is_denied = key
    sent, received = (cell.packets_sent, cell.bytes_sent), (cell.packets_received, cell.bytes_received)
    ours, theirs = (sent, received) if is_outbound else (received, sent)
    action = "deny" if is_denied else "allow"
    policies = [f"0|__PROFILE__|__PROFILE__.kns.{NAMESPACE}|{action}|0"]
    return {
        "start_time": number * INTERVAL_S,
        "end_time": (number + 1) * INTERVAL_S,
        **endpoint("source", source, workloads),
        **endpoint("dest", dest, workloads),
        "dest_port": port,
        "dest_service_namespace": "-",
        "dest_service_name": "-",
        "dest_service_port": "-",
        "dest_service_port_num": None,
        "dest_domains": None,
        "proto": protocol,
        "action": action,
        "reporter": "src" if is_outbound else "dst",
        "policies": {"all_policies": policies, "enforced_policies": policies, "pending_policies": policies},
        "bytes_in": round(theirs[1]),
        "bytes_out": round(ours[1]),
        "packets_in": round(theirs[0]),
        "packets_out": round(ours[0]),
        "num_flows": max(cell.alive, cell.started, cell.completed, 1),
        "num_flows_started": cell.started,
        "num_flows_completed": cell.completed,
        **NOT_RECORDED,
        "host": f"node-{name_of(source if is_outbound else dest)}",
    }


def endpoint(end: str, address: str, workloads: frozenset[str]) -> dict[str, Any]:
    """The fields of one end, ``source`` or ``dest``: a workload of one pod, or a network."""
    is_workload = address in workloads
    outside = "pub" if ipaddress.ip_address(address).is_global else "pvt"
    return {
        f"{end}_ip": None,
        f"{end}_name": "-",
        f"{end}_name_aggr": name_of(address) if is_workload else outside,
        f"{end}_namespace": NAMESPACE if is_workload else "-",
        f"{end}_port": None,
        f"{end}_type": "wep" if is_workload else "net",
        f"{end}_labels": {"labels": [f"app={name_of(address)}"]} if is_workload else None,
    }


def name_of(address: str) -> str:
    """A name that Kubernetes would take for a pod of its own, without an owner."""
    return f"ip-{address.replace('.', '-').replace(':', '-')}-vm"  # an end in digits would read as a StatefulSet's pod


def events(
    attacked: Iterable[Attacked], workloads: frozenset[str], *, label: str
) -> list[tuple[str, float, float, str]]:
    """(workload, start, end, label): each workload's attacked windows, those that touch as one event.

    The label of two addresses does not say who attacks; it is held against the source, which opened the flow, or
    against the destination where the source is no workload.
    """
    starts: dict[str, set[float]] = defaultdict(set)
    for one in attacked:
        name = one.source if one.source in workloads else one.dest
        if name in workloads:
            starts[f"{NAMESPACE}/{name_of(name)}"].add(one.start)
    found = [(workload, *span, label) for workload, own in starts.items() for span in joined(own)]
    return sorted(found, key=lambda event: (event[1], event[0]))


def joined(starts: Iterable[float]) -> list[tuple[float, float]]:
    """Labelled windows that touch, as one: (start, end) of each."""
    spans: list[tuple[float, float]] = []
    for start in sorted(starts):
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], start + LABEL_WINDOW_S
        else:
            spans.append((start, start + LABEL_WINDOW_S))
    return spans


def main(argv: list[str] | None = None) -> int:
    """Convert; prints what was read and written, and where the recording's middle is."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.yatesbury", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--source", type=Path, required=True, help="folder of a scenario: nsg.csv and label.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--label", help="name of the attack (default: the scenario's folder)")
    args = parser.parse_args(argv)
    try:
        with (args.source / "nsg.csv").open(encoding="utf-8-sig", newline="") as lines:
            rows = list(read_rows(lines))
        with (args.source / "label.csv").open(encoding="utf-8-sig", newline="") as lines:
            attacked = list(read_labels(lines))
    except (OSError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    if not rows:
        print("failed: nsg.csv holds no row", file=sys.stderr)
        return FAILED
    workloads = local_addresses(rows)
    sums = counted(rows)
    label = args.label or "-".join(args.source.resolve().name.lower().split())
    found = events(attacked, workloads, label=label)
    args.out.mkdir(parents=True, exist_ok=True)
    write_records(args.out / "yatesbury.jsonl.gz", records(sums, workloads))
    lines_out = [(workload, rfc3339(start), rfc3339(end), name) for workload, start, end, name in found]
    write_table(args.out / "yatesbury.labels.csv", [("workload", "start", "end", "label"), *lines_out])
    times = [row.time for row in rows]
    middle = (min(times) + max(times)) / 2
    print(f"{len(rows)} rows of {len(workloads)} hosts: {len(sums)} records, {len(found)} events")
    print(f"the middle of it: {rfc3339(middle - middle % INTERVAL_S)}")
    return OK


if __name__ == "__main__":
    sys.exit(main())
