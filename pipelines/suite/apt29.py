"""APT29's emulation laid over benign hosts: whose attack windows stand out when two false windows are allowed.

The attack is real (Zeek logs of the ATT&CK evaluation, four Windows hosts and their domain controller, two days), and
so are the benign sides: the devices of the demo's recording without its attacks. That they meet is ours, so these are
*overlays*. The first half of the benign recording is learned; the attack's connections are moved behind the beginning
of the second and told as records of the device's node, with peers the device never used: command and control is
``pub``, a host of the attacked network ``pvt``. An attack window holds a record of the attack. The threshold is the
third highest score of the device's other windows. Implants only: the logs' ordinary traffic is not laid over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baseline.detectors.fitted import FittedSet
from baseline.domain.flow import Flow, Heartbeat
from baseline.domain.window import Window
from baseline.features.windows import Windower
from baseline.services import evaluate
from baseline.services.evaluate import Course
from pipelines import _halves
from pipelines._recording import Recording
from pipelines.suite import _zeek
from pipelines.suite._alerting import recalled
from pipelines.suite._zeek import Connection, Place
from pipelines.suite.figure import Figure

NAME = "apt29"
FOLDER = "otrf-apt29"
NEEDS = (FOLDER,)
CONTROL = frozenset({"192.168.0.4", "192.168.0.5"})  # command and control, by the emulation's plan
REMOTE_MANAGEMENT = 5985  # WinRM between workstations is the attacker's lateral movement there
FALSE_WINDOWS = 2
LEAD_S = 120  # of the judged half before the attack
WINDOW_S = 60
QUICK_LOGS, QUICK_DEVICES = 2, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """One attack log over one device: which attack windows were found, and whether the product alerted on any."""

    log: str
    device: str
    hits: Sequence[bool]
    is_alerted: bool
    false_alerts: int  # deviations in windows without a record of the attack


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """Recall of attack windows, by log (day and host) and altogether."""
    logs = sorted((data / FOLDER).glob("day*/*_conn.log.gz"))[: QUICK_LOGS if is_quick else None]
    benign = list(Recording([_halves.shipped("westermo-clean.jsonl.gz")]))
    model, devices = learned(benign)
    chosen = sorted(devices)[: QUICK_DEVICES if is_quick else None]
    overlays = [laid_over(benign, device, devices[device], log, model=model) for log in logs for device in chosen]
    found = [figure for log in logs for figure in _of_log(overlays, told(log), seed=seed)]
    alerted = [one.is_alerted for one in overlays]
    hits = np.array([float(np.mean(one.hits)) for one in overlays])
    beside = sum(one.false_alerts for one in overlays)
    return [
        Figure(
            row=NAME, name="recall of attack windows", value=float(hits.mean()), interval=recalled(hits, seed=seed),
            note=f"{len(overlays)} overlays: {len(logs)} logs on {len(chosen)} devices, 2 false windows each",
        ),
        Figure(
            row=NAME, name="overlays alerted on", value=float(np.mean(alerted)), interval=recalled(alerted, seed=seed),
            note=f"at one alert a workload and week; {beside} deviations beside attacks",
        ),
        *found,
    ]  # fmt: skip


def _of_log(overlays: Sequence[Overlay], log: str, *, seed: int) -> Iterator[Figure]:
    own = [one for one in overlays if one.log == log]
    hits = np.array([float(np.mean(one.hits)) for one in own])
    worst = min(own, key=lambda one: float(np.mean(one.hits)))
    yield Figure(
        row=NAME, name=f"recall of attack windows, {log}", value=float(hits.mean()), interval=recalled(hits, seed=seed),
        unit=f"of {len(own[0].hits)} windows",
        note=f"{sum(one.is_alerted for one in own)} of {len(own)} devices alerted; "
        f"worst {worst.device} {np.mean(worst.hits):.2f}",
    )  # fmt: skip


def told(log: Path) -> str:
    """Day and host."""
    return f"{log.parent.name} {log.name.removesuffix('_conn.log.gz')}"


def learned(benign: Sequence[Flow]) -> tuple[FittedSet, dict[str, Place]]:
    """The model of the first half, and where each device lives."""
    course = evaluate.run(benign, _halves.plan_until(_halves.middle()))
    if course.model is None:
        raise ValueError("the benign recording holds nothing behind its middle")
    places = {
        str(workload): Place(cluster=flow.cluster, node=flow.host, endpoint=flow.local)
        for flow in benign
        for workload in course.model.lines
        if flow.local.name_aggr.startswith(f"{workload.name}-")
    }
    return course.model, places


def attack_of(connections: Sequence[Connection]) -> list[Connection]:
    """What of a log is the attack."""
    return [one for one in connections if {one.origin, one.responder} & CONTROL or one.port == REMOTE_MANAGEMENT]


def laid_over(benign: Sequence[Flow], device: str, place: Place, log: Path, *, model: FittedSet) -> Overlay:
    """Judge a device's second half with the attack in it."""
    connections = _zeek.read(log)
    attack = attack_of(connections)
    moved_s = _halves.middle() + LEAD_S - attack[0].start
    laid = list(_zeek.flows(attack, host=_zeek.host_of(connections), outside=CONTROL, place=place, moved_s=moved_s))
    own = [flow for flow in benign if flow.local == place.endpoint]
    course = judged(sorted([*own, *laid], key=lambda flow: flow.end), until=benign[-1].end, model=model)
    at = {flow.event_time // WINDOW_S * WINDOW_S for flow in laid}
    minutes = [(w.start in at, p) for w, p, _ in course.scored if w.horizon_s == WINDOW_S and np.isfinite(p)]
    is_attack = np.array([attacked for attacked, _ in minutes])
    scores = -np.log(np.array([p for _, p in minutes]))
    limit = np.sort(scores[~is_attack])[::-1][FALSE_WINDOWS]
    beside = [one for one in course.deviations if not any(one.window_start <= t < one.window_end for t in at)]
    return Overlay(
        log=told(log), device=device, hits=[bool(hit) for hit in scores[is_attack] > limit],
        is_alerted=len(beside) < len(course.deviations), false_alerts=len(beside),
    )  # fmt: skip


def judged(flows: Sequence[Flow], *, until: int, model: FittedSet) -> Course:
    """One device's records through windows and judgement; its node is alive all the time, also in silence."""
    windower = Windower()
    batches: list[list[Window]] = []
    cluster, node, waiting = flows[0].cluster, flows[0].host, list(reversed(flows))
    for now in range(flows[0].end, until + 1, _zeek.INTERVAL_S):
        while waiting and waiting[-1].end <= now:
            windower.add_flow(waiting.pop(), received_at=float(now))
        windower.add_heartbeat(Heartbeat(cluster, node, float(now)), received_at=float(now))
        batches.append(windower.advance(now=float(now)))
    batches.append(windower.finish())
    plan = _halves.plan_until(_halves.middle())
    closed = [batch for batch in batches if batch]
    return evaluate.run_windows(closed, plan, course=Course(model=model), facts=windower.facts)
