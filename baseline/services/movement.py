"""Hold a new set to the one before it: ``detectors.guard`` for each horizon and each workload that is mature there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import guard
from baseline.detectors.combine import named, under
from baseline.detectors.fitted import FittedSet
from baseline.detectors.protocol import UNKNOWN, Arrays
from baseline.domain.deviation import Maturity
from baseline.domain.modelset import Alias
from baseline.domain.workload import WorkloadId
from baseline.features import schema
from baseline.ports import Shelf

NAMED = 20  # workloads that a manifest names, those that wanted to move farthest


def current(shelf: Shelf) -> FittedSet | None:
    """The set in use; None where there is none, or one made with another feature schema."""
    set_id = shelf.resolve(Alias.CURRENT)
    manifest = None if set_id is None else shelf.manifest(set_id)
    if set_id is None or manifest is None or manifest.schema_hash != schema.hash():
        return None
    return FittedSet.load(shelf.open(set_id), manifest)


def held(
    arrays: Arrays, *, horizon_s: int, workloads: Sequence[WorkloadId], until: float, previous: FittedSet | None
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, float]]:
    """Arrays of one horizon that moved no further than they may, and metrics that name who wanted to.

    Metrics: ``h300.held`` counts workloads; ``h300.held.cluster/namespace/name`` is the farthest move that one of its
    features wanted, in scales, positive for upwards. Without a set before, nothing is held.
    """
    before = None if previous is None else previous.horizons.get(horizon_s)
    if previous is None or before is None:
        return dict(arrays), {}
    lines = np.array(
        [
            previous.line(workload) if previous.maturity(workload) is Maturity.MATURE else UNKNOWN
            for workload in workloads
        ],
        dtype=np.int64,
    )
    tables, found = guard.limited(
        under(arrays, "seasonal"), under(before, "seasonal"), old_lines=lines,
        elapsed_s=until - previous.manifest.trained_until,
    )  # fmt: skip
    farthest: dict[str, float] = {}
    for one in found:
        key = workloads[one.line].key
        farthest[key] = max(farthest.get(key, 0.0), one.wanted, key=abs)
    shown = sorted(farthest.items(), key=lambda item: (-abs(item[1]), item[0]))[:NAMED]
    metrics = {f"h{horizon_s}.held": float(len(farthest))}
    metrics |= {f"h{horizon_s}.held.{key}": round(wanted, 2) for key, wanted in shown}
    return dict(arrays) | named("seasonal", tables), metrics
