"""Who is who in the Westermo recording: devices, where they live as workloads, their addresses over time, the events.

Pure: text in, nouns out. Names, addresses and MACs are those of the data set's own README; homes and pod hashes are
ours (docs/recording.md lists every invention).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

NAMESPACE = "plant"
WORKSTATION = "workstation"
RELAY = "pi-a2"  # A2: in the middle of other devices' traffic, under their addresses
LOCAL_TIME_OFFSET_S = 3600.0  # events.txt counts local time (CET) as if it were UTC; the CSV files count UTC
HASH_ALPHABET = "456789bcdf"  # what Kubernetes encodes the decimal digits of a ReplicaSet hash with


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device of the plant, told as a Deployment of one pod."""

    name: str
    mac: str
    address: str  # at the start of the recording
    home: str  # the capture point that saw most of its unicast IP packets; its node is ``node-<home>``
    rank: int  # who is taken for the initiator where no SYN was ever recorded: the lower one

    @property
    def pod_hash(self) -> str:
        """The pod-template-hash: invented, and a function of the name alone."""
        digest = hashlib.sha256(self.name.encode()).digest()
        return "".join(HASH_ALPHABET[byte % len(HASH_ALPHABET)] for byte in digest[:10])

    @property
    def name_aggr(self) -> str:
        """The name of its pods as Calico aggregates it."""
        return f"{self.name}-{self.pod_hash}-*"

    @property
    def node(self) -> str:
        """The node that reports for it."""
        return f"node-{self.home}"


def _device(name: str, mac: str, last_octet: int, home: str, rank: int) -> Device:
    return Device(name=name, mac=mac, address=f"198.18.134.{last_octet}", home=home, rank=rank)


DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        _device(WORKSTATION, "00:24:9b:6d:b8:89", 99, "left", 0),  # A1, a laptop
        _device(RELAY, "b8:27:eb:d1:b7:ef", 14, "bottom", 1),  # A2, a Raspberry Pi
        _device("hmi", "b8:27:eb:15:88:9c", 15, "bottom", 2),  # HMI1; Modbus client of both PLCs
        _device("plc-1", "b8:27:eb:6d:4f:4b", 11, "bottom", 3),
        _device("plc-2", "b8:27:eb:5b:50:19", 12, "bottom", 4),
        _device("hub", "00:07:7c:88:6e:83", 1, "left", 5),
        _device("left", "00:07:7c:88:6e:63", 2, "left", 6),
        _device("filler", "00:07:7c:29:de:41", 3, "left", 7),
        _device("right", "00:07:7c:29:de:61", 4, "right", 8),
        _device("top", "00:07:7c:8c:43:83", 5, "left", 9),
        _device("bottom", "00:07:7c:8c:43:63", 6, "bottom", 10),
    )
}
DEVICE_BY_MAC = {device.mac: device.name for device in DEVICES.values()}


class AddressBook:
    """Which device rightfully holds an address at a time; a wrong or doubled address does not change it."""

    def __init__(self) -> None:
        self._changes: list[tuple[float, str, str]] = [(0.0, d.address, d.name) for d in DEVICES.values()]

    def moved(self, name: str, address: str, *, at: float) -> None:
        """Device `name` holds `address` (and no other) from `at` (epoch seconds UTC) on; calls come in time order."""
        self._changes.append((at, address, name))

    def owner(self, address: str, *, at: float) -> str | None:
        """The device whose address it is at `at`, None for an address that is nobody's."""
        held = {name: owned for since, owned, name in self._changes if since <= at}
        return next((name for name, owned in held.items() if owned == address), None)


def is_group(mac: str) -> bool:
    """Whether a MAC is a multicast or the broadcast address."""
    return bool(int(mac[:2], 16) & 1)


def senders(macs: str, address: str, *, at: float, book: AddressBook) -> tuple[str, ...]:
    """The devices behind one side of a row; empty for a multicast or broadcast destination.

    The MAC decides, because devices change addresses. Two exceptions: several MACs of one unicast address are the path
    of relayed packets, and frames of A2 under an address of another device are relayed ones too; there the
    address decides, as it would for Calico. Several MACs under 0.0.0.0 are several senders (DHCP).
    Raises KeyError for an unknown MAC.
    """
    if is_group(macs):
        return ()
    names = tuple(DEVICE_BY_MAC[mac] for mac in macs.split("/"))
    if address == "0.0.0.0":  # noqa: S104  # a sender without an address yet; nothing binds to it
        return names
    owner = book.owner(address, at=at)
    if owner is not None and (owner in names[1:] or names == (RELAY,)):
        return (owner,)
    return names[:1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of the test script; times are epoch seconds UTC."""

    number: int  # from 1, in order of their start
    kind: str
    start: float
    end: float
    attacker: str  # workload name; empty where nobody attacks
    victims: tuple[str, ...]  # workload names, each once, in order of mention


KINDS = {
    "BAD-SSH": "ssh-bruteforce",
    "BAD-PORTSCAN1": "port-scan-1",
    "BAD-PORTSCAN2": "port-scan-2",
    "BAD-MITM": "mitm",
    "BAD-MISCONF": "wrong-address",
    "BAD-MISCONF-DUPLICATION": "duplicate-address",
    "GOOD-SSH": "benign-ssh",
}
LABELS = {  # what flows show counts; what only layer 2 shows counts neither way; a benign login is no label at all
    "ssh-bruteforce": "ssh-bruteforce",
    "port-scan-1": "port-scan-1",
    "port-scan-2": "port-scan-2",
    "mitm": "ignore-mitm",
    "wrong-address": "ignore-wrong-address",
    "duplicate-address": "ignore-duplicate-address",
}
_ATTACKERS = {"BAD-SSH": WORKSTATION, "BAD-PORTSCAN1": WORKSTATION, "BAD-PORTSCAN2": WORKSTATION, "BAD-MITM": RELAY}
_LINE = re.compile(r"\[(?P<at>[\d.]+) [^]]*\] \[(?P<kind>[A-Z0-9-]+)-(?P<edge>START|END)\](?P<text>.*)")
_ADDRESS = re.compile(r"\b\d+\.\d+\.\d+\.\d+\b")
_MITM_VICTIMS = ("plc-1", "hmi")  # the two whose packets bear A2's MAC in the rows labelled BAD-MITM


def read_events(lines: Iterable[str]) -> tuple[list[Event], AddressBook]:
    """The events of events.txt and the address changes they tell of; raises ValueError for an end without a start."""
    events: list[Event] = []
    book = AddressBook()
    begun: tuple[str, float, str] | None = None
    for line in lines:
        match = _LINE.match(line)
        if match is None:
            continue
        at = float(match["at"]) - LOCAL_TIME_OFFSET_S
        if match["edge"] == "START":
            begun = (match["kind"], at, match["text"])
            continue
        if begun is None or begun[0] != match["kind"]:
            raise ValueError(f"events.txt: an end without its start: {line.strip()}")
        kind, start, text = begun
        victims = _victims(kind, text, at=start, book=book)
        events.append(
            Event(
                number=len(events) + 1,
                kind=KINDS[kind],
                start=start,
                end=at,
                attacker=_ATTACKERS.get(kind, ""),
                victims=victims,
            )
        )
        if kind == "BAD-MISCONF":
            book.moved(victims[0], _ADDRESS.findall(match["text"])[0], at=at)
        begun = None
    return events, book


def _victims(kind: str, text: str, *, at: float, book: AddressBook) -> tuple[str, ...]:
    if kind == "BAD-MITM":
        return _MITM_VICTIMS
    if kind.startswith("BAD-MISCONF"):  # names, never addresses: those are what is wrong
        words = [word for word in re.findall(r"[a-z]+", text) if word in DEVICES]
        return tuple(dict.fromkeys(words))
    owners = (book.owner(address, at=at) for address in _ADDRESS.findall(text))
    return tuple(dict.fromkeys(name for name in owners if name is not None))


def rfc3339(at: float) -> str:
    """Epoch seconds UTC as RFC 3339 with milliseconds."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
