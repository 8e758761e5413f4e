"""Compare what was found with labels: events found, time to detect, false alerts. Labels are used nowhere else.

Events are counted on the true side, alerts on the false side (deviations of one workload within an hour are one), and
nothing is adjusted: a deviation far inside an event counts for the time it took.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from baseline.domain.deviation import Deviation
from baseline.domain.units import parse_rfc3339
from baseline.domain.workload import WorkloadId

MERGE_S = 3600.0
AFTER_S = 120.0  # connections of an event may be exported this long after its end
IGNORE = "ignore"
RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One event of the labels file; times are epoch seconds."""

    workload: str  # namespace/name
    start: float
    end: float
    label: str

    @property
    def counts(self) -> bool:
        """Labels that begin with ``ignore`` count neither way."""
        return not self.label.startswith(IGNORE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One labelled event and when it was found (None: it was not), epoch seconds."""

    label: Label
    found_at: float | None

    @property
    def delay_s(self) -> float | None:
        """Time to detect, from the event's start to the end of the window that raised."""
        return None if self.found_at is None else max(0.0, self.found_at - self.label.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The comparison. ``recall`` is None without events; the interval is the bootstrap's 95 % over events."""

    findings: tuple[Finding, ...]
    false_alerts: tuple[Deviation, ...]  # the first deviation of each

    @property
    def found(self) -> int:
        """Events found."""
        return sum(finding.found_at is not None for finding in self.findings)

    @property
    def recall(self) -> float | None:
        """Share of events found."""
        return self.found / len(self.findings) if self.findings else None

    def interval(self, *, seed: int = 1) -> tuple[float, float] | None:
        """95 % interval of the recall, by bootstrap over events."""
        if not self.findings:
            return None
        hits = np.array([finding.found_at is not None for finding in self.findings], dtype=np.float64)
        drawn = np.random.default_rng(seed).choice(hits, size=(RESAMPLES, len(hits))).mean(axis=1)
        return float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))

    def delays(self) -> list[float]:
        """Times to detect of what was found, sorted."""
        return sorted(finding.delay_s for finding in self.findings if finding.delay_s is not None)


def read_labels(lines: Iterable[str]) -> list[Label]:
    """CSV ``workload,start,end,label`` with a header; ValueError with the line number for anything else."""
    import csv

    labels = []
    for number, row in enumerate(csv.DictReader(lines), start=2):
        try:
            workload = row["workload"].strip()
            found = Label(
                workload=workload, start=parse_rfc3339(row["start"]), end=parse_rfc3339(row["end"]),
                label=(row["label"] or "").strip(),
            )  # fmt: skip
        except (KeyError, AttributeError, ValueError, TypeError) as error:
            raise ValueError(f"labels line {number}: {error}") from error
        if workload.count("/") not in (1, 2) or found.end < found.start:
            raise ValueError(f"labels line {number}: {workload} {row['start']} {row['end']}")
        labels.append(found)
    return labels


def compare(deviations: Sequence[Deviation], labels: Sequence[Label], *, since: float, until: float) -> Outcome:
    """Judge the deviations of [since, until) by the labelled events that start in it."""
    by_workload: dict[str, list[Deviation]] = {}
    for deviation in sorted(deviations, key=lambda one: (one.window_end, one.window_start)):
        by_workload.setdefault(str(deviation.workload), []).append(deviation)
    own_labels: dict[str, list[Label]] = {}
    for label in labels:
        own_labels.setdefault(_bare(label.workload), []).append(label)
    findings = [
        Finding(label=label, found_at=_found(by_workload.get(name, ()), label))
        for name, own in own_labels.items()
        for label in own
        if label.counts and since <= label.start < until
    ]
    false: list[Deviation] = []
    for name, own_deviations in by_workload.items():
        false += _merged([one for one in own_deviations if not _explained(one, own_labels.get(name, ()))])
    return Outcome(
        findings=tuple(sorted(findings, key=lambda finding: finding.label.start)),
        false_alerts=tuple(sorted(false, key=lambda one: one.window_end)),
    )


def windows_in_events(workload: WorkloadId, start: int, end: int, labels: Sequence[Label]) -> bool:
    """Whether a window overlaps an event (of whatever label) of its workload."""
    return any(_bare(label.workload) == str(workload) and start < label.end and end > label.start for label in labels)


def _found(deviations: Sequence[Deviation], label: Label) -> float | None:
    ends = [one.window_end for one in deviations if one.window_start < label.end and one.window_end > label.start]
    return float(min(ends)) if ends else None


def _explained(deviation: Deviation, labels: Sequence[Label]) -> bool:
    return any(deviation.window_start < label.end + AFTER_S and deviation.window_end > label.start for label in labels)


def _merged(deviations: Sequence[Deviation]) -> list[Deviation]:
    first: list[Deviation] = []
    last_end = float("-inf")
    for deviation in deviations:
        if deviation.window_start - last_end > MERGE_S:
            first.append(deviation)
        last_end = max(last_end, deviation.window_end)
    return first


def _bare(workload: str) -> str:
    return "/".join(workload.split("/")[-2:])
