"""When to try again: exponential, jittered, and never before the other side said."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Attempts:
    """Failures in a row by key, and when each may be tried again. Lives as long as the process."""

    seed: int
    first_s: float = 0.5
    most_s: float = 60.0
    _failed: dict[str, tuple[int, float]] = field(default_factory=dict)

    def may(self, key: str, *, now: float) -> bool:
        """Whether it is time."""
        return now >= self._failed.get(key, (0, 0.0))[1]

    def due(self, key: str) -> float:
        """When it is time, epoch seconds; 0 when nothing failed."""
        return self._failed.get(key, (0, 0.0))[1]

    def tries(self, key: str) -> int:
        """Failures in a row."""
        return self._failed.get(key, (0, 0.0))[0]

    def failed(self, key: str, *, now: float, retry_after_s: float | None = None) -> float:
        """Note a failure; returns when to try again.

        The pause doubles from ``first_s`` to ``most_s`` and is stretched by up to a half, so that many objects (or
        many processes) do not come back at the same moment. ``retry_after_s`` is honoured up to ten minutes.
        """
        tries = self.tries(key) + 1
        pause_s = min(self.most_s, self.first_s * 2.0 ** min(tries - 1, 30))
        pause_s *= 1 + random.Random(f"{self.seed}|{key}|{tries}").random() / 2  # noqa: S311 - spreads retries, guards nothing
        due = now + max(pause_s, min(retry_after_s or 0.0, 600.0))
        self._failed[key] = (tries, due)
        return due

    def succeeded(self, key: str) -> None:
        """Forget its failures."""
        self._failed.pop(key, None)
