"""The same topic read by Quix Streams: a tumbling window that keeps the same counters and peers.

What could be turned off in Quix's favour is: no changelog topic, no commit and no flush of state inside the measured
part, event time from Kafka's stamp. Its state holds sums of a window and connections of each edge, ours counts every
edge in full.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

from benchmarks.reading import GRACE_S, HORIZON_S, Reading
from benchmarks.topic import TAIL_NAMESPACE, TOPIC

COUNTERS = (
    "num_flows", "num_flows_started", "num_flows_completed", "packets_in", "packets_out", "bytes_in", "bytes_out",
)  # fmt: skip
NEVER_S = 3600.0


def initial(record: dict[str, Any]) -> dict[str, Any]:
    """The state of a window with one record in it."""
    state: dict[str, Any] = {name: record[name] for name in COUNTERS}
    state["workload"] = f"{record['source_namespace']}/{record['source_name_aggr']}"
    state["edges"] = {_edge(record): record["num_flows"]}
    return state


def add(state: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Count one more record."""
    for name in COUNTERS:
        state[name] += record[name]
    edge, edges = _edge(record), state["edges"]
    edges[edge] = edges.get(edge, 0) + record["num_flows"]
    return state


def _edge(record: dict[str, Any]) -> str:
    return f"{record['dest_namespace']}/{record['dest_name_aggr']}|{record['dest_port']}|{record['proto']}"


def read(*, bootstrap: str, group: str, expected: int, folder: Path) -> Reading:
    """Read ``expected`` records to closed windows."""
    with warnings.catch_warnings(record=True):  # Quix's schema registry client brings a package that warns of another
        from quixstreams import Application

    began, wall = time.process_time(), time.monotonic()
    found = {"windows": 0, "edges": 0, "bytes_out": 0, "records": 0}
    stopped: list[tuple[float, float]] = []

    def closed(window: dict[str, Any]) -> None:
        state = window["value"]
        if not state["workload"].startswith(f"{TAIL_NAMESPACE}/"):
            found["windows"] += 1
            found["edges"] += len(state["edges"])
            found["bytes_out"] += state["bytes_out"]

    def processed(_topic: str, _partition: int, _offset: int) -> None:
        found["records"] += 1
        if found["records"] == expected:
            stopped.append((time.process_time(), time.monotonic()))
            app.stop()

    app = Application(
        broker_address=bootstrap, consumer_group=group, auto_offset_reset="earliest", auto_create_topics=False,
        use_changelog_topics=False, state_dir=folder, commit_interval=NEVER_S, loglevel="WARNING",
        on_message_processed=processed,
    )  # fmt: skip
    frame: Any = app.dataframe(app.topic(TOPIC, value_deserializer="json"))
    window = frame.tumbling_window(duration_ms=HORIZON_S * 1000, grace_ms=GRACE_S * 1000)
    window.reduce(reducer=add, initializer=initial).final(closing_strategy="partition").update(closed)
    app.run()
    if not stopped:
        raise RuntimeError(f"Quix Streams ended after {found['records']} of {expected} records")
    cpu_s, wall_s = stopped[0][0] - began, stopped[0][1] - wall
    return Reading(cpu_s=cpu_s, wall_s=wall_s, **found)
