"""Up to which event time a node has shipped everything: what its heartbeats may claim."""

from __future__ import annotations

from baseline.domain.flow import Flow

FELIX_INTERVAL_S = 300  # Felix's own default: assumed until the log shows a shorter one
WRITE_DELAY_S = 5  # from the end of an interval to its last line in the file


class Progress:
    """Follows the flows that were shipped from each file.

    A record appears only when its interval ends, so "everything up to now" is never true: at the end of the files
    everything is there that ended one interval ago. Behind the end, the interval being read may be half read.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}  # path -> newest end
        self._interval_s = 0

    def shipped(self, path: str, flow: Flow) -> None:
        """One more flow of a file was sent."""
        self._newest[path] = max(self._newest.get(path, 0), flow.end)
        self._interval_s = max(self._interval_s, flow.end - flow.start)

    def claim(self, *, now: float, is_at_end: bool) -> float | None:
        """Event time up to which nothing is missing; None while nothing can be said."""
        interval_s = self._interval_s or FELIX_INTERVAL_S
        newest = float(min(self._newest.values())) - 1 if self._newest else None
        if not is_at_end:
            return None if newest is None else newest - interval_s
        quiet = now - interval_s - WRITE_DELAY_S
        return quiet if newest is None else max(newest, quiet)
