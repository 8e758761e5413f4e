"""The Yatesbury benchmark's files as nouns: NSG flow rows and labels. Pure: text in, nouns out.

Columns and meanings are those of the benchmark's README (microsoft/Yatesbury): ``nsg.csv`` has a row when a flow
begins (B, no statistics), goes on (C, every 5 min) and ends (E), with what was sent since the row before;
``label.csv`` says for two addresses and a window of 2 min, named by its start, whether an attack was in it.
"""

from __future__ import annotations

import csv
import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

LABEL_WINDOW_S = 120.0
PROTOCOLS = {"T": "tcp", "U": "udp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NsgRow:
    """One row; times are epoch seconds UTC, sent and received are the source's."""

    time: float
    source: str
    dest: str
    source_port: int
    dest_port: int
    protocol: str
    is_outbound: bool  # logged at the source's network interface; otherwise at the destination's
    is_denied: bool
    state: str  # B, C or E
    packets_sent: int
    bytes_sent: int
    packets_received: int
    bytes_received: int

    @property
    def reporter(self) -> str:
        """The address whose interface logged the row."""
        return self.source if self.is_outbound else self.dest

    @property
    def flow(self) -> tuple[object, ...]:
        """What rows of one flow at one interface have in common."""
        return self.is_outbound, self.source, self.source_port, self.dest, self.dest_port, self.protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked:
    """A window of two minutes in which two addresses were part of an attack; start in epoch seconds UTC."""

    source: str
    dest: str
    start: float


def read_rows(lines: Iterable[str]) -> Iterator[NsgRow]:
    """The rows of nsg.csv; ValueError with the line's number for what is none."""
    for number, row in enumerate(csv.DictReader(lines), start=2):
        try:
            yield _row({key.strip().lower(): (value or "").strip() for key, value in row.items()})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"nsg.csv line {number}: {error!r}") from error


def read_labels(lines: Iterable[str]) -> Iterator[Attacked]:
    """The windows of label.csv that are labelled an attack; ValueError as above."""
    for number, row in enumerate(csv.DictReader(lines), start=2):
        try:
            found = {key.strip().lower(): (value or "").strip() for key, value in row.items()}
            if int(float(found["label"])):
                source, dest = address(found["source ip"]), address(found["destination ip"])
                yield Attacked(source=source, dest=dest, start=moment(found["time"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"label.csv line {number}: {error!r}") from error


def moment(text: str) -> float:
    """Epoch seconds of a time: seconds or milliseconds since the epoch, or ISO 8601, UTC where no zone is given."""
    try:
        number = float(text)
    except ValueError:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    return number / 1000.0 if number > 1e11 else number


def address(text: str) -> str:
    """An address in its usual spelling; ValueError for anything else."""
    return str(ipaddress.ip_address(text))


def _row(row: dict[str, str]) -> NsgRow:
    return NsgRow(
        time=moment(row["time"]), source=address(row["source ip"]), dest=address(row["destination ip"]),
        source_port=_number(row["source port"]), dest_port=_number(row["destination port"]),
        protocol=PROTOCOLS[row["protocol"]], is_outbound=_one_of(row["traffic flow"], "O", "I"),
        is_denied=_one_of(row["traffic decision"], "D", "A"), state=_state(row["flow state"]),
        packets_sent=_number(row["packets sent"]), bytes_sent=_number(row["bytes sent"]),
        packets_received=_number(row["packets received"]), bytes_received=_number(row["bytes received"]),
    )  # fmt: skip


def _number(text: str) -> int:
    return int(float(text)) if text else 0  # a row of a flow's begin has no statistics


def _one_of(text: str, yes: str, no: str) -> bool:
    if text not in (yes, no):
        raise ValueError(f"neither {yes} nor {no}: {text!r}")
    return text == yes


def _state(text: str) -> str:
    if text not in ("B", "C", "E", ""):  # denied flows may have none
        raise ValueError(f"not a state of a flow: {text!r}")
    return text or "B"
