"""Waiting for something to become true, with a deadline: what tests use instead of sleeping."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Seen = TypeVar("Seen")

# Nobody sets this event: waiting on it is a pause that ends early only if the process dies.
_NEVER = threading.Event()


def eventually(
    predicate: Callable[[], Seen],
    timeout_s: float = 10.0,
    *,
    interval_s: float = 0.05,
    message: str | None = None,
    ignore: tuple[type[Exception], ...] = (AssertionError,),
) -> Seen:
    """Poll ``predicate`` until it returns something true and return that.

    An exception of a class in ``ignore`` counts as "not yet", so a predicate may hold plain asserts. A predicate
    that only asserts and returns None counts as true once it no longer raises.

    Raises
    ------
    AssertionError
        ``timeout_s`` seconds passed; the last value or error seen is in its text.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            seen = predicate()
        except ignore as error:
            last: object = error
        else:
            if seen or seen is None:
                return seen
            last = seen
        if time.monotonic() >= deadline:
            told = message or getattr(predicate, "__doc__", None) or getattr(predicate, "__qualname__", "predicate")
            raise AssertionError(f"not within {timeout_s:g} s: {told}; last seen: {last!r}")
        _NEVER.wait(interval_s)
