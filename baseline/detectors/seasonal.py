"""What is normal at this hour: a robust centre and scale for every workload, hour of the week and feature.

One formula carries the cold start: every level is shrunk to the coarser one, ``m = (n m_own + k m_parent) / (n + k)``,
from slot to hour of the day to all hours to the fleet. Where levels of time disagree the scale widens by the variance
of the mixture, so that one day of a nightly job already says "this hour may be loud" and three days say "it is loud".
A *ceiling* (``recurring``) holds what came back on other days at this hour.

With a day of history and more the tables describe hours *around a level that is followed* (``level``): centres are
learned from values without their trend and stand at the last week's level, scales from what following left over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import hours, level, recurring
from baseline.detectors.medians import Cells
from baseline.detectors.pool import Pool
from baseline.detectors.protocol import UNKNOWN, Arrays, Rows
from baseline.detectors.recurring import NEVER
from baseline.detectors.robust import densest, median_mad
from baseline.detectors.slots import by_slot, fold, slots_for, weekends
from baseline.features import schema
from baseline.features.availability import masked
from baseline.features.schema import Schema
from baseline.features.table import FloatArray, IntArray

__all__ = ["KNEE", "NEVER", "expected", "fit", "fold", "followed", "residuals", "slots_for"]

K_FLEET = 8.0  # most windows that the fleet's centre may weigh against a workload's own
K_FLEET_SCALE = 240.0  # windows at which its own scale does
NOT_FOLLOWED = -1  # a single weekend: its level would be taken over into Monday, and nothing says how far it should be
RESIDUAL_LIMIT = 40.0  # residuals are clipped here; past it nothing more is learned from a number
KNEE = 3.0  # residual given to anything up to the ceiling
SHORT_DRIFT = 0.25  # scale added below a day of history, log units: how far a level may move by the next hours
BLOCK = 1_024  # rows whose residuals are worked out at once: what fits near the processor
CEILING_SCALE = 0.35  # smallest scale above the ceiling, log units: what recurs varies by a factor of 1.4 at least
Mask = npt.NDArray[np.bool_]


def fit(rows: Rows, keep: Mask, *, lines: int, slots: int, pool: Pool | None = None) -> dict[str, npt.NDArray[Any]]:
    """Tables of shape (lines + 1, slots, width), float32; the last line is the fleet's, for newcomers.

    keep : rows that teach centre and scale; the ceiling looks at all, because recurring is what odd things may do.
    pool : what the fleet says; found in these rows by default.

    ``level`` (lines + 1, width) keeps the centre over all hours, ``learned`` (lines + 1,) the windows behind each line,
    ``moved`` (lines + 1, width) how far the followed level lies above the centre behind the last row, and
    ``half_life_s`` (1,) how slowly it is followed, 0 for not at all.
    """
    pool = Pool.whole(lines) if pool is None else pool
    width, is_followed = rows.schema.width, slots > 1
    everything = by_slot(rows.workloads, lines)
    places = [where[keep[where]] for where in everything]
    folded = fold(rows.slots, slots)
    by_hour = [Cells.of(folded[where], slots).at(where) for where in places] if is_followed else []
    own: list[hours.Medians] = []
    if is_followed:
        values = _without_trend(rows, keep, everything)
        own = [hours.medians_of(values, cells, rows.days) for cells in by_hour]
    learned = np.array([*(len(where) for where in places), 0], dtype=np.int64)
    centres, spread = np.zeros((lines + 1, width)), np.zeros((lines + 1, width))
    for line, where in enumerate(places):
        if len(where):
            centres[line], spread[line] = (
                (own[line].middle, own[line].spread) if is_followed else densest(rows.values[where])
            )
    _pool_centres(centres, spread, learned, noise=rows.schema.noise, pool=pool)
    shape = (lines + 1, slots, width)
    centre = np.broadcast_to(centres[:, None, :], shape).copy()
    scale = np.broadcast_to(spread[:, None, :], shape).copy()
    ceiling = np.full(shape, NEVER)
    half_life_s, moved = 0.0, np.zeros((lines + 1, width))
    if is_followed:
        found = [hours.centred(medians, centres[line]) for line, medians in enumerate(own)]
        for line, one in enumerate(found):
            centre[line] = one.centre
        differences = rows.values - centre[rows.workloads, folded]
        rest, moved[:-1], half_life_s = _followed_best(rows, differences, spread, keep, pool)
        widths = [hours.widths_of(rest, cells, rows.days) for cells in by_hour]
        for line, where in enumerate(places):
            spread[line] = widths[line].spread if len(where) else spread[line]
        _pool_spread(spread, learned, pool)
        for line, one in enumerate(found):
            scale[line] = hours.scales(widths[line], one, spread[line])
    else:
        rest = rows.values - centre[rows.workloads, folded]
        _pool_spread(spread, learned, pool)
        scale[:-1] = spread[:-1, None, :]
    for line, every in enumerate(everything):
        habit = recurring.hourly(rest, every, rows.starts)[None, :]
        if is_followed:
            cells = Cells.of(folded[every], slots).at(every)
            habit = np.maximum(habit, recurring.by_hour(rest, cells, rows.days))
        ceiling[line] = np.maximum(centre[line] + habit, NEVER)
    scale = np.maximum(scale, 0.1 * spread[:, None, :] + 0.02)
    if not is_followed:
        scale = np.sqrt(scale**2 + np.where(rows.schema.is_counted, SHORT_DRIFT, 0.0) ** 2)
    return {
        "centre": centre.astype(np.float32),
        "scale": scale.astype(np.float32),
        "ceiling": ceiling.astype(np.float32),
        "level": centres.astype(np.float32),
        "moved": moved.astype(np.float32),
        "half_life_s": np.array([half_life_s]),
        "learned": learned,
        "schema": rows.schema.mark.copy(),
    }


def residuals(arrays: Arrays, rows: Rows) -> FloatArray:
    """Robust residuals (n, width): how many scales above (or below) the normal of this workload at this hour.

    Normal is the table's centre moved by ``rows.levels``.
    """
    rows.check(arrays)
    found = np.empty_like(rows.values)
    for begin in range(0, len(rows), BLOCK):
        block = slice(begin, begin + BLOCK)
        found[block] = _residuals(
            arrays, rows.values[block], rows.workloads[block], rows.slots[block], of=rows.schema,
            levels=rows.levels[block] if len(rows.levels) else None,
        )  # fmt: skip
    return found


def _residuals(
    arrays: Arrays, values: FloatArray, workloads: IntArray, slots: IntArray, *, of: Schema, levels: FloatArray | None
) -> FloatArray:
    centre, scale, ceiling = expected(arrays, workloads, slots, of=of, levels=levels)
    excess = (values - centre) / scale
    over = (values - ceiling) / np.maximum(scale, CEILING_SCALE)
    capped = np.minimum(excess, KNEE + np.maximum(over, 0.0))
    has_ceiling = ceiling > centre + KNEE * scale  # what recurs within the usual spread says nothing more
    found = np.clip(np.where(has_ceiling & (excess > KNEE), capped, excess), -RESIDUAL_LIMIT, RESIDUAL_LIMIT)
    return found if "present" not in arrays else masked(found, arrays["present"][workloads].astype(np.bool_))


def expected(
    arrays: Arrays, workloads: IntArray, slots: IntArray, *, of: Schema = schema.PRODUCT,
    levels: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
    """Centre, scale and ceiling, each (n, width); scales include the noise of small numbers.

    levels : how far the followed level lies above the table, (n, width); none or empty for not at all. It moves centre
    and ceiling alike.
    """
    table = arrays["centre"]
    lines = np.where(workloads == UNKNOWN, table.shape[0] - 1, workloads)
    folded = fold(slots, table.shape[1])
    centre = np.asarray(table[lines, folded], dtype=np.float64)
    scale = np.asarray(arrays["scale"][lines, folded], dtype=np.float64)
    ceiling = np.asarray(arrays["ceiling"][lines, folded], dtype=np.float64)
    if levels is not None and len(levels):
        centre, ceiling = centre + levels, ceiling + levels
    return centre, np.maximum(np.maximum(scale, of.noise), small_number_noise(centre, of)), ceiling


def followed(arrays: Arrays, rows: Rows, moves: Mask, *, is_after: bool = False) -> FloatArray:
    """The level before each row (n, width), from the rows before it that may move it.

    is_after : begin where the fit ended, not with the rows' own first day.
    """
    half_life_s = float(arrays["half_life_s"][0])
    if half_life_s <= 0:
        return np.zeros_like(rows.values)
    table = np.asarray(arrays["centre"], dtype=np.float64)
    lines = np.where(rows.workloads == UNKNOWN, len(table) - 1, rows.workloads)
    folded = fold(rows.slots, table.shape[1])
    differences = rows.values - table[lines, folded]
    scale = np.maximum(np.asarray(arrays["scale"], dtype=np.float64), rows.schema.noise)
    scale = np.maximum(scale, small_number_noise(table, rows.schema)).reshape(-1, rows.schema.width)
    ends = np.asarray(arrays["moved"][:-1], dtype=np.float64)
    begins = ends if is_after else level.first_day(differences, rows.workloads, rows.starts, lines=len(ends))
    share = level.gain(level.spacing(rows.starts), half_life_s)
    by_slot = (scale, lines * table.shape[1] + folded)
    return level.trace(differences, by_slot, rows.workloads, rows.starts, moves, begins=begins, share=share)[0]


def small_number_noise(centre: FloatArray, of: Schema = schema.PRODUCT) -> FloatArray:
    """Scale that counts around a small normal have anyway, in log units: sqrt(mean + 1/2) / (1 + mean).

    Poisson counts have it by nature; it is what keeps "two instead of one" from being a deviation where the MAD is 0.
    """
    mean = np.expm1(np.clip(centre, 0.0, 30.0))
    return np.where(of.is_counted, np.sqrt(mean + 0.5) / (1.0 + mean), 0.0)


def _without_trend(rows: Rows, keep: Mask, everything: list[IntArray]) -> FloatArray:
    """Values as if every week had the last one's level."""
    values = rows.values.copy()
    for own in everything:
        values[own] -= level.trend(rows.values[own], rows.days[own], keep[own])
    return values


def _followed_best(
    rows: Rows, differences: FloatArray, spread: FloatArray, keep: Mask, pool: Pool
) -> tuple[FloatArray, FloatArray, float]:
    """What following leaves of the differences, where the level ends, and the half-life that leaves least."""
    scale = (np.maximum(spread, rows.schema.noise), rows.workloads)
    spacing_s = pool.of("spacing_s", lambda: level.spacing(rows.starts))
    begins = level.first_day(differences, rows.workloads, rows.starts, lines=len(spread) - 1)
    shares = [level.gain(spacing_s, half_life_s) for half_life_s in level.HALF_LIVES_S]

    def foretells_best() -> int:
        if weekends(rows.slots, rows.days) == 1:
            return NOT_FOLLOWED
        errors = level.foretold(differences, scale, rows.workloads, rows.starts, keep, begins=begins, shares=shares)
        return int(np.argmin(errors))

    best = pool.of("half life", foretells_best)
    if best == NOT_FOLLOWED:
        return differences, np.zeros_like(begins), 0.0
    levels, ends = level.trace(
        differences, scale, rows.workloads, rows.starts, keep, begins=begins, share=shares[best]
    )  # fmt: skip
    return differences - levels, ends, float(level.HALF_LIVES_S[best])


def _pool_centres(
    centres: FloatArray, spread: FloatArray, learned: IntArray, *, noise: FloatArray, pool: Pool
) -> None:  # fmt: skip
    """Shrink every workload's centre to the fleet's; the fleet's own line gets a scale of how workloads differ, too."""
    known = learned > 0

    def typical() -> tuple[FloatArray, FloatArray, FloatArray] | None:
        return (*median_mad(centres[known]), np.median(spread[known], axis=0)) if known.any() else None

    found = pool.of("centres", typical)
    if found is None:
        return
    fleet, between, within = found
    centres[-1], spread[-1] = fleet, np.sqrt(within**2 + between**2)
    count = learned[:-1, None].astype(np.float64)
    own = np.where(known[:-1, None], centres[:-1], fleet)
    # Where a workload lies far from the fleet, compared with how much one varies, the fleet says nothing about it.
    strength = np.minimum(K_FLEET, (within**2 + noise**2) / ((own - fleet) ** 2 + 1e-6))
    centres[:-1] = (count * own + strength * fleet) / (count + strength)


def _pool_spread(spread: FloatArray, learned: IntArray, pool: Pool) -> None:
    """Shrink every workload's scale to the typical workload's."""
    known = learned > 0
    within = pool.of("spread", lambda: np.median(spread[known], axis=0) if known.any() else None)
    if within is None:
        spread[:] = 1.0
        return
    count = learned[:-1, None].astype(np.float64)
    spread[:-1] = np.sqrt((count * spread[:-1] ** 2 + K_FLEET_SCALE * within**2) / (count + K_FLEET_SCALE))
