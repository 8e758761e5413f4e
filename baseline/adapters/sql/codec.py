"""Nouns of the books <-> the JSON text of their rows.

Every text carries the format it was written in. A row of an unknown format, or one that does not hold its noun any
more, is refused by name (``BookRejected``) instead of being half read. Infinite numbers are kept (Python's JSON
spells them ``Infinity``), which is why the columns are TEXT and not the database's own JSON type; so is U+0000,
which PostgreSQL's JSON refuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from baseline.domain.alert import Alert
from baseline.domain.errors import BookRejected, UnsafeRestriction
from baseline.domain.restriction import Restriction
from baseline.domain.suppression import Silenced, Suppression
from baseline.ports import Feedback, Sign, Weighting, WorkloadFacts

FORMAT = 1

T = TypeVar("T")
Noun = Alert | Restriction | Feedback | WorkloadFacts | Sign | Suppression | Silenced | Weighting


def write(noun: Noun) -> str:
    """The row's text."""
    return dumps({"format": FORMAT, "noun": msgspec.to_builtins(noun)})


def read(text: str, kind: type[T], *, key: str) -> T:
    """The noun of a row's text; ``key`` only names the row in errors.

    Raises
    ------
    BookRejected
        Not JSON, another format, or not a complete noun of this kind.
    """
    name = f"{kind.__name__.lower()} {key!r}"
    try:
        envelope = json.loads(text)
    except ValueError as error:
        raise BookRejected(f"{name} is not JSON") from error
    if not isinstance(envelope, dict) or "format" not in envelope:
        raise BookRejected(f"{name} does not say its format")
    if envelope["format"] != FORMAT:
        raise BookRejected(f"{name} is stored in format {envelope['format']!r}; this version reads {FORMAT}")
    try:
        return msgspec.convert(envelope.get("noun"), kind)
    except (msgspec.ValidationError, UnsafeRestriction) as error:
        raise BookRejected(f"{name} is damaged: {error}") from error


def dumps(value: Mapping[str, Any]) -> str:
    """Compact JSON text, ASCII only: no database encoding can hurt it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=True)


def column(text: str) -> str:
    """A hostile string as a column can hold it: PostgreSQL has no U+0000 and no lone surrogates."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
