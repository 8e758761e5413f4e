"""Opaque page keys: where a keyset listing goes on. Shared by the SQL books and their in-memory twin.

A key is base64url of JSON ``[sort value, tie breaker]``. It holds nothing secret and grants nothing; it is opaque only
so that nobody builds on its shape.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from baseline.domain.errors import Invalid
from baseline.ports import Page

LONGEST = 1024  # characters; keys come back from clients
MAX_LIMIT = 1000

T = TypeVar("T")


def encode(position: float | str, tie: str) -> str:
    """The key of the row at this position."""
    text = json.dumps([position, tie], separators=(",", ":"), ensure_ascii=True)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_number(after: str) -> tuple[float, str]:
    """Read a key of a listing sorted by time; Invalid when it is not one of ours."""
    position, tie = _decode(after)
    if not isinstance(position, int | float) or isinstance(position, bool) or not math.isfinite(position):
        raise Invalid(f"not a page key: {after[:80]!r}")
    return float(position), tie


def decode_text(after: str) -> str:
    """Read a key of a listing sorted by text; Invalid when it is not one of ours."""
    position, _ = _decode(after)
    if not isinstance(position, str):
        raise Invalid(f"not a page key: {after[:80]!r}")
    return position


def bounded(limit: int) -> int:
    """How many rows a page may hold."""
    return max(1, min(limit, MAX_LIMIT))


def page(rows: Sequence[T], *, limit: int, key: Callable[[T], str]) -> Page[T]:
    """A page out of up to ``limit + 1`` rows: the extra one says that there is more."""
    kept = list(rows[:limit])
    return Page(kept, key(kept[-1]) if len(rows) > limit else None)


def _decode(after: str) -> tuple[object, str]:
    if len(after) > LONGEST:
        raise Invalid("the page key is too long")
    try:
        padded = after + "=" * (-len(after) % 4)
        position, tie = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise Invalid(f"not a page key: {after[:80]!r}") from error
    if not isinstance(tie, str):
        raise Invalid(f"not a page key: {after[:80]!r}")
    return position, tie
