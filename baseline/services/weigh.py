"""Weights of voices and families: learned from decisions, version by version, and put back by a person.

Weights belong to a group: a workload, until there are peer groups. They act with the next model set: it is fitted,
calibrated and gated with them, so that a decision moves nothing a replay would see.
"""

from __future__ import annotations

from baseline.detectors import feedback
from baseline.domain.alert import Alert, Decision, Disposition
from baseline.domain.errors import NotFound, StaleRevision
from baseline.domain.workload import WorkloadId
from baseline.ports import AuditEntry, Books, Weighting

_LESSON = {Disposition.CONFIRMED: 1.0, Disposition.DISMISSED: -1.0, Disposition.NONE: 0.0}
_CAUSE = {Disposition.CONFIRMED: "confirm", Disposition.DISMISSED: "dismiss", Disposition.NONE: "none"}
_TRIES = 5  # somebody may decide about another alert of the same group at the same moment; not this often
RESET = "reset"


def group_of(workload: WorkloadId) -> str:
    """Whose weights a decision about this workload moves."""
    return workload.key


def learn(books: Books, alert: Alert, *, before: Disposition) -> Weighting | None:
    """The version that the alert's newest decision makes; None where nobody knows which voices spoke.

    A changed mind takes the former lesson back and gives the new one.
    """
    decision = alert.decision
    said = feedback.shares(alert.voices, alert.reasons) if alert.voices else {}
    if decision is None or not said:
        return None
    group, lesson = group_of(alert.workload), _LESSON[decision.disposition] - _LESSON[before]
    tries = 0
    while True:
        newest = books.weightings.newest(group)
        weights = feedback.learned(dict(newest.weights) if newest else {}, said, lesson=lesson)
        try:
            return books.weightings.add(_version(newest, weights, alert=alert, decision=decision))
        except StaleRevision:
            tries += 1
            if tries == _TRIES:
                raise


def _version(newest: Weighting | None, weights: dict[str, float], *, alert: Alert, decision: Decision) -> Weighting:
    return Weighting(
        group=group_of(alert.workload),
        version=newest.version + 1 if newest else 1,
        weights=tuple(sorted(weights.items())),
        cause=_CAUSE[decision.disposition],
        by=decision.by,
        at=decision.at,
        alert_id=alert.id,
        note=decision.note,
    )


def reset(books: Books, group: str, *, by: str, now: float, note: str = "", version: int | None = None) -> Weighting:
    """A version in which everything counts 1 again; the former ones stay readable.

    Raises NotFound for a group that never learned, StaleRevision when it is not at ``version`` any more.
    """
    newest = books.weightings.newest(group)
    if newest is None:
        raise NotFound("weighting", group)
    if version is not None and newest.version != version:
        raise StaleRevision("weighting", group, expected=version, actual=newest.version)
    made = books.weightings.add(
        Weighting(group=group, version=newest.version + 1, weights=(), cause=RESET, by=by, at=now, note=note)
    )
    detail = {"version": made.version, "note": note}
    books.audit.append(AuditEntry(at=now, actor=by, action="weights.reset", target=f"weights/{group}", detail=detail))
    return made


def in_force(books: Books) -> dict[str, dict[str, float]]:
    """Group -> weights of every group that learned anything: what a fit reads."""
    found: dict[str, dict[str, float]] = {}
    page = books.weightings.in_force(limit=1000)
    while True:
        found |= {one.group: dict(one.weights) for one in page.items}
        if page.after is None:
            return found
        page = books.weightings.in_force(limit=1000, after=page.after)
