"""Processing time: the machine's clock, and the one a recording is played by."""

from __future__ import annotations

import threading
import time


class SystemClock:
    """The machine's clock. ``stop`` ends every wait at once.

    Every loop waits once a round, so the clock knows when the main thread last came by: what ``/livez`` asks.
    """

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._came_by = time.monotonic()

    def now(self) -> float:
        """Epoch seconds, UTC."""
        return time.time()

    def wait(self, seconds: float) -> bool:
        """Wait; True when the process was asked to stop."""
        self._note()
        is_stopped = self._stopped.wait(max(0.0, seconds))
        self._note()
        return is_stopped

    def since_last_wait_s(self) -> float:
        """Seconds since the main thread last began or ended a wait."""
        return time.monotonic() - self._came_by

    def _note(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._came_by = time.monotonic()

    def stop(self) -> None:
        """Ask the process to stop; safe in a signal handler."""
        self._stopped.set()


class PlayedClock:
    """A clock that somebody else moves: the demo's player sets it to where the recording is.

    Timers (times to live, holds, polls) then run on the recording's time, however fast or slow it is played.
    """

    def __init__(self, start: float) -> None:
        self._now = start
        self._is_stopped = False
        self._moved = threading.Condition()

    def now(self) -> float:
        """Where the recording is, epoch seconds."""
        with self._moved:
            return self._now

    def advance_to(self, time_s: float) -> None:
        """Move on; a clock never goes back."""
        with self._moved:
            self._now = max(self._now, time_s)
            self._moved.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until the recording is that much further; True when asked to stop."""
        with self._moved:
            target = self._now + max(0.0, seconds)
            self._moved.wait_for(lambda: self._is_stopped or self._now >= target)
            return self._is_stopped

    def stop(self) -> None:
        """End every wait at once."""
        with self._moved:
            self._is_stopped = True
            self._moved.notify_all()
