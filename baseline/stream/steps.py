"""The steps of the stream, one function each: decode -> window -> judge -> store.

Everything that can fail outside is kept in the ``Work`` until it is stored, so that a step may simply be tried again.
The decoder is an argument: a compiled scanner may take its place without touching its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from baseline import formats
from baseline.detectors.fitted import FittedSet
from baseline.domain.edge import PeerKind
from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Flow, Heartbeat, PolicyHit
from baseline.domain.units import HOUR_S
from baseline.domain.window import SUMS, EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features import extract
from baseline.features.windows import Arrival, SeenWorkload
from baseline.ports import DeadLetter, EdgeRow, Library, Metrics, Record, WorkloadFacts
from baseline.services import events
from baseline.services.budget import ALERTS_PER_DAY, is_told, of_the_day
from baseline.services.score import JudgeOptions, judge
from baseline.services.suppress import Standing, divided
from baseline.services.triage import triage
from baseline.stream.deadletter import dead_letter
from baseline.stream.pending import bare
from baseline.stream.work import Work

SUM_MAX = 2**63 - 1  # what a column of history and a checkpoint hold; only a hostile log gets there
EDGE_SLOT_S = 300  # windows of this horizon are what hourly edges are written from
SEE_AGAIN_S = 300.0  # event time after which the book hears of a workload again


class Decoded(NamedTuple):
    """What a batch of records holds."""

    read: Sequence[tuple[Flow | Heartbeat, Record]]
    dead: Sequence[DeadLetter]
    skipped: int = 0  # readable, but nobody's (transit records)


Decode = Callable[[Sequence[Record]], Decoded]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainDecoder:
    """Decodes one record at a time, of any format; ``cluster`` is for records that name none."""

    cluster: str

    def __call__(self, records: Sequence[Record]) -> Decoded:
        """Decode; what cannot be read becomes a dead letter and stops nothing."""
        read: list[tuple[Flow | Heartbeat, Record]] = []
        dead: list[DeadLetter] = []
        skipped = 0
        for record in records:
            try:
                read.append((formats.decode(record.value, cluster=self.cluster), record))
            except MalformedRecord as error:
                if error.reason in formats.UNCOUNTED:
                    skipped += 1
                else:
                    dead.append(dead_letter(record, error))
        return Decoded(read, dead, skipped)


def take(work: Work, records: Sequence[Record], *, decode: Decode, now: float, metrics: Metrics) -> None:
    """Count records in windows and move the position past them.

    A record counts as received when the log stamped it, but never after ``now``: its stamp is its producer's word, and
    a node whose clock is wrong must not close everybody's windows.
    """
    decoded = decode(records)
    dead = list(decoded.dead)
    arrivals = dict.fromkeys(Arrival, 0)
    heartbeats = 0
    for noun, record in decoded.read:
        received_at = min(record.timestamp, now)
        try:
            if isinstance(noun, Heartbeat):
                work.windower.add_heartbeat(noun, received_at=received_at)
                heartbeats += 1
            else:
                arrivals[work.windower.add_flow(noun, received_at=received_at)] += 1
        except MalformedRecord as error:
            dead.append(dead_letter(record, error))
    work.dead += dead
    work.position = records[-1].offset + 1
    work.log_time = max(work.log_time, *(min(record.timestamp, now) for record in records))
    work.is_changed = True
    metrics.count("flows_consumed_total", sum(arrivals.values()) + decoded.skipped, result="ok")
    metrics.count("flows_consumed_total", heartbeats, result="heartbeat")
    metrics.count("flows_consumed_total", len(dead), result="dead")
    for letter in dead:
        metrics.count("dead_letters_total", reason=letter.reason)
    for arrival in (Arrival.CORRECTED, Arrival.DROPPED):
        if arrivals[arrival]:
            metrics.count("late_records_total", arrivals[arrival], result=arrival.value)


def close(
    work: Work, *, log_now: float, now: float, model: FittedSet | None, options: JudgeOptions, metrics: Metrics,
    standing: Standing | None = None,
) -> None:  # fmt: skip
    """Close windows, judge them, silence what is suppressed, merge alerts; what is to be stored is left in the work.

    ``log_now`` is processing time as the log shows it (see ``Windower.advance``), ``now`` is the clock's.
    """
    missing = work.windower.windows_missing
    windows = work.windower.advance(now=log_now)
    corrections = work.windower.corrections()
    metrics.count("windows_missing_total", work.windower.windows_missing - missing)
    if not windows and not corrections:
        return
    work.is_changed = True
    facts = work.windower.facts()
    judged = judge(windows, model=model, state=work.judge, options=options, facts=facts)
    parted = divided(judged.deviations, standing or Standing())
    work.alerts += triage(parted.shown, state=work.triage, now=now, standing=standing)
    work.silences += parted.silences()
    work.windows += [(bare(window), vector) for window, vector in zip(windows, judged.vectors, strict=True)]
    work.windows += [(bare(window), extract.vector(window)) for window in corrections]
    for window in (*windows, *corrections):
        work.edges += edge_rows(window, facts)
    for window in windows:
        metrics.count("windows_closed_total", horizon=str(window.horizon_s))
    for deviation in judged.deviations:
        metrics.count("deviations_total", family=deviation.family.value)
    for suppression, _ in parted.silenced:
        metrics.count("deviations_silenced_total", scope=suppression.scope.value)
    for workload, maturity in judged.maturity.items():
        one = facts.get(workload)
        told = work.told.get(workload)
        if one and (told is None or told[1] is not maturity or one.last_seen - told[0] >= SEE_AGAIN_S):
            work.told[workload] = (one.last_seen, maturity)
            work.seen.append(
                WorkloadFacts(
                    workload=one.workload, first_seen=one.first_seen, last_seen=one.last_seen, labels=one.labels,
                    hosts=one.hosts, maturity=maturity, chance_new=judged.chance_new[workload],
                    rollout_at=one.rollout_at,
                )
            )  # fmt: skip
    gone = [workload for workload in work.told if workload not in facts]
    work.judge.forget(gone)
    for workload in gone:
        del work.told[workload]


def edge_rows(window: Window, facts: Mapping[WorkloadId, SeenWorkload]) -> Iterator[EdgeRow]:
    """The edge rows a closed window adds to history: five-minute slots of the hour.

    Hour windows are written only for workloads whose reporters export too seldom for five-minute windows.
    """
    one = facts.get(window.workload)
    is_coarse = one is not None and one.shortest_s == HOUR_S
    if window.horizon_s != (HOUR_S if is_coarse else EDGE_SLOT_S):
        return
    hits: dict[object, list[tuple[PolicyHit, int]]] = {}
    for (key, hit), connections in window.policy_hits.items():
        hits.setdefault(key, []).append((hit, connections))
    for key, counts in window.edges.items():
        yield EdgeRow(
            workload=window.workload,
            hour=window.start - window.start % HOUR_S,
            key=key,
            counts=_storable(counts),
            policy_hits=tuple(sorted(hits.get(key, ()))),
            local_labels=one.labels if one else (),
            peer_labels=one.peer_labels.get(key.peer, ()) if one and key.peer.kind is PeerKind.WORKLOAD else (),
            slot=window.start,
        )


def _storable(counts: EdgeCounts) -> EdgeCounts:
    """The same counts, held at what can be stored: one hostile edge must not keep all others out of history."""
    over = {name: SUM_MAX for name in SUMS if getattr(counts, name) > SUM_MAX}
    return replace(counts, **over) if over else counts


def write(
    work: Work, *, library: Library, channels: Sequence[str], now: float, metrics: Metrics,
    alerts_per_day: int = ALERTS_PER_DAY,
) -> None:  # fmt: skip
    """Alerts, what is to be told of them, what was silenced, and workloads: one transaction.

    Writing the same again changes nothing.
    """
    if not work.alerts and not work.seen and not work.silences:
        return
    opened, untold = [], 0
    with library.transaction() as books:
        for alert in work.alerts:
            if books.alerts.put(alert):
                opened.append(alert)
                if is_told(alert, of_the_day(books.alerts, alert), most=alerts_per_day):
                    books.outbox.add(events.alert_opened(alert, now=now), channels=channels)
                else:
                    untold += 1
        books.suppressions.note(work.silences)
        if work.seen:
            books.workloads.see(work.seen)
    for alert in opened:
        metrics.count("alerts_opened_total", family=alert.family.value)
    metrics.count("alerts_over_budget_total", untold)
    work.alerts, work.seen, work.silences = [], [], []
