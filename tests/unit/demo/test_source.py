"""The recording is cut in two without losing a line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from baseline.demo import source
from baseline.domain.errors import GateRefused
from tests.unit.formats.records import enterprise, line

T0 = 1_699_375_140  # a whole minute
ODD = b'{"start_time": "never"}'


def lines(minutes: int) -> list[bytes]:
    """One record a minute, from two hosts by turns."""
    return [
        line(enterprise(start_time=T0 + 60 * minute, end_time=T0 + 60 * minute + 60, host=f"node-{minute % 2}"))
        for minute in range(minutes)
    ]


def write(path: Path, content: list[bytes]) -> Path:
    """As a log; packed where the name says so."""
    data = b"\n".join(content) + b"\n"
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["flows.jsonl", "flows.jsonl.gz"])
def test_a_recording_is_read_with_its_span_and_hosts(tmp_path: Path, name: str) -> None:
    """Odd lines are lines, blank ones are not; the cut is a whole minute."""
    content = lines(20)
    read = source.read(write(tmp_path / name, [ODD, *content[:7], b"", ODD, *content[7:]]), learned=0.52)
    assert (read.start, read.end, read.lines) == (T0, T0 + 1200, 22)
    assert read.cut == (T0 + 624) // 60 * 60
    assert read.hosts == ("node-0", "node-1")


@pytest.mark.parametrize("content", [[], [ODD], lines(9), [b"\x00\xff", *lines(3)]])
def test_too_little_is_refused(tmp_path: Path, content: list[bytes]) -> None:
    """Nothing can be learned from it, and that is said before anything starts."""
    with pytest.raises(GateRefused, match="less than ten minutes"):
        source.read(write(tmp_path / "short.jsonl", content), learned=0.5)


def test_the_two_parts_are_the_whole(tmp_path: Path) -> None:
    """Every line once and in order, the odd ones with what stands before them."""
    content = lines(20)
    whole = [ODD, *content[:5], b"broken", *content[5:15], ODD, *content[15:]]
    read = source.read(write(tmp_path / "flows.jsonl.gz", whole), learned=0.5)
    first, rest = (path.read_bytes().splitlines() for path in source.split(read, tmp_path))
    assert first + rest == whole
    assert first == [ODD, *content[:5], b"broken", *content[5:10]]
    assert rest[:5] == content[10:15]


def test_a_record_that_comes_late_goes_where_its_time_belongs(tmp_path: Path) -> None:
    """Nothing that is learned ends after the cut."""
    content = lines(20)
    read = source.read(write(tmp_path / "flows.jsonl", [*content[:2], content[19], *content[2:19]]), learned=0.5)
    first, rest = (path.read_bytes().splitlines() for path in source.split(read, tmp_path))
    assert first == content[:10]
    assert rest == [content[19], *content[10:19]]
