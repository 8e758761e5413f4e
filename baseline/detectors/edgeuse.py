"""What history says of one edge of one workload, and how several such sayings become one.

Pure. Novelty is counted by far end (``features.farend``): uses of one far end are merged before anything is learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import blake2b

from baseline.domain.edge import EdgeKey
from baseline.domain.units import DAY_S, HOUR_S
from baseline.features.farend import far_end

DAYS_KEPT = 64  # bits of the bitmap of days
_BITS = (1 << DAYS_KEPT) - 1
_CACHED = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeUse:
    """What training learned of one edge of one workload."""

    key: EdgeKey
    first_seen: float  # event time
    last_seen: float
    connections: int
    bytes_out: int
    bytes_in: int
    hours: int  # hours of history in which it was used; at most, where far ends were merged
    days: int = 1  # bitmap of the UTC days it was used on: bit 0 is the day of ``last_seen``, bit i is i days before

    @property
    def days_seen(self) -> int:
        """How many of the last 64 days."""
        return self.days.bit_count()


def days_of(hours: Iterable[int]) -> int:
    """The bitmap of hours since the epoch, newest day in bit 0; 1 when there are none."""
    days = {hour * HOUR_S // DAY_S for hour in hours}
    newest = max(days, default=0)
    return sum(1 << (newest - day) for day in days if newest - day < DAYS_KEPT) or 1


@lru_cache(maxsize=_CACHED)
def edge_hash(key: EdgeKey) -> int:
    """64 bits of an edge's far end, the same on every machine and in every process."""
    key = far_end(key)
    return _hash(f"{key.direction}|{key.peer}|{key.peer.kind}|{key.port}|{key.protocol}")


@lru_cache(maxsize=_CACHED)
def peer_hash(key: EdgeKey) -> int:
    """64 bits of direction and peer."""
    key = far_end(key)
    return _hash(f"{key.direction}|{key.peer}|{key.peer.kind}")


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def merged(parts: Iterable[EdgeUse]) -> list[EdgeUse]:
    """One use for each far end out of several."""
    found: dict[EdgeKey, EdgeUse] = {}
    for part in parts:
        key = far_end(part.key)
        old = found.get(key)
        found[key] = _named(part, key) if old is None else _joined(old, part)
    return list(found.values())


def is_merged(uses: Sequence[EdgeUse]) -> bool:
    """Whether every far end comes once, under its own name."""
    return all(far_end(use.key) == use.key for use in uses) and len({use.key for use in uses}) == len(uses)


def _named(use: EdgeUse, key: EdgeKey) -> EdgeUse:
    return use if use.key == key else replace(use, key=key)


def _joined(old: EdgeUse, new: EdgeUse) -> EdgeUse:
    first, last = min(old.first_seen, new.first_seen), max(old.last_seen, new.last_seen)
    most_hours = int(last // HOUR_S - first // HOUR_S) + 1
    return EdgeUse(
        key=old.key, first_seen=first, last_seen=last, connections=old.connections + new.connections,
        bytes_out=old.bytes_out + new.bytes_out, bytes_in=old.bytes_in + new.bytes_in,
        hours=min(old.hours + new.hours, most_hours), days=_days(old, last) | _days(new, last),
    )  # fmt: skip


def _days(use: EdgeUse, newest: float) -> int:
    """The bitmap with bit 0 moved to the day of ``newest``."""
    return (use.days << int(newest // DAY_S - use.last_seen // DAY_S)) & _BITS
