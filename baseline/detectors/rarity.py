"""How rare a new edge is: how many peers already use its far end, and since when anybody does.

RITA's modifiers (activecm/rita, default_config.hjson) are the start: 15 % more where at most 2 % use a destination and
where it was first seen within a week, 15 % less from 50 % on and after thirty days. They weigh the *evidence* of a new
edge, minus the logarithm of its probability, so they are bounded, and a window takes the largest of its new edges: one
more unseen peer never lowers the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import groups as peer_groups
from baseline.detectors.edgeuse import EdgeUse, edge_hash
from baseline.detectors.protocol import UNKNOWN, Arrays
from baseline.domain.edge import EdgeKey
from baseline.domain.units import DAY_S
from baseline.features.table import FloatArray, IntArray

STEP = 0.15  # RITA: score increase and decrease, of prevalence and of age
RARE, COMMON = 0.02, 0.5  # RITA: prevalence thresholds
YOUNG_S, OLD_S = 7 * DAY_S, 30 * DAY_S  # RITA: first seen thresholds
LOWEST, HIGHEST = 1 - 2 * STEP, 1 + 2 * STEP
BLIND_S = DAY_S  # what was first seen this soon after history begins is older than that by nobody knows how much
Hashes = npt.NDArray[np.uint64]


def fit_rarity(uses: Sequence[Sequence[EdgeUse]], groups: IntArray) -> dict[str, npt.NDArray[Any]]:
    """Who uses which far end, for every line but by no line's name.

    ``far_hash`` (n,) sorted, ``far_users`` and ``far_first`` (n,): lines that use it, when the first one did.
    ``group`` (lines,), ``group_sizes`` (groups,). ``group_hash``, ``group_users``, ``group_offsets`` (groups + 1,):
    the same within each group. ``since`` (1,): the first use of anything.
    """
    line, ids, first = _flat(uses)
    order = np.lexsort((first, ids))
    far, begins, users = np.unique(ids[order], return_index=True, return_counts=True)
    sizes = peer_groups.sizes(groups)
    of_group = groups[line]
    pairs = np.lexsort((ids, of_group))
    is_next = np.ones(len(pairs), dtype=np.bool_)
    is_next[1:] = (ids[pairs][1:] != ids[pairs][:-1]) | (of_group[pairs][1:] != of_group[pairs][:-1])
    at = np.flatnonzero(is_next)
    return {
        "far_hash": far,
        "far_users": users.astype(np.int64),
        "far_first": first[order][begins],
        "since": np.array([first.min() if len(first) else 0.0]),
        "group": groups,
        "group_sizes": sizes,
        "group_hash": ids[pairs][at],
        "group_users": np.diff(np.append(at, len(pairs))).astype(np.int64),
        "group_offsets": np.searchsorted(of_group[pairs][at], np.arange(len(sizes) + 1)).astype(np.int64),
    }


def modifiers(arrays: Arrays, line: int, keys: Sequence[EdgeKey], *, at: float) -> FloatArray:
    """What the evidence of each new edge of a line is worth, (n,), in [LOWEST, HIGHEST]; 1 is neither rare nor common.

    The line itself is taken not to use them.
    """
    ids = np.array([edge_hash(key) for key in keys], dtype=np.uint64)
    place = _places(arrays["far_hash"], ids)
    seen = place >= 0
    lines = len(arrays["group"])
    users = np.where(seen, arrays["far_users"][place], 0) if len(arrays["far_hash"]) else np.zeros(len(ids))
    first = np.where(seen, arrays["far_first"][place], at) if len(arrays["far_hash"]) else np.full(len(ids), at)
    prevalence = users / max(1, lines - 1 if line != UNKNOWN else lines)
    if line != UNKNOWN:
        prevalence = np.maximum(prevalence, _in_group(arrays, line, ids))
    return weigh(prevalence, first=first, at=np.full(len(ids), at), since=float(arrays["since"][0]))


def weigh(prevalence: FloatArray, *, first: FloatArray, at: FloatArray, since: float) -> FloatArray:
    """RITA's two modifiers together, (n,).

    Within a week of the beginning of history everything is young, and what history began with is older than it
    shows: young counts neither way there.
    """
    age = np.maximum(at - first, 0.0)
    is_told = (at > since + YOUNG_S) & ((first >= since + BLIND_S) | (age == 0))
    by_prevalence = np.where(prevalence <= RARE, STEP, np.where(prevalence >= COMMON, -STEP, 0.0))
    by_age = np.where(age >= OLD_S, -STEP, np.where((age <= YOUNG_S) & is_told, STEP, 0.0))
    return np.asarray(1.0 + by_prevalence + by_age)


def at_first_use(uses: Sequence[Sequence[EdgeUse]], groups: IntArray) -> list[FloatArray]:
    """The modifier each use had when its workload began it, by what the others had done before: one array a line."""
    line, ids, first = _flat(uses)
    if not len(ids):
        return [np.zeros(0) for _ in uses]
    before, oldest = _earlier([ids], first)
    of_group, _ = _earlier([ids, groups[line].astype(np.uint64)], first)
    others = np.maximum(peer_groups.sizes(groups)[groups[line]] - 1, 1)
    prevalence = np.maximum(before / max(1, len(uses) - 1), of_group / others)
    found = weigh(prevalence, first=oldest, at=first, since=float(first.min()))
    bounds = np.cumsum([0, *(len(own) for own in uses)])
    return [found[begin:end] for begin, end in pairwise(bounds)]


def _flat(uses: Sequence[Sequence[EdgeUse]]) -> tuple[IntArray, Hashes, FloatArray]:
    """Line, far end and first use of every use, in order of line."""
    line = np.repeat(np.arange(len(uses), dtype=np.int64), [len(own) for own in uses])
    ids = np.array([edge_hash(use.key) for own in uses for use in own], dtype=np.uint64)
    first = np.array([use.first_seen for own in uses for use in own], dtype=np.float64)
    return line, ids, first


def _earlier(keys: Sequence[Hashes], first: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How many rows of equal keys began strictly earlier, and when the first of them did."""
    order = np.lexsort((first, *keys))
    is_new = np.zeros(len(order), dtype=np.bool_)
    is_new[0] = True
    for key in keys:
        is_new[1:] |= key[order][1:] != key[order][:-1]
    begins = np.flatnonzero(is_new)
    begin = begins[np.cumsum(is_new) - 1]
    sorted_first = first[order]
    is_later = is_new.copy()
    is_later[1:] |= sorted_first[1:] != sorted_first[:-1]
    step = np.maximum.accumulate(np.where(is_later, np.arange(len(order)), 0))  # ties began together
    count, oldest = np.empty(len(order)), np.empty(len(order))
    count[order] = step - begin
    oldest[order] = sorted_first[begin]
    return count, oldest


def _in_group(arrays: Arrays, line: int, ids: Hashes) -> FloatArray:
    group = int(arrays["group"][line])
    begin, end = int(arrays["group_offsets"][group]), int(arrays["group_offsets"][group + 1])
    place = _places(arrays["group_hash"][begin:end], ids)
    if begin == end:
        return np.zeros(len(ids))
    users = np.where(place >= 0, arrays["group_users"][begin:end][place], 0)
    return np.asarray(users / max(1, int(arrays["group_sizes"][group]) - 1))


def _places(ordered: Hashes, ids: Hashes) -> IntArray:
    """Where each id stands in sorted hashes; -1 where it does not."""
    if not len(ordered):
        return np.full(len(ids), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(ordered, ids), len(ordered) - 1)
    return np.where(ordered[place] == ids, place, -1).astype(np.int64)
