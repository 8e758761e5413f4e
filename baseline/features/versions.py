"""Which versions of a workload's pods the log showed, and when the newest one came: what a rollout is known by.

Pure. The answer does not depend on the order of records within the lateness: a version that was away for longer than
that, while another one was there, has come back by a rollback, which is a rollout, too.
"""

from __future__ import annotations

from baseline.domain.units import HOUR_S

VERSIONS_KEPT = 8  # the newest seen; a canary beside two versions needs three
AWAY_S = HOUR_S  # longer than the lateness of records


class Versions:
    """Of one workload; mutable. ``spans`` : version -> [first, last] event time of its present stay."""

    __slots__ = ("spans",)

    def __init__(self) -> None:
        self.spans: dict[str, list[float]] = {}

    def saw(self, version: str, at: float) -> None:
        """A record showed this version."""
        span = self.spans.get(version)
        if span is None:
            self.spans[version] = [at, at]
            if len(self.spans) > VERSIONS_KEPT:
                del self.spans[min(self.spans, key=lambda one: (self.spans[one][1], one))]
        elif at > span[1]:
            if at - span[1] > AWAY_S and any(other[1] > span[1] for other in self.spans.values() if other is not span):
                span[0] = at
            span[1] = at
        elif at < span[0] and span[0] - at <= AWAY_S:
            span[0] = at

    @property
    def rollout_at(self) -> float | None:
        """Event time the newest version was first seen; None when there was only one."""
        return max(span[0] for span in self.spans.values()) if len(self.spans) > 1 else None
