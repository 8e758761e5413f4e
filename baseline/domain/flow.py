"""One flow-log record: counts of one flow key over one export interval, as one reporter on one host saw it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Reporter(StrEnum):
    """The side of the connection whose host wrote the record."""

    SRC = "src"
    DST = "dst"


class Action(StrEnum):
    """What policy did with the flow. From a SRC record, ALLOW may still mean an attempt the other side refused."""

    ALLOW = "allow"
    DENY = "deny"


class EndpointKind(StrEnum):
    """Calico's endpoint types, in Enterprise spelling."""

    WORKLOAD = "wep"
    HOST = "hep"
    NETWORK_SET = "ns"
    NETWORK = "net"


class PolicyKind(StrEnum):
    """Kinds of policy that appear in policy traces; OTHER keeps what a later Calico adds readable."""

    NETWORK_POLICY = "np"
    GLOBAL_NETWORK_POLICY = "gnp"
    KUBERNETES = "knp"
    CLUSTER = "kcnp"
    PROFILE = "pro"
    END_OF_TIER = "eot"
    OTHER = "other"


class PolicyHit(NamedTuple):
    """One entry of a policy trace."""

    kind: PolicyKind
    tier: str
    namespace: str  # "" for cluster-wide policies
    name: str
    action: str  # allow, deny, pass, or as the log spelled it
    rule_index: int  # -1: the tier's default action; -2: unknown
    staged: bool = False


class Endpoint(NamedTuple):
    """One end of a flow as the log names it; an absent name, namespace or address is ``""``."""

    kind: EndpointKind
    namespace: str
    name: str  # pod, host or set; "" when aggregated away
    name_aggr: str  # "prefix-*", bare pod name, set name, host name, "pub", "pvt"
    address: str  # "" when aggregated away
    labels: tuple[tuple[str, str], ...] | None  # sorted; None: not in the log (unlike no labels)


class Service(NamedTuple):
    """The Kubernetes service the flow went through."""

    namespace: str
    name: str
    port_name: str
    port: int | None


class Counts(NamedTuple):
    """What one record counted since the previous export; in and out are relative to the reporter."""

    packets_in: int = 0
    packets_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    flows: int = 0  # connections alive at any time of the interval
    started: int = 0
    completed: int = 0


class Heartbeat(NamedTuple):
    """A node's agent is alive and has shipped everything up to this event time; without it silence proves nothing."""

    cluster: str
    host: str
    event_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One record, parsed. Times are epoch seconds; ``end`` is exclusive, so the event time is ``end - 1``."""

    cluster: str
    host: str
    reporter: Reporter
    action: Action
    source: Endpoint
    dest: Endpoint
    dest_port: int | None  # None: ICMP, or dropped by aggregation
    protocol: str  # lower case: tcp, udp, icmp, sctp, or a number
    service: Service | None
    start: int
    end: int
    counts: Counts
    enforced: tuple[PolicyHit, ...] = ()
    pending: tuple[PolicyHit, ...] = ()
    domains: tuple[str, ...] = ()
    process: str = ""
    mirrored: bool = False  # the copy made for a peer that no node reports for

    @property
    def event_time(self) -> int:
        """The last whole second the record covers: the second that decides its window."""
        return self.end - 1

    @property
    def local(self) -> Endpoint:
        """The reporter's own end (for a mirrored copy: the end it is mirrored for)."""
        source_side = (self.reporter is Reporter.SRC) != self.mirrored
        return self.source if source_side else self.dest

    @property
    def remote(self) -> Endpoint:
        """The other end."""
        source_side = (self.reporter is Reporter.SRC) != self.mirrored
        return self.dest if source_side else self.source

    @property
    def identity(self) -> tuple[object, ...]:
        """Everything but policies and counts: records equal in this are one flow, whose counters Felix copied.

        Their maximum is the truth, never their sum (measured on Felix v3.32.1).
        """
        return (
            self.cluster, self.host, self.reporter, self.action, self.source[:5], self.dest[:5], self.dest_port,
            self.protocol, self.service, self.start, self.end, self.process, self.mirrored,
        )  # fmt: skip
