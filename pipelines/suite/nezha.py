"""Row: four days of injected faults and pod churn must restrict nobody; ten real attacks on the same workloads must.

Real metrics laid on a call graph as flows (``_nezha`` says how). For each of the two systems the product learns the
first day (20 and 15 hours), faults included, without labels, and judges the second (12 hours each), on which every
Train Ticket pod is another. The history counts as a whole observation period. Every deviation is grouped, planned and
shown to the guards.

*overlays*: the same sets, the same settings and the same windows, with ten attacks laid on workloads and minutes drawn
by the seed (``_overlays``): passed when an alert of that workload passes the evidence rule while the attack lasts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from baseline.domain.alert import Alert
from baseline.domain.deviation import Deviation
from baseline.domain.flow import Flow
from baseline.domain.units import HOUR_S, MINUTE_S, WEEK_S
from baseline.domain.window import Window
from baseline.domain.workload import WorkloadId
from baseline.features.windows import Windower
from baseline.services import evaluate, outcome
from baseline.services.evaluate import Course, Plan
from baseline.services.score import JudgeOptions, JudgeState, Labelled, judge
from baseline.services.train import Recipe
from pipelines.suite import _nezha, _overlays
from pipelines.suite._automatic import Consequences, consequences, workloads
from pipelines.suite._overlays import Attack, Laid
from pipelines.suite.figure import Figure
from pipelines.suite.simulate import Known

NAME = "nezha"
NEEDS = (_nezha.FOLDER, "otrf-apt29")
OVERLAYS = 10
APT_HOSTS = ("day1/NASHUA", "day1/SCRANTON", "day2/UTICA-A", "day2/UTICA-D")
WESTERMO_KINDS = ("port-scan-1", "port-scan-2", "ssh-bruteforce")  # two of each
QUICK_S, QUICK_LEARN_S = 5 * HOUR_S, 3 * HOUR_S  # of the first day


@dataclass(slots=True, kw_only=True)
class Watched:
    """One system: what was judged, and what came of it."""

    system: str
    course: Course
    batches: list[list[Window]] = field(default_factory=list)  # after the fit
    facts: Mapping[WorkloadId, Labelled] = field(default_factory=dict)
    options: JudgeOptions = field(default_factory=JudgeOptions)
    plain: Consequences = field(default_factory=Consequences)

    @property
    def budget(self) -> float:
        """Alerts that the settings allow in the time judged."""
        workloads = len({window.workload for batch in self.batches for window in batch})
        return workloads * self.course.hours_tested * HOUR_S / WEEK_S * self.options.alerts_per_week


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """Faults and churn, then the same with attacks."""
    systems = ["boutique"] if is_quick else list(_nezha.SYSTEMS)
    watched = [_watched(data, system, is_quick=is_quick, seed=seed) for system in systems]
    found = [figure for one in watched for figure in _calm(one, data)]
    found.append(
        Figure(
            row=NAME, name="windows that pass the evidence rule", unit="windows", gate=(0.0, 0.0),
            value=float(sum(len(one.plain.evident) for one in watched)),
            note="at " + (", ".join(workloads([a for one in watched for a in one.plain.evident])) or "nobody"),
        )
    )  # fmt: skip
    alerts, budget = sum(len(one.plain.alerts) for one in watched), sum(one.budget for one in watched)
    found.append(
        Figure(
            row=NAME, name="alerts / budget", value=alerts / budget, gate=(None, 1.0),
            note=f"{alerts} alerts; one a week and workload allows {budget:.1f} here",
        )
    )  # fmt: skip
    return [*found, *_attacked(watched, data, is_quick=is_quick, seed=seed)]


def _watched(data: Path, system: str, *, is_quick: bool, seed: int) -> Watched:
    days = [_nezha.read_pods(data / _nezha.FOLDER / day) for day in _nezha.SYSTEMS[system]]
    begin = min(int(pod.minutes[0]) for pod in days[0])
    end = begin + QUICK_S if is_quick else max(int(pod.minutes[-1]) for pod in days[0])
    fit_until = begin + QUICK_LEARN_S if is_quick else end + HOUR_S
    plan = Plan(
        fit_until=fit_until - fit_until % HOUR_S, recipe=Recipe(is_mature=True), judging=JudgeOptions(), seed=seed
    )
    watched = Watched(system=system, course=Course(), options=plan.judging)
    windower = Windower()
    recorded = _until(_flows(days[:1] if is_quick else days, system), float(end) if is_quick else float("inf"))
    batches = _kept(evaluate.closed(recorded, windower, watched.course), watched, plan)
    evaluate.run_windows(batches, plan, course=watched.course, facts=windower.facts)
    watched.facts = dict(windower.facts())
    watched.plain = consequences(watched.course.deviations, watched.facts)
    return watched


def _flows(days: Sequence[list[_nezha.Pod]], system: str) -> Iterator[Flow]:
    for pods in days:
        yield from _nezha.flows(pods, system)


def _until(flows: Iterator[Flow], end: float) -> Iterator[Flow]:
    for flow in flows:
        if flow.end > end:
            return
        yield flow


def _kept(batches: Iterator[list[Window]], watched: Watched, plan: Plan) -> Iterator[list[Window]]:
    """The batches as they pass, remembering those that are judged."""
    for batch in batches:
        judged = [window for window in batch if window.start >= plan.test_from]
        if judged:
            watched.batches.append(judged)
        yield batch


def _calm(one: Watched, data: Path) -> list[Figure]:
    faults = [fault for day in _nezha.SYSTEMS[one.system] for fault in _nezha.read_faults(data / _nezha.FOLDER / day)]
    since = min(window.start for batch in one.batches for window in batch)
    judged = sum(fault.at >= since for fault in faults)
    at = ", ".join(workloads(list(one.plain.alerts.values()))) or "nobody"
    note = f"{one.course.hours_tested:.1f} h judged, {judged} faults in them; at {at}"
    value = float(len(one.plain.alerts))
    return [Figure(row=NAME, name=f"{one.system}: alerts", value=value, unit="alerts", note=note)]


def _attacked(watched: Sequence[Watched], data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """How many of the overlays pass, and how many open an alert at all."""
    attacks = _attacks(data, seed=seed)[: 3 if is_quick else OVERLAYS]
    passed: list[str] = []
    alerted: list[str] = []
    missed: list[str] = []
    for number, one in enumerate(watched):
        own = attacks[number :: len(watched)]
        overlays = _laid(own, one, seed=seed)
        found = _judged(one, overlays)
        for laid in overlays:
            alerted += [laid.attack.name] * any(_is_about(alert, laid) for alert in found.alerts.values())
            is_passed = any(_is_about(alert, laid) for alert in found.evident)
            (passed if is_passed else missed).append(f"{laid.attack.name} on {laid.workload.name}")
    note = f"of {len(attacks)} real attacks; not passed: {', '.join(missed) or 'none'}"
    gate, goal = (None, None) if is_quick else ((8.0, None), (float(OVERLAYS), None))
    return [
        Figure(row=NAME, name="overlays that pass the evidence rule", value=float(len(passed)), unit="attacks",
               gate=gate, goal=goal, note=note),
        Figure(row=NAME, name="overlays alerted", value=float(len(alerted)), unit="attacks", note="of the same"),
    ]  # fmt: skip


def _attacks(data: Path, *, seed: int) -> list[Attack]:
    """Four hosts of APT29 and two events of each kind of Westermo's, drawn by the seed; the kinds alternate."""
    apt = [_overlays.apt29(data / "otrf-apt29" / f"{host}_conn.log.gz") for host in APT_HOSTS]
    recordings = files("baseline.recordings")
    with (
        as_file(recordings / "westermo.jsonl.gz") as recording,
        as_file(recordings / "westermo.labels.csv") as labels,
    ):
        known = outcome.read_labels(labels.read_text(encoding="utf-8").splitlines())
        all_events = _overlays.westermo(recording, [label for label in known if label.counts])
    rng = np.random.default_rng(seed)
    found = list(apt)
    for kind in WESTERMO_KINDS:
        events = [attack for attack in all_events if attack.name == kind]
        found += [events[int(at)] for at in rng.choice(len(events), size=2, replace=False)]
    return [found[at] for at in rng.permutation(len(found))]


def _laid(attacks: Sequence[Attack], one: Watched, *, seed: int) -> list[Laid]:
    """Each on a workload of its own, at a minute of the part that is judged, with its whole length before the end."""
    rng = np.random.default_rng([seed, len(one.system)])
    hosts = sorted({window.workload for batch in one.batches for window in batch}, key=lambda who: who.key)
    minutes = sorted({window.start for batch in one.batches for window in batch if window.horizon_s == MINUTE_S})
    last = minutes[-1]
    found = []
    for attack, place in zip(attacks, rng.permutation(len(hosts)), strict=False):
        fitting = [minute for minute in minutes if minute + attack.lasts_s + HOUR_S < last]
        start = fitting[int(rng.integers(len(fitting)))] if fitting else minutes[0]
        found.append(Laid(attack=attack, workload=hosts[int(place)], start=float(start)))
    return found


def _judged(one: Watched, overlays: Sequence[Laid]) -> Consequences:
    """The judged part once more, with the overlays."""
    if one.course.model is None:
        raise ValueError(f"{one.system}: nothing was judged")
    labels = _overlays.peer_labels(overlays)
    known = {
        who: Known(
            labels=seen.labels,
            peer_labels={**seen.peer_labels, **labels},
            rollout_at=getattr(seen, "rollout_at", None),
        )
        for who, seen in one.facts.items()
    }
    state = JudgeState()
    deviations: list[Deviation] = []
    for batch in _overlays.laid_on(one.batches, overlays):
        deviations += judge(batch, model=one.course.model, state=state, options=one.options, facts=known).deviations
    return consequences(deviations, known)


def _is_about(alert: Alert, laid: Laid) -> bool:
    """Whether the alert is of the workload and its newest evidence lies in the attack (or the hour that holds it)."""
    label = laid.label
    return alert.workload == laid.workload and label.start < alert.updated_at <= label.end + HOUR_S
