"""Whether the fast builder's forests find what scikit-learn's find: planted oddities among residual-like rows."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score

from baseline.detectors import forest_grow, forest_kernel, forest_layout
from baseline.detectors.forest import BACKGROUND, REACH, Builder
from baseline.features.table import FloatArray

TREES, SAMPLES = 100, 256
KNOWN, TESTED, ODD = 3_000, 2_000, 60
FEATURES, FACTORS = 20, 4
SHIFT = 4.0  # scales by which three features are moved together


def residuals(count: int, features: int, *, rng: np.random.Generator, loadings: FloatArray | None = None) -> FloatArray:
    """Rows as seasonal residuals are: a few common causes, heavy tails, unit scale, clipped."""
    if loadings is None:
        loadings = rng.normal(size=(FACTORS, features))
    mixed = rng.standard_t(4, size=(count, FACTORS)) @ loadings / 2 + rng.standard_t(4, size=(count, features))
    return np.asarray(np.clip(mixed / (1.4826 * np.median(np.abs(mixed), axis=0)), -REACH, REACH))


def taught(count: int, features: int, *, seed: int) -> FloatArray:
    """Rows and their background, as the voice fits on them."""
    rng = np.random.default_rng(seed)
    noise = rng.uniform(-REACH, REACH, size=(int(BACKGROUND * count), features))
    return np.vstack([residuals(count, features, rng=rng), noise])


def tested(seed: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rows to learn, rows to judge, and which of those are odd: three features moved together."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(FACTORS, FEATURES))
    known, judged = (residuals(count, FEATURES, rng=rng, loadings=loadings) for count in (KNOWN, TESTED))
    for row in range(ODD):
        judged[row, rng.choice(FEATURES, 3, replace=False)] += SHIFT
    noise = rng.uniform(-REACH, REACH, size=(int(BACKGROUND * KNOWN), FEATURES))
    return np.vstack([known, noise]), np.clip(judged, -REACH, REACH), (np.arange(TESTED) < ODD).astype(np.float64)


def quality(builder: Builder, *, data_seed: int, seed: int) -> tuple[float, float]:
    """Average precision and AUROC of one forest."""
    known, judged, is_odd = tested(data_seed)
    if builder == "fast":
        forest = forest_grow.grown(known.astype(np.float32), trees=TREES, samples=SAMPLES, seed=seed)
    else:
        fitted = IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=seed, n_jobs=1).fit(known)
        forest = forest_layout.packed(fitted)
    scores = forest_kernel.score(
        forest_layout.joined([forest], np.array([0])), np.zeros(len(judged), dtype=np.int64), judged
    )
    return float(average_precision_score(is_odd, scores)), float(roc_auc_score(is_odd, scores))


def compared(*, seeds: int) -> dict[str, Any]:
    """Both builders on the same data of each seed, and the mean difference over its standard error."""
    found: dict[Builder, list[tuple[float, float]]] = {
        builder: [quality(builder, data_seed=seed, seed=seed) for seed in range(seeds)]
        for builder in ("sklearn", "fast")
    }
    told: dict[str, Any] = {"seeds": seeds, "base_rate": ODD / TESTED}
    for builder, runs in found.items():
        ap, auc = zip(*runs, strict=True)
        told[builder] = {"ap": fmean(ap), "ap_sd": stdev(ap), "auc": fmean(auc), "auc_sd": stdev(auc)}
    for place, name in enumerate(("ap", "auc")):
        differences = [fast[place] - slow[place] for slow, fast in zip(found["sklearn"], found["fast"], strict=True)]
        told[f"{name}_difference"] = fmean(differences)
        told[f"{name}_z"] = fmean(differences) / (stdev(differences) / seeds**0.5)
    return told
