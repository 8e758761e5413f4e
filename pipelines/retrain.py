"""Fit a model set from history and put it on the shelf as candidate.

Exit: 0 done, 1 failed, 3 refused (too little to learn from).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from baseline.adapters.history import ParquetHistory
from baseline.adapters.shelf import FolderShelf
from baseline.detectors.feedback import Weights
from baseline.detectors.fitted import FittedSet
from baseline.domain.errors import BaselineError, GateRefused
from baseline.domain.modelset import Alias, Manifest
from baseline.domain.units import parse_rfc3339, rfc3339
from baseline.domain.workload import WorkloadId
from baseline.features import schema
from baseline.services.movement import current
from baseline.services.shards import SAMPLE
from baseline.services.train import Exclusion, Files, Lesson, Recipe, fit_lesson, gathered, read_part
from pipelines._backends import BACKENDS, workers
from pipelines._books import confirmed, weights
from pipelines._recipe import read_recipe
from pipelines._report import write_json
from pipelines._shards import Source, fit

OK, FAILED, REFUSED = 0, 1, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Read, fit, put; prints what was made."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.retrain", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--history", required=True, help="folder or URL of the history")
    parser.add_argument("--shelf", required=True, help="folder or URL of the shelf")
    parser.add_argument("--recipe", type=Path, help="recipe (default: models/recipes/default.toml)")
    parser.add_argument(
        "--books",
        default=os.environ.get("BASELINE_BOOKS__URL", ""),
        help="URL of the books, so that windows of confirmed alerts never teach; $BASELINE_BOOKS__URL by default",
    )
    parser.add_argument("--since", type=parse_rfc3339, help="learn from then on (RFC 3339; default: the recipe's days)")
    parser.add_argument("--until", type=parse_rfc3339, help="learn up to then (default: now)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that read history, and fit shards")
    parser.add_argument(
        "--shards", type=int, default=0,
        help="fit the fleet in so many parts, each in as much memory as it needs (default: all at once)",
    )  # fmt: skip
    parser.add_argument(
        "--sample", type=int, default=SAMPLE, help=f"workloads that speak for the fleet with --shards ({SAMPLE})"
    )
    parser.add_argument("--time-zone", help="IANA zone of the hours of the week (default: the recipe's)")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="loky", help="where they run: here, or on a cluster of Dask or Ray"
    )
    parser.add_argument("--cluster", help="address of the Dask scheduler or Ray head; without it one is started here")
    parser.add_argument("--seed", type=int, default=1, help="of everything random")
    parser.add_argument(
        "--accept-drift", action="store_true", help="what is normal may move any distance from the current set"
    )
    parser.add_argument("--report", type=Path, help="write a report here, JSON")
    args = parser.parse_args(argv)
    now = time.time()
    try:
        recipe = read_recipe(args.recipe)
        if args.time_zone:
            recipe = replace(recipe, calendar=replace(recipe.calendar, zone=args.time_zone))
        until = args.until if args.until is not None else now
        since = args.since if args.since is not None else until - recipe.history_days * 86_400
        exclude = confirmed(args.books) if args.books else []
        shelf = FolderShelf(args.shelf)
        before = None if args.accept_drift else current(shelf)
        source = Source(url=args.history, recipe=recipe, since=since, until=until, exclude=exclude)
        with workers(args.backend, jobs=args.jobs, address=args.cluster):
            manifest, files = fitted(source, args, now=now, before=before)
        shelf.put(manifest, files)
        shelf.point(Alias.CANDIDATE, manifest.id)
    except GateRefused as error:
        print(f"refused: {error}", file=sys.stderr)
        return REFUSED
    except (BaselineError, OSError, ValueError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    found = summary(manifest, took_s=time.time() - now, size=sum(len(payload) for payload in files.values()))
    for name, value in found.items():
        print(f"{name:16} {value}")
    if args.report:
        write_json(args.report, found)
    return OK


def fitted(
    source: Source, args: argparse.Namespace, *, now: float, before: FittedSet | None
) -> tuple[Manifest, Files]:  # fmt: skip
    """All at once, or shard by shard."""

    def taught(workloads: Sequence[WorkloadId]) -> Mapping[WorkloadId, Weights]:
        return weights(args.books, workloads) if args.books else {}

    if args.shards > 0:
        return fit(
            source, count=args.shards, sample=args.sample, jobs=args.jobs, seed=args.seed, now=now, previous=before,
            taught=taught,
        )  # fmt: skip
    lesson = read_jobs(
        source.url, recipe=source.recipe, since=source.since, until=source.until, jobs=args.jobs,
        exclude=source.exclude,
    )  # fmt: skip
    lesson = replace(lesson, weights=taught(lesson.workloads))
    return fit_lesson(lesson, recipe=source.recipe, now=now, seed=args.seed, previous=before)


def read_jobs(
    url: str, *, recipe: Recipe, since: float, until: float, jobs: int, exclude: Sequence[Exclusion] = ()
) -> Lesson:
    """Read shards of workloads in parallel; a worker gets the URL and the shard's number, never arrays."""
    from joblib import Parallel, delayed

    shards = max(1, jobs)
    parts = Parallel(n_jobs=shards)(
        delayed(_read_shard)(url, recipe, since, until, shard, shards, exclude) for shard in range(shards)
    )
    return gathered(list(parts), since=since, until=until)


def _read_shard(
    url: str, recipe: Recipe, since: float, until: float, shard: int, shards: int, exclude: Sequence[Exclusion]
) -> Lesson:
    every = ParquetHistory(url, schema_hash=schema.hash()).workloads(since=since, until=until)
    workloads = every[len(every) * shard // shards : len(every) * (shard + 1) // shards]
    history = ParquetHistory(url, schema_hash=schema.hash(), only=workloads)
    return read_part(history, workloads, recipe=recipe, since=since, until=until, exclude=exclude)


def summary(manifest: Manifest, *, took_s: float, size: int) -> dict[str, Any]:
    """What was made, as plain data."""
    return {
        "id": manifest.id,
        "workloads": manifest.workloads,
        "trained_from": rfc3339(manifest.trained_from),
        "trained_until": rfc3339(manifest.trained_until),
        "data_hash": manifest.data_hash,
        "bytes": size,
        "took_s": round(took_s, 2),
        **dict(manifest.metrics),
    }


if __name__ == "__main__":
    sys.exit(main())
