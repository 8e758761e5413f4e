"""Never-seen peers and ports: which edges a baseline knows, and how surprising a new one is for this workload.

A proxy that meets new peers every minute must not alert; a database that never does must. So the probability of a
window with new edges is a Beta-Binomial per workload with the fleet as prior; more than one new edge in a window
continues geometrically.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors.protocol import UNKNOWN, Arrays, Rows
from baseline.domain.edge import EdgeKey
from baseline.features.table import FloatArray, IntArray

Hashes = npt.NDArray[np.uint64]
MOST_EDGES = 4096  # of one workload that a set keeps; the longest used ones
WARM_UP = 0.3  # share of a workload's history in which everything is new and nothing is counted
PRIOR_WINDOWS = 60.0  # weight of the fleet's rate, in windows
COMMON_SHARE = 0.25  # an edge's far end that this share of the fleet uses (DNS, the API server) is never a surprise
COMMON_FEWEST = 3
MORE_RANGE = (0.4, 0.9999)  # new edges come in bunches: a rollout, a new dependency with its replicas
MORE_PRIOR, MORE_EVENTS = 0.6, 10.0  # prior of one more, and its weight in new edges
SMALLEST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeUse:
    """What training learned of one edge of one workload."""

    key: EdgeKey
    first_seen: float  # event time
    last_seen: float
    connections: int
    bytes_out: int
    bytes_in: int
    hours: int  # hours of history in which it was used


@lru_cache(maxsize=262_144)
def edge_hash(key: EdgeKey) -> int:
    """64 bits of an edge, the same on every machine and in every process."""
    text = f"{key.direction}|{key.peer}|{key.peer.kind}|{key.port}|{key.protocol}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


@lru_cache(maxsize=262_144)
def peer_hash(key: EdgeKey) -> int:
    """64 bits of direction and peer."""
    text = f"{key.direction}|{key.peer}|{key.peer.kind}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def fit_edges(uses: Sequence[Sequence[EdgeUse]]) -> dict[str, npt.NDArray[Any]]:
    """Tables of the known edges of every line, sorted by hash within a line, ``offsets`` (lines + 1,).

    ``connections`` and ``bytes`` are the edge's shares of all that the workload did in its direction.
    """
    hashes: list[Hashes] = []
    peers: list[Hashes] = []
    shares: list[FloatArray] = []
    for known in uses:
        kept = sorted(known, key=lambda use: (-use.hours, -use.last_seen, edge_hash(use.key)))[:MOST_EDGES]
        ids = np.array([edge_hash(use.key) for use in kept], dtype=np.uint64)
        order = np.argsort(ids, kind="stable")
        hashes.append(ids[order])
        shares.append(_shares(kept)[order])
        peers.append(np.unique(np.array([peer_hash(use.key) for use in kept], dtype=np.uint64)))
    everywhere, counts = np.unique(np.concatenate([*hashes, np.zeros(0, np.uint64)]), return_counts=True)
    needed = max(COMMON_FEWEST, int(np.ceil(COMMON_SHARE * len(uses))))
    return {
        "hash": np.concatenate([*hashes, np.zeros(0, np.uint64)]),
        "offsets": np.cumsum([0, *(len(found) for found in hashes)], dtype=np.int64),
        "shares": np.concatenate([*shares, np.zeros((0, 2))]).astype(np.float32),
        "peers": np.concatenate([*peers, np.zeros(0, np.uint64)]),
        "peer_offsets": np.cumsum([0, *(len(found) for found in peers)], dtype=np.int64),
        "common": everywhere[counts >= needed],
    }


def _shares(uses: Sequence[EdgeUse]) -> FloatArray:
    totals: dict[str, list[float]] = {}
    for use in uses:
        total = totals.setdefault(use.key.direction, [1e-9, 1e-9])
        total[0] += use.connections
        total[1] += use.bytes_out + use.bytes_in
    found = [
        (use.connections / totals[use.key.direction][0], (use.bytes_out + use.bytes_in) / totals[use.key.direction][1])
        for use in uses
    ]
    return np.array(found, dtype=np.float64).reshape(len(uses), 2)


def known(arrays: Arrays, line: int, keys: Sequence[EdgeKey]) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Whether the baseline of a line knows each edge (or the whole fleet does), and its shares (n, 2)."""
    ids = np.array([edge_hash(key) for key in keys], dtype=np.uint64)
    is_common = _member(arrays["common"], ids)
    shares = np.zeros((len(keys), 2))
    if line == UNKNOWN:
        return is_common, shares
    begin, end = int(arrays["offsets"][line]), int(arrays["offsets"][line + 1])
    own = arrays["hash"][begin:end]
    place = np.minimum(np.searchsorted(own, ids), max(len(own) - 1, 0))
    found = own[place] == ids if len(own) else np.zeros(len(ids), dtype=np.bool_)
    shares[found] = arrays["shares"][begin:end][place[found]]
    return np.asarray(found | is_common), shares


def _member(ordered: Hashes, ids: Hashes) -> npt.NDArray[np.bool_]:
    if not len(ordered):
        return np.zeros(len(ids), dtype=np.bool_)
    return np.asarray(ordered[np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)] == ids)


def fresh_in_training(
    starts: Mapping[int, IntArray], horizon_s: int, uses: Sequence[Sequence[EdgeUse]]
) -> tuple[dict[int, IntArray], dict[int, npt.NDArray[np.bool_]]]:
    """First uses in each training window of each line, and which windows come after the line's warm-up."""
    counts: dict[int, IntArray] = {}
    settled: dict[int, npt.NDArray[np.bool_]] = {}
    for line, own in starts.items():
        begun = own[0] + WARM_UP * (own[-1] + horizon_s - own[0]) if len(own) else 0.0
        settled[line] = own >= begun
        first = np.array([use.first_seen for use in uses[line]], dtype=np.float64)
        counts[line] = np.zeros(len(own), dtype=np.int64)
        place = np.searchsorted(own, first, side="right") - 1
        inside = (place >= 0) & (first < own[np.maximum(place, 0)] + horizon_s) if len(own) else place >= 0
        np.add.at(counts[line], place[inside], 1)
        counts[line][~settled[line]] = 0
    return counts, settled


class Edges:
    """Second voice: minus the logarithm of the probability of so many new edges."""

    name = "edges"

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """``rate`` (lines + 1,): probability of a window with a new edge; ``more``: of one more in it.

        Rows are those after each workload's warm-up.
        """
        rows.check()
        windows, with_new, new = (np.zeros(lines) for _ in range(3))
        np.add.at(windows, rows.workloads, 1)
        np.add.at(with_new, rows.workloads, rows.fresh > 0)
        np.add.at(new, rows.workloads, rows.fresh)
        pooled = (with_new.sum() + 0.5) / (windows.sum() + 1.0)
        # The typical workload, not the sum: one proxy would otherwise make new peers look common to a database.
        typical = np.exp(np.mean(np.log((with_new + pooled) / (windows + 1.0)))) if lines else pooled
        fleet_rate = max(float(typical), 0.5 / (windows.sum() + 1.0))
        own_more = (new - with_new + MORE_EVENTS * MORE_PRIOR) / (new + MORE_EVENTS)
        fleet_more = float(np.clip(np.median(own_more), *MORE_RANGE)) if lines else MORE_PRIOR
        rate = (with_new + PRIOR_WINDOWS * fleet_rate) / (windows + PRIOR_WINDOWS)
        more = np.clip((new - with_new + MORE_EVENTS * fleet_more) / (new + MORE_EVENTS), *MORE_RANGE)
        return {
            "rate": np.append(rate, fleet_rate),
            "more": np.append(more, fleet_more),
            "windows": np.append(windows, windows.sum()),
            "schema": rows.schema.mark.copy(),
        }

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """-ln P(at least so many new edges); 0 without any; NaN for a newcomer, to whom everything is new."""
        rows.check(arrays)
        return np.where(rows.workloads == UNKNOWN, np.nan, -np.log(self.p_values(arrays, rows)))

    def p_values(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """P(at least so many new edges in a window), in [SMALLEST, 1]."""
        lines = np.where(rows.workloads == UNKNOWN, len(arrays["rate"]) - 1, rows.workloads)
        rate, more = arrays["rate"][lines], arrays["more"][lines]
        found = np.log(rate) + np.maximum(rows.fresh - 1, 0) * np.log(more)
        return np.where(rows.fresh > 0, np.maximum(np.exp(np.maximum(found, -700.0)), SMALLEST), 1.0)

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """New edges are no feature of the vector: zeros."""
        rows.check()
        return np.zeros((len(rows), rows.schema.width))


def merged(parts: Iterable[EdgeUse]) -> list[EdgeUse]:
    """One use for each edge out of several."""
    found: dict[EdgeKey, EdgeUse] = {}
    for part in parts:
        old = found.get(part.key)
        found[part.key] = part if old is None else EdgeUse(
            key=part.key, first_seen=min(old.first_seen, part.first_seen), last_seen=max(old.last_seen, part.last_seen),
            connections=old.connections + part.connections, bytes_out=old.bytes_out + part.bytes_out,
            bytes_in=old.bytes_in + part.bytes_in, hours=old.hours + part.hours,
        )  # fmt: skip
    return list(found.values())
