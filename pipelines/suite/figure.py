"""One measured number of the suite, what it must reach, and how a row of the suite makes some.

A row is a module of this package with ``NAME``, ``NEEDS`` (folders of the data it reads) and
``figures(data, *, is_quick, seed)``. ``is_quick`` runs the same code on less, for tests: its figures hold against
nothing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol


class Verdict(StrEnum):
    """How a figure stands."""

    GOAL = "goal"  # reaches the goal
    GATE = "gate"  # reaches the gate, not the goal
    FELL = "fell"  # below its gate: the suite fails
    TOLD = "told"  # nothing to hold it against
    ABSENT = "absent"  # could not be measured here


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number.

    value : None where the data is not there; ``note`` then says what is missing.
    interval : 95 %, by bootstrap over entities or events, never over windows; None where there are too few.
    gate, goal : (lowest, highest) the value may be, either end None for no limit.
    note : the protocol in a few words; begins with ``simulated`` where the data is.
    """

    row: str
    name: str
    value: float | None
    unit: str = ""
    interval: tuple[float, float] | None = None
    gate: tuple[float | None, float | None] | None = None
    goal: tuple[float | None, float | None] | None = None
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Against gate and goal; a goal alone fails nothing."""
        if self.value is None:
            return Verdict.ABSENT
        if self.gate is not None and not _within(self.value, self.gate):
            return Verdict.FELL
        if self.goal is not None and _within(self.value, self.goal):
            return Verdict.GOAL
        return Verdict.GATE if self.gate is not None else Verdict.TOLD

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"verdict": self.verdict.value}


def _within(value: float, limits: tuple[float | None, float | None]) -> bool:
    low, high = limits
    return (low is None or value >= low) and (high is None or value <= high)


class Row(Protocol):
    """A module of the suite."""

    NAME: str
    NEEDS: tuple[str, ...]  # folders below the data folder

    def figures(self, data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
        """Measure."""
        ...
