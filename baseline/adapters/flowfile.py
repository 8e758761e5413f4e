"""Tailing flow-log files: several files and globs, rotation by rename or truncation, half lines, a durable position.

No file stays open between reads: on Windows an open file cannot be rotated. Instead a position remembers its file by
the fingerprint of its first bytes (and device and inode, while those are few), and finds it again under whatever name
rotation gave it. What was rotated while nobody looked is read first, oldest first.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec
import structlog

from baseline.domain.errors import Unavailable
from baseline.formats import LINE_MAX_BYTES
from baseline.ports import Line

log = structlog.get_logger()

KEPT_BYTES = 64 * 1024  # of a longer line
FINGERPRINT_BYTES = 256  # holds the times of the first record, so two logs never agree in it
_CHUNK_BYTES = 1024 * 1024
_PACKED = (".gz", ".zst", ".bz2", ".xz", ".new")


class Place(msgspec.Struct, frozen=True):
    """Where we are in one file."""

    path: str  # the name it is followed by, not the one rotation gave it
    inode: str = ""  # "device:inode"; "" where the system has none
    fingerprint: str = ""  # of the first bytes
    covered: int = 0  # how many bytes the fingerprint covers
    offset: int = 0  # of the first byte of the next line


class FlowFile:
    """See ports.LineSource."""

    def __init__(self, patterns: Sequence[str], position_file: Path) -> None:
        """``patterns`` are paths or globs; missing files are waited for.

        Raises Unavailable when the position file is there but cannot be read: beginning anew by mistake would ship
        everything twice.
        """
        self._patterns = tuple(patterns)
        self._position_file = position_file
        self._places = _load(position_file)

    def read(self, max_lines: int) -> Sequence[Line]:
        """The next complete lines, file after file; the rest of a rotated file before its successor."""
        lines: list[Line] = []
        for path in self._paths():
            while len(lines) < max_lines:
                try:
                    found, is_last = self._read_from(path, max_lines - len(lines))
                except FileNotFoundError:
                    break  # vanished, or between rename and creation
                except OSError as error:
                    log.warning("flow_file_unreadable", path=path, error=str(error))
                    break
                lines.extend(found)
                if is_last:
                    break
        return lines

    def save(self) -> None:
        """Write the positions beside the old ones, then swap: a crash leaves one or the other, whole."""
        beside = self._position_file.with_name(self._position_file.name + ".new")
        try:
            with beside.open("wb") as out:
                out.write(msgspec.json.encode(list(self._places.values())))
                out.flush()
                os.fsync(out.fileno())
            beside.replace(self._position_file)
            _sync_folder(self._position_file.parent)
        except OSError as error:
            raise Unavailable(f"position not saved: {error}") from error

    def close(self) -> None:
        """Nothing is held open."""

    def _paths(self) -> list[str]:
        named = [path for pattern in self._patterns for path in sorted(glob.glob(pattern))]  # noqa: PTH207 - absolute
        return list(dict.fromkeys((*self._places, *named)))

    def _read_from(self, path: str, max_lines: int) -> tuple[list[Line], bool]:
        """Lines of the file we are in, and whether there is nothing after it for now."""
        place = self._places.get(path, Place(path))
        real = _find(place)
        with (real or Path(path)).open("rb") as file:
            if real is None:
                log.warning("flow_file_begun_anew", path=path, unread_from=place.offset)
                place, real = Place(path), Path(path)
            lines, offset = _lines(file, path, place.offset, max_lines)
            self._places[path] = _placed(file, path, offset)
        if lines or real == Path(path):
            return lines, not lines
        following = next(iter(_siblings(path, newer_than=real)), None)
        if following is None:
            self._places[path] = Place(path)
        else:
            with following.open("rb") as file:
                self._places[path] = _placed(file, path, 0)
        return [], False


def _find(place: Place) -> Path | None:
    """The file a position stands in, under the name it has now; None when it is gone or was cut."""
    own = Path(place.path)
    if not (place.covered or place.inode) or _holds(own, place):
        return own
    return next((found for found in _siblings(place.path) if _holds(found, place)), None)


def _holds(candidate: Path, place: Place) -> bool:
    try:
        with candidate.open("rb") as file:
            return _is_in(place, file)
    except OSError:
        return False  # vanished or unreadable: it is not the one


def _is_in(place: Place, file: BinaryIO) -> bool:
    status = os.fstat(file.fileno())
    if status.st_size < place.offset:
        return False
    is_telling = place.covered == FINGERPRINT_BYTES
    if not is_telling and place.inode and _inode(status) and place.inode != _inode(status):
        return False
    return _print_of(file, place.covered) == (place.fingerprint, place.covered)


def _siblings(path: str, *, newer_than: Path | None = None) -> list[Path]:
    """Rotated files of a log (flows.log.1, flows.log-20261123), oldest first."""
    own = Path(path)
    aged = []
    for found in own.parent.glob(glob.escape(own.name) + "[.-]*"):
        if found.suffix not in _PACKED:
            try:
                aged.append((found.stat().st_mtime_ns, found))
            except FileNotFoundError:
                continue  # rotated away between listing and looking
    ordered = [found for _, found in sorted(aged)]
    if newer_than is None:
        return ordered
    return ordered[ordered.index(newer_than) + 1 :] if newer_than in ordered else []


def _lines(file: BinaryIO, path: str, offset: int, max_lines: int) -> tuple[list[Line], int]:
    """Complete lines from ``offset`` on, and the offset after them; a half one at the end is left for later."""
    lines: list[Line] = []
    file.seek(offset)
    while len(lines) < max_lines:
        first = file.readline(LINE_MAX_BYTES + 2)
        size, part = len(first), first
        while part and not part.endswith(b"\n"):
            part = file.readline(_CHUNK_BYTES)
            size += len(part)
        if not part:
            break
        bare = first.rstrip(b"\r\n")
        is_whole = first.endswith(b"\n") and len(bare) <= LINE_MAX_BYTES
        lines.append(Line(path, offset, bare, len(bare)) if is_whole else Line(path, offset, bare[:KEPT_BYTES], size))
        offset += size
    return lines, offset


def _placed(file: BinaryIO, path: str, offset: int) -> Place:
    """A position in an open file. A file without a whole line yet is known by its inode alone."""
    fingerprint, covered = _print_of(file, min(FINGERPRINT_BYTES, offset))
    return Place(path, _inode(os.fstat(file.fileno())), fingerprint, covered, offset)


def _print_of(file: BinaryIO, count: int) -> tuple[str, int]:
    file.seek(0)
    head = file.read(count)
    return hashlib.sha256(head).hexdigest(), len(head)


def _inode(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}" if status.st_ino else ""


def _load(position_file: Path) -> dict[str, Place]:
    try:
        stored = msgspec.json.decode(position_file.read_bytes(), type=list[Place])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise Unavailable(f"position file {position_file} cannot be read: {error}") from error
    return {place.path: place for place in stored}


def _sync_folder(folder: Path) -> None:
    """Make the swap itself durable; Windows has no such call and needs none."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
