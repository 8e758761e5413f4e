"""Tailing: rotation by rename and by truncation, half lines, several files, positions that survive a kill."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from baseline.adapters.flowfile import FlowFile
from baseline.domain.errors import Unavailable


@pytest.fixture(name="log")
def _log(tmp_path: Path) -> Path:
    """The log that is followed; nothing is in it yet."""
    return tmp_path / "flows.log"


@pytest.fixture(name="tail")
def _tail(log: Path) -> FlowFile:
    """A follower of the log."""
    return follow(log)


def follow(*logs: Path | str) -> FlowFile:
    """A new process that follows these; positions lie beside the first."""
    return FlowFile([str(log) for log in logs], Path(logs[0]).parent / "positions.json")


def row(number: int) -> bytes:
    """A line as long as real ones are, telling from its first bytes on."""
    return b'{"start_time":%d,"end_time":%d,"pad":"%s"}' % (number, number + 15, b"x" * 300)


def write(log: Path, *numbers: int, end: bytes = b"\n") -> None:
    """Append lines."""
    with log.open("ab") as out:
        out.write(b"".join(row(number) + end for number in numbers))


def read(tail: FlowFile, max_lines: int = 1000) -> list[int]:
    """Numbers of the lines there are; every value is whole."""
    lines = tail.read(max_lines)
    numbers = [int(line.value[14:].split(b",")[0]) for line in lines]
    assert [line.value for line in lines] == [row(number) for number in numbers]
    return numbers


def rotate(log: Path) -> None:
    """As Felix does: flows.log.1 becomes flows.log.2, flows.log becomes flows.log.1."""
    for number in range(8, 0, -1):
        older = log.with_name(f"flows.log.{number}")
        if older.exists():
            older.rename(log.with_name(f"flows.log.{number + 1}"))
    log.rename(log.with_name("flows.log.1"))


def age(log: Path, seconds_ago: int) -> None:
    """Set the time of the last write: a test writes faster than a file system's clock ticks."""
    status = log.stat()
    os.utime(log, (status.st_atime, 1_700_000_000 - seconds_ago))


def test_lines_come_as_they_are_written(log: Path, tail: FlowFile) -> None:
    """Positions are byte offsets; a missing file is waited for."""
    assert read(tail) == []
    write(log, 1, 2)
    lines = tail.read(10)
    assert [line.offset for line in lines] == [0, len(row(1)) + 1]
    write(log, 3)
    assert read(tail) == [3]
    assert read(tail) == []


def test_half_line_waits_for_its_end(log: Path, tail: FlowFile) -> None:
    """However it is cut."""
    write(log, 1)
    with log.open("ab") as out:
        out.write(row(2)[:100])
    assert read(tail) == [1]
    with log.open("ab") as out:
        out.write(row(2)[100:])
    assert read(tail) == []
    with log.open("ab") as out:
        out.write(b"\n")
    assert read(tail) == [2]


def test_line_ends_of_windows_are_no_part_of_the_line(log: Path, tail: FlowFile) -> None:
    """CRLF."""
    write(log, 1, 2, end=b"\r\n")
    assert read(tail) == [1, 2]


def test_batch_is_bounded(log: Path, tail: FlowFile) -> None:
    """What was not asked for stays."""
    write(log, *range(5))
    assert [read(tail, 2), read(tail, 2), read(tail, 2)] == [[0, 1], [2, 3], [4]]


def test_rotation_by_rename_loses_no_line(log: Path, tail: FlowFile) -> None:
    """Lines written between the last look and the rename come before those of the new file."""
    write(log, 1)
    assert read(tail) == [1]
    write(log, 2, 3)
    rotate(log)
    write(log, 4)
    assert read(tail) == [2, 3, 4]
    assert read(tail) == []


def test_no_line_is_lost_between_rename_and_creation(log: Path, tail: FlowFile) -> None:
    """For a moment no file has the name."""
    write(log, 1, 2)
    assert read(tail, 1) == [1]
    rotate(log)
    assert read(tail) == [2]
    write(log, 3)
    assert read(tail) == [3]


def test_two_rotations_while_nobody_looked(log: Path, tail: FlowFile) -> None:
    """The rest of the oldest, the whole of the middle one, and the new one, in that order."""
    write(log, 1, 2)
    assert read(tail, 1) == [1]
    tail.save()
    age(log, 20)
    rotate(log)
    write(log, 3)
    age(log, 10)
    rotate(log)
    write(log, 4)
    assert read(follow(log)) == [2, 3, 4]


def test_truncation_begins_anew(log: Path, tail: FlowFile) -> None:
    """A file that became shorter."""
    write(log, 1, 2, 3)
    assert read(tail) == [1, 2, 3]
    os.truncate(log, 0)
    write(log, 4)
    assert read(tail) == [4]


def test_truncated_file_that_has_grown_past_the_position_is_noticed(log: Path, tail: FlowFile) -> None:
    """Its first bytes are others."""
    write(log, 1)
    assert read(tail) == [1]
    os.truncate(log, 0)
    write(log, 4, 5, 6)
    assert read(tail) == [4, 5, 6]


def test_copy_and_truncate_loses_no_line(log: Path, tail: FlowFile) -> None:
    """What was written before the copy is read from the copy."""
    write(log, 1)
    assert read(tail) == [1]
    write(log, 2)
    shutil.copy(log, log.with_name("flows.log.1"))
    os.truncate(log, 0)
    write(log, 3)
    assert read(tail) == [2, 3]


def test_file_that_vanishes_is_waited_for(log: Path, tail: FlowFile) -> None:
    """And read from its beginning when it is back."""
    write(log, 1)
    assert read(tail) == [1]
    log.unlink()
    assert read(tail) == []
    write(log, 2)
    assert read(tail) == [2]


def test_several_files_and_globs_are_followed(tmp_path: Path) -> None:
    """Each with its own position."""
    tail = follow(tmp_path / "*.log", tmp_path / "other" / "flows.json")
    write(tmp_path / "a.log", 1)
    write(tmp_path / "b.log", 2)
    (tmp_path / "other").mkdir()
    write(tmp_path / "other" / "flows.json", 3)
    assert sorted(read(tail)) == [1, 2, 3]
    write(tmp_path / "b.log", 4)
    assert read(tail) == [4]


def test_endless_line_is_cut_and_its_neighbours_are_read(log: Path, tail: FlowFile) -> None:
    """The first 64 KiB, the offset, the whole size."""
    write(log, 1)
    with log.open("ab") as out:
        out.write(b"y" * 3_000_000 + b"\n")
    write(log, 2)
    before, endless, after = tail.read(10)
    assert (before.value, after.value) == (row(1), row(2))
    assert (endless.value, endless.offset) == (b"y" * 65_536, len(row(1)) + 1)
    assert endless.size == 3_000_001


def test_saved_position_is_where_a_new_process_continues(log: Path, tail: FlowFile) -> None:
    """What was read and not saved is read again: nothing is lost by a kill."""
    write(log, 1, 2, 3)
    assert read(tail, 2) == [1, 2]
    tail.save()
    assert read(tail) == [3]
    assert read(follow(log)) == [3]


def test_kill_while_saving_leaves_a_whole_position(log: Path, tail: FlowFile) -> None:
    """Only the file beside is half written then."""
    write(log, 1, 2)
    assert read(tail, 1) == [1]
    tail.save()
    (log.parent / "positions.json.new").write_bytes(b'[{"path": "')
    after = follow(log)
    assert read(after) == [2]
    after.save()
    assert read(follow(log)) == []


def test_rotation_is_survived_by_the_saved_position(log: Path, tail: FlowFile) -> None:
    """A new process finds its file under the new name."""
    write(log, 1, 2)
    assert read(tail, 1) == [1]
    tail.save()
    rotate(log)
    write(log, 3)
    assert read(follow(log)) == [2, 3]


def test_damaged_position_file_is_refused(log: Path, tail: FlowFile) -> None:
    """Beginning anew by mistake would ship everything twice."""
    (log.parent / "positions.json").write_bytes(b"{")
    with pytest.raises(Unavailable, match=r"positions\.json"):
        follow(log)


def test_position_that_cannot_be_saved_is_told(log: Path) -> None:
    """The agent then waits and tries again."""
    tail = FlowFile([str(log)], log.parent / "no" / "positions.json")
    with pytest.raises(Unavailable):
        tail.save()
