"""What a sequential rule found, in words and numbers: reasons, families and the edges that carry it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from baseline.detectors.fitted import FittedSet
from baseline.detectors.sequential import beacon as beacons
from baseline.detectors.sequential.cusum import Cusum, H
from baseline.detectors.sequential.runs import Missing
from baseline.detectors.sequential.tracks import Track
from baseline.detectors.sequential.trw import Scan
from baseline.domain.alert import MAIN_SHARE
from baseline.domain.deviation import Deviation, EdgeEvidence, Family, Reason
from baseline.domain.edge import Direction, Edge, EdgeKey, Peer
from baseline.domain.units import HOUR_S, format_bytes, format_duration, rfc3339
from baseline.domain.window import EdgeCounts, Window
from baseline.features.extract import connections, failed

P_LEAST = 1 / 40  # of the threshold: above what an automatic restriction asks for (1 / 50)
EDGES = 32
Labels = tuple[tuple[str, str], ...]


class Labelled(Protocol):
    """What the log showed of a workload."""

    @property
    def labels(self) -> Labels:
        """Of its pods."""
        ...

    @property
    def peer_labels(self) -> Mapping[Peer, Labels]:
        """Of its peers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a rule says of a window."""

    families: tuple[Family, ...]
    reason: Reason
    edges: tuple[EdgeEvidence, ...] = ()


def p_of(a_week: float, *, budget: float, threshold: float) -> float:
    """False alarms a week at most -> p on the scale of the threshold, which is the budget spread over a week."""
    share = a_week / budget if budget > 0 else 1.0
    return threshold * min(1.0, max(P_LEAST, share))


def deviation(
    window: Window, what: Told, *, p: float, threshold: float, model: FittedSet, labelled: Labelled | None
) -> Deviation:
    """The deviation of the window in which a rule found something."""
    return Deviation(
        workload=window.workload,
        window_start=window.start,
        window_end=window.end,
        p=p,
        threshold=threshold,
        family=what.families[0],
        families=what.families,
        reasons=(what.reason,),
        edges=what.edges,
        maturity=model.maturity(window.workload),
        model_set=model.id,
        local_labels=labelled.labels if labelled else (),
    )


def scan(window: Window, found: Scan, labelled: Labelled | None) -> Told:
    """Failed first contacts."""
    whole = found.failed + found.answered
    span = format_duration(window.end - found.since)
    sentence = (
        f"{found.failed:,} of {whole:,} first contacts in {span} were refused or unanswered; "
        f"of first contacts that are not a scan one in five is, at most"
    )
    contacts = found.contacts[-EDGES:]
    share = 1 / len(contacts)
    if len({key.peer for key, _ in contacts}) > 1:
        share = min(share, MAIN_SHARE / 2)  # a sweep is about no peer in particular: its alerts are one
    return Told(
        families=(Family.FAN_OUT, Family.FAILURE),
        reason=_reason(Family.FAN_OUT, "first_contacts", sentence, actual=found.failed, high=0.2 * whole),
        edges=tuple(
            _evidence(window, key, labelled, share=share, is_new=True, connections_=many, failed_=many)
            for key, many in reversed(contacts)
        ),
    )


def beacon(window: Window, track: Track, score: beacons.Score, labelled: Labelled | None) -> Told:
    """Regular connections of one edge."""
    sentence = (
        f"connections to {track.key.peer} every {format_duration(score.period_s)} in {score.hours} of the last "
        f"{beacons.SPAN_H} h, score {score.total:.2f} (intervals {score.intervals:.2f}, sizes {score.sizes:.2f}, "
        f"hours {score.duration:.2f}, evenness {score.histogram:.2f}); {beacons.THRESHOLD} and more is a beacon"
    )
    many = sum(track.by_hour.values())
    size = sum(track.sizes) // len(track.sizes) * many
    evidence = _evidence(
        window, track.key, labelled, share=1.0, is_new=not track.is_established, connections_=many, bytes_out=size
    )
    reason = _reason(Family.TIMING, "beacon", sentence, actual=score.total, high=beacons.THRESHOLD)
    return Told(families=(Family.TIMING,), reason=reason, edges=(evidence,))


def exfiltration(window: Window, sums: Cusum, labelled: Labelled | None) -> Told:
    """More bytes than usual to external peers, hour after hour."""
    hours = (window.end - sums.since) // HOUR_S
    sentence = (
        f"{format_bytes(sums.excess)} more than usual sent to external peers over {hours} h, a little in every hour; "
        f"the excess adds up to {sums.total:.1f} scales, {H:.0f} are tolerated"
    )
    leaving = [
        (key, counts)
        for key, counts in window.edges.items()
        if key.direction is Direction.EGRESS and key.peer.is_external and counts.bytes_out > 0
    ]
    return Told(
        families=(Family.VOLUME,),
        reason=_reason(Family.VOLUME, "external_bytes_sum", sentence, actual=sums.total, high=H),
        edges=_by_bytes(window, leaving, labelled),
    )


def missing_run(found: Missing, *, is_job: bool) -> Told:
    """A run that was due."""
    who = "a job" if is_job else "a workload"
    sentence = (
        f"no run seen of {who} that was due at {rfc3339(found.due)}: {found.came} of its last {found.slots} runs came "
        f"{format_duration(found.every_s)} after the one before"
    )
    reason = _reason(Family.TIMING, "missing_run", sentence, actual=0.0, low=1.0, high=1.0, z=-1.0)
    return Told(families=(Family.TIMING,), reason=reason)


def _by_bytes(
    window: Window, leaving: Sequence[tuple[EdgeKey, EdgeCounts]], labelled: Labelled | None
) -> tuple[EdgeEvidence, ...]:
    whole = sum(counts.bytes_out for _, counts in leaving) or 1
    ordered = sorted(leaving, key=lambda one: (-one[1].bytes_out, str(one[0].peer), one[0].port or 0))
    return tuple(
        _evidence(window, key, labelled, share=counts.bytes_out / whole, is_new=False)
        for key, counts in ordered[:EDGES]
    )


def _reason(
    family: Family, feature: str, sentence: str, *, actual: float, high: float, low: float = 0.0, z: float = 0.0
) -> Reason:
    return Reason(
        family=family, feature=feature, sentence=sentence, actual=float(actual), expected_low=low, expected_high=high,
        z=z, share=1.0,
    )  # fmt: skip


def _evidence(
    window: Window, key: EdgeKey, labelled: Labelled | None, *, share: float, is_new: bool,
    connections_: int | None = None, failed_: int = 0, bytes_out: int | None = None,
) -> EdgeEvidence:  # fmt: skip
    counts = window.edges.get(key) or EdgeCounts()
    return EdgeEvidence(
        edge=Edge(
            workload=window.workload, direction=key.direction, peer=key.peer, port=key.port, protocol=key.protocol
        ),
        is_new=is_new,
        connections=connections(counts) if connections_ is None else connections_,
        bytes_out=counts.bytes_out if bytes_out is None else bytes_out,
        bytes_in=counts.bytes_in,
        failed=max(failed_, failed(counts)),
        share=share,
        peer_labels=labelled.peer_labels.get(key.peer, ()) if labelled else (),
    )
