"""The demo's recording as trials: one half learned, the other judged, for the product and for whoever stands beside it.

The budget is one false alert an hour over all workloads. The product keeps its own threshold. Another detector gets
the lowest one that keeps the budget on the half it learned, where every alert counts, and also the best there is: the
lowest that keeps the budget on the judged half by its labels, which nobody has. One that keeps a set has its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from baseline.domain.edge import EdgeKey
from baseline.domain.flow import Flow
from baseline.features import schema
from baseline.features.table import FloatArray, IntArray
from baseline.features.windows import Windower, WindowOptions
from baseline.services import outcome
from baseline.services.outcome import Finding, Label
from pipelines import _halves
from pipelines._halves import Half
from pipelines._recording import Recording
from pipelines.suite._alerting import Scored
from pipelines.suite._forests import Names

FALSE_PER_HOUR = 1.0
WINDOW_S = 60
QUICK_S = 1200.0  # of each half, beside the cut
Edges = Mapping[tuple[str, int], frozenset[EdgeKey]]  # workload, start of a minute -> the edges it used in it


@dataclass(frozen=True)
class Minutes:
    """A judged half's windows of a minute, in order of workload and time."""

    half: Half

    @cached_property
    def _rows(self) -> list[tuple[str, int, int]]:
        found = [
            (str(window.workload), window.start, place)
            for place, (window, _, _) in enumerate(self.half.course.scored)
            if window.horizon_s == WINDOW_S
        ]
        return sorted(found)

    @cached_property
    def names(self) -> Names:
        """Whose they are, (n,)."""
        return np.array([name for name, _, _ in self._rows])

    @cached_property
    def starts(self) -> IntArray:
        """Epoch seconds, (n,), as judged."""
        return np.array([start for _, start, _ in self._rows], dtype=np.int64)

    @cached_property
    def vectors(self) -> FloatArray:
        """The product's, (n, schema.WIDTH)."""
        return np.stack([self.half.course.scored[place][2] for _, _, place in self._rows])

    def natural(self, features: Sequence[str]) -> FloatArray:
        """The sum of some features in their own units, (n,)."""
        which = [schema.PRODUCT.features[schema.INDEX[name]] for name in features]
        parts = [one.unit * np.expm1(self.vectors[:, schema.INDEX[one.name]]) for one in which]
        return np.asarray(np.sum(parts, axis=0), dtype=np.float64)

    def scored(self, scores: FloatArray) -> Scored:
        """With scores of these windows."""
        windows = [self.half.course.scored[place][0] for _, _, place in self._rows]
        return Scored(windows=windows, scores=scores, hours=self.half.hours)

    def keys(self) -> list[tuple[str, int]]:
        """Workload and start of each, at the time it was recorded."""
        moved = int(self.half.moved_s)
        return [(name, start - moved) for name, start, _ in self._rows]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What is learned (the windows that another trial judged), what is judged, and the edges of both."""

    learned: Minutes
    judged: Minutes
    learned_edges: Edges
    judged_edges: Edges


Detector = Callable[[Trial], tuple[FloatArray, FloatArray]]  # scores of what is learned, and of what is judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one detector found over all trials: by its own threshold, and by the best."""

    name: str
    hits: Sequence[bool]
    false_alerts: int
    best_hits: Sequence[bool]
    hours: float

    def told(self) -> str:
        """In a few words."""
        return (
            f"{sum(self.hits)} with {self.false_alerts} false in {self.hours:.2f} h by the threshold it learned, "
            f"{sum(self.best_hits)} within the budget by the best one, known from the labels"
        )


def found_by(name: str, detector: Detector, trials: Sequence[Trial], *, has_threshold: bool = True) -> Found:
    """Put one detector through all trials. Without a threshold of its own it alerts above 0."""
    hits: list[bool] = []
    best: list[bool] = []
    false = 0
    for trial in trials:
        labels = trial.judged.half.labels
        known, asked = detector(trial)
        scored = trial.judged.scored(asked)
        own = trial.learned.scored(known).threshold(alerts_per_hour=FALSE_PER_HOUR) if has_threshold else 0.0
        came = scored.outcome(own, labels)
        bound = max(0.0, scored.threshold(alerts_per_hour=FALSE_PER_HOUR, labels=labels))
        hits += was_found(came.findings)
        best += was_found(scored.outcome(bound, labels).findings)
        false += len(came.false_alerts)
    hours = sum(trial.judged.half.hours for trial in trials)
    return Found(name=name, hits=hits, false_alerts=false, best_hits=best, hours=hours)


def was_found(findings: Sequence[Finding]) -> list[bool]:
    """Which events were found."""
    return [finding.found_at is not None for finding in findings]


def recording(*, is_quick: bool) -> tuple[list[Flow], list[Flow], list[Label]]:
    """The shipped recording, the same without attacks, and its labels; or what lies beside the cut."""
    with _halves.shipped("westermo.labels.csv").open(encoding="utf-8", newline="") as lines:
        labels = outcome.read_labels(lines)
    attacked, clean = (
        list(Recording([_halves.shipped(name)])) for name in ("westermo.jsonl.gz", "westermo-clean.jsonl.gz")
    )
    if not is_quick:
        return attacked, clean, labels
    since, until = _halves.middle() - QUICK_S, _halves.middle() + QUICK_S
    attacked, clean = ([flow for flow in flows if since < flow.end <= until] for flows in (attacked, clean))
    return attacked, clean, [label for label in labels if since <= label.start < until]


def under_attack(flows: Sequence[Flow], labels: Sequence[Label]) -> list[Trial]:
    """Each half learned as it is, attacks and all, and the other judged."""
    edges = edges_of(flows)
    second, first = (Minutes(half) for half in _halves.both(flows, labels, middle=_halves.middle()))
    return [
        Trial(learned=learned, judged=judged, learned_edges=edges, judged_edges=edges)
        for learned, judged in ((first, second), (second, first))
    ]


def after_clean(flows: Sequence[Flow], clean: Sequence[Flow], labels: Sequence[Label]) -> list[Trial]:
    """Each half of the clean recording learned, and the other half judged with its attacks."""
    middle = _halves.middle()
    seen = [Minutes(half) for half in _halves.both(clean, [], middle=middle)]
    edges, clean_edges = edges_of(flows), edges_of(clean)
    mixed = in_order([flow for flow in clean if flow.end <= middle] + [flow for flow in flows if flow.end > middle])
    second = _halves.judged(mixed, labels, fit_until=middle, moved_s=0.0, name=_halves.SECOND)
    moved, moved_labels, begins = _halves.swapped(flows, labels, middle=middle)
    moved_clean, _, _ = _halves.swapped(clean, [], middle=middle)
    mixed = in_order([f for f in moved_clean if f.end <= begins] + [f for f in moved if f.end > begins])
    first = _halves.judged(mixed, moved_labels, fit_until=begins, moved_s=_halves.MOVED_S, name=_halves.FIRST)
    return [
        Trial(learned=learned, judged=Minutes(judged), learned_edges=clean_edges, judged_edges=edges)
        for learned, judged in ((seen[1], second), (seen[0], first))
    ]


def in_order(flows: Sequence[Flow]) -> list[Flow]:
    """By the end of their interval."""
    return sorted(flows, key=lambda flow: flow.end)


def edges_of(flows: Sequence[Flow]) -> Edges:
    """The edges that each workload used in each minute it used any."""
    windower = Windower(WindowOptions(edges_cap=4096))
    for flow in flows:
        windower.add_flow(flow, received_at=flow.end)
    return {
        (str(window.workload), window.start): frozenset(window.edges)
        for window in windower.finish()
        if window.horizon_s == WINDOW_S
    }
