"""Time and memory of forests, ours beside scikit-learn's."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from sklearn.ensemble import IsolationForest

from baseline.detectors import forest_grow, forest_kernel, forest_layout
from baseline.detectors.forest_layout import Forest
from baseline.features.table import FloatArray
from benchmarks import forests_quality

HELD = 20  # forests of scikit-learn that are held at once: each takes about a megabyte
CALLS = 60  # calls of scikit-learn a run
ROWS_OF_DISTINCT = 1_024  # rows behind each of many forests: any number above a tree's sample gives trees alike
BATCH = 4_000
STATM = Path("/proc/self/statm")
PAGE_KB = 4.096


class Disagreement(Exception):
    """The packed forests do not score as scikit-learn's: nothing must be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is measured."""

    forests: int
    rows: int
    features: int
    trees: int
    samples: int
    runs: int
    is_plain: bool = False

    def told(self) -> dict[str, int]:
        """As plain data."""
        return asdict(self)

    def taught(self, count: int, *, seed: int) -> FloatArray:
        """Rows to fit on."""
        if self.is_plain:
            return np.random.default_rng(seed).normal(size=(count, self.features))
        return forests_quality.taught(count, self.features, seed=seed)


def fitting(asked: Asked) -> dict[str, dict[str, Any]]:
    """Milliseconds of CPU to fit one forest, in turns; rows are made before, as each builder wants them."""
    paths: dict[str, Callable[[FloatArray, int], object]] = {
        "sklearn": lambda rows, seed: _sklearn(asked, rows, seed),
        "fast": lambda rows, seed: _grown(asked, rows, seed),
    }
    if find_spec("coniferest") is not None:  # the rival of the decision record, if somebody has it
        paths["coniferest"] = lambda rows, seed: _coniferest(asked, rows, seed)
    taught = asked.taught(asked.rows, seed=1)
    times: dict[str, list[float]] = {name: [] for name in paths}
    for name, fit in paths.items():
        fit(taught[: asked.samples * 2], 0)  # compile, import, allocate
        times[name].clear()
    for run in range(asked.runs):
        for name, fit in paths.items():
            times[name].append(_cpu(partial(fit, taught, run), repeats=1 if name == "sklearn" else 10))
    reference = median(times["sklearn"])
    return {
        name: {"ms": 1e3 * median(runs), "runs": [1e3 * run for run in runs], "ratio": reference / median(runs)}
        for name, runs in times.items()
    }


def memory(asked: Asked) -> dict[str, float | None]:
    """Kilobytes of a forest: all our arrays, and by how much the process grew for scikit-learn's objects."""
    many = [asked.taught(asked.rows, seed=seed) for seed in range(3)]
    _sklearn(asked, many[0], 0).score_samples(many[0][:1])  # imports and pools of threads are no forest's
    before = _resident_kb()
    held = [_sklearn(asked, many[one % 3], one) for one in range(HELD)]
    for forest in held:
        forest.score_samples(many[0][:1])  # as it is when it works
    grown = _resident_kb() - before
    pickled = len(pickle.dumps(held[0])) / 1e3
    arrays = forest_layout.joined([forest_layout.packed(forest) for forest in held], np.array([0]))
    ours = sum(array.nbytes for array in arrays.values()) / HELD / 1e3
    theirs = grown / HELD if grown > 0 else pickled
    return {"ours_kb": ours, "sklearn_kb": theirs, "sklearn_pickle_kb": pickled, "ratio": theirs / ours}


def scoring(asked: Asked) -> dict[str, Any]:
    """Microseconds of CPU a row: many forests of one row each, and one forest of many rows."""
    known = asked.taught(ROWS_OF_DISTINCT, seed=2)
    theirs = [_sklearn(asked, known, seed) for seed in range(min(HELD, asked.forests))]
    others = [asked.taught(ROWS_OF_DISTINCT, seed=seed) for seed in range(3, 53)]
    packed = [forest_layout.packed(forest) for forest in theirs]
    packed += [_grown(asked, others[seed % len(others)], seed) for seed in range(asked.forests - len(packed))]
    arrays = forest_layout.joined(packed, np.array([0]))
    del packed
    probe = asked.taught(max(asked.forests, BATCH), seed=5)
    rows, batch = probe[: asked.forests], probe[:BATCH]
    agree(arrays, theirs, batch)
    which, same = np.random.default_rng(4).permutation(asked.forests), np.zeros(BATCH, dtype=np.int64)
    calls = [partial(theirs[call % len(theirs)].score_samples, rows[call % len(rows)][None]) for call in range(CALLS)]
    times: dict[str, list[float]] = {"ours": [], "sklearn": [], "batch_ours": [], "batch_sklearn": []}
    for _ in range(asked.runs):
        times["ours"].append(_cpu(partial(forest_kernel.score, arrays, which, rows)) / asked.forests)
        times["sklearn"].append(sum(_cpu(call) for call in calls) / CALLS)
        times["batch_ours"].append(_cpu(partial(forest_kernel.score, arrays, same, batch)) / BATCH)
        times["batch_sklearn"].append(_cpu(partial(theirs[0].score_samples, batch)) / BATCH)
    told: dict[str, Any] = {f"{name}_us": 1e6 * median(runs) for name, runs in times.items()}
    told |= {f"{name}_runs_us": [1e6 * run for run in runs] for name, runs in times.items()}
    return told | {
        "ratio": told["sklearn_us"] / told["ours_us"],
        "batch_ratio": told["batch_sklearn_us"] / told["batch_ours_us"],
    }


def agree(arrays: Forest, theirs: list[IsolationForest], probe: FloatArray) -> None:
    """Raise Disagreement unless the first forests score within one unit in the last place of scikit-learn's."""
    for place, forest in enumerate(theirs):
        expected = -forest.score_samples(probe)
        found = forest_kernel.score(arrays, np.full(len(probe), place), probe)
        if not (np.abs(found - expected) <= np.spacing(expected)).all():
            raise Disagreement(f"forest {place}: off by {np.abs(found - expected).max()}")


def _sklearn(asked: Asked, rows: FloatArray, seed: int) -> IsolationForest:
    return IsolationForest(n_estimators=asked.trees, max_samples=asked.samples, random_state=seed, n_jobs=1).fit(rows)


def _grown(asked: Asked, rows: FloatArray, seed: int) -> Forest:
    return forest_grow.grown(rows.astype(np.float32), trees=asked.trees, samples=asked.samples, seed=seed)


def _coniferest(asked: Asked, rows: FloatArray, seed: int) -> object:
    from coniferest.isoforest import IsolationForest as Rival

    return Rival(n_trees=asked.trees, n_subsamples=asked.samples, random_seed=seed, n_jobs=1).fit(rows)


def _cpu(work: Callable[[], object], *, repeats: int = 1) -> float:
    """Seconds of CPU a time."""
    before = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - before) / repeats


def _resident_kb() -> float:
    """Memory of this process; zero where the system does not tell it."""
    return int(STATM.read_text().split()[1]) * PAGE_KB if STATM.exists() else 0.0
