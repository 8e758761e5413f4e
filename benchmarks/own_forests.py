"""Whose forest should speak: the fleet's, a workload's own, their mean or the larger, on the pods of a real cluster.

    python -m benchmarks.own_forests --metrics FOLDER [--seeds N] [--json FILE]

FOLDER holds a CSV file a pod with a row a minute (Nezha's `2023-01-29`, MIT licence). Rows are robust residuals of the
logarithms of a pod's own metrics; the first 60 % are learned without labels, three metrics of some later minutes are
moved together, and for a quarter of the pods such minutes are in what was learned, too. See docs/detection.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.table import Table
from sklearn.metrics import average_precision_score

from baseline.detectors import forest_kernel
from baseline.detectors.forest import REACH, Forest
from baseline.detectors.forest_layout import Ints
from baseline.detectors.protocol import Rows
from baseline.domain.deviation import Family
from baseline.domain.edge import Direction
from baseline.features.schema import Feature, Measure, Schema
from baseline.features.table import FloatArray
from benchmarks import figures

LEARNED = 0.6
ODD, MOVED, BY = 6, 3, 5.0  # minutes a pod; metrics moved together; scales, from 0.6 to 1.4 times that
SULLIED, SHARE = 0.25, 0.1  # pods that learned their attack, and the share of their minutes that it had
WHOSE = ("fleet", "own", "mean", "larger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Minutes:
    """Residuals (n, features) and the pod of each."""

    residuals: FloatArray
    pods: Ints


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.own_forests", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--metrics", type=Path, required=True, help="folder of CSV files, one a pod")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    args = parser.parse_args(argv)
    about = figures.circumstances("calico-baseline", "numpy")
    pods = read(args.metrics)
    runs = [precision(pods, seed=seed) for seed in range(args.seeds)]
    mean = {
        whose: {kind: float(np.mean([run[whose][kind] for run in runs])) for kind in runs[0][whose]} for whose in WHOSE
    }
    found = {"benchmark": "own_forests", "circumstances": about, "pods": len(pods), "seeds": args.seeds, "ap": mean}
    table = Table(title=f"Average precision on {len(pods)} pods, {args.seeds} seeds", title_justify="left")
    for name in ("forest", "clean history", "attack learned"):
        table.add_column(name, justify="left" if name == "forest" else "right")
    for whose in WHOSE:
        table.add_row(whose, f"{mean[whose]['clean']:.3f}", f"{mean[whose]['sullied']:.3f}")
    figures.show(table, [figures.told(about)])
    figures.write_json(args.json, found)
    return 0


def read(folder: Path) -> list[FloatArray]:
    """Logarithms of the numeric columns of each pod with 300 minutes at least."""
    tables = [pd.read_csv(path).select_dtypes("number") for path in sorted(folder.rglob("*.csv*"))]
    columns = [[name for name in table if "TimeStamp" not in str(name)] for table in tables]
    logs = [
        np.log1p(table[names].clip(lower=0).fillna(0).to_numpy(dtype=np.float64))
        for table, names in zip(tables, columns, strict=True)
        if len(table) >= 300
    ]
    width = max((log.shape[1] for log in logs), key=[log.shape[1] for log in logs].count)
    return [log for log in logs if log.shape[1] == width]


def precision(pods: list[FloatArray], *, seed: int) -> dict[str, dict[str, float]]:
    """Average precision by whose forest speaks, for pods that learned clean history and for the others."""
    rng = np.random.default_rng(seed)
    learned, judged, is_odd, is_sullied = made(pods, rng=rng)
    arrays = Forest("fast").fit(_rows(learned), lines=len(pods), seed=seed)
    taught, found = _scores(arrays, learned), _scores(arrays, judged)
    told: dict[str, dict[str, float]] = {}
    for whose in WHOSE:
        level = _level(taught[whose], learned.pods, found[whose], judged.pods)
        told[whose] = {
            kind: float(average_precision_score(is_odd[part], level[part]))
            for kind, part in (("clean", ~is_sullied), ("sullied", is_sullied))
        }
    return told


def made(
    pods: list[FloatArray], *, rng: np.random.Generator
) -> tuple[Minutes, Minutes, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """What is learned, what is judged, which of that is odd, and which is of a pod that learned its attack."""
    learned, judged, odd, sullied = [], [], [], []
    taught_it = set(rng.permutation(len(pods))[: max(1, int(SULLIED * len(pods)))].tolist())
    for pod, values in enumerate(pods):
        until = int(LEARNED * len(values))
        centre = np.median(values[:until], axis=0)
        scale = np.maximum(
            1.4826 * np.median(np.abs(values[:until] - centre), axis=0), 0.3 * values[:until].std(axis=0)
        )
        residuals = np.clip((values - centre) / (scale + 0.02), -REACH, REACH)
        known, later = residuals[:until], residuals[until:]
        attack = np.zeros(values.shape[1])
        attack[rng.choice(len(attack), MOVED, replace=False)] = BY
        if pod in taught_it:
            known = np.where(rng.random((until, 1)) < SHARE, known + attack * rng.uniform(0.6, 1.4, (until, 1)), known)
        attacked = later[rng.choice(len(later), ODD, replace=False)] + attack * rng.uniform(0.6, 1.4, (ODD, 1))
        learned.append(np.clip(known, -REACH, REACH))
        judged.append(np.clip(np.vstack([later, attacked]), -REACH, REACH))
        odd.append(np.arange(len(judged[-1])) >= len(later))
        sullied.append(np.full(len(judged[-1]), pod in taught_it))
    return _minutes(learned), _minutes(judged), np.concatenate(odd), np.concatenate(sullied)


def _minutes(parts: list[FloatArray]) -> Minutes:
    pods = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return Minutes(residuals=np.concatenate(parts), pods=pods)


def _rows(minutes: Minutes) -> Rows:
    """As the detector takes them; it looks at residuals and pods only."""
    width, zeros = minutes.residuals.shape[1], np.zeros(len(minutes.pods), dtype=np.int64)
    columns = [
        Feature(
            name=f"metric_{number}", family=Family.VOLUME, direction=Direction.EGRESS, measure=Measure.COUNT, words="-"
        )
        for number in range(width)
    ]
    return Rows(
        schema=Schema(columns), workloads=minutes.pods, starts=zeros, slots=zeros, days=zeros,
        values=minutes.residuals, residuals=minutes.residuals, fresh=zeros, fresh_peers=zeros,
    )  # fmt: skip


def _scores(arrays: dict[str, npt.NDArray[Any]], minutes: Minutes) -> dict[str, FloatArray]:
    every = arrays["own"]
    fleet = forest_kernel.score(arrays, np.full(len(minutes.pods), every[-1]), minutes.residuals)
    own = forest_kernel.score(arrays, every[minutes.pods], minutes.residuals)
    own = np.where(np.isfinite(own), own, fleet)
    return {"fleet": fleet, "own": own, "mean": (fleet + own) / 2, "larger": np.maximum(fleet, own)}


def _level(taught: FloatArray, learned: Ints, found: FloatArray, judged: Ints) -> FloatArray:
    """Scores by the pod's own median and 98 % quantile of what it learned, as calibration would set them."""
    level = np.zeros(len(found))
    for pod in np.unique(judged):
        middle, high = np.quantile(taught[learned == pod], (0.5, 0.98))
        level[judged == pod] = (found[judged == pod] - middle) / (high - middle + 1e-9)
    return level


if __name__ == "__main__":
    sys.exit(main())
