"""Isolation forests of a fleet: scoring, memory, fitting and detection, beside scikit-learn's in the same run.

    python -m benchmarks.forests [--forests N] [--rows N] [--plain] [--runs N] [--seeds N] [--json FILE]

CPU time of one thread. There is no figure unless packed forests score as scikit-learn's do. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks import figures, forests_cost, forests_quality
from benchmarks.forests_cost import Disagreement

PACKAGES = ("calico-baseline", "scikit-learn", "numba", "numpy", "coniferest")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forests", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--forests", type=int, default=10_000, help="distinct ones that are scored")
    parser.add_argument("--rows", type=int, default=8_064, help="that a forest is fitted on: 4 weeks of 5 minutes")
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--samples", type=int, default=256, help="rows a tree")
    parser.add_argument("--plain", action="store_true", help="normal rows without background: larger forests than ours")
    parser.add_argument("--runs", type=int, default=5, help="of each side")
    parser.add_argument("--seeds", type=int, default=10, help="of the comparison of detection")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; exit 1 when the packed forests score otherwise than scikit-learn's."""
    args = arguments(argv)
    try:
        found = measure(args)
    except Disagreement as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    show(found)
    figures.write_json(args.json, found)
    return 0


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Memory first, while nothing freed is there to be used again."""
    about = figures.circumstances(*PACKAGES)
    asked = forests_cost.Asked(
        forests=args.forests, rows=args.rows, features=args.features, trees=args.trees, samples=args.samples,
        runs=args.runs, is_plain=args.plain,
    )  # fmt: skip
    return {
        "benchmark": "forests",
        "circumstances": about,
        "asked": asked.told(),
        "memory": forests_cost.memory(asked),
        "fitting": forests_cost.fitting(asked),
        "scoring": forests_cost.scoring(asked),
        "detection": forests_quality.compared(seeds=args.seeds),
    }


def show(found: dict[str, Any]) -> None:
    """The figures for people."""
    asked, memory, scoring = found["asked"], found["memory"], found["scoring"]
    size = f"{asked['trees']} trees of {asked['samples']} rows"
    fitted_on = f"{asked['rows']:,} {'normal rows' if asked['is_plain'] else 'residuals and their background'}"
    title = f"Forests of {size}, {asked['features']} features, fitted on {fitted_on}, one thread"
    table = Table(title=title, title_justify="left")
    for name in ("what", "ours", "scikit-learn", "x"):
        table.add_column(name, justify="left" if name == "what" else "right")
    table.add_row(
        f"score {asked['forests']:,} distinct forests, one row each (us a row)",
        f"{scoring['ours_us']:.2f}", f"{scoring['sklearn_us']:,.0f}", f"{scoring['ratio']:,.0f}",
    )  # fmt: skip
    table.add_row(
        "score one forest, many rows (us a row)",
        f"{scoring['batch_ours_us']:.2f}", f"{scoring['batch_sklearn_us']:.2f}", f"{scoring['batch_ratio']:.1f}",
    )  # fmt: skip
    table.add_row(
        "memory of a forest (KB)",
        f"{memory['ours_kb']:.1f}", f"{memory['sklearn_kb']:,.0f}", f"{memory['ratio']:.0f}",
    )  # fmt: skip
    for name, row in found["fitting"].items():
        if name != "sklearn":
            ours = f"{row['ms']:.2f}"
            table.add_row(f"fit, {name} (ms)", ours, f"{found['fitting']['sklearn']['ms']:.1f}", f"{row['ratio']:.0f}")
    figures.show(table, [])
    detection = Table(title=f"Detection over {found['detection']['seeds']} seeds", title_justify="left")
    for name in ("builder", "average precision", "AUROC"):
        detection.add_column(name, justify="left" if name == "builder" else "right")
    for builder in ("sklearn", "fast"):
        one = found["detection"][builder]
        detection.add_row(builder, f"{one['ap']:.3f} +- {one['ap_sd']:.3f}", f"{one['auc']:.4f} +- {one['auc_sd']:.4f}")
    base = f"base rate {found['detection']['base_rate']:.3f}; differences over their standard error: "
    notes = [
        base + f"AP {found['detection']['ap_z']:+.1f}, AUROC {found['detection']['auc_z']:+.1f}",
        figures.told(found["circumstances"]),
    ]
    figures.show(detection, notes)


if __name__ == "__main__":
    sys.exit(main())
