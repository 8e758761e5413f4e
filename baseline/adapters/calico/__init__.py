"""The Kubernetes API with Calico as our cluster."""

from __future__ import annotations

from baseline.adapters.calico.cluster import CalicoCluster
from baseline.adapters.calico.transport import connect

__all__ = ["CalicoCluster", "connect"]
