"""Calico Enterprise flow records as files: what converters of other people's recordings write."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

NOT_RECORDED: dict[str, Any] = {  # fields of a record that these recordings cannot fill, as Calico leaves them empty
    "nat_outgoing_ports": None,
    "http_requests_allowed_in": 0,
    "http_requests_denied_in": 0,
    "process_name": "-",
    "num_process_names": 0,
    "process_id": "-",
    "num_process_ids": 0,
    "process_args": ["-"],
    "num_process_args": 0,
    "original_source_ips": None,
    "num_original_source_ips": 0,
    "tcp_mean_send_congestion_window": 0,
    "tcp_min_send_congestion_window": 0,
    "tcp_mean_smooth_rtt": 0,
    "tcp_max_smooth_rtt": 0,
    "tcp_mean_min_rtt": 0,
    "tcp_max_min_rtt": 0,
    "tcp_mean_mss": 0,
    "tcp_min_mss": 0,
    "tcp_total_retransmissions": 0,
    "tcp_lost_packets": 0,
    "tcp_unrecovered_to": 0,
}


def write_records(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """JSON lines, gzipped without name and time, so that the bytes depend on the records alone."""
    with path.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=9, mtime=0) as out:
        for item in records:
            out.write(json.dumps(item, separators=(",", ":")).encode() + b"\n")


def write_table(path: Path, rows: Iterable[tuple[object, ...]]) -> None:
    """A CSV file with plain line ends."""
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)
