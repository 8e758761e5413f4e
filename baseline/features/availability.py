"""Which features a workload's log cannot give: absent, which is not zero.

Pure. A log that names no addresses shows one "public" peer however many there are; a count of it is not a small
number but none. An absent feature has no residual, so it carries no score, and nobody is told of it.

==========================  ======================================================================================
aggregation level 3         no destination ports (Calico drops them; 2, its default, still has them)
aggregation level 2 and up  no addresses (``pub`` and ``pvt``, unless network sets or domains name the outside), and
                            no pod names, which is why no feature compares the replicas of a workload
Windows node (Enterprise)   connections started and completed are inaccurate with VXLAN, and what policy denied has
                            no packets or bytes: everything counted in connections, and every failure, is absent
mirrored copy               of a node that writes no log: seen by the others, so nothing outside the cluster is in it
==========================  ======================================================================================

TCP flags, the duration of a connection and the time between two are in no flow log at any level: a record counts what
happened in an interval of export. How many connections are open for one that started (``carried_``) tells long ones
from short ones; nothing stands in for the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from baseline.domain.edge import EdgeKey, PeerKind
from baseline.features.schema import PRODUCT, Schema
from baseline.features.table import FloatArray

Mask = npt.NDArray[np.bool_]
_PORTS = ("ports_", "edges_per_peer_")
_OUTSIDE_COUNTS = ("external_peers_",)
_OUTSIDE = ("external_peers_", "external_bytes_")
_CONNECTIONS = (
    "connections_", "busiest_edge_", "failed_", "bytes_per_connection_", "connections_per_peer_", "carried_",
)  # fmt: skip
_PORT_PROTOCOLS = frozenset({"tcp", "udp", "sctp", "6", "17", "132"})
_NAMELESS = (PeerKind.PUBLIC, PeerKind.PRIVATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFacts:
    """What kind of log one workload has."""

    has_ports: bool = True  # False: aggregation level 3
    has_addresses: bool = True  # False: the outside is only ever "public" or "private"
    is_windows: bool = False  # on Windows nodes, with logs of Calico Enterprise
    is_mirrored: bool = False  # seen only by others' nodes

    @classmethod
    def of(cls, keys: Iterable[EdgeKey], *, is_windows: bool = False, is_mirrored: bool = False) -> LogFacts:
        """As the edges of a workload's history show it; what they leave open is taken to be there."""
        ported, outside = [], []
        for key in keys:
            if key.protocol in _PORT_PROTOCOLS:
                ported.append(key.port is not None)
            if key.peer.is_external:
                outside.append(key.peer.kind not in _NAMELESS)
        return cls(
            has_ports=not ported or any(ported), has_addresses=not outside or any(outside), is_windows=is_windows,
            is_mirrored=is_mirrored,
        )  # fmt: skip


def absent(facts: LogFacts, *, of: Schema = PRODUCT) -> frozenset[str]:
    """Names of the features that such a log cannot give."""
    prefixes: set[str] = set()
    if not facts.has_ports:
        prefixes.update(_PORTS)
    if not facts.has_addresses:
        prefixes.update(_OUTSIDE_COUNTS)
    if facts.is_windows:
        prefixes.update(_CONNECTIONS)
    if facts.is_mirrored:
        prefixes.update(_OUTSIDE)
    return frozenset(name for name in of.names if name.startswith(tuple(prefixes)))


def present(absences: Iterable[Collection[str]], *, of: Schema = PRODUCT) -> Mask:
    """What every line's log gives, bool (lines + 1, width); the last line is a newcomer's: what most logs give."""
    rows = [[name not in gone for name in of.names] for gone in absences]
    lines = np.array(rows, dtype=np.bool_).reshape(len(rows), of.width)
    fleet = lines.mean(axis=0) >= 0.5 if rows else np.ones(of.width, dtype=np.bool_)
    return np.vstack([lines, fleet])


def masked(residuals: FloatArray, mask: Mask) -> FloatArray:
    """Residuals (n, width) with exactly zero where the mask (n, width) says absent."""
    return np.where(mask, residuals, 0.0)
