"""What control and the janitor say about themselves on ``/readyz``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from baseline.domain.units import rfc3339

NOT_REACHED = "not reached yet"


class Status:
    """Last successes and standing problems by part (books, cluster); written by a loop, read by the ops server."""

    def __init__(self, *parts: str) -> None:
        self._lock = threading.Lock()
        self._parts = parts
        self._succeeded: dict[str, float] = {}
        self._problems: dict[str, str] = dict.fromkeys(parts, NOT_REACHED)
        self._facts: dict[str, Any] = {}

    def ok(self, part: str, *, now: float) -> None:
        """The part answered."""
        with self._lock:
            self._succeeded[part] = now
            self._problems.pop(part, None)

    def problem(self, part: str, error: Exception) -> bool:
        """The part failed; True when this is news (another class of error, or the first)."""
        text = f"{type(error).__name__}: {error}"
        with self._lock:
            known = self._problems.get(part, "")
            self._problems[part] = text
        return known.partition(":")[0] != type(error).__name__

    def stands_by(self) -> None:
        """Another one does the work: this one is ready by waiting. ``leads`` makes it reach its parts itself."""
        with self._lock:
            self._problems.clear()

    def leads(self) -> None:
        """The work begins here: every part still has to answer."""
        with self._lock:
            self._problems = {part: self._problems.get(part, NOT_REACHED) for part in self._parts}

    def tell(self, **facts: Any) -> None:  # noqa: ANN401 - plain JSON for people
        """Facts beside: is leader, enforcement, counts."""
        with self._lock:
            self._facts |= facts

    def ready(self) -> tuple[bool, Mapping[str, Any]]:
        """Ready while nothing stands; the problems in words."""
        with self._lock:
            seen = {part: rfc3339(at) for part, at in sorted(self._succeeded.items())}
            return not self._problems, {"problems": dict(self._problems), "last_success": seen, **self._facts}
