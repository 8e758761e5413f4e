"""Deciding on the command line: straight on the books, with every decision in the audit trail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from baseline.adapters.clock import SystemClock
from baseline.domain import restriction as restrictions
from baseline.domain.alert import Alert, Disposition
from baseline.domain.restriction import MAX_TTL_S, Restriction, State
from baseline.domain.workload import WorkloadId
from tests.contracts.nouns import T0, a_restriction, an_alert, an_explanation, some_facts
from tests.unit.cli.running import Command, books

HOSTILE = "[bold]x:skull:"  # markup and an emoji's code, were it not a name


def recent(minutes_ago: int = 5, **changes: Any) -> Alert:
    """An alert of the last minutes."""
    return an_alert(int(SystemClock().now() - T0) // 60 - minutes_ago, **changes)


def store(*alerts: Alert, plan: bool = False) -> None:
    """As stream and control would leave them, among sixty workloads."""
    now = SystemClock().now()
    with books() as opened:
        opened.workloads.see([some_facts(f"w{number}", last_seen=now) for number in range(60)])
        opened.workloads.see([some_facts(last_seen=now), some_facts("ledger", namespace="data", last_seen=now)])
        for alert in alerts:
            opened.alerts.put(alert)
            if plan:
                opened.restrictions.add(a_restriction(alert, now=now))


def stored(restriction_id: str) -> Restriction:
    """As the books have it."""
    with books() as opened:
        return opened.restrictions.get(restriction_id)


def disposition(alert: Alert) -> Disposition:
    """As the books have it."""
    with books() as opened:
        return opened.alerts.get(alert.id).disposition


def planned(alert: Alert) -> str:
    """The id of its restriction."""
    return a_restriction(alert).id


def test_alerts_are_listed_newest_first_and_by_what_is_asked(baseline: Command) -> None:
    """Undecided ones, one workload's, and no more than asked for."""
    old, new = recent(9), recent(3, workload=WorkloadId("east", "shop", "cart"))
    store(old, new)
    told = baseline.good("alerts", "list")
    assert told.index(new.id) < told.index(old.id)
    assert old.sentence in told
    only = baseline.good("alerts", "list", "--workload", "shop/cart", "--disposition", "none")
    assert new.id in only
    assert old.id not in only
    assert old.id not in baseline.good("alerts", "list", "--limit", "1")
    assert new.id not in baseline.good("alerts", "list", "--disposition", "confirmed")


def test_an_id_can_be_copied_from_a_narrow_terminal(baseline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes into the next command, so it is on one line."""
    alert = recent()
    store(alert, plan=True)
    monkeypatch.setenv("COLUMNS", "80")
    assert alert.id in baseline.good("alerts", "list")
    assert planned(alert) in baseline.good("restrictions", "list")


def test_an_alert_is_shown_with_reasons_edges_and_restriction(baseline: Command) -> None:
    """Everything that a decision needs."""
    alert = recent()
    store(alert, plan=True)
    told = baseline.good("alerts", "show", alert.id)
    for part in (
        alert.sentence, alert.id, "75%  312 connections started", "new shop/checkout -> data/ledger:22/tcp",
        "does not look like growth: data/ledger carries 100% of the rise", "80%  voice tail, p 2.0e-06",
        "would be normal below 41 connections started in 1 min on Mondays at 03 h",
        "looks like guessing of SSH passwords of data/ledger: 312 connections a minute (T1110 Brute Force, confidence",
        "data/ledger:22/tcp: 312 connections (2.5 usual), 300 failed, 39.1 KiB sent, 29.3 KiB received, 20",
        f"restriction {planned(alert)}: proposed", "deny egress data/ledger tcp ports 22", "budget: 0 of 5",
    ):  # fmt: skip
        assert part in told


def test_hostile_names_are_text(baseline: Command) -> None:
    """No markup and no emoji is made of a name, in tables and lines alike."""
    hint = replace(an_explanation().techniques[0], sentence=f"looks like a scan of {HOSTILE}")
    alert = recent(
        workload=WorkloadId("east", "shop", HOSTILE),
        sentence=f"{HOSTILE} did it",
        explanation=an_explanation(techniques=(hint,)),
    )
    store(alert, plan=True)
    for told in (baseline.good("alerts", "list"), baseline.good("alerts", "show", alert.id)):
        assert f"shop/{HOSTILE}" in told
        assert f"{HOSTILE} did it" in told
    assert f"looks like a scan of {HOSTILE}" in told
    assert f"shop/{HOSTILE}" in baseline.good("restrictions", "list")


def test_confirming_is_kept_with_who_and_why(baseline: Command) -> None:
    """In the audit trail, by the name that was given."""
    alert = recent()
    store(alert)
    told = baseline.good("alerts", "confirm", alert.id, "--by", "ada", "--note", "saw it")
    assert "confirmed by cli:ada" in told
    assert disposition(alert) is Disposition.CONFIRMED
    with books() as opened:
        (entry,) = opened.audit.find(limit=10).items
    assert (entry.actor, entry.action, entry.target) == ("cli:ada", "alert.confirm", f"alert/{alert.id}")
    assert entry.detail["note"] == "saw it"
    assert "already confirmed by cli:ada" in baseline.failed("alerts", "confirm", alert.id)


def test_confirming_can_restrict_at_once(baseline: Command) -> None:
    """Planned on the spot, where control has not come round yet."""
    alert = recent()
    store(alert)
    baseline.good("alerts", "confirm", alert.id, "--restrict", "--by", "ada")
    restriction = stored(planned(alert))
    assert (restriction.state, restriction.approved_by) == (State.APPROVED, "cli:ada")
    assert restriction.rules


def test_dismissing_ends_what_stands(baseline: Command) -> None:
    """At once, and it is told to the channels that are set."""
    alert = recent()
    store(alert, plan=True)
    baseline.good("restrictions", "apply", planned(alert))
    assert "dismissed by cli:ada" in baseline.good("alerts", "dismiss", alert.id, "--by", "ada")
    assert (disposition(alert), stored(planned(alert)).state) == (Disposition.DISMISSED, State.RELEASED)
    assert "released" in baseline.failed("restrictions", "apply", planned(alert))


def test_a_restriction_is_applied_held_and_released(baseline: Command) -> None:
    """Asking twice is one; a hold lengthens; a release ends it, twice too."""
    alert = recent()
    store(alert, plan=True)
    name = planned(alert)
    assert name not in baseline.good("restrictions", "list", "--live")
    assert "proposed" in baseline.good("restrictions", "list")
    assert "approved, ends in 20 min" in baseline.good("restrictions", "apply", name, "--ttl", "20m", "--by", "ada")
    first = stored(name)
    baseline.good("restrictions", "apply", name, "--ttl", "2h")
    assert stored(name) == first
    assert name in baseline.good("restrictions", "list", "--live")
    assert "ends in 3 h" in baseline.good("restrictions", "hold", name, "--duration", "3h")
    baseline.good("restrictions", "hold", name, "--duration", "9999d")
    assert stored(name).expires_at == first.max_expires_at <= first.created_at + MAX_TTL_S + 60
    assert "released" in baseline.good("restrictions", "release", name, "--by", "bob")
    over = stored(name)
    assert (over.state, over.ended_by) == (State.RELEASED, "cli:bob")
    baseline.good("restrictions", "release", name)
    assert stored(name) == over
    assert "cannot be held" in baseline.failed("restrictions", "hold", name)
    assert "deny egress data/ledger" in baseline.good("restrictions", "show", name)


def test_a_time_to_live_is_bounded(baseline: Command) -> None:
    """Nothing is applied when more is asked for."""
    alert = recent()
    store(alert, plan=True)
    for ttl in ("25h", "0s"):
        assert "time to live" in baseline.failed("restrictions", "apply", planned(alert), "--ttl", ttl)
    assert stored(planned(alert)).state is State.PROPOSED


def test_what_failed_is_not_applied(baseline: Command) -> None:
    """And the cluster's reason is repeated."""
    alert = recent()
    store(alert, plan=True)
    with books() as opened:
        plan = opened.restrictions.get(planned(alert))
        refused = restrictions.ended(plan, state=State.REFUSED, by="guards", now=plan.created_at, detail="too many")
        opened.restrictions.update(refused)
    assert "is refused: too many" in baseline.failed("restrictions", "apply", planned(alert))


@pytest.mark.parametrize(
    "words",
    [
        ("alerts", "show"), ("alerts", "confirm"), ("alerts", "dismiss"), ("restrictions", "show"),
        ("restrictions", "apply"), ("restrictions", "hold"), ("restrictions", "release"), ("tokens", "revoke"),
    ],
)  # fmt: skip
def test_a_wrong_id_is_told_in_a_line(baseline: Command, words: tuple[str, str]) -> None:
    """Exit 1, and the id as it was given."""
    assert "no-such-thing[/]" in baseline.failed(*words, "no-such-thing[/]")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("alerts", "list", "--workload", "shop"), "not a workload"),
        (("restrictions", "hold", "r-1", "--duration", "soon"), "not a duration"),
        (("tokens", "create", "a", "--expires-in", "soon"), "not a duration"),
        (("alerts", "list", "--limit", "0"), "--limit"),
        (("alerts", "list", "--disposition", "maybe"), "maybe"),
        (("tokens", "create", "a", "--role", "king"), "king"),
        (("alerts", "show"), "alert_id"),
    ],
)
def test_wrong_use_is_exit_2_with_a_hint(baseline: Command, words: tuple[str, ...], part: str) -> None:
    """Never a traceback."""
    ran = baseline(*words)
    assert (ran.code, ran.out) == (2, "")
    assert part in ran.err.lower()
    assert "Traceback" not in ran.err


def test_a_wrong_time_to_live_is_wrong_use(baseline: Command) -> None:
    """And leaves the plan as it was."""
    alert = recent()
    store(alert, plan=True)
    assert baseline("restrictions", "apply", planned(alert), "--ttl", "soon").code == 2
    assert stored(planned(alert)).state is State.PROPOSED


def test_books_that_were_never_migrated_are_told_so(bare: Command) -> None:
    """One line, no traceback."""
    assert "books" in bare.failed("alerts", "list")


def test_tokens_are_made_listed_and_revoked(baseline: Command) -> None:
    """The secret is printed once and stored nowhere; a name is taken for ever."""
    secret = baseline.good("tokens", "create", "ci", "--role", "responder", "--expires-in", "30d").strip()
    assert secret.startswith("cbl_")
    assert "is at most 3650 days" in baseline.failed("tokens", "create", "old", "--expires-in", "99999999d")
    listed = baseline.good("tokens", "list")
    assert "ci" in listed
    assert "responder" in listed
    assert secret not in listed
    with books() as opened:
        (token,) = opened.tokens.all()
    assert token.expires_at is not None
    assert token.expires_at - token.created_at == 30 * 86_400
    assert secret not in str(token)
    assert "ci" in baseline.failed("tokens", "create", "ci")
    assert "not a token name" in baseline.failed("tokens", "create", "c i")
    baseline.good("tokens", "revoke", "ci")
    with books() as opened:
        assert opened.tokens.all()[0].revoked_at is not None
        actions = [entry.action for entry in opened.audit.find(limit=10).items]
    assert sorted(actions) == ["token.create", "token.revoke"]


def test_a_person_without_a_login_name_is_still_told_apart(baseline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's uid often has none."""

    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", unknown)
    alert = recent()
    store(alert)
    assert "dismissed by cli:uid-" in baseline.good("alerts", "dismiss", alert.id)
