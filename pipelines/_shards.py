"""Retrain shard by shard: workers get the URL of the history and their share of the survey, and read for themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from baseline.adapters.history import ParquetHistory
from baseline.detectors.edgeuse import EdgeUse
from baseline.detectors.feedback import Weights
from baseline.detectors.fitted import FittedSet
from baseline.detectors.groups import Labels
from baseline.detectors.pool import Known
from baseline.domain.modelset import Manifest
from baseline.domain.units import DAY_S
from baseline.domain.workload import WorkloadId
from baseline.features import schema
from baseline.services import shards, train
from baseline.services.train import Exclusion, Files, Recipe

Taught = Callable[[Sequence[WorkloadId]], Mapping[WorkloadId, Weights]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is read."""

    url: str
    recipe: Recipe
    since: float
    until: float
    exclude: Sequence[Exclusion] = ()

    def history(self, only: Sequence[WorkloadId] | None = None) -> ParquetHistory:
        """Of some workloads, or of all."""
        return ParquetHistory(self.url, schema_hash=schema.hash(), only=only)

    def tables(self, workloads: Sequence[WorkloadId]) -> shards.Tables:
        """Windows of some workloads, by horizon and line."""
        return train.read_windows(
            self.history(workloads), workloads, recipe=self.recipe, since=self.since, until=self.until,
            exclude=self.exclude,
        )  # fmt: skip


def fit(
    source: Source, *, count: int, sample: int, jobs: int, seed: int, now: float, previous: FittedSet | None,
    taught: Taught,
) -> tuple[Manifest, Files]:  # fmt: skip
    """Survey, sample, shards, one set: the same bytes for any number of jobs.

    count : of shards. sample : workloads that speak for the fleet, at most. taught : what decisions take of the voices
    of workloads.
    """
    from joblib import Parallel, delayed

    recipe = source.recipe
    since = max(source.since, source.until - recipe.history_days * DAY_S)
    source = Source(url=source.url, recipe=recipe, since=since, until=source.until, exclude=source.exclude)
    workloads = source.history().workloads(since=since, until=source.until)
    bounds = [len(workloads) * shard // count for shard in range(count + 1)]
    shares = [workloads[begin:end] for begin, end in pairwise(bounds) if begin < end]
    parallel = Parallel(n_jobs=max(1, jobs))
    uses: list[list[EdgeUse]] = []
    labels: dict[WorkloadId, Labels] = {}
    for own, seen in parallel(delayed(_edges)(source, share) for share in shares):
        uses += own
        labels |= seen
    survey = shards.surveyed(
        workloads, uses, labels, recipe=recipe, since=since, until=source.until, weights=taught(workloads)
    )
    known = _pools(source, survey.sample(sample, seed=seed), seed)
    fitted = parallel(delayed(_fit_shard)(source, share, known, seed) for share in survey.shares(count))
    return shards.joined(survey, list(fitted), recipe=recipe, now=now, previous=previous)


def _edges(
    source: Source, workloads: Sequence[WorkloadId]
) -> tuple[list[list[EdgeUse]], Mapping[WorkloadId, Labels]]:  # fmt: skip
    return train.read_edges(
        source.history(workloads), workloads, since=source.since, until=source.until, exclude=source.exclude
    )


def _pools(source: Source, sample: shards.Share, seed: int) -> Mapping[int, Known]:
    return shards.pools(sample, source.tables(sample.workloads), recipe=source.recipe, seed=seed)


def _fit_shard(source: Source, share: shards.Share, known: Mapping[int, Known], seed: int) -> shards.Shard:
    return shards.fit_shard(share, source.tables(share.workloads), known, recipe=source.recipe, seed=seed)
