"""Times, durations and sizes: what is written is read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baseline.domain.units import (
    DAY_S,
    floor_to,
    format_bytes,
    format_duration,
    parse_duration,
    parse_rfc3339,
    rfc3339,
)


@given(st.integers(0, 4_102_444_800_000))
def test_a_time_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    """What we write is what we read."""
    assert parse_rfc3339(rfc3339(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


def test_a_time_has_milliseconds_only_where_there_are_any() -> None:
    """People read whole seconds most of the time."""
    assert rfc3339(1_790_000_000.0) == "2026-09-21T14:13:20Z"
    assert rfc3339(1_790_000_000.25) == "2026-09-21T14:13:20.250Z"
    assert parse_rfc3339("2026-09-21T16:13:20+02:00") == 1_790_000_000.0


@pytest.mark.parametrize("text", ["2026-09-21T14:13:20", "yesterday", ""])
def test_a_time_without_a_zone_is_refused(text: str) -> None:
    """Guessing one would move every hour of the week."""
    with pytest.raises(ValueError, match="time"):
        parse_rfc3339(text)


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_the_sum_of_its_parts(days: int, hours: int, minutes: int, seconds: int) -> None:
    """In any case, with blanks around it."""
    wanted = days * DAY_S + hours * 3600 + minutes * 60 + seconds
    assert parse_duration(f"{days}d{hours}h{minutes}m{seconds}s") == wanted
    assert parse_duration(f" {days}D{hours}H{minutes}M{seconds}S ") == wanted
    assert parse_duration(str(wanted)) == wanted


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 m", "5y", "m5", "1h-30m", "nan", "inf", "1e3"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With the right spelling in the message."""
    with pytest.raises(ValueError, match="write 90s, 15m, 4h or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"),
        (12_000, "3 h 20 min"), (2 * DAY_S, "2 d"), (2 * DAY_S + 4 * 3600, "2 d 4 h"),
    ],
)  # fmt: skip
def test_durations_are_spelt_as_people_say_them(seconds: float, text: str) -> None:
    """The two largest units at most."""
    assert format_duration(seconds) == text


@given(st.integers(0, 10 * DAY_S))
def test_a_spelt_duration_is_read_back_to_its_smallest_unit(seconds: int) -> None:
    """Never more than the truth, and less by under one unit of what was left away."""
    spelt = format_duration(seconds).replace(" min", "m").replace(" ", "")
    lost = seconds - parse_duration(spelt)
    unit = 1 if seconds < 120 else 60 if seconds < 2 * DAY_S else 3600
    assert 0 <= lost < unit


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (38 * 2**20, "38.0 MiB"), (2**50, "1024.0 TiB")],
)
def test_sizes_are_in_iec_units(count: int, text: str) -> None:
    """Powers of 1024, and no unit beyond the largest."""
    assert format_bytes(count) == text


@given(st.floats(0, 4e9), st.sampled_from([60, 300, 3600]))
def test_a_time_lies_in_the_interval_it_is_floored_to(time_s: float, step_s: int) -> None:
    """Half open, aligned to the epoch."""
    start = floor_to(time_s, step_s)
    assert start % step_s == 0
    assert start <= time_s < start + step_s
