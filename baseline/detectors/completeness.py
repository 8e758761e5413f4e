"""How complete a baseline is: the chance that the next edge it uses is one it never used.

Good and Turing: of everything that will come, the share that was never seen is about the share of observations that
were seen once. An observation is an edge on a day, because a day is what comes back; counted by hours, twelve hours
without the nightly job would look complete. One is added to the edges seen once and to the observations, so that a
handful of observations never passes for certainty (a single edge needs fifty days, ten edges need five).

The clock of before stays as an upper bound: a proxy that meets new peers for ever never becomes complete, and its
novelty has a price of its own (``edges``); after fourteen days there is nothing left to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baseline.detectors.edgeuse import EdgeUse
from baseline.domain.deviation import Maturity
from baseline.domain.units import DAY_S
from baseline.features.table import FloatArray

PROVISIONAL_AFTER_S = DAY_S  # at the latest
MATURE_AFTER_S = 14 * DAY_S  # at the latest
COMPLETE = 0.02  # chance of a new edge below which a restriction of "edges never used" cuts one good edge in fifty
MATURE_HOURS = 168  # every hour of the week once: days and nights, work and weekend
PROVISIONAL_HOURS = 12  # half of a day, so that levels are not those of one hour
FOUNDING = 0.3  # share of a history in which whoever appears was there before it; the warm-up of ``edges``
HALF_COMPLETE = 0.5  # ... and more than half of what comes is known


def chance_new(uses: Sequence[EdgeUse]) -> float:
    """Chance that the next edge a workload uses on a day is new, in (0, 1]; 1 for a workload that used none."""
    if not uses:
        return 1.0
    days = np.array([use.days_seen for use in uses], dtype=np.float64)
    return float((np.count_nonzero(days == 1) + 1.0) / (days.sum() + 1.0))


def chances(uses: Sequence[Sequence[EdgeUse]]) -> FloatArray:
    """``chance_new`` of every line, float64 (lines,)."""
    return np.array([chance_new(own) for own in uses], dtype=np.float64)


def maturity(*, seen_s: float, hours: int, chance: float) -> Maturity:
    """How far a baseline can be trusted.

    Parameters
    ----------
    seen_s : time from the workload's first window to the end of the history it was fitted on.
    hours : hours of it in which somebody looked (a collector that was down adds none).
    chance : see ``chance_new``.

    Provisional after a day, or after PROVISIONAL_HOURS once more than half of its edges come back; mature after
    fourteen days, or once every hour of the week was seen and the chance has fallen to COMPLETE.
    """
    if seen_s >= MATURE_AFTER_S or (hours >= MATURE_HOURS and chance <= COMPLETE):
        return Maturity.MATURE
    if seen_s >= PROVISIONAL_AFTER_S or (hours >= PROVISIONAL_HOURS and chance <= HALF_COMPLETE):
        return Maturity.PROVISIONAL
    return Maturity.LEARNING


def is_newcomer(known: Maturity, *, first_seen: float, since: float, until: float) -> bool:
    """Whether a workload still learns though others are past it: it came later than a history's first third.

    Where history itself is young everybody learns, and those that were there from the beginning are no newcomers.
    """
    return known is Maturity.LEARNING and first_seen > since + FOUNDING * (until - since)
