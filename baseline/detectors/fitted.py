"""A fitted model set: everything one needs to judge, as read-only arrays and an index of workloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import codec, completeness
from baseline.detectors.combine import under
from baseline.detectors.protocol import UNKNOWN, Arrays
from baseline.domain.deviation import Maturity
from baseline.domain.errors import ModelSetRejected
from baseline.domain.modelset import Manifest
from baseline.domain.workload import WorkloadId
from baseline.features.calendar import Calendar
from baseline.features.table import FloatArray, IntArray

FLEET_FILE = "fleet.safetensors"


def horizon_file(horizon_s: int) -> str:
    """Name of the file that holds one horizon."""
    return f"h{horizon_s}.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedSet:
    """One model set, opened. ``horizons`` holds the arrays of ``combine.Combined`` for each horizon in seconds."""

    manifest: Manifest
    lines: Mapping[WorkloadId, int]
    horizons: Mapping[int, Arrays]
    edges: Arrays
    first_seen: npt.NDArray[np.float64]  # (lines,), epoch seconds
    hours: IntArray  # (lines,), hours of history in which somebody looked
    chance_new: npt.NDArray[np.float64]  # (lines,), that the next edge it uses is new: see ``completeness``
    is_mature: bool = False  # the fit counts as a whole observation period, however short
    calendar: Calendar = field(default_factory=Calendar)  # whose hours of the week it learned

    @classmethod
    def load(cls, files: Mapping[str, Mapping[str, Any]], manifest: Manifest) -> FittedSet:
        """Check every array and open the set.

        Raises ModelSetRejected for a set with shapes, ranges or numbers that cannot be right, SchemaMismatch for one
        made with another feature schema.
        """
        codec.check(files, manifest)
        fleet = files[FLEET_FILE]
        names = bytes(np.asarray(fleet["workloads.keys"], dtype=np.uint8)).decode()
        lines = {_workload(key): line for line, key in enumerate(names.split("\n")) if key}
        horizons = {
            int(name.removeprefix("h").removesuffix(".safetensors")): arrays
            for name, arrays in files.items()
            if name != FLEET_FILE
        }
        return cls(
            manifest=manifest,
            lines=lines,
            horizons=horizons,
            edges=under(fleet, "edges"),
            first_seen=np.asarray(fleet["workloads.first_seen"], dtype=np.float64),
            hours=np.asarray(fleet["workloads.hours"], dtype=np.int64),
            chance_new=np.asarray(fleet["workloads.chance_new"], dtype=np.float64),
            is_mature=bool(fleet["is_mature"][0]),
            calendar=_calendar(fleet),
        )

    @property
    def id(self) -> str:
        """Of the set."""
        return self.manifest.id

    def line(self, workload: WorkloadId) -> int:
        """The workload's line in every table, UNKNOWN for a newcomer."""
        return self.lines.get(workload, UNKNOWN)

    def is_ready(self, horizon_s: int) -> bool:
        """Whether windows of this length can be judged."""
        arrays = self.horizons.get(horizon_s)
        return arrays is not None and bool(arrays["ready"][0])

    def maturity(self, workload: WorkloadId) -> Maturity:
        """By how long and how completely training has seen the workload (``completeness.maturity``)."""
        line = self.line(workload)
        if line == UNKNOWN:
            return Maturity.LEARNING
        if self.is_mature:
            return Maturity.MATURE
        return completeness.maturity(
            seen_s=self.manifest.trained_until - float(self.first_seen[line]),
            hours=int(self.hours[line]),
            chance=float(self.chance_new[line]),
        )

    def is_newcomer(self, workload: WorkloadId) -> bool:
        """Whether it came when the others were known already, and is not known itself."""
        line = self.line(workload)
        if line == UNKNOWN:
            return True
        return completeness.is_newcomer(
            self.maturity(workload), first_seen=float(self.first_seen[line]), since=float(self.first_seen.min()),
            until=self.manifest.trained_until,
        )  # fmt: skip

    def chance_of_new(self, workload: WorkloadId) -> float | None:
        """Chance that the next edge the workload uses is one it never used; None for a newcomer: not measured."""
        line = self.line(workload)
        return None if line == UNKNOWN else float(self.chance_new[line])


def workload_arrays(
    workloads: Sequence[WorkloadId],
    first_seen: Sequence[float],
    *,
    hours: Sequence[int],
    chance_new: FloatArray,
    is_mature: bool,
    calendar: Calendar,
) -> dict[str, npt.NDArray[Any]]:
    """The index of a set as arrays: keys joined by newlines, which no Kubernetes name holds, and its calendar."""
    keys = "\n".join(workload.key for workload in workloads).encode()
    return {
        "workloads.keys": np.frombuffer(keys, dtype=np.uint8).copy(),
        "workloads.first_seen": np.asarray(first_seen, dtype=np.float64),
        "workloads.hours": np.asarray(hours, dtype=np.int64),
        "workloads.chance_new": np.asarray(chance_new, dtype=np.float64),
        "is_mature": np.array([int(is_mature)], dtype=np.int64),
        "calendar.zone": np.frombuffer(calendar.zone.encode(), dtype=np.uint8).copy(),
        "calendar.holidays": np.array(sorted(day.toordinal() for day in calendar.holidays), dtype=np.int64),
    }


def _calendar(fleet: Arrays) -> Calendar:
    try:
        return Calendar(
            zone=bytes(np.asarray(fleet["calendar.zone"], dtype=np.uint8)).decode(),
            holidays=frozenset(date.fromordinal(int(day)) for day in fleet["calendar.holidays"]),
        )
    except (ValueError, OverflowError) as error:
        raise ModelSetRejected(f"fleet: calendar: {error}") from error


def _workload(key: str) -> WorkloadId:
    cluster, namespace, name = key.split("/", 2)
    return WorkloadId(cluster, namespace, name)
