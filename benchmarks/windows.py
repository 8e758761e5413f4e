"""Decoding and counting in windows without Kafka, as ratios to plain Python on the same records in the same run.

    python -m benchmarks.windows [--records N] [--workloads N] [--runs N] [--json FILE]

The reference is what a script would do: `json.loads`, and a dict of sums for each workload, window and edge.
See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from baseline import formats
from baseline.domain.flow import Flow
from baseline.features.windows import Windower
from benchmarks import figures, records
from benchmarks.figures import Rates
from benchmarks.reading import HORIZON_S

BATCH = 5_000  # records between two looks at what is closed, as many as the stream polls at once
REFERENCE = "json.loads + dict"
PACKAGES = ("calico-baseline", "msgspec", "numpy")
SUMS = ("num_flows", "packets_in", "packets_out", "bytes_in", "bytes_out")


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.windows", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=50_000)
    parser.add_argument("--workloads", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3, help="of each path")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    args = arguments(argv)
    found = measure(count=args.records, workloads=args.workloads, runs=args.runs)
    show(found)
    figures.write_json(args.json, found)
    return 0


def measure(*, count: int, workloads: int, runs: int) -> dict[str, Any]:
    """The paths in turns over the same records."""
    about = figures.circumstances(*PACKAGES)
    values = [value for _, value in records.records(count, workloads=workloads)]
    flows = decoded(values)
    paths: dict[str, Callable[[], int]] = {
        REFERENCE: lambda: len(counted_plainly(values)),
        "decode": lambda: sum(len(batch) for batch in in_batches(values)),
        "windows": lambda: windows_of(flows[first : first + BATCH] for first in range(0, count, BATCH)),
        "decode + windows": lambda: windows_of(in_batches(values)),
    }
    rates: dict[str, list[float]] = {name: [] for name in paths}
    results: dict[str, int] = {}
    for _ in range(runs):
        for name, path in paths.items():
            gc.collect()
            gc.freeze()  # the records in memory are the benchmark's: a collection must not walk them in anybody's time
            began = time.process_time()
            results[name] = path()
            rates[name].append(count / (time.process_time() - began))
            gc.unfreeze()
    reference = Rates(name=REFERENCE, runs=tuple(rates[REFERENCE]))
    return {
        "benchmark": "windows",
        "circumstances": about,
        "records": count,
        "workloads": workloads,
        "mean_record_bytes": round(sum(map(len, values)) / count),
        "windows": results["windows"],
        "reference": REFERENCE,
        "rates": [Rates(name=name, runs=tuple(runs_)).beside(reference) for name, runs_ in rates.items()],
    }


def decoded(values: Sequence[bytes]) -> list[Flow]:
    """The product's decoder over every record."""
    found = [formats.decode(value, cluster="bench") for value in values]
    return [flow for flow in found if isinstance(flow, Flow)]


def in_batches(values: Sequence[bytes]) -> Iterator[list[Flow]]:
    """The same, a batch at a time, as the stream does."""
    for first in range(0, len(values), BATCH):
        yield decoded(values[first : first + BATCH])


def windows_of(batches: Iterable[Sequence[Flow]]) -> int:
    """The product's windows over flows in order of time; how many were closed, of all horizons, empty ones included."""
    windower = Windower()
    closed = 0
    for batch in batches:
        for flow in batch:
            windower.add_flow(flow, received_at=flow.end)
        closed += len(windower.advance(now=batch[-1].end))
    return closed + len(windower.finish())


def counted_plainly(values: Sequence[bytes]) -> dict[tuple[str, str, int], dict[tuple[str, str, int, str], list[int]]]:
    """Sums by (namespace, aggregated name, window of 300 s) and edge; copies are not noticed, windows never close."""
    windows: dict[tuple[str, str, int], dict[tuple[str, str, int, str], list[int]]] = {}
    for value in values:
        record = json.loads(value)
        event_time = record["end_time"] - 1
        start = event_time - event_time % HORIZON_S
        edges = windows.setdefault((record["source_namespace"], record["source_name_aggr"], start), {})
        edge = (record["dest_namespace"], record["dest_name_aggr"], record["dest_port"], record["proto"])
        sums = edges.setdefault(edge, [0] * len(SUMS))
        for place, name in enumerate(SUMS):
            sums[place] += record[name]
    return windows


def show(found: dict[str, Any]) -> None:
    """The figures for people."""
    notes = [
        f"{found['records']:,} records of {found['mean_record_bytes']:,} bytes of {found['workloads']:,} workloads",
        f"{found['windows']:,} windows closed (60 s and 300 s, empty ones included), one process, no Kafka",
        figures.told(found["circumstances"]),
    ]
    figures.show_rates("Bytes to flows to windows, one thread", found["rates"], reference=REFERENCE, notes=notes)


if __name__ == "__main__":
    sys.exit(main())
