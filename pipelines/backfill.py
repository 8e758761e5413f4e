"""Write recordings of flow logs into history, with the stream's own windows.

Running it again overwrites what it wrote. Rows of the stream for the same windows win over backfilled ones.
Exit: 0 done, 1 failed.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from baseline.adapters.history import ParquetHistory
from baseline.domain.errors import BaselineError
from baseline.domain.units import rfc3339
from baseline.domain.window import Window
from baseline.features import extract, schema
from baseline.features.table import FloatArray
from baseline.features.windows import Windower
from baseline.ports import EdgeRow, History, HistoryBatch
from baseline.services.recorded import closed_windows
from baseline.stream.steps import edge_rows
from pipelines._recording import Recording
from pipelines._report import write_json

OK, FAILED = 0, 1
BATCH = 50_000  # windows written at once


def main(argv: Sequence[str] | None = None) -> int:
    """Run and print a table."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.backfill", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--flows", type=Path, nargs="+", required=True, help="recordings, JSON lines, plain or .gz")
    parser.add_argument("--history", required=True, help="folder or URL of the history")
    parser.add_argument("--cluster", default="cluster", help="cluster of records that name none")
    parser.add_argument("--report", type=Path, help="write a report here, JSON")
    args = parser.parse_args(argv)
    try:
        history = ParquetHistory(args.history, schema_hash=schema.hash())
        report = backfill(Recording(args.flows, cluster=args.cluster), history, name=name_of(args.cluster, args.flows))
    except (BaselineError, OSError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return FAILED
    if args.report:
        write_json(args.report, report)
    print(table(report))
    if not report["windows"]:
        print("failed: no window was closed; are these flow logs?", file=sys.stderr)
        return FAILED
    return OK


def backfill(recording: Recording, history: History, *, name: str) -> dict[str, Any]:
    """Write all windows and edges of a recording, in batches ``name-NUMBER``; what was written, as plain data."""
    windower = Windower()
    windows: list[tuple[Window, FloatArray]] = []
    edges: list[EdgeRow] = []
    written: Counter[tuple[str, int]] = Counter()
    since, until = math.inf, -math.inf
    edge_count = number = 0
    for closed in closed_windows(recording, windower):
        facts = windower.facts()
        windows += [(window, extract.vector(window)) for window in closed]
        slots = [row for window in closed for row in edge_rows(window, facts)]
        edges += slots
        edge_count += len(slots)
        written.update((str(window.workload), window.horizon_s) for window in closed)
        since, until = min(since, closed[0].start), max(until, closed[-1].end)
        if len(windows) >= BATCH:
            history.write(HistoryBatch(f"{name}-{number:06d}", windows, edges))
            windows, edges, number = [], [], number + 1
    history.write(HistoryBatch(f"{name}-{number:06d}", windows, edges))
    return {
        "rejected": dict(recording.rejected),
        "since": rfc3339(since) if written else None,
        "until": rfc3339(until) if written else None,
        "windows": sum(written.values()),
        "windows_missing": windower.windows_missing,
        "edge_rows": edge_count,
        "by_workload": {
            workload: {str(horizon): written[workload, horizon] for horizon in (60, 300, 3600)}
            for workload in sorted({workload for workload, _ in written})
        },
    }


def name_of(cluster: str, flows: Sequence[Path]) -> str:
    """The batches' name: the same files of the same cluster overwrite what they wrote before."""
    text = "|".join([cluster, *(path.name for path in flows)])
    return f"backfill-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def table(report: dict[str, Any]) -> str:
    """For people."""
    rows = pd.DataFrame.from_dict(report["by_workload"], orient="index")
    rejected = ", ".join(f"{count} {reason}" for reason, count in report["rejected"].items()) or "none"
    return "\n".join([
        rows.rename(columns={"60": "1 min", "300": "5 min", "3600": "1 h"}).to_string() if len(rows) else "no windows",
        f"{report['windows']} windows ({report['windows_missing']} missing) and {report['edge_rows']} edge rows",
        f"from {report['since']} to {report['until']}; lines rejected: {rejected}",
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
