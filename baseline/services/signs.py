"""How far the streams are behind, by the signs of life they leave in the books."""

from __future__ import annotations

from baseline.domain.units import DAY_S
from baseline.ports import Library, Sign

CURRENT_S = 60.0  # an older sign says nothing of now: its stream is dead, stuck, or cannot reach the books


def give(library: Library, sign: Sign) -> None:
    """Leave a sign; those of processes gone for a day are swept."""
    with library.transaction() as books:
        books.signs.put(sign)
        books.signs.forget(before=sign.at - DAY_S)


def lag_s(library: Library, *, now: float) -> float | None:
    """The lag of the stream that is most behind, in seconds; None when no stream has given a sign lately."""
    with library.transaction() as books:
        signs = books.signs.since(now - CURRENT_S)
    return max((sign.lag_s for sign in signs), default=None)
