"""Recordings of flow logs: JSON lines, plain, gzipped or zstd, merged by event time."""

from __future__ import annotations

import gzip
import heapq
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from baseline.agent.shipping import Shipper, dead_letter
from baseline.domain.flow import Flow
from baseline.formats import LINE_MAX_BYTES
from baseline.ports import DeadLetter


class Recorded(NamedTuple):
    """A line of a recording: its flow, or the dead letter it is."""

    event_time: float  # of a dead letter: that of the flow before it, so that it keeps its place
    line: bytes
    flow: Flow | None
    letter: DeadLetter | None


def replayed(paths: Sequence[Path], shipper: Shipper) -> Iterator[Recorded]:
    """All lines of all files in the order of event time; each file must be in that order itself, as logs are."""
    return heapq.merge(*(_recorded(path, shipper) for path in paths), key=lambda recorded: recorded.event_time)


def hosts_of(paths: Iterable[Path], shipper: Shipper) -> tuple[str, ...]:
    """Names of all hosts that report in the recording, sorted: one full read."""
    found = {item.flow.host for path in paths for item in _recorded(path, shipper) if item.flow}
    return tuple(sorted(host for host in found if host))


def _recorded(path: Path, shipper: Shipper) -> Iterator[Recorded]:
    event_time = 0.0
    for offset, line, size in _lines(path):
        position = f"{path.name}:{offset}"
        if len(line) > LINE_MAX_BYTES:
            letter = dead_letter("too_large", detail=f"{size} bytes", position=position, value=line)
            yield Recorded(event_time, line, None, letter)
            continue
        found = shipper.read(line, position=position)
        if isinstance(found, Flow):
            event_time = float(found.event_time)
            yield Recorded(event_time, line, found, None)
        elif isinstance(found, DeadLetter):
            yield Recorded(event_time, line, None, found)


def _lines(path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Offset (in the unpacked file), the line without its end (cut a little over the limit), and its whole size."""
    offset = 0
    with _opened(path) as stream:
        while line := stream.readline(LINE_MAX_BYTES + 2):
            size, part = len(line), line
            while not part.endswith(b"\n") and (part := stream.readline(LINE_MAX_BYTES)):
                size += len(part)
            yield offset, line.rstrip(b"\r\n"), size
            offset += size


def _opened(path: Path) -> io.BufferedReader:
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.GzipFile(path, "rb"))
    if path.suffix == ".zst":
        import zstandard

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True))
    return path.open("rb")
