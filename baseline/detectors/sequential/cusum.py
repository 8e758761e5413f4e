"""Slow exfiltration: a one-sided cumulative sum of the hourly residual of bytes sent to external peers.

Page, Continuous Inspection Schemes, Biometrika 1954: S = max(0, S + z - k), an alarm past h. With k = 0.5 and h = 8 it
is tuned to a shift of one scale and blind to less than half of one. The residual is the seasonal table's, not corrected
for the level of the last days: what follows a level forgives whoever moves it slowly.

Two things real residuals do to the textbook are allowed for: one wild hour adds three scales at most (that hour is the
window voices' business), and residuals that hang together, hour by hour, are divided by their long-run scale, estimated
here from what was watched, because their sum wanders further than the textbook's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, sqrt
from typing import Any

from baseline.domain.units import HOUR_S, WEEK_S

K = 0.5  # reference value, in scales
H = 8.0  # decision limit, in scales
ONE_HOUR_LIMIT = 3.0  # what a single hour may add, or say of the long-run scale, in scales; by judgement
CEILING = 2 * H  # the sum is held here, so that an end of the shift is seen within days
READY_AFTER = 48.0  # hours watched before anything is said: two days, for the long-run scale
FORGETS = 2.0 ** (-1.0 / 336.0)  # an hour's weight in the long-run scale, halved in two weeks
MOST_CORRELATED = 0.75  # lag-1 correlation believed at most (the scale grows by 2.6 there); see docs/detection.md
SUSPICIOUS = H / 4  # above this the hour does not teach the long-run scale: an attack would hide itself
OVERSHOOT = 1.166  # Siegmund's correction of the limit, Sequential Analysis, 1985


def run_length(shift: float = 0.0, *, k: float = K, h: float = H) -> float:
    """Expected hours to the alarm when independent residuals of scale 1 are shifted by ``shift`` (Siegmund 1985).

    At 0: how far apart false alarms lie. Above k: the delay of detection, close to h / (shift - k) for large shifts.
    """
    drift, limit = shift - k, h + OVERSHOOT
    if abs(drift) < 1e-9:
        return limit**2
    return (exp(-2 * drift * limit) + 2 * drift * limit - 1) / (2 * drift**2)


FALSE_ALARMS_A_WEEK = WEEK_S / HOUR_S / run_length()


@dataclass(slots=True, kw_only=True)
class Cusum:
    """Of one workload."""

    total: float = 0.0
    since: int = 0  # start of the hour in which the sum left zero
    excess: float = 0.0  # natural units above the expected, since then
    is_told: bool = False  # raised; again only when the sum was back at zero
    watched: float = 0.0  # weights of the hours behind the four sums below
    mean: float = 0.0  # their sums: of residuals, of squares, of products with the hour before
    square: float = 0.0
    product: float = 0.0
    newest: float = 0.0
    hours: float = 0.0  # hours watched

    @property
    def is_ready(self) -> bool:
        """Whether the long-run scale rests on enough hours."""
        return self.hours >= READY_AFTER

    @property
    def long_run_scale(self) -> float:
        """How much further than independent ones of scale 1 these residuals wander; 1 at least."""
        if not self.watched:
            return 1.0
        mean = self.mean / self.watched
        variance = max(self.square / self.watched - mean**2, 1e-9)
        linked = min(MOST_CORRELATED, max(0.0, (self.product / self.watched - mean**2) / variance))
        return sqrt(max(1.0, variance * (1 + linked) / (1 - linked)))

    def step(self, residual: float, *, excess: float, start: int) -> bool:
        """Take one hour, which began at ``start``; True when the sum passes the limit, once until it was back at zero.

        ``residual`` is in scales, positive for more than normal; ``excess`` the same in natural units (bytes).
        """
        scaled = _within(residual / self.long_run_scale, ONE_HOUR_LIMIT)
        self.hours += 1.0
        if not self.is_ready or self.total <= SUSPICIOUS:
            self._learn(_within(residual, ONE_HOUR_LIMIT))
        if not self.is_ready:
            return False
        grown = min(CEILING, max(0.0, self.total + scaled - K))
        if grown <= 0:
            self.reset()
            return False
        self.since = self.since if self.total > 0 else start
        self.total = grown
        self.excess += excess
        if grown > H and not self.is_told and self.excess > 0:
            self.is_told = True
            return True
        return False

    def reset(self) -> None:
        """Begin anew: after a rollout, a change of policy, or what a person called normal. The scale stays known."""
        self.total, self.since, self.excess, self.is_told = 0.0, 0, 0.0, False

    def _learn(self, residual: float) -> None:
        self.watched = FORGETS * self.watched + 1.0
        self.mean = FORGETS * self.mean + residual
        self.square = FORGETS * self.square + residual**2
        self.product = FORGETS * self.product + residual * self.newest
        self.newest = residual

    def to_plain(self) -> list[Any]:
        """For the checkpoint."""
        return [
            self.total, self.since, self.excess, self.is_told, self.watched, self.mean, self.square, self.product,
            self.newest, self.hours,
        ]  # fmt: skip

    @classmethod
    def from_plain(cls, row: Sequence[Any]) -> Cusum:
        """The inverse; ValueError or TypeError for what is none."""
        total, since, excess, is_told, watched, mean, square, product, newest, hours = row
        return cls(
            total=float(total), since=int(since), excess=float(excess), is_told=bool(is_told), watched=float(watched),
            mean=float(mean), square=float(square), product=float(product), newest=float(newest), hours=float(hours),
        )  # fmt: skip


def _within(value: float, limit: float) -> float:
    return min(limit, max(-limit, value))
