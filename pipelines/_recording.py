"""Recordings of flow logs as flows in order of time: JSON lines, plain or .gz, Enterprise or Goldmane, many files."""

from __future__ import annotations

import gzip
import heapq
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Flow
from baseline.formats import decode

ORDER_SLACK_S = 1800  # disorder of a file that is put right; what is later than this is late


class Recording:
    """Flows of some files; ``rejected`` counts lines that are none, by reason, while it is read."""

    def __init__(self, paths: Iterable[Path], *, cluster: str = "cluster") -> None:
        self.paths = tuple(paths)
        self.cluster = cluster
        self.rejected: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Flow]:
        self.rejected.clear()
        parts = [_ordered(self._flows(path)) for path in self.paths]
        return heapq.merge(*parts, key=lambda flow: flow.end)

    def _flows(self, path: Path) -> Iterator[Flow]:
        with _open(path) as lines:
            for line in _whole(lines, path):
                if not line.strip():
                    continue
                try:
                    found = decode(line.strip(), cluster=self.cluster, host="")
                except MalformedRecord as error:
                    self.rejected[error.reason] += 1
                    continue
                if isinstance(found, Flow):
                    yield found


def _whole(lines: Iterable[bytes], path: Path) -> Iterator[bytes]:
    """The lines; OSError for a packed file that was cut off or damaged."""
    try:
        yield from lines
    except (EOFError, zlib.error) as error:
        raise OSError(f"{path} is damaged: {error}") from error


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as probe:
        is_packed = probe.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if is_packed else path.open("rb")  # type: ignore[return-value]  # a GzipFile reads bytes


def _ordered(flows: Iterable[Flow]) -> Iterator[Flow]:
    """By end of interval, as far as the slack reaches; equal ends keep their order."""
    held: list[tuple[int, int, Flow]] = []
    newest = 0
    for number, flow in enumerate(flows):
        newest = max(newest, flow.end)
        heapq.heappush(held, (flow.end, number, flow))
        while held and held[0][0] < newest - ORDER_SLACK_S:
            yield heapq.heappop(held)[2]
    while held:
        yield heapq.heappop(held)[2]
