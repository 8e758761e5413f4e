"""Westermo on the protocol's own 14 features: recall of attack windows at 1 % false positives (detection.md, run 2).

Learned without labels from the first half, which attacks run through for a fifth of it; judged on the second. The
threshold is the protocol's: it lets 1 % of the judged windows pass that no label claims. Layer-2 events (man in the
middle, wrong and doubled addresses) are no part of it: flows do not show them.

One entity is the group address of IGMP at one capture point. What the attacker's membership reports do to its windows
is labelled an attack, and is number for number what they do at any time: no score of a window's own features finds
these without spending more than the budget, and the goals lie above what is left (``ceiling``).

Only who exchanged flows with whom tells them apart. *With the peers' word* a window is as unusual as the most unusual
one it exchanged flows with at that time. It is told and held against nothing: on this cut it finds nearly everything,
on the first 50, 60 or 70 % of the same recording it finds nothing, because one false window infects all its peers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from baseline.detectors import combine, fit, floor
from baseline.features.table import FloatArray
from pipelines._westermo_devices import Event, read_events
from pipelines.suite import _westermo_windows
from pipelines.suite._forests import fleet_forest
from pipelines.suite._westermo_windows import WINDOW_S, WindowSet
from pipelines.suite.figure import Figure

NAME = "westermo_features"
FOLDER = "westermo-network-traffic"
NEEDS = (FOLDER,)
FALSE_POSITIVES = 0.01
SEEDS = 4
QUICK_SHARE = 0.5
RESAMPLES = 2000
ALIKE_DIGITS = 9  # features that agree to these are one number
REACH = 50.0  # the plain forest's scaled values are clipped to this, by the protocol
KINDS = (  # label, name, log's kind, gate, goal
    ("BAD-PORTSCAN2", "scan 2", "port-scan-2", 0.95, 0.97),
    ("BAD-PORTSCAN1", "scan 1", "port-scan-1", 0.62, 0.80),
    ("BAD-SSH", "SSH", "ssh-bruteforce", 0.74, 0.85),
)
Mask = npt.NDArray[np.bool_]


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """Recall of each kind: the product's detectors, with the peers' word, the plain forest, and what can be reached."""
    folder = data / FOLDER
    windows = _westermo_windows.read(folder, share=QUICK_SHARE if is_quick else 1.0)
    events, _ = read_events((folder / "events.txt").read_text(encoding="utf-8").splitlines())
    is_learned = windows.numbers <= windows.numbers.max() // 2
    seeds = range(seed, seed + (1 if is_quick else SEEDS))
    judged = [product(windows, is_learned, seed=one) for one in seeds]
    plain = [plain_forest(windows, is_learned, seed=one) for one in seeds]
    told = Told(windows, ~is_learned, events, seed=seed)
    return [
        *told.figures("", judged, is_held=True),
        *told.figures(" by a plain forest", plain),
        *told.figures(", with the peers' word", [spread(windows, scores) for scores in judged]),
        *told.figures(" by the dice", [dice(windows, seed=one) for one in seeds]),
    ]


def product(windows: WindowSet, is_learned: Mask, *, seed: int) -> FloatArray:
    """-ln p of every window by the product's detectors, fitted on what is learned as any horizon is."""
    lines = len(windows.entities)
    arrays = fit.fit_horizon(windows.rows(is_learned), lines=lines, seed=seed)
    verdict = combine.judge(arrays, windows.rows(np.ones(len(windows.lines), dtype=np.bool_)))
    return np.asarray(-np.log(verdict.p), dtype=np.float64)


def plain_forest(windows: WindowSet, is_learned: Mask, *, seed: int) -> FloatArray:
    """The evidence's best: one isolation forest for everybody on robustly scaled features."""
    names = np.array(windows.entities)[windows.lines]
    score = fleet_forest(windows.values[is_learned], names[is_learned], seed=seed, reach=REACH)
    return score(windows.values, names)


def dice(windows: WindowSet, *, seed: int) -> FloatArray:
    """Scores of a detector that knows nothing: what is left is luck."""
    marks = windows.numbers * 1_000 + windows.lines
    return np.asarray(-np.log(floor.Random().p_values(marks, seed=seed)), dtype=np.float64)


def spread(windows: WindowSet, scores: FloatArray) -> FloatArray:
    """Each window's score, or that of the most unusual window it exchanged flows with at the time."""
    found = scores.copy()
    np.maximum.at(found, windows.meetings[:, 0], scores[windows.meetings[:, 1]])
    return found


def threshold(scores: FloatArray, is_benign: Mask) -> float:
    """What 1 % of the benign windows are above."""
    benign = np.sort(scores[is_benign])[::-1]
    return float(benign[int(FALSE_POSITIVES * len(benign))])


def ceiling(windows: WindowSet, is_judged: Mask, kind: str) -> float:
    """The most of a kind's windows that any score of entity and features finds at the budget.

    Windows of one entity with equal features score alike, benign or attack: which of these groups to raise is a
    knapsack, its room the benign windows that may pass.
    """
    keys = np.column_stack([windows.lines, windows.values.round(ALIKE_DIGITS)])[is_judged]
    attacks = windows.attacks[is_judged]
    _, alike = np.unique(keys, axis=0, return_inverse=True)
    benign = np.bincount(alike[attacks == ""], minlength=alike.max() + 1)
    wanted = np.bincount(alike[attacks == kind], minlength=alike.max() + 1)
    room = int(FALSE_POSITIVES * (attacks == "").sum())
    best = np.zeros(room + 1)
    for group in np.flatnonzero(wanted):
        cost = int(benign[group])
        if cost <= room:
            best[cost:] = np.maximum(best[cost:], best[: room + 1 - cost] + wanted[group])
    return float(best[-1]) / max(int(wanted.sum()), 1)


class Told:
    """The judged part, and how figures are made of scores on it."""

    def __init__(self, windows: WindowSet, is_judged: Mask, events: list[Event], *, seed: int) -> None:
        self.windows, self.is_judged, self.seed = windows, is_judged, seed
        self.is_benign = is_judged & (windows.attacks == "")
        self.events = events

    def figures(self, suffix: str, by_seed: list[FloatArray], *, is_held: bool = False) -> Iterator[Figure]:
        """One figure a kind: the mean over seeds, the interval over events."""
        for label, name, kind, gate, goal in KINDS:
            here = self.is_judged & (self.windows.attacks == label)
            if not here.any():
                yield Figure(row=NAME, name=f"recall of {name}{suffix}", value=None, note="no such window is judged")
                continue
            hits = np.mean([(scores > threshold(scores, self.is_benign))[here] for scores in by_seed], axis=0)
            most = ceiling(self.windows, self.is_judged, label)
            yield Figure(
                row=NAME,
                name=f"recall of {name}{suffix}",
                value=float(hits.mean()),
                unit=f"of {int(here.sum())} windows",
                interval=self.interval(hits, self.event_of(here, kind)),
                gate=(gate, None) if is_held else None,
                goal=(goal, None) if is_held else None,
                note=f"at 1 % of {int(self.is_benign.sum())} benign windows, mean of {len(by_seed)} seeds"
                + (f"; no score of a window's own features reaches more than {most:.3f}" if is_held else ""),
            )

    def event_of(self, here: Mask, kind: str) -> npt.NDArray[np.int64]:
        """The event of the log that each window of an attack belongs to: the nearest of its kind."""
        own = [event for event in self.events if event.kind == kind]
        at = self.windows.begins + (self.windows.numbers[here] + 0.5) * WINDOW_S
        away = [np.maximum(np.maximum(event.start - at, at - event.end), 0.0) for event in own]
        return np.asarray(np.argmin(away, axis=0), dtype=np.int64)

    def interval(self, hits: FloatArray, events: npt.NDArray[np.int64]) -> tuple[float, float] | None:
        """95 % of the recall over resampled events, the threshold kept; None below three events."""
        _, which = np.unique(events, return_inverse=True)
        count = int(which.max()) + 1
        if count < 3:
            return None
        found, of = np.bincount(which, weights=hits), np.bincount(which)
        drawn = np.random.default_rng(self.seed).integers(0, count, size=(RESAMPLES, count))
        recalls = found[drawn].sum(axis=1) / of[drawn].sum(axis=1)
        return float(np.quantile(recalls, 0.025)), float(np.quantile(recalls, 0.975))
