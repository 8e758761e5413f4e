"""Times, durations and sizes: one spelling each.

A time is a ``float`` of seconds since the epoch (UTC) everywhere in the core; text is RFC 3339 at the walls.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

MINUTE_S = 60
HOUR_S = 3600
DAY_S = 86_400
WEEK_S = 7 * DAY_S

_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m|h|d|w)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB")


def rfc3339(time_s: float) -> str:
    """Spell a time as RFC 3339 in UTC, with milliseconds only where there are any."""
    moment = datetime.fromtimestamp(round(time_s, 3), tz=UTC)
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")


def parse_rfc3339(text: str) -> float:
    """Read an RFC 3339 time; a time without a zone is refused, because guessing one moves every hour-of-week."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ValueError(f"not an RFC 3339 time: {text!r}") from error
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r} (append Z for UTC)")
    return moment.timestamp()


def parse_duration(text: str) -> float:
    """Read ``15m``, ``4h``, ``1h30m``, ``90`` (seconds) as seconds; always positive."""
    stripped = text.strip().lower()
    if re.fullmatch(r"\d+(\.\d+)?", stripped):
        return float(stripped)
    parts = list(_DURATION.finditer(stripped))
    if not parts or "".join(part.group(0) for part in parts) != stripped:
        raise ValueError(f"not a duration: {text!r} (write 90s, 15m, 4h or 1h30m)")
    return sum(float(part["number"]) * _UNIT_S[part["unit"]] for part in parts)


def parse_moment(text: str, *, now: float) -> float:
    """Read an RFC 3339 time, or a duration (``7d``) as the time that long from now."""
    try:
        return now + parse_duration(text)
    except ValueError:
        return parse_rfc3339(text)


def format_duration(seconds: float) -> str:
    """Spell seconds the way a person says them: ``45 s``, ``14 min``, ``3 h 20 min``, ``2 d 4 h``."""
    whole = max(0, round(seconds))
    if whole < 2 * MINUTE_S:
        return f"{whole} s"
    if whole < 2 * HOUR_S:
        return f"{whole // MINUTE_S} min"
    large, small, names = (HOUR_S, MINUTE_S, ("h", "min")) if whole < 2 * DAY_S else (DAY_S, HOUR_S, ("d", "h"))
    rest = whole % large // small
    return f"{whole // large} {names[0]}" + (f" {rest} {names[1]}" if rest else "")


def format_bytes(count: float) -> str:
    """Spell a byte count in IEC units: ``512 B``, ``38.0 MiB``."""
    size = float(count)
    for unit in _SIZES[:-1]:
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {_SIZES[-1]}"


def floor_to(time_s: float, step_s: int) -> int:
    """The start of the half-open interval of length ``step_s``, aligned to the epoch, that holds ``time_s``."""
    return int(time_s // step_s) * step_s
