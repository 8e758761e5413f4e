"""The controller: plan what is open, reconcile books and cluster, once a second.

The two halves fail apart: planning needs only the books, so alerts go on being planned while the API server is down,
and a release waits for nothing but the API server. Each pass catches at one place, counts, and puts off by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from baseline.control.status import Status
from baseline.domain.errors import BaselineError, Unavailable
from baseline.ports import Clock, Cluster, Library, Metrics, NamespaceFacts
from baseline.services.attempts import Attempts
from baseline.services.reconcile import ReconcileOptions, Report, reconcile
from baseline.services.restrict import RestrictOptions, Surroundings, plan_alerts
from baseline.services.verify import warn_of_expiry

log = structlog.get_logger()

LOCK = "control"
BOOKS, NAMESPACES, CLUSTER = "books", "namespaces", "cluster"
PARTS_PAUSE_MAX_S = 15.0  # a release should not wait a minute for a server that is back; chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOptions:
    """How control runs."""

    restrict: RestrictOptions = field(default_factory=RestrictOptions)
    reconcile: ReconcileOptions = field(default_factory=ReconcileOptions)
    poll_s: float = 1.0  # between passes
    namespaces_s: float = 15.0  # between reads of the namespaces' labels
    standby_s: float = 5.0  # between tries of a second control to lead
    manages_tier: bool = False


class Control:
    """One control process. ``lag_s`` tells how far the stream is behind, None when it is not known."""

    def __init__(
        self,
        library: Library,
        cluster: Cluster,
        *,
        clock: Clock,
        metrics: Metrics,
        options: ControlOptions,
        seed: int,
        lag_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.status = Status(BOOKS, NAMESPACES, CLUSTER)
        self._library = library
        self._cluster = cluster
        self._clock = clock
        self._metrics = metrics
        self._options = options
        self._lag_s = lag_s
        self._objects = Attempts(seed=seed)  # of single objects
        self._parts = Attempts(seed=seed, most_s=PARTS_PAUSE_MAX_S)
        self._namespaces: Mapping[str, NamespaceFacts] | None = None
        self._namespaces_due = 0.0
        self._has_tier = not options.manages_tier

    def run(self) -> None:
        """Until the clock says stop. Only the holder of the lock works; another one waits for it."""
        while True:
            try:
                with self._library.advisory_lock(LOCK) as is_leader:
                    self._leads(is_leader=is_leader)
                    if is_leader and self._lead():
                        return
            except BaselineError as error:
                self._failed(BOOKS, error)
            if self._clock.wait(self._options.standby_s):
                return

    def run_once(self) -> Report | None:
        """One pass: plan, then reconcile. None when the cluster is not due or did not answer."""
        now = self._clock.now()
        if now >= self._namespaces_due:
            self._part(NAMESPACES, self._look_around)
        self._part(BOOKS, self._plan)
        reports: list[Report] = []
        if not self._parts.tries(BOOKS):
            self._part(CLUSTER, lambda: reports.append(self._reconcile()))
        return reports[0] if reports else None

    def _lead(self) -> bool:
        """Passes until stopped (True) or until the books fail (False: the lock may be lost with them)."""
        while True:
            self.run_once()
            if self._clock.wait(self._options.poll_s):
                return True
            if self._parts.tries(BOOKS):
                return False

    def _part(self, part: str, work: Callable[[], object]) -> None:
        """Do a part of the pass if it is due. Its failure is counted and put off, and spoils nothing else."""
        if not self._parts.may(part, now=self._clock.now()):
            return
        try:
            work()
        except BaselineError as error:
            self._failed(part, error)
        else:
            self._parts.succeeded(part)
            self.status.ok(part, now=self._clock.now())

    def _failed(self, part: str, error: BaselineError) -> None:
        retry_after_s = error.retry_after_s if isinstance(error, Unavailable) else None
        due = self._parts.failed(part, now=self._clock.now(), retry_after_s=retry_after_s)
        self._metrics.count("loop_errors_total", error=type(error).__name__)
        if self.status.problem(part, error):
            log.warning("part_failed", part=part, error=type(error).__name__, reason=str(error), again_at=due)

    def _look_around(self) -> None:
        """Read the namespaces' labels now and then, and see to the tier once."""
        if not self._has_tier:
            self._cluster.ensure_tier()
            self._has_tier = True
        self._namespaces = self._cluster.namespaces()
        self._namespaces_due = self._clock.now() + self._options.namespaces_s

    def _plan(self) -> None:
        planned = plan_alerts(
            self._library,
            now=self._clock.now(),
            options=self._options.restrict,
            around=Surroundings(namespaces=self._namespaces, lag_s=self._lag_s()),
            metrics=self._metrics,
        )
        for alert_id, result in planned:
            log.info("alert_planned", alert=alert_id, result=result.value)

    def _reconcile(self) -> Report:
        report = reconcile(
            self._library,
            self._cluster,
            now=self._clock.now(),
            options=self._options.reconcile,
            attempts=self._objects,
            metrics=self._metrics,
            namespaces=self._namespaces,
        )
        warn_of_expiry(self._library, now=self._clock.now(), channels=self._options.reconcile.channels)
        for event in ("created", "replaced", "deleted", "adopted", "failed"):
            for name in getattr(report, event):
                log.info("object_written", result=event, object=name)
        self.status.tell(is_enforcing=report.is_enforcing, live=report.live, waiting=len(report.waiting))
        return report

    def _leads(self, *, is_leader: bool) -> None:
        self._metrics.gauge("is_leader", float(is_leader))
        self.status.tell(is_leader=is_leader)
        if is_leader:
            self.status.leads()
        else:
            self.status.stands_by()
