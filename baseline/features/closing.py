"""When a window is closed: the clocks of the reporters of one cluster.

Pure. A reporter (a node's agent) has a clock: the newest event time of its flows and heartbeats. Windows close up to
the slowest clock of the *live* reporters, less a grace. A reporter is silent when its clock has not moved for
``silence_after_s`` (and three of its export intervals) of processing time, or lags the newest clock by as much; the
second rule needs no wall clock, so recordings replay at any speed.
"""

from __future__ import annotations

from baseline.domain.units import MINUTE_S

INTERVALS_MISSED = 3  # export intervals a reporter may miss before it counts as silent
INTERVAL_MAX_S = 300  # longer intervals do not lengthen anybody's patience further


class HostClock:
    """One reporter's clock and recent signs of life; times in epoch seconds."""

    __slots__ = ("advanced_at", "clock", "interval_s", "life")

    def __init__(self, *, clock: float, advanced_at: float) -> None:
        self.clock = clock  # event time
        self.advanced_at = advanced_at  # processing time the clock last moved
        self.interval_s = 0  # longest export interval seen, at most INTERVAL_MAX_S
        self.life: set[int] = set()  # minutes since the epoch with a flow or heartbeat

    def patience_s(self, least_s: float) -> float:
        """How long no sign of life is still no silence."""
        return max(least_s, float(INTERVALS_MISSED * self.interval_s))


class Clocks:
    """The reporters of one cluster, as one partition sees them."""

    def __init__(self) -> None:
        self.hosts: dict[str, HostClock] = {}

    def saw(self, host: str, *, until: float, interval_s: int, received_at: float) -> None:
        """A sign of life that covers event time up to ``until`` (exclusive)."""
        clock = self.hosts.get(host)
        if clock is None:
            clock = self.hosts[host] = HostClock(clock=until, advanced_at=received_at)
        elif until > clock.clock:
            clock.clock = until
            clock.advanced_at = max(clock.advanced_at, received_at)
        if interval_s > clock.interval_s:
            clock.interval_s = min(interval_s, INTERVAL_MAX_S)
        # A flow of a long interval proves life in all of it; short ones touch one minute or two.
        last = int(until - 1) // MINUTE_S
        clock.life.add(last)
        if interval_s > MINUTE_S:
            clock.life.update(range(int(until - min(interval_s, INTERVAL_MAX_S)) // MINUTE_S, last))

    @property
    def newest(self) -> float:
        """The newest clock; minus infinity without any reporter."""
        return max((clock.clock for clock in self.hosts.values()), default=float("-inf"))

    def frontier(self, *, now: float, grace_s: float, silence_after_s: float) -> float:
        """The event time up to which windows are closed.

        With no live reporter: the newest clock, because nothing more will come for what lies before it, and what
        lies after it cannot be told from a failure of everything.
        """
        newest = self.newest
        live = [
            clock.clock
            for clock in self.hosts.values()
            if max(now - clock.advanced_at, newest - clock.clock) <= clock.patience_s(silence_after_s)
        ]
        return min(live) - grace_s if live else newest

    def alive(self, end: int, *, within_s: float) -> set[str]:
        """Reporters whose silence proves something in a window ending at ``end``: seen shortly before, and past it."""
        minute = end // MINUTE_S
        alive = set()
        for host, clock in self.hosts.items():
            if clock.clock >= end:
                back = max(1, int(clock.patience_s(within_s)) // MINUTE_S)
                if not clock.life.isdisjoint(range(minute - back, minute)):
                    alive.add(host)
        return alive

    def forget_before(self, time_s: float, *, retire_after_s: float) -> None:
        """Drop signs of life nobody will ask for any more, and reporters gone for good."""
        minute = int(time_s) // MINUTE_S
        for host in [name for name, clock in self.hosts.items() if clock.clock < time_s - retire_after_s]:
            del self.hosts[host]
        for clock in self.hosts.values():
            if clock.life and min(clock.life) < minute:
                clock.life = {one for one in clock.life if one >= minute}
