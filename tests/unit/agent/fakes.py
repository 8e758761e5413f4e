"""What the agent needs around it, in the smallest form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from baseline.domain.errors import Unavailable
from baseline.ports import Line

NOW = 1_699_376_000.0


class FakeClock:
    """A clock that moves when somebody waits, and stops after so many waits."""

    def __init__(self, *, waits_max: int = 1_000_000, on_wait: Callable[[], None] = lambda: None) -> None:
        self.time = NOW
        self.waited: list[float] = []
        self._waits_max = waits_max
        self._on_wait = on_wait

    def now(self) -> float:
        """Where it stands."""
        return self.time

    def wait(self, seconds: float) -> bool:
        """Move on at once."""
        self.waited.append(seconds)
        self.time += seconds
        self._on_wait()
        return len(self.waited) > self._waits_max


class FakeMetrics:
    """Counters in a Counter."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count under the name and its labels."""
        self.counts["/".join((name, *labels.values()))] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Nothing."""

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Nothing."""


class FakeLines:
    """A LineSource over a list; ``saved`` is how many lines are done with."""

    def __init__(self, values: Sequence[bytes]) -> None:
        self.values = list(values)
        self.place = 0
        self.saved = 0
        self.fails = 0

    def read(self, max_lines: int) -> Sequence[Line]:
        """The next ones."""
        taken = self.values[self.place : self.place + max_lines]
        lines = [Line("flows.log", self.place + at, value, len(value)) for at, value in enumerate(taken)]
        self.place += len(taken)
        return lines

    def save(self) -> None:
        """Remember, unless told to fail."""
        if self.fails:
            self.fails -= 1
            raise Unavailable("disk full")
        self.saved = self.place

    def close(self) -> None:
        """Nothing."""
