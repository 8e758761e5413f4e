"""The two clocks: one that stops, one that is played."""

from __future__ import annotations

import threading

from baseline.adapters.clock import PlayedClock, SystemClock
from tests.conftest import eventually


def test_a_stopped_clock_ends_every_wait() -> None:
    """A process that is asked to stop does not sleep on."""
    clock = SystemClock()
    clock.stop()
    assert clock.wait(3600)


def test_the_clock_knows_when_the_main_thread_came_by() -> None:
    """A wait of another thread hides no stuck loop."""
    clock = SystemClock()
    other = threading.Thread(target=clock.wait, args=(0,))
    clock.wait(0)
    before = clock.since_last_wait_s()
    other.start()
    other.join()
    assert clock.since_last_wait_s() >= before


def test_a_played_clock_never_goes_back() -> None:
    """The recording's time moves one way."""
    clock = PlayedClock(100.0)
    clock.advance_to(200.0)
    clock.advance_to(150.0)
    assert clock.now() == 200.0


def test_a_wait_on_a_played_clock_ends_when_the_recording_is_there() -> None:
    """Timers run on the recording's time."""
    clock = PlayedClock(0.0)
    ended: list[bool] = []
    waiter = threading.Thread(target=lambda: ended.append(clock.wait(10.0)))
    waiter.start()
    clock.advance_to(9.0)
    assert not ended

    def played_on() -> bool:
        clock.advance_to(clock.now() + 10.0)
        return bool(ended)

    eventually(played_on, timeout_s=5.0)
    waiter.join()
    assert ended == [False]
