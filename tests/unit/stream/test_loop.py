"""The loop on memory parts: order, restarts, failures of each neighbour."""

from __future__ import annotations

from typing import Any

import pytest

from baseline.domain.errors import Unavailable
from baseline.ports import Partition
from baseline.stream.status import StreamOptions
from baseline.stream.trace import Stage
from tests.unit.stream.stage import T0, TOPIC, NoTrace, Parts, edges_of, line

P0 = Partition(TOPIC, 0)
OFTEN = StreamOptions(poll_s=0.0, checkpoint_interval_s=0.0, history_interval_s=0.0, channels=("hook",))


def minutes(first: int, last: int, **changed: Any) -> list[bytes]:
    """A line every 15 s from minute ``first`` to minute ``last`` after T0."""
    return [line(T0 + at, **changed) for at in range(first * 60 + 15, last * 60 + 1, 15)]


class Stages:
    """Remembers the stages passed."""

    def __init__(self) -> None:
        self.passed_stages: list[Stage] = []

    def passed(self, stage: Stage, *, seconds: float) -> None:
        """Note."""
        assert seconds >= 0
        self.passed_stages.append(stage)


def test_stages_pass_in_the_order_that_loses_nothing() -> None:
    """Books before history, history before checkpoint, checkpoint before the group's position."""
    parts, stages = Parts(), Stages()
    parts.send(minutes(0, 7))
    loop = parts.loop(trace=stages, options=OFTEN)
    for _ in range(2):
        loop.run_once()
    assert stages.passed_stages[-6:] == list(Stage)


def test_flows_become_windows_and_edges_in_history() -> None:
    """Twenty-eight records of seven minutes: six closed minutes, one five-minute window, its edge."""
    parts = Parts()
    parts.send(minutes(0, 7))
    loop = parts.loop(options=OFTEN)
    for _ in range(2):
        loop.run_once()
    web = parts.history.workloads(since=0, until=1e11)
    assert [str(one) for one in web] == ["shop/web"]
    minute = parts.history.windows(web[0], horizon_s=60, since=0, until=1e11)
    assert minute.starts.tolist() == [T0 + 60 * at for at in range(6)]
    assert parts.history.windows(web[0], horizon_s=300, since=0, until=1e11).starts.tolist() == [T0]
    rows = edges_of(parts.history)
    assert [(row.hour, row.counts.started, row.local_labels) for row in rows] == [(T0, 20, (("app", "web"),))]
    assert rows[0].peer_labels == (("app", "api"),)
    with parts.library.transaction() as books:
        assert [str(one.workload) for one in books.workloads.find().items] == ["shop/web"]


def test_a_restart_goes_on_at_the_checkpoint_not_at_the_groups_position() -> None:
    """What came after the last checkpoint is read again; the group's position may say what it likes."""
    parts = Parts()
    parts.send(minutes(0, 2))
    first = parts.loop(options=OFTEN)
    for _ in range(2):
        first.run_once()
    parts.send(minutes(2, 8))
    lost = parts.loop(options=StreamOptions(poll_s=0.0, checkpoint_interval_s=1e9))
    first.close()
    for _ in range(2):
        lost.run_once()
    # It dies without a word: its member stays in the group object only until we take it out here.
    parts.log.groups[TOPIC, "g"].members.clear()
    parts.log.groups[TOPIC, "g"].committed[P0] = 10_000
    again = parts.loop(options=OFTEN)
    for _ in range(3):
        again.run_once()
    assert [row.counts.started for row in edges_of(parts.history)] == [20]
    assert again.status().lag_records == 0


def test_hostile_records_become_dead_letters_and_good_neighbours_count() -> None:
    """Unreadable and future records are kept with reason and position; the rest is counted."""
    parts = Parts()
    bad = [b"{", b'{"start_time": 1}', line(T0 + 400_000_000)]
    parts.send([*bad, *minutes(0, 7)], at=lambda _: T0 + 425.0)
    loop = parts.loop(options=OFTEN)
    for _ in range(2):
        loop.run_once()
    assert [letter.position for letter in parts.dead_letters.letters] == [f"{TOPIC}/0/{at}" for at in range(3)]
    assert parts.dead_letters.letters[2].reason == "from_the_future"
    assert [row.counts.started for row in edges_of(parts.history)] == [20]


@pytest.mark.parametrize("broken", ["library", "history", "checkpoints", "dead_letters"])
def test_an_outage_of_a_store_is_waited_out(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop counts and waits with growing pauses, and afterwards everything is there, once."""
    parts = Parts()
    parts.send([b"{", *minutes(0, 7)], at=lambda _: T0 + 425.0)
    method = {"library": "transaction", "history": "write", "checkpoints": "save", "dead_letters": "put"}[broken]
    store = getattr(parts, broken)
    real = getattr(store, method)

    def down(*_: Any, **__: Any) -> Any:
        raise Unavailable("down")

    monkeypatch.setattr(store, method, down)
    loop = parts.loop(options=OFTEN)
    for _ in range(4):
        loop.run_once()
    assert loop.status().failures > 0
    assert not loop.status().is_ready
    assert parts.metrics.total("loop_errors_total", error="Unavailable") > 0
    pauses = [wait for wait in parts.clock.waits if wait > 0]
    assert pauses == sorted(pauses)
    monkeypatch.setattr(store, method, real)
    for _ in range(3):
        loop.run_once()
    assert loop.status().is_ready
    assert [row.counts.started for row in edges_of(parts.history)] == [20]
    assert len(parts.dead_letters.letters) == 1
    with parts.library.transaction() as books:
        assert len(books.workloads.find().items) == 1


def test_a_defect_in_a_step_begins_again_at_the_checkpoint() -> None:
    """An unexpected error never leaves half a state behind."""
    parts = Parts()
    parts.send(minutes(0, 7))
    calls = {"left": 2}
    good = parts.loop(options=OFTEN)._decode

    def flaky(records: Any) -> Any:
        if calls["left"]:
            calls["left"] -= 1
            raise ZeroDivisionError("a defect")
        return good(records)

    parts.log.groups[TOPIC, "g"].members.clear()
    loop = parts.loop(options=OFTEN, decode=flaky)
    for _ in range(6):
        loop.run_once()
    assert parts.metrics.total("loop_errors_total", error="ZeroDivisionError") == 2
    assert [row.counts.started for row in edges_of(parts.history)] == [20]


def test_a_revoked_partition_is_stored_and_its_next_owner_goes_on() -> None:
    """Two members share two partitions; nothing is lost or doubled by the hand-over in the middle of a window."""
    parts = Parts(partitions=2)
    parts.send(minutes(0, 4), partition=0)
    parts.send(minutes(0, 4, source="db"), partition=1)
    slow = StreamOptions(poll_s=0.0, checkpoint_interval_s=1e9)
    first = parts.loop(options=slow)
    for _ in range(2):
        first.run_once()
    second = parts.loop(options=slow)
    for _ in range(3):
        second.run_once()
        first.run_once()
    assert (first.status().partitions, second.status().partitions) == (1, 1)
    parts.send(minutes(4, 8), partition=0)
    parts.send(minutes(4, 8, source="db"), partition=1)
    for loop in (first, second):
        loop.run_once()
        loop.close()
    started = {str(row.workload): row.counts.started for row in edges_of(parts.history)}
    assert started == {"shop/web": 20, "shop/db": 20}


def test_a_zombie_gives_up_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """A member whose checkpoint is fenced forgets its state and writes no history over the new owner's."""
    parts = Parts()
    parts.send(minutes(0, 7))
    zombie = parts.loop(options=OFTEN)
    zombie.run_once()  # joins and loads
    newer = parts.loop(options=OFTEN)
    parts.log.groups[TOPIC, "g"].members.clear()
    for _ in range(2):
        newer.run_once()
    written = dict(parts.history._batches)
    monkeypatch.setattr(parts.sources[0], "_join", lambda: None)  # it has not heard of the new generation
    zombie.run_once()
    assert parts.metrics.total("checkpoints_total", result="fenced") == 1
    assert parts.history._batches == written


def test_a_damaged_checkpoint_is_read_anew_from_the_log() -> None:
    """Nothing is lost by it: the log is read from its beginning."""
    parts = Parts()
    parts.checkpoints.save(P0, b"not a checkpoint", generation=0)
    parts.send(minutes(0, 7))
    loop = parts.loop(options=OFTEN)
    for _ in range(2):
        loop.run_once()
    assert parts.metrics.total("checkpoints_total", result="rejected") == 1
    assert [row.counts.started for row in edges_of(parts.history)] == [20]


def test_run_ends_when_the_clock_says_stop_and_stores_everything() -> None:
    """A stopped loop leaves a checkpoint at its position."""
    parts = Parts()
    parts.send(minutes(0, 7))
    loop = parts.loop(options=StreamOptions(poll_s=0.0, checkpoint_interval_s=1e9))
    for _ in range(2):
        loop.run_once()
    parts.clock.is_stopped = True
    loop.run()
    assert [row.counts.started for row in edges_of(parts.history)] == [20]
    assert parts.log.groups[TOPIC, "g"].committed[P0] == 28


def test_a_shelf_that_is_away_or_wrong_keeps_the_stream_running() -> None:
    """Model sets that cannot be had are counted, and counting flows goes on."""
    parts = Parts()
    parts.shelf.is_up = False
    parts.send(minutes(0, 7))
    loop = parts.loop(options=OFTEN, trace=NoTrace())
    for _ in range(2):
        loop.run_once()
    assert parts.metrics.total("model_set_loads_total", result="unavailable") >= 1
    assert [row.counts.started for row in edges_of(parts.history)] == [20]


def test_rows_that_wait_for_history_survive_in_the_checkpoint() -> None:
    """History gets one file of several checkpoints; a death before it was written loses none of its rows."""
    parts = Parts()
    seldom = StreamOptions(poll_s=0.0, checkpoint_interval_s=0.0, history_interval_s=1e9)
    parts.send(minutes(0, 7))
    first = parts.loop(options=seldom)
    for _ in range(3):
        first.run_once()
    assert parts.metrics.total("checkpoints_total", result="ok") >= 1
    assert parts.history._batches == {}
    parts.log.groups[TOPIC, "g"].members.clear()  # it dies without a word
    second = parts.loop(options=seldom)
    for _ in range(2):
        second.run_once()
    second.close()
    assert len(parts.history._batches) == 1
    (web,) = parts.history.workloads(since=0, until=1e11)
    minute = parts.history.windows(web, horizon_s=60, since=0, until=1e11)
    assert minute.starts.tolist() == [T0 + 60 * at for at in range(6)]
    assert not minute.quiet.any()
    assert [(row.counts.started, len(row.policy_hits)) for row in edges_of(parts.history)] == [(20, 1)]


def test_lag_is_measured_while_records_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog shows in records and in seconds before it has been read, and is gone afterwards."""
    monkeypatch.setattr("baseline.adapters.memory.log.RECORDS_MAX", 10)
    parts = Parts()
    parts.send(minutes(0, 7))
    loop = parts.loop(options=OFTEN)
    for _ in range(2):
        loop.run_once()
    assert parts.metrics.gauges["consumer_lag_records"] == 28
    assert parts.metrics.gauges["consumer_lag_seconds"] == pytest.approx(430 - 152)
    for _ in range(4):
        loop.run_once()
    assert (loop.status().lag_records, loop.status().lag_s) == (0, 0.0)
