"""Fit a fleet too large for one process: what all decide together from a sample, everybody's own shard by shard.

Three steps, each pure. ``surveyed`` knows every workload's edges, which are small. ``pools`` fits a sample of the
workloads and keeps what it says of the fleet (``detectors.pool``). ``fit_shard`` fits some workloads by those pools;
it needs their windows alone, so memory is bounded by a shard. ``joined`` puts the shards together.

With the whole fleet as the sample and one shard the set is that of ``train.fit_lesson``, byte for byte; how many shards
there are changes nothing but the hash of the data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from baseline.detectors import codec, feedback, sharding
from baseline.detectors.edges import EdgeUse, News
from baseline.detectors.feedback import Weights
from baseline.detectors.fit import fit_horizon
from baseline.detectors.fitted import FLEET_FILE, FittedSet, horizon_file
from baseline.detectors.groups import Labels, group_ids
from baseline.detectors.pool import Known, Pool
from baseline.detectors.protocol import Arrays
from baseline.domain.errors import GateRefused
from baseline.domain.modelset import Manifest
from baseline.domain.workload import WorkloadId
from baseline.features.table import IntArray, WindowTable
from baseline.services import movement, train
from baseline.services.train import Files, Lesson, Recipe

SAMPLE = 500  # workloads that speak for the fleet; pooled medians of them are good to a twentieth of their spread
Tables = Mapping[int, Mapping[int, WindowTable]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a worker must know of its workloads beside their windows; ``lines`` are their numbers in the fleet."""

    workloads: Sequence[WorkloadId]
    lines: IntArray
    fleet_lines: int
    uses: Sequence[Sequence[EdgeUse]]
    groups: IntArray
    given: npt.NDArray[np.bool_]  # features of their logs, (lines + 1, width); the last line is the fleet's
    weights: Arrays  # what decisions take of their voices (``feedback.packed``)
    news: News
    since: float
    until: float
    calibrate_from: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Every workload in order of key, with its edges and its peers."""

    lesson: Lesson  # without windows
    groups: IntArray
    given: npt.NDArray[np.bool_]
    weights: Arrays
    news: News

    def share(self, lines: Sequence[int]) -> Share:
        """Of some workloads, in order of key."""
        lesson, chosen = self.lesson, np.asarray(lines, dtype=np.int64)
        return Share(
            workloads=[lesson.workloads[line] for line in lines], lines=chosen, fleet_lines=len(lesson.workloads),
            uses=[lesson.uses[line] for line in lines], groups=self.groups[chosen],
            given=self.given[np.append(chosen, -1)], news=self.news.pick(lines), since=lesson.since,
            until=lesson.until, calibrate_from=lesson.calibrate_from,
            weights={name: array[chosen] for name, array in self.weights.items()},
        )  # fmt: skip

    def shares(self, count: int) -> list[Share]:
        """The fleet in so many shares of neighbours by key."""
        every = len(self.lesson.workloads)
        bounds = [every * shard // count for shard in range(count + 1)]
        return [self.share(range(begin, end)) for begin, end in pairwise(bounds) if begin < end]

    def sample(self, most: int, *, seed: int) -> Share:
        """At most so many workloads, drawn by the seed; everybody where there are no more."""
        every = len(self.lesson.workloads)
        drawn = np.random.default_rng([seed % 2**64, every]).choice(every, min(most, every), replace=False)
        return self.share(np.sort(drawn).tolist())


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One share, fitted."""

    horizons: Mapping[int, Arrays]
    windows: Mapping[int, int]
    first_seen: Sequence[float]
    hours: Sequence[int]
    data_hash: str


def surveyed(
    workloads: Sequence[WorkloadId], uses: Sequence[Sequence[EdgeUse]], labels: Mapping[WorkloadId, Labels],
    *, recipe: Recipe, since: float, until: float, calibrate_from: float | None = None,
    weights: Mapping[WorkloadId, Weights] | None = None,
) -> Survey:  # fmt: skip
    """Of all workloads with windows in the interval.

    Raises GateRefused when there are none.
    """
    if not workloads:
        raise GateRefused("no workload has windows in the interval")
    order = sorted(range(len(workloads)), key=lambda line: workloads[line].key)
    lesson = Lesson(
        workloads=[workloads[line] for line in order], tables={}, uses=[uses[line] for line in order], since=since,
        until=until, labels=labels, calibrate_from=calibrate_from,
    )  # fmt: skip
    groups = group_ids(lesson.workloads, labels)
    given = train.given_features(lesson.workloads, lesson.uses, recipe)
    packed = feedback.packed([(weights or {}).get(workload, {}) for workload in lesson.workloads])
    return Survey(lesson=lesson, groups=groups, given=given, weights=packed, news=News.of(lesson.uses, groups))


def pools(sample: Share, tables: Tables, *, recipe: Recipe, seed: int) -> dict[int, Known]:
    """What the sample's windows say of the fleet, by horizon; horizons that cannot be fitted are left out.

    Raises GateRefused when none can.
    """
    found: dict[int, Known] = {}
    elder: Arrays | None = None
    for horizon in sorted(recipe.horizons_s):
        lesson = _lesson(sample, tables)
        rows, settled = train.rows_of(
            lesson, horizon, calendar=recipe.calendar, groups=sample.groups, news=sample.news
        )  # fmt: skip
        if not train.is_enough(rows, recipe):
            continue
        pool = Pool(lines=sample.lines, fleet_lines=sample.fleet_lines)
        arrays = fit_horizon(
            rows, lines=len(sample.workloads), seed=seed, settled=settled, calibrate_from=sample.calibrate_from,
            elder=elder, builder=recipe.builder, groups=sample.groups, present=sample.given,
            weights=sample.weights, pool=pool,
        )  # fmt: skip
        elder = arrays if arrays["ready"][0] else elder
        found[horizon] = pool.known
    if not found:
        raise GateRefused(f"fewer than {recipe.min_windows} windows at every horizon")
    return found


def fit_shard(share: Share, tables: Tables, known: Mapping[int, Known], *, recipe: Recipe, seed: int) -> Shard:
    """Fit a share's workloads by what the pools say of the fleet."""
    lesson = _lesson(share, tables)
    horizons, windows = {}, {}
    for horizon in sorted(recipe.horizons_s):
        rows, settled = train.rows_of(lesson, horizon, calendar=recipe.calendar, groups=share.groups, news=share.news)
        windows[horizon] = len(rows)
        if horizon in known:
            horizons[horizon] = fit_horizon(
                rows, lines=len(share.workloads), seed=seed, settled=settled, calibrate_from=share.calibrate_from,
                builder=recipe.builder, groups=share.groups, present=share.given,
                weights=share.weights, pool=Pool.told(known[horizon], lines=share.lines, fleet_lines=share.fleet_lines),
            )  # fmt: skip
    return Shard(
        horizons=horizons, windows=windows, first_seen=train.first_seen(lesson), hours=train.hours_seen(lesson),
        data_hash=train.data_hash(lesson),
    )  # fmt: skip


def joined(
    survey: Survey, shards: Sequence[Shard], *, recipe: Recipe, now: float, previous: FittedSet | None = None
) -> tuple[Manifest, Files]:
    """One set out of all shards, in order of workload key."""
    lesson, files = survey.lesson, Files()
    metrics: dict[str, float] = dict(lesson.metrics)
    for horizon in sorted(recipe.horizons_s):
        metrics[f"h{horizon}.windows"] = float(sum(shard.windows[horizon] for shard in shards))
        if horizon not in shards[0].horizons:
            continue
        arrays, moved = movement.held(
            sharding.joined([shard.horizons[horizon] for shard in shards]), horizon_s=horizon,
            workloads=lesson.workloads, until=lesson.until, previous=previous,
        )  # fmt: skip
        metrics |= moved | {f"h{horizon}.ready": float(arrays["ready"][0])}
        files[horizon_file(horizon)] = codec.encode(arrays)
    first_seen = [first for shard in shards for first in shard.first_seen]
    hours = [hours for shard in shards for hours in shard.hours]
    fleet = train.fleet_arrays(lesson, survey.groups, recipe, first_seen=first_seen, hours=hours)
    files[FLEET_FILE] = codec.encode(fleet)
    data_hash = _hash_of([shard.data_hash for shard in shards])
    return train.manifest_of(lesson, files, recipe=recipe, now=now, data_hash=data_hash, metrics=metrics), files


def _lesson(share: Share, tables: Tables) -> Lesson:
    return Lesson(
        workloads=share.workloads, tables=tables, uses=share.uses, since=share.since, until=share.until,
        calibrate_from=share.calibrate_from,
    )  # fmt: skip


def _hash_of(parts: Sequence[str]) -> str:
    """One shard's own, or the hash of all."""
    return parts[0] if len(parts) == 1 else hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
