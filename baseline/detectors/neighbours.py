"""Second voice: how far a window lies from the most similar ones on record, the workload's own and the fleet's.

The mean distance to the five nearest of a reference. It knows combinations (more bytes without more connections) as
well as magnitude, and its score falls apart into features exactly. The reference is a sample over the hours of the
week without the oddest rows; residuals are kept to an eighth of a scale, a byte each, so that a fleet fits in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors.pool import Pool
from baseline.detectors.protocol import Arrays, Rows
from baseline.detectors.tail import weighted
from baseline.domain.units import HOUR_S
from baseline.features.table import FloatArray, IntArray

NEAREST = 5
REACH = 15.0  # residuals are clipped to this
STEP = REACH / 127  # one unit of the stored bytes, in scales
OWN_MOST = 4_000  # reference rows of one workload
TOTAL_MOST = 1 << 21  # of all workloads together, at one horizon: 64 MiB with 32 features
FLEET_MOST = 1_024  # of everybody
ODDEST = 0.02  # share of each workload's rows that is no reference
FEWEST_ROWS = 64  # of all workloads together, below which the voice is not ready
FEWEST_OWN = 4 * NEAREST  # of one workload, below which the fleet's reference alone counts
OWN_HOURS = 24.0  # hours of history at which a workload's own reference weighs as much as the fleet's
MATURE_HOURS = 14 * 24.0  # from here on it is compared with itself alone
NOBODY = -1
BLOCK = 8  # features between two looks at whether a row is too far already: wide enough to be vectorised
Search = Callable[..., None]


class Neighbours:
    """Mean distance to the nearest reference windows, own and fleet's weighted by maturity."""

    name = "neighbours"

    def fit(self, rows: Rows, *, lines: int, seed: int) -> dict[str, npt.NDArray[Any]]:
        """References, packed; none (not ready) with fewer than FEWEST_ROWS rows."""
        return fit(rows, lines=lines)[0]

    def score(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """Distance in scales, (n,), higher = more unusual; NaN without a reference."""
        rows.check(arrays)
        return scores(arrays, rows)

    def explain(self, arrays: Arrays, rows: Rows) -> FloatArray:
        """What each feature adds to the distance, (n, width): they sum to the score."""
        rows.check(arrays)
        credit = np.zeros(rows.values.shape)
        points = coordinates(rows) / STEP
        for reference, squares, places, share in _searched(arrays, rows, skip_own=None, skip_fleet=None):
            apart = (points[:, None, :] - reference[places]) ** 2
            distance = np.sqrt(squares)[:, :, None]
            is_found = np.isfinite(distance) & (distance > 0)
            parts = np.where(is_found, apart / np.where(is_found, distance, 1.0), 0.0)
            credit += (share * STEP / np.maximum(1, np.isfinite(squares).sum(axis=1)))[:, None] * parts.sum(axis=1)
        return credit


def fit(rows: Rows, *, lines: int, pool: Pool | None = None) -> tuple[dict[str, npt.NDArray[Any]], IntArray, IntArray]:
    """The arrays, and where each row went in the own and the fleet's reference (NOBODY: nowhere).

    ``own`` int8 (m, width) with ``bounds`` (lines + 1,); ``fleet`` int8 (k, width); ``trust`` (lines + 1,) is the
    weight of the own reference.

    pool : where the fleet's reference comes from; these rows by default.
    """
    rows.check()
    pool = Pool.whole(lines) if pool is None else pool
    width = rows.schema.width
    in_own = np.full(len(rows), NOBODY, dtype=np.int64)
    chosen, bounds = np.zeros(0, dtype=np.int64), np.zeros(lines + 1, dtype=np.int64)
    trust = np.zeros(lines + 1)
    packed = pack(coordinates(rows))
    fleet, fleet_keys = np.zeros((0, width), dtype=np.int8), np.zeros((0, 2), dtype=np.int64)
    keys = np.stack([pool.lines[rows.workloads], rows.starts], axis=1)
    if pool.of("is ready", lambda: len(rows) >= FEWEST_ROWS):
        ordinary = _ordinary(rows)
        most = min(OWN_MOST, max(FEWEST_OWN, TOTAL_MOST // max(1, pool.fleet_lines)))
        parts = [_sample(rows, own, most) for own in _by_line(rows, ordinary, lines)]
        bounds[1:] = np.cumsum([len(part) for part in parts])
        chosen = np.concatenate([chosen, *parts])

        def common() -> tuple[npt.NDArray[np.int8], IntArray]:
            return _picked(packed, keys, _sample(rows, ordinary, FLEET_MOST))

        fleet, fleet_keys = pool.of("fleet", common)
        trust[:-1] = _trust(rows, np.diff(bounds), lines)
    in_own[chosen] = np.arange(len(chosen))
    in_fleet = _among(keys, fleet_keys)
    arrays: dict[str, npt.NDArray[Any]] = {
        "own": packed[chosen].reshape(-1, width), "bounds": bounds, "fleet": fleet.reshape(-1, width),
        "trust": trust, "schema": rows.schema.mark.copy(),
    }  # fmt: skip
    return arrays, in_own, in_fleet


def _picked(packed: npt.NDArray[np.int8], keys: IntArray, which: IntArray) -> tuple[npt.NDArray[np.int8], IntArray]:
    """Points of a reference, and whose windows they are: line in the fleet and start, (n, 2)."""
    return packed[which], keys[which]


def _among(keys: IntArray, reference: IntArray) -> IntArray:
    """Where each row stands in a reference by its line and start, (n,); NOBODY where it does not."""
    places = {(line, start): place for place, (line, start) in enumerate(reference.tolist())}
    found = np.full(len(keys), NOBODY, dtype=np.int64)
    near = np.flatnonzero(np.isin(keys[:, 0], reference[:, 0]) & np.isin(keys[:, 1], reference[:, 1]))
    found[near] = [places.get((line, start), NOBODY) for line, start in keys[near].tolist()]
    return found


def coordinates(rows: Rows) -> FloatArray:
    """Residuals as points, (n, width): clipped, and weighed as the tail weighs them, so that silence is near."""
    evidence = np.copysign(weighted(rows.residuals, rows.schema), rows.residuals)
    return np.asarray(np.clip(evidence, -REACH, REACH))


def pack(points: FloatArray) -> npt.NDArray[np.int8]:
    """Points as bytes, in units of STEP."""
    return np.asarray(np.rint(points / STEP), dtype=np.int8)


def scores(
    arrays: Arrays, rows: Rows, *, skip_own: IntArray | None = None, skip_fleet: IntArray | None = None
) -> FloatArray:
    """``Neighbours.score``; a row is not compared with the reference rows that ``skip`` names (n,): with itself."""
    found = np.full(len(rows), np.nan if not len(arrays["fleet"]) else 0.0)
    for _, squares, _, share in _searched(arrays, rows, skip_own=skip_own, skip_fleet=skip_fleet):
        near = np.isfinite(squares)
        distances = np.where(near, np.sqrt(np.where(near, squares, 0.0)), 0.0)
        found += share * STEP * distances.sum(axis=1) / np.maximum(1, near.sum(axis=1))
    return found


Found = tuple[npt.NDArray[np.int8], npt.NDArray[np.float32], IntArray, FloatArray]


def _searched(arrays: Arrays, rows: Rows, *, skip_own: IntArray | None, skip_fleet: IntArray | None) -> Iterator[Found]:
    """Own reference, then the fleet's: its rows, squares (n, NEAREST) in STEPs (infinite: none), places, share (n,)."""
    if not len(arrays["fleet"]):
        return
    points = np.ascontiguousarray(coordinates(rows) / STEP, dtype=np.float32)
    zeros, nobody = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), NOBODY, dtype=np.int64)
    trust = arrays["trust"][rows.workloads]  # of UNKNOWN, the last line: 0
    lines = np.maximum(rows.workloads, 0)
    begins, ends = arrays["bounds"][lines], arrays["bounds"][lines + 1]
    of_fleet = np.asarray(1.0 - trust, dtype=np.float64)
    for reference, begin, end, skip, share in (
        (arrays["own"], begins, np.where(trust > 0, ends, begins), skip_own, trust),
        (arrays["fleet"], zeros, np.where(trust < 1, len(arrays["fleet"]), zeros), skip_fleet, of_fleet),
    ):
        squares = np.full((len(rows), NEAREST), np.inf, dtype=np.float32)
        places = np.zeros((len(rows), NEAREST), dtype=np.int64)
        _search()(points, reference, begin, end, nobody if skip is None else skip, squares, places)
        yield reference, squares, places, share


def _ordinary(rows: Rows) -> IntArray:
    """Places of the rows that may be a reference: all but the oddest of each line, by their largest evidence."""
    evidence = weighted(rows.residuals, rows.schema).max(axis=1)
    order = np.lexsort((evidence, rows.workloads))
    _, begins, counts = np.unique(rows.workloads[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(begins, counts)
    return np.sort(order[rank < np.repeat(counts - np.ceil(ODDEST * counts).astype(np.int64), counts)])


def _by_line(rows: Rows, places: IntArray, lines: int) -> list[IntArray]:
    order = places[np.argsort(rows.workloads[places], kind="stable")]
    bounds = np.searchsorted(rows.workloads[order], np.arange(lines + 1))
    return [order[bounds[line] : bounds[line + 1]] for line in range(lines)]


def _sample(rows: Rows, places: IntArray, most: int) -> IntArray:
    """At most ``most`` of the places, evenly over the hours of the week and over time within each."""
    order = places[np.lexsort((rows.workloads[places], rows.starts[places], rows.slots[places]))]
    if len(order) <= most:
        return order
    return order[(np.arange(most) * len(order)) // most]


def _trust(rows: Rows, sizes: IntArray, lines: int) -> FloatArray:
    pairs = np.unique(np.stack([rows.workloads, rows.starts // HOUR_S]), axis=1)[0]
    hours = np.bincount(pairs[pairs >= 0], minlength=lines).astype(np.float64)
    weight = np.where(hours >= MATURE_HOURS, 1.0, hours / (hours + OWN_HOURS))
    return np.where(sizes >= FEWEST_OWN, weight, 0.0)


def _search_rows(
    points: FloatArray, reference: npt.NDArray[np.int8], begins: IntArray, ends: IntArray, skips: IntArray,
    squares: FloatArray, places: IntArray,
) -> None:  # fmt: skip
    """Fill the squares (n, NEAREST), ascending, and places of the reference rows nearest to each point."""
    width = points.shape[1]
    for at in range(points.shape[0]):
        for row in range(begins[at], ends[at]):
            if row == skips[at]:
                continue
            limit = squares[at, NEAREST - 1]
            square = np.float32(0.0)
            for begin in range(0, width, BLOCK):
                for column in range(begin, min(begin + BLOCK, width)):
                    apart = points[at, column] - np.float32(reference[row, column])
                    square += apart * apart
                if square >= limit:
                    break
            if square >= limit:
                continue
            place = NEAREST - 1
            while place > 0 and squares[at, place - 1] > square:
                squares[at, place], places[at, place] = squares[at, place - 1], places[at, place - 1]
                place -= 1
            squares[at, place], places[at, place] = square, row


@cache
def _search() -> Search:
    """The compiled search; compiled at first use, kept on disk."""
    from numba import njit

    compiled: Search = njit(cache=True, nogil=True, fastmath={"reassoc", "contract"})(_search_rows)
    return compiled
