"""The rows of Westermo's three capture points → segments that count every packet once.

A capture point records all its ports: a packet on its way through is recorded coming in and going out, a flooded one on
every port it leaves by (docs/recording.md shows how that was checked). Nothing here knows of Calico.
"""

from __future__ import annotations

import csv
import io
import math
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipelines._westermo_devices import AddressBook, is_group, senders

CAPTURE_POINTS = ("bottom", "left", "right")
GROUP = "pvt"  # the peer behind every multicast and broadcast address
PROTOCOLS = {"IPV4-TCP": "tcp", "IPV4-UDP": "udp", "IPV4-ICMP": "icmp", "IPV4-2": "2"}


@dataclass(slots=True)
class Side:
    """What one end of a conversation sent; sums of possibly halved counts, hence floats until they are written."""

    packets: float = 0.0
    octets: float = 0.0
    syn: float = 0.0
    opened: float = 0.0  # SYNs without ACK
    fin: float = 0.0
    rst: float = 0.0

    def add(self, other: Side) -> None:
        """Merge `other` into this one."""
        for name in Side.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def over(self, copies: float) -> Side:
        """The same seen once instead of `copies` times."""
        return Side(*(getattr(self, name) / copies for name in Side.__slots__))


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One row of a capture point, 0.5 s at most, with devices for addresses and every packet counted once."""

    capture: str
    protocol: str
    end: float  # epoch seconds UTC
    label: str
    sent: tuple[tuple[str, Side], ...]  # (device or GROUP, what it sent): the two ends, in the row's order


@dataclass(slots=True)
class Source:
    """The recording as read: rows of IP, and how many rows of each other protocol were left out."""

    segments: list[Segment] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def read_rows(folder: Path, capture: str) -> Iterator[dict[str, str]]:
    """The CSV rows of one capture point."""
    with zipfile.ZipFile(folder / f"output_{capture}.zip") as archive, archive.open(f"output_{capture}.csv") as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


def read_source(folder: Path, book: AddressBook) -> Source:
    """All IP rows of the three capture points; rows of DHCP with several senders become one segment for each."""
    source = Source()
    for capture in CAPTURE_POINTS:
        rows = []
        for row in read_rows(folder, capture):
            if row["protocol"] in PROTOCOLS:
                rows.append(row)
            else:
                source.left_out[row["protocol"]] += 1
        copies = group_copies(rows)
        for row in rows:
            source.segments.extend(segments_of(row, capture, copies, book))
    return source


def group_copies(rows: Iterable[dict[str, str]]) -> dict[tuple[str, str], float]:
    """(address, address) of multicast and broadcast rows -> how often this capture point records each packet.

    A switch records a flooded packet on every port; the smallest count of any row is taken for one packet.
    """
    copies: dict[tuple[str, str], float] = {}
    for row in rows:
        if is_group(row["sMACs"]) or is_group(row["rMACs"]):
            key = row["sIPs"], row["rIPs"]
            copies[key] = min(copies.get(key, math.inf), float(row["sPackets"]) + float(row["rPackets"]))
    return copies


def segments_of(
    row: dict[str, str], capture: str, group: dict[tuple[str, str], float], book: AddressBook
) -> Iterator[Segment]:
    """One row as segments: one, or one for each of several DHCP senders."""
    end = float(row["end"])
    s_names = senders(row["sMACs"], row["sIPs"], at=end, book=book) or (GROUP,)
    r_names = senders(row["rMACs"], row["rIPs"], at=end, book=book) or (GROUP,)
    many = len(s_names) * len(r_names)
    for s_name in s_names:
        for r_name in r_names:
            if GROUP in (s_name, r_name):
                copies = group[row["sIPs"], row["rIPs"]] * many
            else:  # a packet on its way through is recorded coming in and going out
                copies = 1.0 if capture in (s_name, r_name) else 2.0
            sent = (s_name, side_of(row, "s").over(copies)), (r_name, side_of(row, "r").over(copies))
            yield Segment(
                capture=capture, protocol=PROTOCOLS[row["protocol"]], end=end, label=row["NST_M_Label"], sent=sent
            )


def side_of(row: dict[str, str], end: str) -> Side:
    """What end ``s`` or ``r`` of a row sent; flags are counted as rate (empty but for TCP) times packets."""
    packets = float(row[f"{end}Packets"])

    def flagged(flag: str) -> int:
        return round(packets * float(row[f"{end}{flag}Rate"] or 0.0))

    opened = min(flagged("Syn"), round(packets) - flagged("Ack"))
    return Side(
        packets=packets,
        octets=float(row[f"{end}BytesSum"]),
        syn=flagged("Syn"),
        opened=opened,
        fin=flagged("Fin"),
        rst=flagged("Rst"),
    )
