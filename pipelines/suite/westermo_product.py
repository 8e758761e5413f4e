"""The product on the demo's recording: each half learned, the other judged, beside plain forests on the same vectors.

Records are Calico's (no TCP flags, 15 s each), windows 1 min and longer, 11 of the plant's 12 devices: the twelfth is
not in the data set's reduced files. Budget and thresholds: ``_westermo_trials``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from baseline.detectors import floor
from baseline.features.table import FloatArray
from baseline.services import outcome
from pipelines.suite._alerting import counted
from pipelines.suite._forests import FORESTS, Fitted
from pipelines.suite._westermo_trials import (
    FALSE_PER_HOUR,
    Detector,
    Found,
    Trial,
    found_by,
    recording,
    under_attack,
    was_found,
)
from pipelines.suite.figure import Figure

NAME = "westermo_product"
NEEDS: tuple[str, ...] = ()  # the recording is shipped
GOAL_EVENTS = 31.0
KINDS = ("port-scan-1", "port-scan-2", "ssh-bruteforce")


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:  # noqa: ARG001 - a row is asked like any other
    """Events found and false alerts an hour, of the product and of the forests."""
    flows, _, labels = recording(is_quick=is_quick)
    trials = under_attack(flows, labels)
    peers = [found_by(name, forest(make, seed=seed), trials) for name, make in FORESTS]
    return [
        *_product(trials, peers, seed=seed),
        *(_peer(peer, seed=seed) for peer in peers),
        *(_luck(trials, detector, seed=seed) for detector in (floor.Null(), floor.Random())),
    ]


def forest(make: Callable[..., Fitted], *, seed: int) -> Detector:
    """Plain forests on the windows of a minute."""

    def score(trial: Trial) -> tuple[FloatArray, FloatArray]:
        learned, judged = trial.learned, trial.judged
        fitted = make(learned.vectors, learned.names, seed=seed)
        return fitted(learned.vectors, learned.names), fitted(judged.vectors, judged.names)

    return score


def _product(trials: Sequence[Trial], peers: Sequence[Found], *, seed: int) -> Iterator[Figure]:
    halves = [trial.judged.half for trial in trials]
    findings = [finding for half in halves for finding in half.outcome.findings]
    hits, hours = was_found(findings), sum(half.hours for half in halves)
    beaten = max(max(sum(peer.hits), sum(peer.best_hits)) for peer in peers)
    yield Figure(
        row=NAME, name="events found", value=float(sum(hits)), unit=f"of {len(hits)} events",
        interval=counted(hits, seed=seed), gate=(beaten + 1.0, None), goal=(GOAL_EVENTS, None),
        note=f"more than any forest: {beaten} at best; its own threshold: one alert a workload and week",
    )  # fmt: skip
    yield Figure(
        row=NAME, name="false alerts", value=sum(len(half.outcome.false_alerts) for half in halves) / hours,
        unit="an hour", gate=(None, FALSE_PER_HOUR), note=f"over all workloads, {hours:.2f} h judged",
    )  # fmt: skip
    events = Counter(finding.label.label for finding in findings)
    found = Counter(finding.label.label for finding in findings if finding.found_at is not None)
    for kind in KINDS:
        yield Figure(
            row=NAME, name=f"{kind} found", value=float(found[kind]), unit=f"of {events[kind]} events",
            gate=(1.0, None), note="every kind is found",
        )  # fmt: skip


def _peer(peer: Found, *, seed: int) -> Figure:
    return Figure(
        row=NAME, name=f"events found by {peer.name}", value=float(sum(peer.hits)),
        unit=f"of {len(peer.hits)} events", interval=counted(peer.hits, seed=seed), note=peer.told(),
    )  # fmt: skip


def _luck(trials: Sequence[Trial], detector: floor.Floor, *, seed: int) -> Figure:
    """What a detector finds that knows nothing, at the product's own threshold."""
    hits: list[bool] = []
    false = 0
    for trial in trials:
        half = trial.judged.half
        windows = [window for window, _, _ in half.course.scored]
        raised = floor.deviations(detector, windows, alpha=half.plan.judging.alpha, seed=seed)
        came = outcome.compare(raised, half.labels, since=half.plan.test_from, until=half.course.tested_until + 1)
        hits += was_found(came.findings)
        false += len(came.false_alerts)
    return Figure(
        row=NAME, name=f"events found by {detector.name}", value=float(sum(hits)), unit=f"of {len(hits)} events",
        note=f"knows nothing; at the product's threshold, {false} false",
    )  # fmt: skip
