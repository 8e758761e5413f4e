"""What a fit takes from the whole fleet: found once, or known from a sample of the fleet.

A fit asks the pool at each point where all workloads together decide something (a centre for newcomers, the fleet's
forest, a tail). A fresh pool lets the fit find it in its own rows and remembers it. A pool ``told`` what a fit of a
sample found answers from there, so that the workloads of a fleet can be fitted shard by shard: a shard then depends
on its own rows and on the pool, never on another shard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np

from baseline.features.table import IntArray

T = TypeVar("T")
Known = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Answers by name.

    lines : int64 (lines,), the number that each line of this fit has in the fleet.
    fleet_lines : lines of the fleet, which what all of them share is divided by.
    known : what was found; ``told`` of another fit, or growing while this one goes on.
    """

    lines: IntArray
    fleet_lines: int
    known: dict[str, Any] = field(default_factory=dict)
    path: str = ""

    @classmethod
    def whole(cls, lines: int) -> Pool:
        """A fit of everybody."""
        return cls(lines=np.arange(lines, dtype=np.int64), fleet_lines=lines)

    @classmethod
    def told(cls, known: Known, *, lines: IntArray, fleet_lines: int) -> Pool:
        """A fit of some lines, with what a sample told of the fleet."""
        return cls(lines=lines, fleet_lines=fleet_lines, known=dict(known))

    def of(self, name: str, find: Callable[[], T]) -> T:
        """The answer of this name, found now if nothing told it."""
        key = f"{self.path}{name}"
        if key not in self.known:
            self.known[key] = find()
        return cast("T", self.known[key])

    def under(self, name: str) -> Pool:
        """The same pool for a part of the fit, whose names stay apart from those of others."""
        return Pool(lines=self.lines, fleet_lines=self.fleet_lines, known=self.known, path=f"{self.path}{name}.")
