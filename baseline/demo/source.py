"""The recording: its span, its hosts, and the two parts it is cut into."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from baseline import formats
from baseline.domain.errors import GateRefused, MalformedRecord
from baseline.domain.flow import Flow

WINDOW_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One recording. ``cut`` is where learning ends, a whole minute."""

    path: Path
    start: float
    cut: float
    end: float
    hosts: tuple[str, ...]
    lines: int


def read(path: Path, *, learned: float) -> Source:
    """Read it once; GateRefused when there is too little to learn and play."""
    starts: list[int] = []
    ends: list[int] = []
    hosts: set[str] = set()
    lines = 0
    for _, flow in _flows(path):
        lines += 1
        if flow is not None:
            starts.append(flow.start)
            ends.append(flow.end)
            hosts.add(flow.host)
    if not ends or max(ends) - min(starts) < 10 * WINDOW_S:
        raise GateRefused(f"{path} holds less than ten minutes of flows: nothing can be learned from it")
    start, end = min(starts), max(ends)
    cut = (start + learned * (end - start)) // WINDOW_S * WINDOW_S
    named = tuple(sorted(host for host in hosts if host))
    return Source(path=path, start=float(start), cut=cut, end=float(end), hosts=named, lines=lines)


def split(source: Source, folder: Path) -> tuple[Path, Path]:
    """Write what ends by the cut and what ends after it as two files; unreadable lines go with what stands before."""
    first, rest = folder / "learned.jsonl", folder / "played.jsonl"
    with first.open("wb") as learned, rest.open("wb") as played:
        target: IO[bytes] = learned
        for line, flow in _flows(source.path):
            if flow is not None:
                target = learned if flow.end <= source.cut else played
            target.write(line.rstrip(b"\r\n") + b"\n")
    return first, rest


def _flows(path: Path) -> Iterator[tuple[bytes, Flow | None]]:
    with path.open("rb") as probe:
        is_packed = probe.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if is_packed else path.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                noun = formats.decode(line, cluster="demo")
            except MalformedRecord:
                yield line, None  # the feed keeps it as a dead letter
                continue
            yield line, noun if isinstance(noun, Flow) else None
