"""Real attacks laid onto benign workloads: their own timing, sizes and counts, and addresses nobody here ever used.

APT29: of one host of the emulation, what it sent to the C2 addresses and by WinRM to other workstations (the attack,
as far as flows show it), its first hour. Zeek counts a connection when it ends; here it counts wholly in the minute it
began. Westermo: what the attacker sent while an event lasted, as the shipped recording has it (a scan there is many
connections to few peers: ports are not recorded).

The attacker becomes a workload of yours; external addresses become 203.0.113.0/24, inner ones pods of namespace
``legacy``. Only the attacker's own windows change: nothing else here talks to those peers.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from baseline.domain.attribution import is_attempt
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.flow import Flow, Reporter
from baseline.domain.window import EdgeCounts, Window, merge
from baseline.domain.workload import WorkloadId
from baseline.services.outcome import Label
from pipelines._recording import Recording

C2 = frozenset({"192.168.0.4", "192.168.0.5"})
WINRM = 5985
LASTS_S = 3600.0  # of an attack, at most
EXPORTED_S = 15.0  # connections of an event are exported up to so long after it
ATTACKER = "workstation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Some connections of the attacker: when, since its first one, to whom, and what was counted."""

    after_s: float
    key: EdgeKey
    counts: EdgeCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack before it is laid."""

    name: str
    contacts: Sequence[Contact]

    @property
    def lasts_s(self) -> float:
        """From the first contact to the last."""
        return max(contact.after_s for contact in self.contacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """An attack on a workload from some time on."""

    attack: Attack
    workload: WorkloadId
    start: float

    @property
    def label(self) -> Label:
        """As labels have it; compared with afterwards."""
        end = self.start + self.attack.lasts_s + 60
        return Label(workload=str(self.workload), start=self.start, end=end, label=self.attack.name)


def apt29(path: Path) -> Attack:
    """One host's log of the emulation (Zeek's conn.log as JSON lines, gzipped)."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["id_resp_h"] in C2 or row.get("id_resp_p") == WINRM]
    rows.sort(key=lambda row: float(row["ts"]))
    first = float(rows[0]["ts"])
    peers: dict[str, Peer] = {}
    contacts = []
    for row in rows:
        if float(row["ts"]) - first > LASTS_S:
            break
        address = str(row["id_resp_h"])
        peer = peers.setdefault(address, _outside(len(peers)) if address in C2 else _inside(f"host-{len(peers)}"))
        sent, got = int(row.get("orig_pkts") or 0), int(row.get("resp_pkts") or 0)
        counts = EdgeCounts(
            records=1, flows=1, started=1, completed=1, packets_in=got, packets_out=sent,
            bytes_in=int(row.get("resp_ip_bytes") or 0), bytes_out=int(row.get("orig_ip_bytes") or 0),
            attempts=int(sent > 0 and got == 0), largest_bytes_out=int(row.get("orig_ip_bytes") or 0),
        )  # fmt: skip
        key = EdgeKey(Direction.EGRESS, peer, int(row["id_resp_p"]), str(row["proto"]))
        contacts.append(Contact(after_s=float(row["ts"]) - first, key=key, counts=counts))
    return Attack(name=f"APT29 {path.parent.name} {path.name.split('_conn')[0]}", contacts=contacts)


def westermo(recording: Path, labels: Iterable[Label]) -> list[Attack]:
    """One attack for each labelled event of the recording."""
    flows = [flow for flow in Recording([recording]) if _is_attackers(flow)]
    found = []
    for label in labels:
        inside = [flow for flow in flows if label.start < flow.end <= label.end + EXPORTED_S]
        if inside:
            contacts = [_contact(flow, since=inside[0].start) for flow in inside]
            found.append(Attack(name=label.label, contacts=contacts))
    return found


def _is_attackers(flow: Flow) -> bool:
    return flow.reporter is Reporter.SRC and flow.source.name_aggr.startswith(f"{ATTACKER}-")


def _contact(flow: Flow, *, since: float) -> Contact:
    counts = flow.counts
    return Contact(
        after_s=flow.start - since,
        key=EdgeKey(Direction.EGRESS, _inside(flow.dest.name_aggr.split("-*")[0]), flow.dest_port, flow.protocol),
        counts=EdgeCounts(
            records=1, flows=counts.flows, started=counts.started, completed=counts.completed,
            packets_in=counts.packets_in, packets_out=counts.packets_out, bytes_in=counts.bytes_in,
            bytes_out=counts.bytes_out, attempts=counts.started if is_attempt(flow) else 0,
            largest_bytes_out=counts.bytes_out,
        ),
    )  # fmt: skip


def _outside(number: int) -> Peer:
    return Peer(PeerKind.ADDRESS, "", f"203.0.113.{number + 10}")


def _inside(name: str) -> Peer:
    return Peer(PeerKind.WORKLOAD, "legacy", name)


def laid_on(batches: Iterable[list[Window]], overlays: Sequence[Laid]) -> Iterator[list[Window]]:
    """The same windows, with what the attackers did added to their own."""
    by_workload: dict[WorkloadId, list[Laid]] = {}
    for laid in overlays:
        by_workload.setdefault(laid.workload, []).append(laid)
    for batch in batches:
        yield [_with(window, by_workload.get(window.workload, ())) for window in batch]


def _with(window: Window, overlays: Iterable[Laid]) -> Window:
    edges: dict[EdgeKey, EdgeCounts] = {}
    for laid in overlays:
        for contact in laid.attack.contacts:
            at = laid.start + contact.after_s
            if window.start <= at < window.end:
                edges.setdefault(contact.key, EdgeCounts()).add(replace(contact.counts, first_seen=at, last_seen=at))
    if not edges:
        return window
    more = Window(workload=window.workload, start=window.start, end=window.end, edges=edges)
    return merge([window, more], start=window.start, end=window.end)


def peer_labels(overlays: Sequence[Laid]) -> Mapping[Peer, tuple[tuple[str, str], ...]]:
    """Labels that a log would show of the inner peers."""
    peers = {contact.key.peer for laid in overlays for contact in laid.attack.contacts}
    return {peer: (("app", peer.name),) for peer in peers if peer.kind is PeerKind.WORKLOAD}
