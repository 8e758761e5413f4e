"""What control and the janitor say about themselves on ``/readyz``."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from baseline.domain.units import rfc3339


class Status:
    """Last successes and standing problems by part (books, cluster); written by a loop, read by the ops server."""

    def __init__(self, *parts: str) -> None:
        self._lock = threading.Lock()
        self._succeeded: dict[str, float] = {}
        self._problems: dict[str, str] = dict.fromkeys(parts, "not reached yet")
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

    def tell(self, **facts: Any) -> None:  # noqa: ANN401 - plain JSON for people
        """Facts beside: is leader, enforcement, counts."""
        with self._lock:
            self._facts |= facts

    def ready(self) -> tuple[bool, Mapping[str, Any]]:
        """Ready while nothing stands; the problems in words."""
        with self._lock:
            seen = {part: rfc3339(at) for part, at in sorted(self._succeeded.items())}
            return not self._problems, {"problems": dict(self._problems), "last_success": seen, **self._facts}
