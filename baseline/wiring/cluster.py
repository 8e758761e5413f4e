"""The cluster, and the janitor, which needs nothing else."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from baseline.adapters.calico import CalicoCluster, connect
from baseline.adapters.manifests import ManifestFolder
from baseline.control.janitor import Janitor, JanitorOptions
from baseline.domain.errors import Unavailable
from baseline.ports import Clock, Cluster, Metrics
from baseline.settings import Settings
from baseline.wiring import Ready


def cluster(settings: Settings, clock: Clock) -> Cluster:
    """The API server, or the folder of manifests."""
    chosen = settings.cluster
    if chosen.kind == "manifests":
        return ManifestFolder(Path(chosen.manifests_dir), clock=clock, namespace=chosen.namespace)
    transport = connect(kubeconfig=chosen.kubeconfig, context=chosen.context, timeout_s=chosen.request_timeout_s)
    return CalicoCluster(transport, namespace=chosen.namespace)


@dataclass(frozen=True, slots=True, kw_only=True)
class JanitorProcess:
    """The dead-man's switch, ready to run."""

    janitor: Janitor

    def run(self) -> None:
        """Until the clock is stopped."""
        self.janitor.run()

    def run_once(self) -> int:
        """One sweep; how many restrictions it ended. Unavailable when the cluster did not answer."""
        swept = self.janitor.run_once()
        if swept is None:
            raise Unavailable("the cluster did not answer; see the log")
        return len(swept.deleted)

    def ready(self) -> Ready:
        """Ready while the cluster answers."""
        return self.janitor.status.ready()


def janitor(settings: Settings, *, clock: Clock, metrics: Metrics) -> JanitorProcess:
    """Ends what is past its expiry; needs the cluster and nothing else."""
    options = JanitorOptions(instance=settings.cluster.instance)
    found = cluster(settings, clock)
    return JanitorProcess(
        janitor=Janitor(found, clock=clock, metrics=metrics, options=options, seed=secrets.randbits(32))
    )
