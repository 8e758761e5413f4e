"""A job that runs by UTC, judged in local time, when the clock is put back."""

from __future__ import annotations

import numpy as np
import pytest

from baseline.detectors import combine
from baseline.detectors.fit import fit_horizon
from baseline.detectors.protocol import Arrays, Rows
from baseline.domain.units import parse_rfc3339
from baseline.features import schema
from baseline.features.calendar import Calendar
from baseline.services import clockchange

BERLIN = Calendar(zone="Europe/Berlin")
FROM, UNTIL = int(parse_rfc3339("2026-09-26T00:00:00Z")), int(parse_rfc3339("2026-10-24T00:00:00Z"))  # four weeks
NIGHT = 2  # hour UTC of the job


def rows(starts: np.ndarray[tuple[int], np.dtype[np.int64]], *, hour: int = NIGHT) -> Rows:
    """A workload that is quiet but for an hour of the night, by UTC."""
    rng = np.random.default_rng(1)
    values = rng.normal(1.0, 0.05, (len(starts), schema.WIDTH))
    values[starts // 3600 % 24 == hour] += 5.0
    zeros = np.zeros(len(starts), dtype=np.int64)
    return Rows(
        schema=schema.PRODUCT, workloads=zeros, starts=starts, slots=BERLIN.slots(starts), days=BERLIN.days(starts),
        values=values, residuals=np.zeros((0, schema.WIDTH)), fresh=zeros, fresh_peers=zeros,
    )  # fmt: skip


@pytest.fixture(name="arrays", scope="module")
def _arrays() -> Arrays:
    """Learned in summer time."""
    return fit_horizon(rows(np.arange(FROM, UNTIL, 3600, dtype=np.int64)), lines=1, seed=1)


def at(text: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """One hour."""
    return np.array([int(parse_rfc3339(text))], dtype=np.int64)


def test_a_job_by_utc_is_as_ordinary_after_the_change_as_before(arrays: Arrays) -> None:
    """By the new local hour alone it would be the strangest night of the year."""
    before, after = (rows(at(f"2026-10-{day}T02:00:00Z")) for day in (23, 27))
    strict = combine.judge(arrays, after).p[0]
    judged, verdict = clockchange.judge(arrays, after, calendar=BERLIN)
    assert strict < 1e-3
    assert verdict.p[0] > 100 * strict
    assert judged.slots[0] % 24 == before.slots[0] % 24
    assert after.slots[0] % 24 == before.slots[0] % 24 - 1


def test_the_same_burst_at_another_hour_is_no_matter_of_the_clock(arrays: Arrays) -> None:
    """Noon is noon by either clock."""
    noon = rows(at("2026-10-27T12:00:00Z"), hour=12)
    assert clockchange.judge(arrays, noon, calendar=BERLIN)[1].p[0] < 1e-3


def test_weeks_after_the_change_the_new_hours_hold_alone(arrays: Arrays) -> None:
    """A fit has seen them by then."""
    late = rows(at("2026-11-10T02:00:00Z"))
    assert clockchange.judge(arrays, late, calendar=BERLIN)[1].p[0] == combine.judge(arrays, late).p[0]
