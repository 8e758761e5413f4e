"""The judge of the demo's report sees each promise that is not kept."""

from __future__ import annotations

import copy
import runpy
from collections.abc import Callable
from typing import Any

import pytest

from tests.ground.require import CHECKOUT

Report = dict[str, Any]

MANIFEST = {
    "metadata": {"annotations": {"calico-baseline/expires-at": "2026-01-01T00:15:00Z"}},
    "spec": {"tier": "behaviour", "selector": "app == 'a'", "egress": [{"action": "Deny"}]},
}


def _restriction(person: str, *, state: str, by: str, lived_s: float) -> Report:
    return {
        "id": f"r-{person}", "person": person, "state": state, "ended_by": by, "lived_s": lived_s,
        "applied_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T00:15:00Z", "manifest": copy.deepcopy(MANIFEST),
    }  # fmt: skip


def _report() -> Report:
    return {
        "records": {"fed": 10, "consumed": 10, "dead_letters": 0},
        "windows": 5,
        "alerts": [{"id": "a", "sentence": "A speaks to B, which it never did.", "reasons": ["new peer"]}],
        "restrictions": [
            _restriction("dismiss", state="released", by="dismissal by demo", lived_s=5.0),
            _restriction("confirm", state="expired", by="expiry", lived_s=14_400.0),
            _restriction("none", state="expired", by="expiry", lived_s=900.0),
        ],
        "applied": 3,
        "left_over": [],
        "seconds": 30.0,
        "guards_relaxed": {"share": "2 % of 11 is none"},
        "notes": ["The shipped default, recommend, never acts alone."],
        "labels": {"attack_events": 16, "attack_events_found": 9, "false_alerts_per_hour": 0.5},
    }


def _broken(report: Report, *, is_clean: bool = False) -> list[str]:
    judge: Callable[..., list[str]] = runpy.run_path(str(CHECKOUT / ".ci" / "check_demo.py"))["broken"]
    return judge(report, is_clean=is_clean)


def test_a_report_that_keeps_every_promise_passes() -> None:
    """Nothing is said of a good run."""
    assert _broken(_report()) == []


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("records", "consumed"), 9, "lost"),
        (("records", "dead_letters"), 1, "dead letters"),
        (("windows",), 0, "no window"),
        (("left_over",), ["behaviour.r1"], "left in the cluster"),
        (("seconds",), 500.0, "took"),
        (("guards_relaxed",), {}, "relaxes"),
        (("alerts", 0, "sentence"), "", "no plain reason"),
        (("restrictions", 1, "state"), "held", "still held"),
        (("restrictions", 0, "manifest"), None, "without a manifest"),
        (("restrictions", 0, "manifest", "spec", "tier"), "default", "tier default"),
        (("restrictions", 0, "manifest", "spec", "selector"), " ", "selects too much"),
        (("restrictions", 0, "manifest", "spec", "selector"), "all()", "selects too much"),
        (("restrictions", 0, "manifest", "spec", "egress"), [{"action": "Allow"}], "other actions"),
        (("restrictions", 0, "manifest", "metadata", "annotations"), {}, "when it ends"),
        (("restrictions", 0, "lived_s"), 880.0, "did not end at once"),
        (("restrictions", 1, "lived_s"), 900.0, "was not held"),
        (("restrictions", 2, "state"), "released", "did not expire"),
        (("restrictions", 2, "person"), "", "not one dismissed"),
        (("labels",), None, "labels"),
        (("labels", "attack_events_found"), 0, "no labelled attack"),
    ],
)
def test_each_broken_promise_is_told(path: tuple[str | int, ...], value: object, told: str) -> None:
    """One thing is changed, and a sentence about that thing appears."""
    report = _report()
    place: Any = report
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert any(told in sentence for sentence in _broken(report))


def test_a_restriction_without_an_attack_is_a_broken_promise() -> None:
    """The clean recording must pass without one."""
    assert any("without an attack" in sentence for sentence in _broken(_report(), is_clean=True))
    quiet = {**_report(), "restrictions": [], "applied": 0}
    assert _broken(quiet, is_clean=True) == []
