"""The model set in use: swapped while the stream runs, kept when the new one is no good."""

from __future__ import annotations

import structlog

from baseline.detectors.fitted import FittedSet
from baseline.domain.errors import ModelSetRejected, NotFound, OutsideError, SchemaMismatch
from baseline.domain.modelset import Alias
from baseline.ports import Metrics, Shelf

log = structlog.get_logger()


class ModelWatch:
    """Looks at an alias of the shelf now and then: ``current``, or ``candidate`` for a stream in shadow."""

    def __init__(self, shelf: Shelf, *, metrics: Metrics, reload_s: float = 10.0, alias: Alias = Alias.CURRENT) -> None:
        self.current: FittedSet | None = None
        self._alias = alias
        self._shelf = shelf
        self._metrics = metrics
        self._reload_s = reload_s
        self._looked_at = float("-inf")
        self._rejected: str | None = None  # not tried again: a set never changes

    def refresh(self, *, now: float) -> None:
        """Load what the alias names, if that is another set than the one in use."""
        if now - self._looked_at >= self._reload_s or now < self._looked_at:
            self._looked_at = now
            self._look()
        if self.current is not None:
            self._metrics.gauge("model_age_seconds", max(0.0, now - self.current.manifest.trained_until))

    def _look(self) -> None:
        wanted: str | None = None
        try:
            wanted = self._shelf.resolve(self._alias)
            if wanted is None or wanted == self._rejected or (self.current and wanted == self.current.id):
                return
            self.current = FittedSet.load(self._shelf.open(wanted), self._shelf.manifest(wanted))
        except (ModelSetRejected, SchemaMismatch, NotFound) as error:
            self._rejected = wanted
            self._metrics.count("model_set_loads_total", result="rejected")
            kept = self.current.id if self.current else None
            log.warning("model_set_rejected", model_set=wanted, error=str(error), kept=kept)
        except OutsideError as error:
            self._metrics.count("model_set_loads_total", result="unavailable")
            log.warning("shelf_unavailable", model_set=wanted, error=str(error))
        else:
            self._metrics.count("model_set_loads_total", result="ok")
            log.info("model_set_loaded", model_set=wanted)
