"""Never-seen peers and ports: which edges a baseline knows, and how surprising a new one is for this workload.

A proxy that meets new peers every minute must not alert; a database that never does must. So the probability of a
window with new edges is a Beta-Binomial per workload with its peer group as prior; more than one new edge in a window
continues geometrically. How rare the new edges are with the others (``rarity``) weighs that evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import groups as peer_groups
from baseline.detectors import rarity
from baseline.detectors.edgeuse import EdgeUse, edge_hash, is_merged, merged, peer_hash
from baseline.detectors.pool import Pool
from baseline.detectors.protocol import UNKNOWN, Arrays, Rows
from baseline.domain.edge import EdgeKey
from baseline.features.table import FloatArray, IntArray

__all__ = ["EdgeUse", "Edges", "News", "edge_hash", "fit_edges", "fresh_in_training", "known", "merged", "peer_hash"]

Hashes = npt.NDArray[np.uint64]
MOST_EDGES = 4096  # of one workload that a set keeps; the longest used ones
WARM_UP = 0.3  # share of a workload's history in which everything is new and nothing is counted
PRIOR_WINDOWS = 60.0  # weight of the peers' rate, in windows
GROUP_STRENGTH = 3.0  # weight of the fleet in a peer group's rate, in members; by judgement
COMMON_SHARE = 0.25  # an edge's far end that this share of the fleet uses (DNS, the API server) is never a surprise
COMMON_FEWEST = 3
MORE_RANGE = (0.4, 0.9999)  # new edges come in bunches: a rollout, a new dependency with its replicas
MORE_PRIOR, MORE_EVENTS = 0.6, 10.0  # prior of one more, and its weight in new edges
ROLLOUT_MORE = 0.9  # probability of one more in the day after a rollout: a version brings its dependencies together
TYPICAL, TYPICAL_EVENTS = 1.0 + rarity.STEP, 10.0  # a new edge is one nobody uses, until ten windows say otherwise
SMALLEST = 1e-12


def fit_edges(uses: Sequence[Sequence[EdgeUse]], groups: IntArray | None = None) -> dict[str, npt.NDArray[Any]]:
    """Tables of the known edges of every line, sorted by hash within a line, ``offsets`` (lines + 1,).

    ``shares`` (n, 2): the edge's part of all connections and of all bytes in its direction. ``first_seen``,
    ``last_seen``, ``days``, ``hours``, ``connections`` (n,): see ``EdgeUse``. The rest: see ``rarity.fit_rarity``.

    groups : peer group of each line; one group of everybody by default.
    """
    uses = [own if is_merged(own) else merged(own) for own in uses]
    kept = [_kept(own) for own in uses]
    hashes = [np.array([edge_hash(use.key) for use in own], dtype=np.uint64) for own in kept]
    peers = [np.unique(np.array([peer_hash(use.key) for use in own], dtype=np.uint64)) for own in kept]
    every = [use for own in kept for use in own]
    return {
        "hash": _joined(hashes),
        "offsets": np.cumsum([0, *(len(found) for found in hashes)], dtype=np.int64),
        "shares": np.concatenate([*(_shares(own) for own in kept), np.zeros((0, 2))]).astype(np.float32),
        "first_seen": np.array([use.first_seen for use in every], dtype=np.float64),
        "last_seen": np.array([use.last_seen for use in every], dtype=np.float64),
        "days": np.array([use.days for use in every], dtype=np.uint64),
        "hours": np.array([use.hours for use in every], dtype=np.int64),
        "connections": np.array([use.connections for use in every], dtype=np.int64),
        "peers": _joined(peers),
        "peer_offsets": np.cumsum([0, *(len(found) for found in peers)], dtype=np.int64),
        "common": _common(hashes),
        **rarity.fit_rarity(kept, np.zeros(len(uses), dtype=np.int64) if groups is None else groups),
    }


def _kept(uses: Sequence[EdgeUse]) -> list[EdgeUse]:
    """The longest used ones, in order of hash."""
    longest = uses
    if len(uses) > MOST_EDGES:
        longest = sorted(uses, key=lambda use: (-use.hours, -use.last_seen, edge_hash(use.key)))[:MOST_EDGES]
    return sorted(longest, key=lambda use: edge_hash(use.key))


def _common(hashes: Sequence[Hashes]) -> Hashes:
    """Far ends that so much of the fleet uses that they are new to nobody, sorted."""
    everywhere, counts = np.unique(_joined(hashes), return_counts=True)
    needed = max(COMMON_FEWEST, int(np.ceil(COMMON_SHARE * len(hashes))))
    return np.asarray(everywhere[counts >= needed])


def _joined(parts: Sequence[Hashes]) -> Hashes:
    return np.concatenate([*parts, np.zeros(0, dtype=np.uint64)])


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
    """Whether the baseline of a line knows each edge (or the whole fleet does), and its shares (n, 2).

    Edges of one far end, addresses of one network, divide its share among them.
    """
    ids = np.array([edge_hash(key) for key in keys], dtype=np.uint64)
    is_common = _member(arrays["common"], ids)
    shares = np.zeros((len(keys), 2))
    if line == UNKNOWN:
        return is_common, shares
    begin, end = int(arrays["offsets"][line]), int(arrays["offsets"][line + 1])
    own = arrays["hash"][begin:end]
    place = np.minimum(np.searchsorted(own, ids), max(len(own) - 1, 0))
    found = own[place] == ids if len(own) else np.zeros(len(ids), dtype=np.bool_)
    _, alike, counts = np.unique(ids, return_inverse=True, return_counts=True)
    shares[found] = arrays["shares"][begin:end][place[found]] / counts[alike][found, None]
    return np.asarray(found | is_common), shares


def _member(ordered: Hashes, ids: Hashes) -> npt.NDArray[np.bool_]:
    if not len(ordered):
        return np.zeros(len(ids), dtype=np.bool_)
    return np.asarray(ordered[np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)] == ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firsts:
    """First uses in the training windows of each line: arrays in the order of its starts.

    counts : edges used first in each window, none during the warm-up. rarity : the largest modifier among them, 1
    where there is none. settled : which windows come after the warm-up.
    """

    counts: dict[int, IntArray]
    rarity: dict[int, FloatArray]
    settled: dict[int, npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What each line's uses were worth when they began: ``weights`` (``rarity``) and ``is_news`` a line, (uses,).

    Found over the whole fleet, kept line by line.
    """

    weights: Sequence[FloatArray]
    is_news: Sequence[npt.NDArray[np.bool_]]  # False for far ends that so many use

    @classmethod
    def of(cls, uses: Sequence[Sequence[EdgeUse]], groups: IntArray) -> News:
        """Of everybody's uses."""
        hashes = [np.array([edge_hash(use.key) for use in own], dtype=np.uint64) for own in uses]
        common = _common(hashes)
        return cls(weights=rarity.at_first_use(uses, groups), is_news=[~_member(common, own) for own in hashes])

    def pick(self, lines: Sequence[int]) -> News:
        """Of some lines, which are then numbered from 0."""
        return News(weights=[self.weights[line] for line in lines], is_news=[self.is_news[line] for line in lines])


def fresh_in_training(
    starts: Mapping[int, IntArray], horizon_s: int, uses: Sequence[Sequence[EdgeUse]], groups: IntArray,
    *, news: News | None = None,
) -> Firsts:  # fmt: skip
    """What ``score`` would have found new in the windows that are learned from, had it judged them then.

    news : of these lines, where they are not the whole fleet.
    """
    news = News.of(uses, groups) if news is None else news
    found = Firsts(counts={}, rarity={}, settled={})
    for line, own in starts.items():
        begun = own[0] + WARM_UP * (own[-1] + horizon_s - own[0]) if len(own) else 0.0
        settled = found.settled[line] = own >= begun
        counts, most = found.counts[line], found.rarity[line] = np.zeros(len(own), dtype=np.int64), np.zeros(len(own))
        first = np.array([use.first_seen for use in uses[line]], dtype=np.float64)
        place = np.searchsorted(own, first, side="right") - 1
        inside = (place >= 0) & (first < own[np.maximum(place, 0)] + horizon_s) if len(own) else place >= 0
        inside &= news.is_news[line]
        np.add.at(counts, place[inside], 1)
        np.maximum.at(most, place[inside], news.weights[line][inside])
        counts[~settled] = 0
        most[counts == 0] = 1.0
    return found


class Edges:
    """Second voice: minus the logarithm of the probability of so many new edges."""

    name = "edges"

    def __init__(self, groups: IntArray | None = None, *, pool: Pool | None = None) -> None:
        """``groups`` : peer group of each line, whose habits are the prior of its own; the fleet's by default.

        pool : what the fleet and its groups do; found in the rows of the fit by default.
        """
        self._groups, self._pool = groups, pool

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """``rate`` (lines + 1,): probability of a window with a new edge; ``more``: of one more in it.

        ``typical`` (1,): the rarity of the new edges of training, which weighs nothing. Rows are those after each
        workload's warm-up.
        """
        rows.check()
        pool = Pool.whole(lines) if self._pool is None else self._pool
        windows, with_new, new = (np.zeros(lines) for _ in range(3))
        np.add.at(windows, rows.workloads, 1)
        np.add.at(with_new, rows.workloads, rows.fresh > 0)
        np.add.at(new, rows.workloads, rows.fresh)
        pooled = pool.of("pooled", lambda: (with_new.sum() + 0.5) / (windows.sum() + 1.0))
        # The typical workload, not the sum: one proxy would otherwise make new peers look common to a database.
        logs = np.log((with_new + pooled) / (windows + 1.0))
        typical = np.exp(np.mean(logs)) if lines else pooled
        fleet_rate = pool.of("rate", lambda: max(float(typical), 0.5 / (windows.sum() + 1.0)))
        own_more = (new - with_new + MORE_EVENTS * MORE_PRIOR) / (new + MORE_EVENTS)
        fleet_more = pool.of("more", lambda: float(np.clip(np.median(own_more), *MORE_RANGE)) if lines else MORE_PRIOR)
        prior = self._prior(logs, windows, fleet_rate, pool)
        rate = (with_new + PRIOR_WINDOWS * prior) / (windows + PRIOR_WINDOWS)
        more = np.clip((new - with_new + MORE_EVENTS * fleet_more) / (new + MORE_EVENTS), *MORE_RANGE)
        return {
            "rate": np.append(rate, fleet_rate),
            "more": np.append(more, fleet_more),
            "windows": np.append(windows, windows.sum()),
            "typical": pool.of("typical", lambda: _typical(rows)),
            "schema": rows.schema.mark.copy(),
        }

    def _prior(self, logs: FloatArray, windows: FloatArray, fleet_rate: float, pool: Pool) -> FloatArray:
        """The rate of each line's peers, (lines,): never below what their windows together could have shown."""
        groups = self._groups
        if groups is None:
            return np.full(len(logs), fleet_rate)
        rates = pool.of("groups", lambda: peer_groups.Sums.of(logs, groups, lines=pool.lines))
        seen = pool.of("group windows", lambda: peer_groups.Sums.of(windows, groups, lines=pool.lines))
        shrunk = rates.others_mean(groups, lines=pool.lines, prior=float(np.log(fleet_rate)), strength=GROUP_STRENGTH)
        of_group = np.maximum(seen.total(groups), windows)
        return np.asarray(np.maximum(np.exp(shrunk), 0.5 / (of_group + 1.0)))

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """-ln P(at least so many new edges); 0 without any; NaN for a newcomer, to whom everything is new."""
        rows.check(arrays)
        return np.where(rows.workloads == UNKNOWN, np.nan, -np.log(self.p_values(arrays, rows)))

    def p_values(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """P(at least so many new edges in a window), weighed by their rarity, in [SMALLEST, 1]."""
        lines = np.where(rows.workloads == UNKNOWN, len(arrays["rate"]) - 1, rows.workloads)
        rate, more = arrays["rate"][lines], arrays["more"][lines]
        if rows.rollout is not None:  # a new version brings new edges, and brings them together
            rate = np.maximum(rate, rows.rollout)
            more = np.where(rows.rollout > 0, np.maximum(more, ROLLOUT_MORE), more)
        found = np.log(rate) + np.maximum(rows.fresh - 1, 0) * np.log(more)
        if rows.rarity is not None:
            found = found * rows.rarity / arrays["typical"][0]
        return np.where(rows.fresh > 0, np.maximum(np.exp(np.maximum(found, -700.0)), SMALLEST), 1.0)

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """New edges are no feature of the vector: zeros."""
        rows.check()
        return np.zeros((len(rows), rows.schema.width))


def _typical(rows: Rows) -> FloatArray:
    """Mean rarity of windows with new edges: that most new edges are rare says nothing of one that is."""
    weights = rows.rarity[rows.fresh > 0] if rows.rarity is not None else np.zeros(0)
    return np.array([(weights.sum() + TYPICAL_EVENTS * TYPICAL) / (len(weights) + TYPICAL_EVENTS)])
