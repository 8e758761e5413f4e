"""What a deviation means beyond its reasons: what would have been normal, who carries the rise, what it looks like."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

TECHNIQUES_KEPT = 3


class Spread(StrEnum):
    """How a rise spreads over clients or peers: is the business growing, or is this an attack?

    Told beside an alert, never a reason to leave one out: an attack through every client at once looks like growth.
    """

    GROWTH = "growth"  # most known ones are up alike
    CONCENTRATED = "concentrated"  # few, or ones never seen before, carry it
    PLATFORM_WIDE = "platform-wide"  # many workloads are up at once, by whom they know
    UNCLEAR = "unclear"  # neither; the sentence says why


class Confidence(StrEnum):
    """How far a hint at a technique goes; none of them is a claim."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """The nearest window that would not have deviated, all else unchanged.

    ``features`` names what would have to change: one, or several together where no single one suffices; empty where
    not even all of the reasons do. ``values`` are the farthest normal ones, in natural units: whole numbers of what is
    counted.
    """

    features: tuple[str, ...]
    values: tuple[float, ...]
    sentence: str  # "would be normal below 41 different peers contacted in 1 min on Tuesdays at 03 h"

    @property
    def is_single(self) -> bool:
        """One feature alone brings it back."""
        return len(self.features) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Technique:
    """A hint at what it looks like, by the numbering of MITRE ATT&CK."""

    id: str  # "T1046", "T1021.004"
    name: str  # "Network Service Discovery"
    confidence: Confidence
    rule: str  # the rule that gave it, in words
    sentence: str  # "looks like ..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rise:
    """Who carries more than normal, and how evenly."""

    spread: Spread
    sentence: str
    known_share: float  # of the excess, carried by clients or peers the baseline knows, in [0, 1]
    evenness: float  # how closely the known ones keep their usual shares, in [0, 1]; 1: all up by the same factor
    factor: float  # of what the known ones do over what is usual of all; infinite where nothing is
    known: int  # clients or peers in the window that the baseline knows
    up: int  # of them, those that rose with the whole
    new: int  # never seen before
    workloads_up: int = 0  # workloads of the fleet that rose in the same window
    workloads: int = 0  # judged in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Of the strongest window of an alert, or of one deviation; empty where nothing was asked."""

    voice_shares: tuple[tuple[str, float], ...] = ()  # each voice's share of the combined evidence, largest first
    counterfactuals: tuple[Counterfactual, ...] = ()  # in the order of the reasons
    techniques: tuple[Technique, ...] = ()  # the most confident first; none is a fine answer
    rise: Rise | None = None  # None: nothing is up


UNEXPLAINED = Explanation()


def merged(newer: Explanation, older: Explanation, *, is_stronger: bool) -> Explanation:
    """Of an alert that absorbs a deviation: the stronger window's, with the surest techniques of both."""
    best = newer if is_stronger else older
    found: dict[str, Technique] = {}
    for technique in (*older.techniques, *newer.techniques):
        known = found.get(technique.id)
        if known is None or rank(technique) >= rank(known):
            found[technique.id] = technique
    ordered = sorted(found.values(), key=lambda technique: (-rank(technique), technique.id))
    return replace(best, techniques=tuple(ordered[:TECHNIQUES_KEPT]))


def rank(technique: Technique) -> int:
    """0 low, 1 medium, 2 high."""
    return list(Confidence).index(technique.confidence)
