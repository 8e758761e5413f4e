"""Feeding recordings: order, pace, heartbeats, what a player may change."""

from __future__ import annotations

import gzip
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zstandard

from baseline.adapters.memory.log import MemoryDeadLetters, MemoryFlowSink, MemoryLog
from baseline.agent.feed import NO_HOOKS, FeedHooks, FeedOptions, FeedProgress, feed
from baseline.domain.flow import Action, Flow, Heartbeat
from baseline.formats import decode
from tests.unit.agent.fakes import NOW, FakeClock, FakeMetrics
from tests.unit.formats.records import START, enterprise, line

TOPIC = "calico.flows"


class Feeding:
    """One feeding over the in-memory log."""

    def __init__(self) -> None:
        self.log = MemoryLog({TOPIC: 1})
        self.letters = MemoryDeadLetters()
        self.clock = FakeClock()

    def run(self, *paths: Path, hooks: FeedHooks = NO_HOOKS, **options: Any) -> FeedProgress:
        """Feed these files to cluster prod."""
        return feed(
            paths,
            MemoryFlowSink(self.log),
            self.letters,
            options=FeedOptions(topic=TOPIC, cluster="prod", **options),
            clock=self.clock,
            metrics=FakeMetrics(),
            hooks=hooks,
        )

    def records(self) -> list[Flow | Heartbeat]:
        """What lies in the log, in order."""
        return [decode(record.value, cluster="?") for record in self.log.records(TOPIC)]

    def ends(self) -> list[int]:
        """Ends of the flows, in order."""
        return [record.end for record in self.records() if isinstance(record, Flow)]


def at(second: int, **changes: Any) -> bytes:
    """A record that ends so long after START."""
    return line(enterprise(start_time=START + second - 15, end_time=START + second, **changes)) + b"\n"


def written(path: Path, *lines: bytes) -> Path:
    """A recording, packed as its name says."""
    packed = b"".join(lines)
    if path.suffix == ".gz":
        packed = gzip.compress(packed)
    elif path.suffix == ".zst":
        packed = zstandard.ZstdCompressor().compress(packed)
    path.write_bytes(packed)
    return path


@pytest.mark.parametrize("name", ["flows.jsonl", "flows.jsonl.gz", "flows.jsonl.zst"])
def test_recordings_are_read_packed_or_not(tmp_path: Path, name: str) -> None:
    """By the name of the file."""
    feeding = Feeding()
    progress = feeding.run(written(tmp_path / name, at(15), at(30)))
    assert feeding.ends() == [START + 15, START + 30]
    assert (progress.sent, progress.is_done, progress.event_time) == (2, True, START + 29)


def test_files_are_merged_by_event_time(tmp_path: Path) -> None:
    """As the nodes would have written them."""
    feeding = Feeding()
    first = written(tmp_path / "a.jsonl", at(15, host="a"), at(60, host="a"))
    feeding.run(first, written(tmp_path / "b.jsonl", at(30, host="b"), at(45, host="b")))
    assert feeding.ends() == [START + 15, START + 30, START + 45, START + 60]


def test_heartbeats_of_every_host_pass_with_event_time_and_go_on_at_the_end(tmp_path: Path) -> None:
    """Both hosts from the start, every 15 s; none claims a record that has not been sent."""
    feeding = Feeding()
    path = written(tmp_path / "f.jsonl", at(15, host="a"), at(60, host="b"))
    progress = feeding.run(path, tail_s=60)
    seen = 0.0
    for record in feeding.records():
        if isinstance(record, Heartbeat):
            seen = record.event_time
        else:
            assert record.event_time > seen
    beats = [record for record in feeding.records() if isinstance(record, Heartbeat)]
    assert {beat.host for beat in beats} == {"a", "b"}
    times = sorted({beat.event_time for beat in beats})
    assert (times[0] % 15, times[-1] > START + 60 + 40, len(beats)) == (0, True, progress.heartbeats)
    assert {later - earlier for earlier, later in pairwise(times)} == {15}


def test_speed_is_event_time_over_clock_time(tmp_path: Path) -> None:
    """An hour at speed 60 takes a minute; as fast as possible takes none."""
    path = written(tmp_path / "f.jsonl", at(15), at(15 + 3600))
    paced, fast = Feeding(), Feeding()
    paced.run(path, speed=60.0, tail_s=0)
    fast.run(path, tail_s=0)
    assert paced.clock.now() - NOW == pytest.approx(60.0, abs=0.1)
    assert fast.clock.now() == NOW


def test_feeding_stops_when_asked(tmp_path: Path) -> None:
    """What was fed is acknowledged; the progress says that it is not the end."""
    feeding = Feeding()
    feeding.clock = FakeClock(waits_max=1)
    progress = feeding.run(written(tmp_path / "f.jsonl", at(15), at(3600)), speed=1.0)
    assert (progress.is_done, progress.sent, feeding.ends()) == (False, 1, [START + 15])


def test_player_may_drop_and_change_flows_when_their_time_has_come(tmp_path: Path) -> None:
    """A dropped flow is counted, a changed one is sent as it is now; time is told before."""
    feeding, times = Feeding(), list[float]()

    def policy(flow: Flow) -> Flow | None:
        assert times[-1] == flow.event_time
        if flow.dest_port == 22:
            return None
        return replace(flow, action=Action.DENY) if flow.dest_port == 80 else flow

    path = written(tmp_path / "f.jsonl", at(15), at(30, dest_port=22), at(45, dest_port=80))
    progress = feeding.run(path, hooks=FeedHooks(transform=policy, on_time=times.append))
    assert (progress.sent, progress.dropped, progress.changed) == (2, 1, 1)
    flows = [record for record in feeding.records() if isinstance(record, Flow)]
    assert [(flow.end - START, flow.action) for flow in flows] == [(15, Action.ALLOW), (45, Action.DENY)]


def test_bad_lines_of_a_recording_are_dead_letters_with_their_place(tmp_path: Path) -> None:
    """Name and offset in the unpacked file; endless lines too; neighbours are fed."""
    feeding = Feeding()
    good = at(15)
    path = written(tmp_path / "f.jsonl.gz", good, b"{\n", b"x" * 2_000_000 + b"\n", at(30), b"\n")
    progress = feeding.run(path)
    assert (progress.sent, progress.dead) == (2, 2)
    assert [(letter.reason, letter.position, len(letter.value)) for letter in feeding.letters.letters] == [
        ("not_json", f"f.jsonl.gz:{len(good)}", 1),
        ("too_large", f"f.jsonl.gz:{len(good) + 2}", 65_536),
    ]


def test_progress_is_told_as_it_is_acknowledged(tmp_path: Path) -> None:
    """The last word equals the answer."""
    told: list[FeedProgress] = []
    progress = Feeding().run(written(tmp_path / "f.jsonl", at(15)), hooks=FeedHooks(on_progress=told.append))
    assert told[-1] == progress
