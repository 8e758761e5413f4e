"""Judging: what deviates, why, by which edges, and what is never learned."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from baseline.domain.deviation import Family, Maturity
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import CheckpointRejected
from baseline.domain.window import EdgeCounts, Window
from baseline.services.score import JudgeState, judge
from tests.unit.services_score.making import (
    OPTIONS,
    T0,
    UNTIL,
    counts,
    edge,
    fitted,
    minute,
    quiet_minutes,
    with_edges,
    workload,
)


def scan(start: int, *, peers: int = 200) -> dict[EdgeKey, EdgeCounts]:
    """Refused connections to many ports."""
    return {edge("db", port=1000 + n): counts(1, at=start + 30.0, size=60, failed=1) for n in range(peers)}


def run(windows: list[Window], state: JudgeState | None = None) -> list[str]:
    """Names of the workloads that deviate, in order."""
    judged = judge(windows, model=fitted(), state=state or JudgeState(), options=OPTIONS)
    return [deviation.workload.name for deviation in judged.deviations]


def test_ordinary_hours_stay_quiet() -> None:
    """Two hours like those learned raise nothing."""
    assert run(quiet_minutes(120)) == []


def test_a_scan_deviates_in_its_first_window_and_names_its_edges() -> None:
    """One window suffices, with sentences, families and the scanned ports."""
    windows = quiet_minutes(3)
    at = next(i for i, w in enumerate(windows) if w.workload.name == "web" and w.start == UNTIL + 60)
    windows[at] = with_edges(windows[at], scan(windows[at].start))
    judged = judge(windows, model=fitted(), state=JudgeState(), options=OPTIONS)
    assert [(d.workload.name, d.window_start) for d in judged.deviations] == [("web", UNTIL + 60)]
    found = judged.deviations[0]
    assert found.p < found.threshold / 50
    assert {Family.FAN_OUT, Family.FAILURE, Family.NOVELTY} <= set(found.families)
    assert all(evidence.is_new and evidence.edge.peer.name == "db" for evidence in found.edges)
    assert sum(reason.share for reason in found.reasons) <= 1.01
    assert any("expected here on Mondays at 06 h" in reason.sentence for reason in found.reasons)


def test_brute_force_names_the_one_edge_it_uses() -> None:
    """An old edge with far more connections than it ever had carries the deviation."""
    rng = np.random.default_rng(2)
    base = minute("web", UNTIL, rng=rng)
    attacked = with_edges(base, {edge("db"): counts(2500, at=UNTIL + 50.0, size=300)})
    found = judge([attacked], model=fitted(), state=JudgeState(), options=OPTIONS).deviations[0]
    assert str(found.edges[0].edge) == "shop/web -> shop/db:5432/tcp"
    assert found.edges[0].share > 0.9
    assert not found.edges[0].is_new
    assert found.edges[0].normal_rate == pytest.approx(20, rel=0.3)
    assert found.families == (Family.VOLUME,)


def test_a_service_that_grows_is_one_family_of_evidence_and_not_four() -> None:
    """Thirty times the connections, bytes and failures on known edges: one fact, so nothing acts on it alone."""
    base = minute("web", UNTIL, rng=np.random.default_rng(2))
    grown = {
        key: counts(30 * one.started, at=UNTIL + 50.0, size=800, failed=2 * one.started // 10)
        for key, one in base.edges.items()
    }
    window = Window(workload=base.workload, start=base.start, end=base.end, edges=grown)
    found = judge([window], model=fitted(), state=JudgeState(), options=OPTIONS).deviations[0]
    assert found.p < found.threshold / 50
    assert found.families == (Family.VOLUME,)


def test_exfiltration_is_carried_by_bytes() -> None:
    """Few connections and many bytes: volume, and the edge that took them."""
    leak = EdgeKey(Direction.EGRESS, Peer(PeerKind.ADDRESS, "", "203.0.113.9"), 443, "tcp")
    size = 2 * 10**9
    heavy = EdgeCounts(records=1, flows=1, started=1, packets_out=10**6, bytes_out=size, largest_bytes_out=size)
    found = judge(
        [Window(workload=workload("db"), start=UNTIL, end=UNTIL + 60, edges={leak: heavy})],
        model=fitted(), state=JudgeState(), options=OPTIONS,
    ).deviations[0]  # fmt: skip
    assert Family.VOLUME in found.families
    assert found.edges[0].edge.peer.name == "203.0.113.9"


def test_the_initiator_deviates_and_its_victim_is_only_the_echo() -> None:
    """Both ends see the flood; one is reported."""
    flood = counts(3000, at=UNTIL + 50.0, size=100)
    rng = np.random.default_rng(2)
    windows = [
        with_edges(minute("db", UNTIL, rng=rng), {edge("web", direction=Direction.INGRESS): flood}),
        with_edges(minute("web", UNTIL, rng=rng), {edge("db"): flood}),
    ]
    assert run(windows) == ["web"]


def test_a_victim_of_somebody_unseen_deviates_itself() -> None:
    """Without the caller's own window the callee's is all there is, and it names the caller."""
    outside = EdgeKey(Direction.INGRESS, Peer(PeerKind.PUBLIC, "", "pub"), 5432, "tcp")
    flood = {outside: counts(3000, at=UNTIL + 9.0)}
    window = Window(workload=workload("db"), start=UNTIL, end=UNTIL + 60, edges=flood)
    judged = judge([window], model=fitted(), state=JudgeState(), options=OPTIONS)
    assert str(judged.deviations[0].edges[0].edge) == "shop/db <- pub:5432/tcp"


def test_a_proxy_may_meet_new_peers_every_minute() -> None:
    """New edges are its normal."""
    assert run([w for w in quiet_minutes(200, seed=77) if w.workload.name == "proxy"]) == []


def test_two_connections_instead_of_one_never_deviate() -> None:
    """Whatever the statistics say, the amount must matter."""
    tiny = Window(workload=workload("db"), start=UNTIL, end=UNTIL + 60, edges={
        edge("web", direction=Direction.INGRESS): counts(20, at=UNTIL + 9.0), edge("cache"): counts(2, at=UNTIL + 9.0),
    })  # fmt: skip
    state = JudgeState()
    state.of(workload("db")).learn([edge("cache")], at=T0)
    assert run([tiny], state) == []


def test_batches_do_not_change_the_verdict() -> None:
    """All at once, or window by window with the state carried over as bytes."""
    windows = quiet_minutes(6)
    windows = [
        with_edges(w, scan(w.start)) if w.workload.name == "web" and w.start >= UNTIL + 120 else w for w in windows
    ]
    whole = judge(windows, model=fitted(), state=JudgeState(), options=OPTIONS)
    state, parts = JudgeState(), []
    for start in sorted({window.start for window in windows}):
        tick = [window for window in windows if window.start == start]
        parts += judge(tick, model=fitted(), state=state, options=OPTIONS).deviations
        state = JudgeState.from_bytes(state.to_bytes())
    assert parts == whole.deviations
    assert len(parts) >= 2


def test_suspicious_windows_never_teach_their_edges() -> None:
    """The second scan is as new as the first; an ordinary new edge is learned."""
    state = JudgeState()
    rng = np.random.default_rng(3)
    for step in range(3):
        start = UNTIL + 60 * step
        judge([with_edges(minute("web", start, rng=rng), scan(start))], model=fitted(), state=state, options=OPTIONS)
    assert not state.of(workload("web")).knows(edge("db", port=1000), before=UNTIL + 999)
    start = UNTIL + 3600
    ordinary = edge("198.51.100.1", port=443)
    calm = with_edges(minute("proxy", start, rng=rng), {ordinary: counts(2, at=start + 9.0)})
    judge([calm], model=fitted(), state=state, options=OPTIONS)
    assert state.of(workload("proxy")).knows(ordinary, before=start + 60)


def test_without_a_model_everything_is_learning() -> None:
    """Vectors are made all the same: history needs them."""
    judged = judge(quiet_minutes(1), model=None, state=JudgeState(), options=OPTIONS)
    assert judged.deviations == []
    assert set(judged.maturity.values()) == {Maturity.LEARNING}
    assert len(judged.vectors) == 4


def test_a_newcomer_is_learning_and_still_caught_by_the_fleet() -> None:
    """No baseline of its own: only what nobody in the fleet does."""
    start = UNTIL
    new = Window(workload=workload("newcomer"), start=start, end=start + 60, edges=scan(start, peers=900))
    few = {edge("db"): counts(15, at=start + 5.0)}
    calm = Window(workload=workload("other"), start=start, end=start + 60, edges=few)
    judged = judge([new, calm], model=fitted(), state=JudgeState(), options=OPTIONS)
    assert [d.workload.name for d in judged.deviations] == ["newcomer"]
    assert judged.deviations[0].maturity is Maturity.LEARNING


def test_forgotten_workloads_leave_no_memory() -> None:
    """A partition that moved away takes its state along."""
    state = JudgeState()
    judge(quiet_minutes(2), model=fitted(), state=state, options=OPTIONS)
    state.forget([workload(name) for name in ("web", "db", "cache", "proxy")])
    assert state.to_bytes() == JudgeState().to_bytes()


@pytest.mark.parametrize("payload", [b"", b"[]", b'{"format":99,"workloads":[]}', b'{"format":1,"workloads":[[1]]}'])
def test_a_damaged_state_is_refused(payload: bytes) -> None:
    """Never a half restored memory."""
    with pytest.raises(CheckpointRejected):
        JudgeState.from_bytes(payload)


def test_judging_never_imports_scikit_learn() -> None:
    """The stream's process stays small: fitting is somebody else's."""
    code = (
        "import sys, baseline.services.score, baseline.services.train, baseline.adapters.shelf\n"
        "assert not [name for name in sys.modules if name.startswith(('sklearn', 'pandas'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
