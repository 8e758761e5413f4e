"""Who talks with whom: directions, peers and edges."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from baseline.domain.workload import WorkloadId


class Direction(StrEnum):
    """Seen from the workload: egress comes from SRC records, ingress from DST records."""

    EGRESS = "egress"
    INGRESS = "ingress"


class PeerKind(StrEnum):
    """What the other end is, as far as the log names it."""

    WORKLOAD = "workload"
    NETWORK_SET = "set"
    ADDRESS = "address"
    DOMAIN = "domain"
    HOST = "host"
    PUBLIC = "pub"  # some public address, not named by the log
    PRIVATE = "pvt"  # some private address, not named by the log


class Peer(NamedTuple):
    """The other end of an edge. ``namespace`` is ``""`` for whatever has none."""

    kind: PeerKind
    namespace: str
    name: str

    def __str__(self) -> str:
        if self.kind is PeerKind.WORKLOAD:
            return f"{self.namespace}/{self.name}"
        if self.kind in (PeerKind.PUBLIC, PeerKind.PRIVATE):
            return self.kind.value
        if self.kind is PeerKind.ADDRESS:
            return self.name
        return f"{self.kind.value}:{self.namespace + '/' if self.namespace else ''}{self.name}"

    @property
    def is_external(self) -> bool:
        """Outside the cluster's workloads and hosts."""
        return self.kind not in (PeerKind.WORKLOAD, PeerKind.HOST)

    @classmethod
    def parse(cls, text: str) -> Peer:
        """The inverse of ``str(peer)``."""
        if text in (PeerKind.PUBLIC, PeerKind.PRIVATE):
            return cls(PeerKind(text), "", text)
        head, colon, rest = text.partition(":")
        if colon and head in (PeerKind.NETWORK_SET, PeerKind.DOMAIN, PeerKind.HOST):
            namespace, slash, name = rest.rpartition("/")
            return cls(PeerKind(head), namespace if slash else "", name)
        namespace, slash, name = text.partition("/")
        if slash:
            return cls(PeerKind.WORKLOAD, namespace, name)
        return cls(PeerKind.ADDRESS, "", text)


class EdgeKey(NamedTuple):
    """An edge without its workload: what a window counts by."""

    direction: Direction
    peer: Peer
    port: int | None  # destination port; None where the log has none
    protocol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """Workload, direction, peer, destination port, protocol."""

    workload: WorkloadId
    direction: Direction
    peer: Peer
    port: int | None
    protocol: str

    @property
    def key(self) -> EdgeKey:
        """The edge without its workload."""
        return EdgeKey(self.direction, self.peer, self.port, self.protocol)

    def __str__(self) -> str:
        arrow = "->" if self.direction is Direction.EGRESS else "<-"
        port = f":{self.port}" if self.port is not None else ""
        return f"{self.workload} {arrow} {self.peer}{port}/{self.protocol}"
