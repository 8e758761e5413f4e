"""The suppressions in force: read from the books while the stream runs.

A suppression speaks for windows that end after it was made, and those close ``window_delay_s`` later at the earliest:
read more often than that, it is known before the first window it covers is judged, and a replay judges the same.
"""

from __future__ import annotations

import structlog

from baseline.domain.errors import OutsideError
from baseline.domain.units import DAY_S
from baseline.ports import Library, Metrics
from baseline.services.suppress import Standing

log = structlog.get_logger()

KEPT_S = 14 * DAY_S  # ended ones are read for so long: what is replayed from the log was silenced when it was new
RELOAD_S = 5.0  # at most; half of the stream's window_delay_s where that is less


class SuppressionWatch:
    """Looks into the books now and then."""

    def __init__(self, library: Library, *, metrics: Metrics, reload_s: float = RELOAD_S) -> None:
        self._library = library
        self._metrics = metrics
        self._reload_s = reload_s
        self._standing: Standing | None = None
        self._mark: tuple[int, int] | None = None
        self._looked_at = float("-inf")

    def refresh(self, *, now: float) -> Standing:
        """What stands now, from the books when it is time.

        Books that are down take nothing away: nobody can decide anything meanwhile. Before the first look there is
        nothing to go on with, and the error is raised: judging without knowing would show what was silenced.
        """
        if self._standing is None or not 0 <= now - self._looked_at < self._reload_s:
            self._look(now)
        assert self._standing is not None
        self._metrics.gauge("suppressions_active", self._standing.active(now))
        return self._standing

    def _look(self, now: float) -> None:
        try:
            with self._library.transaction() as books:
                mark = books.suppressions.mark()
                if self._standing is None or mark != self._mark:
                    self._standing = Standing(books.suppressions.standing(ending_after=now - KEPT_S))
                    self._mark = mark
        except OutsideError as error:
            if self._standing is None:
                raise
            self._metrics.count("loop_errors_total", error=type(error).__name__)
            log.warning("suppressions_not_read", error=str(error))
        self._looked_at = now
