"""The dead-man's switch: a process of its own that only ever deletes.

No database, no Kafka, no configuration of what is wanted: it lists the tier and deletes what is ours and past its own
expiry, judged by the API server's clock. It needs nobody else alive, and anybody can run one more of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog

from baseline.control.status import Status
from baseline.domain.errors import Conflict, OutsideError, Unavailable
from baseline.policy import contract
from baseline.ports import Clock, Cluster, ClusterObject, Metrics
from baseline.services.attempts import Attempts

log = structlog.get_logger()

CLUSTER = "cluster"
CONFLICTS_MAX = 5  # each is a fresh read of an object that somebody else keeps writing


@dataclass(frozen=True, slots=True, kw_only=True)
class JanitorOptions:
    """How the janitor runs."""

    instance: str = "default"
    poll_s: float = 10.0
    pause_max_s: float = 30.0  # after failures


@dataclass(slots=True, kw_only=True)
class Swept:
    """What one sweep did; objects as ``namespace/name``."""

    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # ours, not expired
    failed: dict[str, str] = field(default_factory=dict)  # and why
    foreign: int = 0


def sweep(cluster: Cluster, *, instance: str, metrics: Metrics, everything: bool = False) -> Swept:
    """Delete what is ours and expired (or ``everything`` that is ours); one failure does not keep the others.

    Raises OutsideError when the tier cannot be listed.
    """
    listing = cluster.policies()
    swept = Swept()
    for obj in listing.objects:
        name = f"{obj.namespace}/{obj.name}"
        if not contract.is_ours(obj.manifest, instance=instance):
            swept.foreign += 1
        elif not everything and listing.now < contract.expires_at(obj.manifest):
            swept.kept.append(name)
        else:
            _delete(cluster, obj, swept, metrics, by="release-all" if everything else "janitor")
    return swept


def release_all(cluster: Cluster, *, instance: str, metrics: Metrics) -> Swept:
    """Press the red button, then delete everything that is ours; needs the cluster only.

    The button comes first, so that nothing new appears behind our back; it stays pressed. When it cannot be pressed
    the objects are deleted all the same, and the failure is in the answer.
    """
    problem = ""
    try:
        cluster.set_enforcement(enabled=False)
    except OutsideError as error:
        problem = f"enforcement could not be switched off: {error}"
        log.warning("enforcement_not_switched_off", reason=str(error))
    swept = sweep(cluster, instance=instance, metrics=metrics, everything=True)
    for _ in range(CONFLICTS_MAX):
        if not swept.failed:
            break
        again = sweep(cluster, instance=instance, metrics=metrics, everything=True)
        swept = Swept(deleted=[*swept.deleted, *again.deleted], failed=again.failed, foreign=again.foreign)
    if problem:
        swept.failed["enforcement"] = problem
    return swept


class Janitor:
    """One janitor process."""

    def __init__(self, cluster: Cluster, *, clock: Clock, metrics: Metrics, options: JanitorOptions, seed: int) -> None:
        self.status = Status(CLUSTER)
        self._cluster = cluster
        self._clock = clock
        self._metrics = metrics
        self._options = options
        self._attempts = Attempts(seed=seed, most_s=options.pause_max_s)

    def run(self) -> None:
        """Until the clock says stop."""
        while True:
            self.run_once()
            pause_s = max(self._options.poll_s, self._attempts.due(CLUSTER) - self._clock.now())
            if self._clock.wait(pause_s):
                return

    def run_once(self) -> Swept | None:
        """One sweep; None when the cluster did not answer."""
        try:
            swept = sweep(self._cluster, instance=self._options.instance, metrics=self._metrics)
        except OutsideError as error:
            retry_after_s = error.retry_after_s if isinstance(error, Unavailable) else None
            self._attempts.failed(CLUSTER, now=self._clock.now(), retry_after_s=retry_after_s)
            self._metrics.count("loop_errors_total", error=type(error).__name__)
            if self.status.problem(CLUSTER, error):
                log.warning("sweep_failed", error=type(error).__name__, reason=str(error))
            return None
        self._attempts.succeeded(CLUSTER)
        self.status.ok(CLUSTER, now=self._clock.now())
        self.status.tell(live=len(swept.kept), stuck=len(swept.failed))
        self._metrics.gauge("restrictions_live", len(swept.kept))
        return swept


def _delete(cluster: Cluster, obj: ClusterObject, swept: Swept, metrics: Metrics, *, by: str) -> None:
    name = f"{obj.namespace}/{obj.name}"
    try:
        cluster.delete(obj)
    except OutsideError as error:
        swept.failed[name] = f"{type(error).__name__}: {error}"
        metrics.count("cluster_errors_total", error=type(error).__name__)
        if not isinstance(error, Conflict):  # changed since it was listed: the next sweep reads it again
            log.warning("delete_failed", object=name, error=type(error).__name__, reason=str(error))
        return
    swept.deleted.append(name)
    metrics.count("cluster_writes_total", verb="delete")
    metrics.count("restrictions_expired_total", by=by)
    log.info("object_deleted", object=name, restriction=contract.restriction_of(obj.manifest), by=by)
