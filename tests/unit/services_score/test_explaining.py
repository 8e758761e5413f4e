"""Explanations of real verdicts: they hold on the very path that judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from baseline.domain.deviation import Deviation
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.explanation import Confidence, Spread
from baseline.domain.window import EdgeCounts, Window
from baseline.services import explaining
from baseline.services.score import JudgeState, judge
from tests.unit.services_score.making import OPTIONS, UNTIL, counts, edge, fitted, minute, quiet_minutes, with_edges

OUTSIDE = EdgeKey(Direction.EGRESS, Peer(PeerKind.ADDRESS, "", "203.0.113.9"), 443, "tcp")
ALPHA = OPTIONS.alpha(60, sharing=2)


def told(name: str, more: Mapping[EdgeKey, EdgeCounts], *, seed: int = 2) -> Deviation:
    """The deviation of an ordinary minute of a workload with something added."""
    window = with_edges(minute(name, UNTIL, rng=np.random.default_rng(seed)), dict(more))
    (found,) = judge([window], model=fitted(), state=JudgeState(), options=OPTIONS).deviations
    return found


def scan(ports: int) -> dict[EdgeKey, EdgeCounts]:
    """Refused connections to many ports of the database."""
    return {edge("db", port=1000 + n): counts(1, at=UNTIL + 30.0, size=60, failed=1) for n in range(ports)}


def with_packets(many: int) -> Window:
    """The minute of the front end in which all of its connections together send so many packets."""
    window = minute("web", UNTIL, rng=np.random.default_rng(2))
    rest = sum(one.packets_out for key, one in window.edges.items() if key != edge("db"))
    return with_edges(window, {edge("db"): replace(counts(20, at=UNTIL + 50.0), packets_out=many - rest)})


def test_the_counterfactual_holds_on_the_calibrated_path() -> None:
    """At its value the window is normal, one packet further it is not: a single feature that is odd alone."""
    deviating = judge([with_packets(40_000)], model=fitted(), state=JudgeState(), options=OPTIONS).deviations[0]
    (one,) = deviating.explanation.counterfactuals
    (name,), (value,) = one.features, one.values
    assert name == "packets_out_out"
    last, first = with_packets(int(value)), with_packets(int(value) + 1)
    p = judge([last], model=fitted(), state=JudgeState(), options=OPTIONS).p
    p += judge([first], model=fitted(), state=JudgeState(), options=OPTIONS).p
    assert p[0] >= ALPHA > p[1]
    assert one.sentence == (
        f"would be normal below {value + 1:,.0f} packets sent on connections of its own in 1 min on Mondays at 06 h"
    )


def test_what_no_single_feature_explains_is_said_so() -> None:
    """A scan is odd in connections, ports, failures and novelty at once."""
    (one,) = told("web", scan(200)).explanation.counterfactuals
    assert one.sentence.startswith("no single feature alone brings it back; it takes ")
    assert len(one.features) == len(one.values) >= 2


def test_a_deviation_by_novelty_takes_that_there_is_nothing_new() -> None:
    """A database that calls out for the first time, twice: alone or with others, the new edges have to go."""
    state = JudgeState()
    calls = {OUTSIDE: counts(3, at=UNTIL + 9.0, size=500)}
    windows = [
        with_edges(minute("db", start, rng=np.random.default_rng(4)), calls)
        for start in (UNTIL, UNTIL + 60, UNTIL + 120)
    ]
    found = judge(windows, model=fitted(), state=state, options=OPTIONS).deviations
    assert found, "a database that calls out for the first time deviates"
    told_of = found[0].explanation.counterfactuals
    assert any("new_edge" in one.features and "without anything new" in one.sentence for one in told_of)


def test_voices_have_p_and_share() -> None:
    """Each voice that was ready; the shares of all are one."""
    found = told("web", scan(200))
    assert {name for name, _ in found.voices} >= {"tail", "forest", "edges"}
    assert sum(share for _, share in found.explanation.voice_shares) == pytest.approx(1.0)
    assert 0 < sum(reason.share for reason in found.reasons) <= 1.0 + 1e-9


def test_the_flows_behind_it_say_when() -> None:
    """First and last seen, counts and what is usual, for each edge."""
    found = told("web", scan(40))
    assert all(UNTIL <= one.first_seen <= one.last_seen < UNTIL + 60 for one in found.edges)
    assert all(one.failed == 1 and one.is_new for one in found.edges)


def test_a_scan_of_two_hundred_ports_looks_like_one() -> None:
    """Though only a part of its edges is kept."""
    (hint, *_) = told("web", scan(200)).explanation.techniques
    assert (hint.id, hint.confidence) == ("T1046", Confidence.HIGH)
    assert "200 ports" in hint.sentence


def test_an_upload_to_a_stranger_looks_like_exfiltration() -> None:
    """By volume, to a new external peer; and it does not look like growth."""
    heavy = EdgeCounts(
        records=1, flows=1, started=1, packets_out=10**6, bytes_out=2 * 10**9, largest_bytes_out=2 * 10**9
    )
    found = told("db", {OUTSIDE: heavy}).explanation
    assert [hint.id for hint in found.techniques] == ["T1041"]
    assert found.rise is not None
    assert found.rise.spread is Spread.CONCENTRATED
    assert "never seen before" in found.rise.sentence


def test_a_flood_from_the_only_client_is_not_growth() -> None:
    """The caller is named, first of all."""
    flood = counts(3000, at=UNTIL + 50.0, size=100)
    found = told("db", {edge("web", direction=Direction.INGRESS): flood}).explanation
    assert found.rise is not None
    assert found.rise.spread is Spread.CONCENTRATED
    assert found.rise.sentence == "does not look like growth: shop/web carries 100% of the rise"


def test_a_newcomer_has_no_usual_to_rise_from() -> None:
    """Nobody knows what is normal for it."""
    window = Window(workload=replace(quiet_minutes(1)[0].workload, name="newcomer"), start=UNTIL, end=UNTIL + 60,
                    edges=scan(900))  # fmt: skip
    (found,) = judge([window], model=fitted(), state=JudgeState(), options=OPTIONS).deviations
    assert found.explanation.rise is None
    assert found.explanation.techniques[0].id == "T1046"


def test_explaining_does_not_change_the_verdict() -> None:
    """The same p, reasons and edges, whatever is asked about them: an explanation never suppresses."""
    windows = [with_edges(w, scan(60)) if w.workload.name == "web" else w for w in quiet_minutes(3)]
    judged = judge(windows, model=fitted(), state=JudgeState(), options=OPTIONS)
    assert [d.workload.name for d in judged.deviations] == ["web"] * 3
    p = dict(zip([(w.workload, w.start) for w in windows], judged.p, strict=True))
    assert all(d.p == p[d.workload, d.window_start] < d.threshold for d in judged.deviations)


def test_a_rule_over_several_windows_adds_its_hint() -> None:
    """Whatever raised the deviation: its reasons and edges are looked at, and the surer word stays."""
    found = told("web", scan(200))
    beacon = replace(found.reasons[0], feature="beacon", share=0.0)
    hints = explaining.hinted(replace(found, reasons=(*found.reasons, beacon))).explanation
    assert [hint.id for hint in hints.techniques] == ["T1046", "T1571"]
    assert "200 ports" in hints.techniques[0].sentence
    assert hints.rise == found.explanation.rise
