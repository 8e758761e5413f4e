"""Fit one horizon: seasonal tables, voices, calibration, in two passes so that what was odd in the past does not teach.

Everything is calibrated on residuals of rows that the tables had not seen: with days of history the last part is held
out, with less the rows are split into blocks and each is judged by tables of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import calibrate, combine, neighbours, seasonal
from baseline.detectors.edges import Edges
from baseline.detectors.forest import Builder, Forest
from baseline.detectors.neighbours import Neighbours
from baseline.detectors.pool import Pool
from baseline.detectors.protocol import Arrays, Rows
from baseline.detectors.tail import Tail
from baseline.domain.units import DAY_S, HOUR_S
from baseline.features.table import FloatArray, IntArray

Mask = npt.NDArray[np.bool_]
HELD_OUT = 0.25
BLOCKS = 4
SHORT_S = 12 * HOUR_S  # below: what lies far outside does not teach, up to FENCE_MOST of the rows
LONG_S = 28 * DAY_S  # below: cross-fit in blocks, because a quarter would be less than a week to calibrate on
TRIMMED = 0.002  # of the rows of a long history are taken for odd and do not teach
FENCE = 6.0  # a short history drops what lies this many times the upper half's spread above the median...
FENCE_LOWEST = 3.5  # ...nor what is less unusual than this
TRIMMED_EXCESSES = 0.2  # of a short history's tail is left out: it sits between normal and the fence
FENCE_MOST = 0.3  # ...but never more than this share
FEWEST_ROWS = calibrate.FEWEST
JUDGED_TOTAL = 1 << 22  # rows of all workloads together that calibration looks at: all of 500 workloads' four weeks...
# ...but this many of each: three an hour of four weeks. Rows of an hour hang together, and their excesses count once.
# (Measured on invented workloads of ten days, six seeds: mean ln p of totals 3 to 9 moves by 0.04 with 2,048 rows, by
# 0.14 with 1,024, and by 0.08 from seed to seed with all.)
JUDGED_FEWEST = 2_048


def fit_horizon(  # noqa: PLR0913 - what one horizon is fitted from, by name
    rows: Rows,
    *,
    lines: int,
    seed: int,
    settled: Mask | None = None,
    calibrate_from: float | None = None,
    elder: Arrays | None = None,
    builder: Builder = "sklearn",
    groups: IntArray | None = None,
    present: Mask | None = None,
    weights: Arrays | None = None,
    pool: Pool | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """All arrays of one horizon; ``ready`` is 0 when there is too little to learn from.

    settled : rows after each workload's warm-up, which new edges are counted in (all by default).
    elder : arrays of the next shorter horizon, if it was fitted: see ``calibrate.fit``.
    builder : what fits forests.
    calibrate_from : rows starting here are calibrated on and not learned from before (default: the last quarter).
    present : features that each line's log gives, (lines + 1, width); all by default. The others never have a residual.
    weights : what decisions take of each line's voices (``feedback.packed``): the total is calibrated with them.
    groups : peer group of each line (``groups.group_ids``); everybody is one group by default.
    pool : what the fleet says where these lines are not all of it; found in these rows by default.
    """
    rows.check()
    pool = Pool.whole(lines) if pool is None else pool
    interval = pool.of("interval", lambda: _interval(rows))
    span = interval[1] - interval[0]
    slots = seasonal.slots_for(span)
    counted = np.ones(len(rows), dtype=np.bool_) if settled is None else settled
    keep = np.ones(len(rows), dtype=np.bool_)
    given = np.ones((lines + 1, rows.schema.width), dtype=np.bool_) if present is None else present
    tables = partial(_tables, given=given, lines=lines, slots=slots)
    parts = _parts(rows, interval, calibrate_from)
    seen = _residuals(rows, keep, tables, parts, pool.under("first"))
    is_enough = pool.of("is enough", lambda: bool(seen.is_unseen.sum() >= FEWEST_ROWS))
    if is_enough:  # second pass, without what the first found odd
        keep = _ordinary(seen, pool, is_short=span < SHORT_S)
        seen = _residuals(rows, keep, tables, parts, pool.under("second"))
    hours = _hours(rows, lines)
    calibration = _Calibration(
        lines=lines, hours=hours, elder=elder, trimmed=TRIMMED_EXCESSES if span < SHORT_S else 0.0, pool=pool
    )
    arrays = combine.named("seasonal", tables(rows, keep, pool.under("seasonal")))
    seen = replace(seen, is_judged=_spread_evenly(seen.is_unseen & keep, rows.workloads, _most_judged(pool)))
    judged = seen.rows.pick(seen.is_judged)
    voices, by_voice = _fit_voices(seen, keep, judged, calibration, seed=seed, builder=builder)
    edges = Edges(groups, pool=pool.under("edges")).fit(rows.pick(counted & keep), lines=lines, seed=seed)
    arrays |= voices | combine.named("edges", edges) | combine.named("weights", weights or {})
    by_voice["edges"] = Edges().p_values(edges, judged)
    totals = combine.total(by_voice, weights=weights, rows=judged)
    final = calibration.fit("final", totals, judged)
    return arrays | combine.named("final", final) | {"ready": final["ready"], "span_s": np.array([span])}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calibration:
    """How raw scores become p-values in this fit: see ``calibrate.fit``."""

    lines: int
    hours: FloatArray
    elder: Arrays | None
    trimmed: float
    pool: Pool

    def fit(self, prefix: str, scores: FloatArray, judged: Rows) -> dict[str, npt.NDArray[Any]]:
        """Of one voice, or of the combination."""
        elder = None if self.elder is None else combine.under(self.elder, prefix)
        return calibrate.fit(
            scores, judged.workloads, starts=judged.starts, lines=self.lines, hours=self.hours, elder=elder,
            trimmed=self.trimmed, pool=self.pool.under(prefix),
        )  # fmt: skip


def _fit_voices(
    seen: _Seen, keep: Mask, judged: Rows, calibration: _Calibration, *, seed: int, builder: Builder
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, FloatArray]]:
    """Each voice learns from all residuals there are, and is calibrated on those that no table had seen.

    Also what each voice says of these, as ``combine.voices`` would, without asking twice.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    found: dict[str, FloatArray] = {}
    lines, pool = calibration.lines, calibration.pool
    teaching = seen.rows.pick(seen.is_known & keep)
    is_judged = seen.is_judged[seen.is_known & keep]
    for voice in (Tail(), Neighbours(), Forest(builder, pool=pool.under("forest"))):
        if isinstance(voice, Neighbours):  # a row is no neighbour of itself
            own, in_own, in_fleet = neighbours.fit(teaching, lines=lines, pool=pool.under(voice.name))
            skip_own, skip_fleet = in_own[is_judged], in_fleet[is_judged]
            raw = neighbours.scores(own, judged, skip_own=skip_own, skip_fleet=skip_fleet)
            told = raw.copy()
            itself = np.flatnonzero((skip_own >= 0) | (skip_fleet >= 0))
            told[itself] = neighbours.scores(own, judged.pick(itself))
        else:
            own = voice.fit(teaching, lines=lines, seed=seed)
            raw = told = voice.score(own, judged)
        tails = calibration.fit(f"{voice.name}.p", raw, judged)
        arrays |= combine.named(voice.name, own) | combine.named(f"{voice.name}.p", tails)
        found[voice.name] = calibrate.p_values(tails, judged.workloads, told)
    return arrays, found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Rows with residuals. ``is_unseen`` : by tables that had not seen the row; ``is_known`` : at all.

    ``is_judged`` : which of the unseen ones calibration looks at.
    """

    rows: Rows
    is_unseen: Mask
    is_known: Mask
    is_judged: Mask


def _tables(
    rows: Rows, keep: Mask, pool: Pool, *, given: Mask, lines: int, slots: int
) -> dict[str, npt.NDArray[Any]]:  # fmt: skip
    return seasonal.fit(rows, keep, lines=lines, slots=slots, pool=pool) | {"present": given.astype(np.uint8)}


def _residuals(
    rows: Rows, keep: Mask, tables: Callable[[Rows, Mask, Pool], Arrays], parts: Sequence[Mask], pool: Pool
) -> _Seen:
    """Residuals by tables of other times, and the level followed up to each row.

    A long history is judged as a whole by the tables of its earlier part, a shorter one block by block by the others.
    """
    residuals = np.zeros_like(rows.values)
    is_unseen, is_known = np.zeros(len(rows), dtype=np.bool_), np.zeros(len(rows), dtype=np.bool_)
    for number, inside in enumerate(parts):
        part = pool.under(str(number))
        has_others = part.of("has others", lambda: bool((keep & ~inside).any()))  # noqa: B023 -- asked at once
        if not inside.any() or not has_others:
            continue
        others = tables(rows.pick(~inside), keep[~inside], part)
        known = np.ones_like(inside) if len(parts) == 1 else inside
        levelled = replace(rows, levels=seasonal.followed(others, rows, keep)).pick(known)
        residuals[known] = seasonal.residuals(others, levelled)
        is_unseen |= inside
        is_known |= known
    return _Seen(rows=replace(rows, residuals=residuals), is_unseen=is_unseen, is_known=is_known, is_judged=is_unseen)


def _most_judged(pool: Pool) -> int:
    """Rows of one line that calibration looks at."""
    return max(JUDGED_FEWEST, JUDGED_TOTAL // max(1, pool.fleet_lines))


def _spread_evenly(which: Mask, workloads: IntArray, most: int) -> Mask:
    """At most so many of each line's rows, at even distances in the rows' order."""
    places = np.flatnonzero(which)
    places = places[np.argsort(workloads[places], kind="stable")]
    _, begins, counts = np.unique(workloads[places], return_index=True, return_counts=True)
    count = np.repeat(counts, counts)
    rank = np.arange(len(places)) - np.repeat(begins, counts)
    is_taken = (count <= most) | ((rank + 1) * most // count > rank * most // count)
    found = np.zeros_like(which)
    found[places[is_taken]] = True
    return found


def _interval(rows: Rows) -> tuple[float, float]:
    """First and last start."""
    return (float(rows.starts.min()), float(rows.starts.max())) if len(rows) else (0.0, 0.0)


def _parts(rows: Rows, interval: tuple[float, float], calibrate_from: float | None) -> list[Mask]:
    if not len(rows):
        return []
    begin, end = interval[0], interval[1] + 1
    if calibrate_from is not None and begin < calibrate_from < end:
        return [rows.starts >= calibrate_from]
    if end - begin >= LONG_S:
        return [rows.starts >= end - HELD_OUT * (end - begin)]
    block = ((rows.starts - begin) * BLOCKS / (end - begin)).astype(np.int64)
    return [block == number for number in range(BLOCKS)]


def _ordinary(seen: _Seen, pool: Pool, *, is_short: bool) -> Mask:
    """Which rows teach in the second pass."""
    judged = np.flatnonzero(seen.is_unseen)
    unseen = seen.rows.pick(judged)
    raw = Tail().score(Tail().fit(unseen, lines=0, seed=0), unseen)
    keep = np.ones(len(seen.rows), dtype=np.bool_)
    if not is_short:
        return _own_tops(judged, unseen, raw, len(keep))
    limit = pool.of("fence", lambda: _fence(raw))
    keep[judged[raw > limit]] = False
    return keep


def _fence(raw: FloatArray) -> float:
    """What is too odd to teach in a short history."""
    middle, upper = np.quantile(raw, 0.5), np.quantile(raw, 0.75)
    return max(middle + FENCE * (upper - middle), FENCE_LOWEST, float(np.quantile(raw, 1 - FENCE_MOST)))


def _own_tops(judged: npt.NDArray[np.int64], unseen: Rows, raw: FloatArray, count: int) -> Mask:
    """All rows but the top TRIMMED of each line: never of the fleet, or a workload of bursts would lose all of them."""
    keep = np.ones(count, dtype=np.bool_)
    order = np.lexsort((raw, unseen.workloads))
    lines, begins = np.unique(unseen.workloads[order], return_index=True)
    ends = np.append(begins[1:], len(order))
    for _, begin, end in zip(lines, begins, ends, strict=True):
        tops = int(TRIMMED * (end - begin))
        if tops:
            keep[judged[order[end - tops : end]]] = False
    return keep


def _hours(rows: Rows, lines: int) -> FloatArray:
    """Hours of the clock in which each line has rows."""
    pairs = np.unique(rows.workloads * 10_000_000 + rows.starts // HOUR_S)
    found = np.zeros(lines)
    np.add.at(found, pairs // 10_000_000, 1)
    return found
