"""Records per CPU-second from Kafka to closed windows, beside a Quix Streams tumbling window on the same topic.

    python -m benchmarks.stream [--records N] [--runs N] [--broker auto|kafka|tansu] [--without-quix] [--json FILE]

Every run is a process of its own that reads the whole topic in a new consumer group; the two sides take turns. Both
must close the same windows with the same edges and count every byte, else there is no figure. See docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import figures, topic
from benchmarks.figures import Rates
from benchmarks.reading import HORIZON_S, Reading
from benchmarks.topic import Topic

ROOT = Path(__file__).resolve().parents[1]
RECORDS_MAX = 100_000
RUN_S = 90.0  # a run that takes longer is ended
OURS, QUIX = "calico-baseline", f"Quix Streams tumbling_window({HORIZON_S} s).reduce()"
SIDES = {"ours": OURS, "quix": QUIX}
PACKAGES = ("calico-baseline", "kafka-python", "crc32c", "msgspec", "quixstreams", "confluent-kafka")


class Disagreement(Exception):
    """The two sides did not do the same work: their rates must not be compared."""


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=RECORDS_MAX, help=f"at most {RECORDS_MAX}")
    parser.add_argument("--workloads", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3, help="of each side")
    parser.add_argument("--broker", choices=("auto", "kafka", "tansu"), default="auto", help="auto: Kafka if built")
    parser.add_argument("--without-quix", action="store_true", help="our side only: there is no ratio then")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--side", choices=tuple(SIDES), help=argparse.SUPPRESS)  # in a child process
    parser.add_argument("--bootstrap", help=argparse.SUPPRESS)
    parser.add_argument("--group", help=argparse.SUPPRESS)
    parser.add_argument("--expected", type=int, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; exit 1 when the two sides did different work or the peer is not installed."""
    args = arguments(argv)
    if args.side:
        print(child(args).to_json())
        return 0
    if not args.without_quix and find_spec("quixstreams") is None:
        print("quixstreams is not installed: uv sync --group bench, or --without-quix", file=sys.stderr)
        return 1
    try:
        found = measure(args)
    except Disagreement as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    show(found)
    figures.write_json(args.json, found)
    return 0


def child(args: argparse.Namespace) -> Reading:
    """One run of one side, in its own process: imports of the other side must not weigh on it."""
    if args.side == "ours":
        from baseline.stream import collector
        from benchmarks import ours

        collector.settle()
        return ours.read(bootstrap=args.bootstrap, group=args.group, expected=args.expected)
    from benchmarks import quix

    with tempfile.TemporaryDirectory() as folder:
        return quix.read(bootstrap=args.bootstrap, group=args.group, expected=args.expected, folder=Path(folder))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Fill a topic, let both sides read it in turns, and put their rates side by side."""
    sides = ["ours"] if args.without_quix else ["ours", "quix"]
    about = figures.circumstances(*PACKAGES)
    with tempfile.TemporaryDirectory() as folder, topic.broker(args.broker, Path(folder)) as (server, name):
        filled = topic.fill(server, name=name, count=min(args.records, RECORDS_MAX), workloads=args.workloads)
        readings: dict[str, list[Reading]] = {side: [] for side in sides}
        for run in range(args.runs):
            for side in sides:
                readings[side].append(_run(side, filled, run))
    agree(readings, filled)
    rates = {side: Rates(name=SIDES[side], runs=tuple(one.rate for one in readings[side])) for side in sides}
    reference = rates[sides[-1]]
    first = readings["ours"][0]
    return {
        "benchmark": "stream",
        "circumstances": about,
        "broker": filled.broker,
        "partitions": topic.PARTITIONS,
        "records": filled.records,
        "workloads": args.workloads,
        "mean_record_bytes": round(filled.mean_bytes),
        "windows": first.windows,
        "edges": first.edges,
        "windows_of_60_s_of_ours": first.other_windows,
        "reference": reference.name,
        "rates": [rates[side].beside(reference) for side in sides],
    }


def agree(readings: dict[str, list[Reading]], filled: Topic) -> None:
    """Raise Disagreement unless every run counted every record, in the same windows with the same edges."""
    runs = [reading for side in readings.values() for reading in side]
    if any(run.records != filled.all_records or run.rejected for run in runs):
        raise Disagreement(f"not every run read all {filled.all_records} records: {runs}")
    if {run.bytes_out for run in runs} != {filled.bytes_out}:
        raise Disagreement(f"{filled.bytes_out} bytes_out produced, counted {[run.bytes_out for run in runs]}")
    if len({(run.windows, run.edges) for run in runs}) != 1 or not runs[0].windows:
        told = {name: [(run.windows, run.edges) for run in side] for name, side in readings.items()}
        raise Disagreement(f"windows and edges differ: {told}")


def _run(side: str, filled: Topic, run: int) -> Reading:
    command = [sys.executable, "-m", "benchmarks.stream", "--side", side, "--bootstrap", filled.bootstrap]
    command += ["--group", f"benchmark-{side}-{run}", "--expected", str(filled.all_records)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=RUN_S, check=True)
    return Reading.from_json(done.stdout.splitlines()[-1])


def show(found: dict[str, Any]) -> None:
    """The figures for people."""
    notes = [
        (
            f"{found['records']:,} records of {found['mean_record_bytes']:,} bytes, {found['workloads']:,} workloads, "
            f"{found['broker']}, {found['partitions']} partitions, lz4"
        ),
        (
            f"each run closed {found['windows']:,} windows of {HORIZON_S} s with {found['edges']:,} edges; "
            f"ours {found['windows_of_60_s_of_ours']:,} of 60 s beside them"
        ),
        figures.told(found["circumstances"]),
    ]
    short = "Quix" if found["reference"] == QUIX else "ours"
    figures.show_rates("From Kafka to closed windows, CPU of the client", found["rates"], reference=short, notes=notes)


if __name__ == "__main__":
    sys.exit(main())
