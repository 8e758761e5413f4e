"""Fit one horizon: seasonal tables, voices, calibration, in two passes so that what was odd in the past does not teach.

Everything is calibrated on residuals of rows that the tables had not seen: with days of history the last part is held
out, with less the rows are split into blocks and each is judged by tables of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import calibrate, combine, seasonal
from baseline.detectors.edges import Edges
from baseline.detectors.forest import Forest
from baseline.detectors.protocol import Arrays, Rows
from baseline.detectors.tail import Tail
from baseline.domain.units import DAY_S, HOUR_S
from baseline.features.table import FloatArray, IntArray

Mask = npt.NDArray[np.bool_]
HELD_OUT = 0.25
BLOCKS = 4
SHORT_S = 12 * HOUR_S  # below: what lies far outside does not teach, up to FENCE_MOST of the rows
LONG_S = 14 * DAY_S  # below: cross-fit in blocks, because a quarter would be too little to calibrate on
TRIMMED = 0.002  # of the rows of a long history are taken for odd and do not teach
FENCE = 6.0  # a short history drops what lies this many times the upper half's spread above the median...
FENCE_LOWEST = 3.5  # ...nor what is less unusual than this
TRIMMED_EXCESSES = 0.2  # of a short history's tail is left out: it sits between normal and the fence
FENCE_MOST = 0.3  # ...but never more than this share
FEWEST_ROWS = calibrate.FEWEST


def fit_horizon(
    rows: Rows,
    *,
    lines: int,
    seed: int,
    settled: Mask | None = None,
    calibrate_from: float | None = None,
    elder: Arrays | None = None,
    groups: IntArray | None = None,
    present: Mask | None = None,
) -> dict[str, npt.NDArray[Any]]:
    """All arrays of one horizon; ``ready`` is 0 when there is too little to learn from.

    settled : rows after each workload's warm-up, which new edges are counted in (all by default).
    elder : arrays of the next shorter horizon, if it was fitted: see ``calibrate.fit``.
    calibrate_from : rows starting here are calibrated on and not learned from before (default: the last quarter).
    present : features that each line's log gives, (lines + 1, width); all by default. The others never have a residual.
    groups : peer group of each line (``groups.group_ids``); everybody is one group by default.
    """
    rows.check()
    span = float(rows.starts.max() - rows.starts.min()) if len(rows) else 0.0
    slots = seasonal.slots_for(span)
    counted = np.ones(len(rows), dtype=np.bool_) if settled is None else settled
    keep = np.ones(len(rows), dtype=np.bool_)
    given = np.ones((lines + 1, rows.schema.width), dtype=np.bool_) if present is None else present
    tables = partial(_tables, given=given, lines=lines, slots=slots)
    judged, unseen = _unseen(rows, keep, tables, calibrate_from=calibrate_from)
    if len(judged) >= FEWEST_ROWS:  # second pass, without what the first found odd
        keep = _ordinary(rows, judged, unseen, is_short=span < SHORT_S)
        judged, unseen = _unseen(rows, keep, tables, calibrate_from=calibrate_from)
    teaching = keep[judged]
    hours = _hours(rows, lines)
    trimmed = TRIMMED_EXCESSES if span < SHORT_S else 0.0
    voices = _fit_voices(
        unseen.pick(teaching),
        rows.pick(counted & keep),
        lines=lines,
        seed=seed,
        hours=hours,
        elder=elder,
        trimmed=trimmed,
        groups=groups,
    )
    arrays = combine.named("seasonal", tables(rows, keep)) | voices
    totals = combine.total(combine.voices(arrays, unseen.pick(teaching)))
    final = calibrate.fit(
        totals, unseen.workloads[teaching], lines=lines, hours=hours, elder=_elder(elder, "final"), trimmed=trimmed
    )
    return arrays | combine.named("final", final) | {"ready": final["ready"], "span_s": np.array([span])}


def _fit_voices(
    unseen: Rows,
    counted: Rows,
    *,
    lines: int,
    seed: int,
    hours: FloatArray,
    elder: Arrays | None,
    trimmed: float,
    groups: IntArray | None,
) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for voice in (Tail(), Forest()):
        own = voice.fit(unseen, lines=lines, seed=seed)
        raw = voice.score(own, unseen)
        arrays |= combine.named(voice.name, own)
        arrays |= combine.named(
            f"{voice.name}.p",
            calibrate.fit(
                raw, unseen.workloads, lines=lines, hours=hours, elder=_elder(elder, f"{voice.name}.p"), trimmed=trimmed
            ),
        )
    return arrays | combine.named("edges", Edges(groups).fit(counted, lines=lines, seed=seed))


def _elder(elder: Arrays | None, prefix: str) -> Arrays | None:
    return None if elder is None else combine.under(elder, prefix)


def _tables(rows: Rows, keep: Mask, *, given: Mask, lines: int, slots: int) -> dict[str, npt.NDArray[Any]]:
    return seasonal.fit(rows, keep, lines=lines, slots=slots) | {"present": given.astype(np.uint8)}


def _unseen(
    rows: Rows, keep: Mask, tables: Callable[[Rows, Mask], Arrays], *, calibrate_from: float | None
) -> tuple[npt.NDArray[np.int64], Rows]:
    """Positions of the rows to calibrate on, and those rows with residuals by tables that had not seen them."""
    parts: list[npt.NDArray[np.int64]] = []
    residuals: list[FloatArray] = []
    for inside in _parts(rows, calibrate_from):
        learn = keep & ~inside
        if not inside.any() or not learn.any():
            continue
        parts.append(np.flatnonzero(inside))
        residuals.append(seasonal.residuals(tables(rows.pick(~inside), keep[~inside]), rows.pick(inside)))
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, replace(rows.pick(nothing), residuals=np.zeros((0, rows.values.shape[1])))
    where = np.concatenate(parts)
    return where, replace(rows.pick(where), residuals=np.concatenate(residuals))


def _parts(rows: Rows, calibrate_from: float | None) -> list[Mask]:
    if not len(rows):
        return []
    begin, end = float(rows.starts.min()), float(rows.starts.max()) + 1
    if calibrate_from is not None and begin < calibrate_from < end:
        return [rows.starts >= calibrate_from]
    if end - begin >= LONG_S:
        return [rows.starts >= end - HELD_OUT * (end - begin)]
    block = ((rows.starts - begin) * BLOCKS / (end - begin)).astype(np.int64)
    return [block == number for number in range(BLOCKS)]


def _ordinary(rows: Rows, judged: npt.NDArray[np.int64], unseen: Rows, *, is_short: bool) -> Mask:
    """Which rows teach in the second pass."""
    raw = Tail().score({"schema": unseen.schema.mark}, unseen)
    keep = np.ones(len(rows), dtype=np.bool_)
    if is_short:
        middle, upper = np.quantile(raw, 0.5), np.quantile(raw, 0.75)
        limit = max(middle + FENCE * (upper - middle), FENCE_LOWEST, float(np.quantile(raw, 1 - FENCE_MOST)))
    else:
        return _own_tops(judged, unseen, raw, len(rows))
    keep[judged[raw > limit]] = False
    return keep


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
