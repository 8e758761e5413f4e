"""Hours of the week in the cluster's local time.

Local, because people and cron jobs are: in UTC every change of the clock would shift a whole week's habits by an hour.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from baseline.domain.units import HOUR_S
from baseline.features.table import IntArray

HOURS = 24
SLOTS = 168  # hours of a week, Monday 00 h first
_SUNDAY = 6
DAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Whose hours and days: learned by and judged by the same, so it is part of a model set."""

    zone: str = "UTC"  # IANA name
    holidays: frozenset[date] = frozenset()  # local days that are like Sundays

    def __post_init__(self) -> None:
        """ValueError for a zone nobody knows."""
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"zone: there is no time zone {self.zone!r}") from error

    def slots(self, times: IntArray) -> IntArray:
        """Hours of the local week, shape (n,)."""
        return slots(times, zone=self.zone, holidays=self.holidays)

    def slots_as_of(self, times: IntArray, then: IntArray) -> IntArray:
        """Hours of the local week at ``times`` if the clock still stood as it did at ``then``, shape (n,)."""
        moved = [self._offset_s(time) - self._offset_s(before) for time, before in zip(times, then, strict=True)]
        return self.slots(times - np.array(moved, dtype=np.int64))

    def _offset_s(self, time_s: float) -> int:
        """Local time less UTC."""
        return _offset_s(int(time_s // 900), self.zone)

    def days(self, times: IntArray) -> IntArray:
        """Numbers of the local days, shape (n,)."""
        return days(times, zone=self.zone)


def slot(time_s: float, *, zone: str = "UTC", holidays: Collection[date] = frozenset()) -> int:
    """Hour of the local week, 0 (Monday 00 h) to 167; a holiday counts as a Sunday."""
    return _slot(int(time_s // 900), zone, frozenset(holidays))


def slots(times: IntArray, *, zone: str = "UTC", holidays: Collection[date] = frozenset()) -> IntArray:
    """``slot`` of many times, shape (n,)."""
    known = frozenset(holidays)
    quarters, where = np.unique(times // 900, return_inverse=True)
    return np.array([_slot(int(quarter), zone, known) for quarter in quarters], dtype=np.int64)[where.reshape(-1)]


def days(times: IntArray, *, zone: str = "UTC") -> IntArray:
    """Number of the local day of many times, shape (n,): equal within a day, one more the next."""
    hours, where = np.unique(times // HOUR_S, return_inverse=True)
    local = [datetime.fromtimestamp(int(hour) * HOUR_S, ZoneInfo(zone)).toordinal() for hour in hours]
    return np.array(local, dtype=np.int64)[where.reshape(-1)]


def words(slot_of_week: int) -> str:
    """A slot as a person says it: ``Tuesdays at 03 h``."""
    return f"{DAYS[slot_of_week // HOURS]} at {slot_of_week % HOURS:02d} h"


@lru_cache(maxsize=65_536)
def _offset_s(quarter: int, zone: str) -> int:
    offset = datetime.fromtimestamp(quarter * 900, ZoneInfo(zone)).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


@lru_cache(maxsize=65_536)
def _slot(quarter: int, zone: str, holidays: frozenset[date]) -> int:
    # Zones shift by multiples of a quarter of an hour, so a quarter lies in one local hour.
    local = datetime.fromtimestamp(quarter * 900, UTC).astimezone(ZoneInfo(zone))
    weekday = _SUNDAY if local.date() in holidays else local.weekday()
    return weekday * HOURS + local.hour
