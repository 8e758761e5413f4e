"""Who is told that a restriction ends while the attack goes on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baseline.adapters.memory.books import MemoryLibrary
from baseline.domain.alert import Alert
from baseline.domain.restriction import applied
from baseline.services.verify import attempts_go_on, warn_of_expiry
from tests.unit.policy.making import BILLING, NOW, alert, evidence, wanted

GOES_ON = replace(alert(evidence(failed=3)), updated_at=NOW + 60)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (GOES_ON, True),
        (replace(GOES_ON, updated_at=NOW + 59), False),
        (replace(GOES_ON, edges=(evidence(failed=0),)), False),
        (replace(GOES_ON, edges=(evidence(BILLING, failed=9),)), False),
    ],
)
def test_attempts_go_on_when_a_later_window_fails_on_a_denied_edge(seen: Alert, expected: bool) -> None:
    """A window that began before, an edge that succeeds, and an edge that is not denied prove nothing."""
    restriction = applied(wanted(alert_id=seen.id), now=NOW)
    assert attempts_go_on(restriction, seen) is expected


def test_nothing_goes_on_against_what_was_never_applied() -> None:
    """There is nothing to attempt against."""
    assert not attempts_go_on(wanted(alert_id=GOES_ON.id), GOES_ON)


@pytest.mark.parametrize(("at", "told"), [(NOW + 779, 0), (NOW + 780, 1), (NOW + 900, 0)])
def test_the_expiry_is_told_in_its_last_two_minutes_and_once(at: float, told: int) -> None:
    """Fifteen minutes after approval it ends."""
    library = MemoryLibrary()
    with library.transaction() as books:
        books.alerts.put(GOES_ON)
        books.restrictions.add(applied(wanted(alert_id=GOES_ON.id), now=NOW))
    for _ in range(3):
        warn_of_expiry(library, now=at, channels=("webhook",))
    with library.transaction() as books:
        kinds = [delivery.event.kind.value for delivery in books.outbox.due(now=1e12, limit=10)]
    assert kinds == ["restriction.expiring"] * told
