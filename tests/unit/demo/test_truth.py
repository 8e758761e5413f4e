"""What the labels say of what was done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baseline.demo import truth
from baseline.demo.truth import GRACE_S, Event
from baseline.domain import restriction as restrictions
from baseline.domain.alert import Alert
from baseline.domain.edge import Direction
from baseline.domain.restriction import Restriction, Rule, State
from tests.unit.policy.making import BILLING, DB, NOW, OUTSIDE, WEB, alert, deny, proposed

SINCE, UNTIL = NOW - 3600, NOW + 3600


def event(number: int = 1, *, start: float = NOW - 50, end: float = NOW - 10, **changes: Any) -> Event:
    """The web's pods attacked the database, just before NOW."""
    told: dict[str, Any] = {"kind": "port-scan-1", "attacker": "shop/web", "victims": frozenset({"shop/db"}), **changes}
    return Event(number=number, start=start, end=end, **told)


def standing(*rules: Rule, at: float = NOW, **changes: Any) -> Restriction:
    """In force from ``at`` for 15 minutes."""
    approved = restrictions.approved(proposed(*rules, **changes), by="auto", now=at)
    return restrictions.applied(approved, now=at)


def over(restriction: Restriction, *, at: float) -> Restriction:
    """Ended by time."""
    return restrictions.ended(restriction, state=State.EXPIRED, by="expiry", now=at)


def compare(alerts: list[Alert], found: list[Restriction], events: list[Event]) -> dict[str, Any]:
    """Over the two hours around NOW."""
    return truth.compare(alerts, found, events, since=SINCE, until=UNTIL)


def test_an_alert_of_a_party_at_its_time_finds_the_event() -> None:
    """Seconds count from the event's start to the end of the window that shows it."""
    told = compare([alert()], [], [event()])
    assert (told["attack_events"], told["attack_events_found"], told["missed"]) == (1, 1, [])
    assert [hit["seconds_to_detect"] for hit in told["found"]] == [50.0]
    assert (told["seconds_to_detect_median"], told["seconds_to_detect_worst"]) == (50.0, 50.0)
    assert (told["false_alerts"], told["false_alerts_per_hour"]) == ([], 0.0)


def test_the_first_window_that_shows_it_counts() -> None:
    """An alert that goes on, and a later alert, do not make it slower."""
    going_on = replace(alert(), timeline=((int(NOW), int(NOW) + 60, 1e-9), (int(NOW) - 60, int(NOW), 1e-9)))
    told = compare([replace(alert(), id="later", timeline=((int(NOW), int(NOW) + 60, 1e-9),)), going_on], [], [event()])
    assert [(hit["alert"], hit["seconds_to_detect"]) for hit in told["found"]] == [(going_on.id, 50.0)]


@pytest.mark.parametrize(
    ("about", "is_found"),
    [
        (event(), True),
        (event(attacker="shop/other", victims=frozenset({"shop/web"})), True),  # the victim's own alert
        (event(attacker="shop/other", victims=frozenset({"shop/db"})), False),
        (event(start=NOW - 200, end=NOW - 61 - GRACE_S), False),  # over for longer than a window
        (event(start=NOW - 200, end=NOW - 59 - GRACE_S), True),
        (event(start=NOW, end=NOW + 60), False),  # the window had ended
    ],
)
def test_an_alert_of_others_or_of_another_time_finds_nothing(about: Event, is_found: bool) -> None:
    """What finds nothing is a false alert, and the event is missed."""
    told = compare([alert()], [], [about])
    assert told["attack_events_found"] == int(is_found)
    assert len(told["missed"]) == int(not is_found)
    assert len(told["false_alerts"]) == int(not is_found)
    assert told["false_alerts_per_hour"] == (0.0 if is_found else 0.5)


def test_what_began_before_or_after_the_played_part_is_not_judged() -> None:
    """What was learned is no test."""
    told = compare([], [], [event(start=SINCE - 1), event(start=UNTIL), event(start=SINCE)])
    assert told["attack_events"] == 1


def test_an_event_that_a_restriction_denied_wholly_was_prevented() -> None:
    """In force from before its start until after its end, towards every victim, on all ports."""
    both = event(victims=frozenset({"shop/db", "billing/ledger"}), start=NOW + 60, end=NOW + 120)
    full = over(standing(deny(DB, ports=()), deny(BILLING, ports=())), at=NOW + 900)
    told = compare([], [full], [both])
    assert (told["attack_events_prevented"], told["missed"]) == ([1], [])


FULL = deny(DB, ports=())


@pytest.mark.parametrize(
    ("why", "restriction", "about"),
    [
        ("never applied", proposed(FULL), event(start=NOW + 60, end=NOW + 120)),
        ("applied after its start", standing(FULL), event(start=NOW - 1, end=NOW + 120)),
        ("ended before its end", over(standing(FULL), at=NOW + 100), event(start=NOW + 60, end=NOW + 120)),
        ("runs out before its end", standing(FULL), event(start=NOW + 60, end=NOW + 1000)),
        ("another workload", standing(FULL, workload=replace(WEB, name="api")), event(start=NOW + 60, end=NOW + 120)),
        ("another peer", standing(deny(BILLING, ports=())), event(start=NOW + 60, end=NOW + 120)),
        ("the other way", standing(replace(FULL, direction=Direction.INGRESS)), event(start=NOW + 60, end=NOW + 120)),
        ("some ports only", standing(deny(DB, ports=(22,))), event(start=NOW + 60, end=NOW + 120)),
        ("no victims named", standing(FULL), event(start=NOW + 60, end=NOW + 120, victims=frozenset())),
        (
            "half of its victims",
            standing(FULL),
            event(start=NOW + 60, end=NOW + 120, victims=frozenset({"shop/db", "x/y"})),
        ),
    ],
)
def test_what_is_not_certain_is_missed(why: str, restriction: Restriction, about: Event) -> None:
    """The report never claims more than the manifests did."""
    told = compare([], [restriction], [about])
    assert told["attack_events_prevented"] == [], why
    assert [one["event"] for one in told["missed"]] == [1], why


def test_a_restriction_still_in_force_prevents_too() -> None:
    """Its end is then its expiry."""
    assert compare([], [standing(FULL)], [event(start=NOW + 60, end=NOW + 120)])["attack_events_prevented"] == [1]


def test_denied_peers_are_held_against_the_labels() -> None:
    """A party of an event of that time is justified, anybody else was cut off by mistake; plans do not count."""
    told = compare([], [over(standing(deny(DB), deny(OUTSIDE)), at=NOW + 900), proposed()], [event()])
    (verdict,) = told["denied_peers"]
    assert (verdict["workload"], verdict["workload_is_attacker"]) == ("shop/web", True)
    assert verdict["peers"] == [
        {"peer": "203.0.113.9", "is_labelled_party": False},
        {"peer": "shop/db", "is_labelled_party": True},
    ]


def test_a_restriction_without_an_event_denies_nobody_labelled() -> None:
    """An attack of hours ago excuses nothing."""
    (verdict,) = compare([], [standing(created_at=NOW + 60)], [event(start=SINCE, end=SINCE + 1)])["denied_peers"]
    assert not verdict["workload_is_attacker"]
    assert [peer["is_labelled_party"] for peer in verdict["peers"]] == [False]


def test_without_events_every_alert_is_false() -> None:
    """The clean recording has none, and nothing to be late for."""
    told = compare([alert()], [], [])
    assert (told["seconds_to_detect_median"], told["false_alerts_per_hour"]) == (None, 0.5)


def test_events_are_read_with_attacks_only(tmp_path: Path) -> None:
    """Benign events of the labels are no attacks."""
    path = tmp_path / "events.csv"
    path.write_text(
        "event,kind,start,end,attacker,victims\n"
        "1,ssh-bruteforce,2026-09-21T14:13:20Z,2026-09-21T14:14:20Z,shop/web,shop/db billing/ledger\n"
        "2,benign-ssh,2026-09-21T14:13:20Z,2026-09-21T14:14:20Z,shop/web,shop/db\n",
        encoding="utf-8",
    )
    (read,) = truth.read_events(path)
    assert (read.number, read.end - read.start, read.victims) == (1, 60.0, frozenset({"shop/db", "billing/ledger"}))
