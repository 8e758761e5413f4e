"""Windows: what is counted where, when they close, and what silence means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
import zstandard

from baseline.domain.errors import CheckpointRejected, MalformedRecord
from baseline.domain.flow import Action, Counts, Endpoint, EndpointKind, Flow, Heartbeat, Reporter
from baseline.domain.window import Window
from baseline.features.closing import Clocks
from baseline.features.windows import Arrival, Windower, WindowOptions
from tests.unit.features_windows.making import ALLOWED, DENIED, T0, flow


def run(*flows: Flow, options: WindowOptions | None = None) -> list[Window]:
    """Windows of a recording."""
    windower = Windower(options)
    for one in flows:
        windower.add_flow(one, received_at=one.end + 2.0)
    return windower.finish()


def of(windows: list[Window], horizon: int) -> list[Window]:
    """Those of one horizon."""
    return [window for window in windows if window.horizon_s == horizon]


def beat(windower: Windower, until: int, *, host: str = "n1") -> None:
    """A heartbeat, received two seconds later."""
    windower.add_heartbeat(Heartbeat("c1", host, T0 + until), received_at=T0 + until + 2.0)


def test_a_minute_counts_what_ends_in_it() -> None:
    """Four records of a minute are one edge with their sums; a record that ends at the boundary belongs before it."""
    window = of(run(*(flow(at) for at in (15, 30, 45, 60))), 60)[0]
    (counts,) = window.edges.values()
    assert (window.start, window.end) == (T0, T0 + 60)
    assert (counts.records, counts.started, counts.bytes_out, counts.bytes_in) == (4, 4, 1200, 1600)
    assert (counts.first_seen, counts.last_seen) == (T0 + 14, T0 + 59)


def test_copies_with_other_policies_are_one_flow() -> None:
    """Felix copies whole counters into one record per policy set: the maximum counts, never the sum."""
    copies = (
        flow(15, counts=Counts(8, 8, 800, 600, 2, 2, 2)),
        flow(15, counts=Counts(8, 8, 800, 600, 2, 2, 1), enforced=(DENIED._replace(action="pass"), ALLOWED)),
        flow(15, counts=Counts(8, 8, 800, 600, 2, 2, 2)),
    )
    window = of(run(*copies, flow(60)), 60)[0]
    (counts,) = window.edges.values()
    assert (counts.records, counts.started, counts.bytes_out) == (2, 3, 900)
    hits = {hit.action: connections for (_, hit), connections in window.policy_hits.items()}
    assert hits == {"allow": 3, "pass": 2}


def test_both_sides_of_a_flow_are_counted_once_each() -> None:
    """Egress is the source's, from its node; ingress is the destination's, from its own."""
    dst = flow(60, reporter=Reporter.DST, host="n2", counts=Counts(3, 4, 300, 400, 1, 1, 1))
    windows = {str(one.workload): one for one in of(run(flow(60), dst), 60)}
    assert set(windows) == {"shop/web", "shop/api"}
    (ingress,) = windows["shop/api"].edges
    assert (ingress.direction, str(ingress.peer)) == ("ingress", "shop/web")


def test_a_deny_counts_with_packets_or_connections_only() -> None:
    """Dead denies are re-sent for minutes and count nothing."""
    denied: dict[str, Any] = {"action": Action.DENY, "enforced": (DENIED,)}
    fresh = flow(15, counts=Counts(0, 5, 0, 300, 5, 5, 0), **denied)
    retried = flow(30, counts=Counts(0, 1, 0, 60, 5, 0, 0), **denied)
    stale = [flow(at, counts=Counts(0, 0, 0, 0, 5, 0, 0), **denied) for at in (45, 60)]
    window = of(run(fresh, retried, *stale), 60)[0]
    (counts,) = window.edges.values()
    assert (counts.denied, counts.records, counts.flows) == (6, 2, 10)
    assert list(window.policy_hits.values()) == [6]


def test_an_unanswered_allow_is_an_attempt() -> None:
    """Allowed here, packets out, nothing back: the peer's own policy, or nobody there."""
    window = of(run(flow(15, counts=Counts(0, 6, 0, 360, 3, 3, 0)), flow(60)), 60)[0]
    (counts,) = window.edges.values()
    assert (counts.attempts, counts.started) == (3, 4)


def test_a_mirrored_copy_counts_for_the_other_end() -> None:
    """What its reporter sent is what the other end received."""
    copy = flow(60, mirrored=True, counts=Counts(4, 3, 400, 300, 1, 1, 1))
    (window,) = of(run(copy), 60)
    (key, counts) = next(iter(window.edges.items()))
    assert (str(window.workload), key.direction) == ("shop/api", "ingress")
    assert (counts.bytes_in, counts.bytes_out) == (300, 400)


def test_long_intervals_feed_long_windows_only() -> None:
    """A reporter that exports every 300 s has no minutes; its five minutes and hours are exact."""
    windows = run(*(flow(300 * at, length=300) for at in range(1, 13)))
    assert [len(of(windows, horizon)) for horizon in (60, 300, 3600)] == [0, 12, 1]
    (counts,) = of(windows, 3600)[0].edges.values()
    assert counts.started == 12


def test_longer_windows_are_exact_merges() -> None:
    """An hour of 15 s records: sixty minutes, twelve fives, one hour, equal sums, also after cells were sealed."""
    windows = run(*(flow(at) for at in range(15, 3601, 15)))
    sums = {
        horizon: sum(counts.bytes_out for one in of(windows, horizon) for counts in one.edges.values())
        for horizon in (60, 300, 3600)
    }
    assert [len(of(windows, horizon)) for horizon in (60, 300, 3600)] == [60, 12, 1]
    assert set(sums.values()) == {240 * 300}


def test_windows_come_in_order_of_end_horizon_and_workload() -> None:
    """The order is the same whatever came first."""
    windows = run(*(flow(at, source=name) for at in range(60, 601, 60) for name in ("web", "db", "api")))
    assert windows == sorted(windows, key=lambda one: (one.end, one.horizon_s, one.workload.key))


def test_a_window_waits_for_every_live_reporter() -> None:
    """It closes when the slower of two reporters has passed its end by the grace, not before."""
    windower = Windower()
    windower.add_flow(flow(15), received_at=T0 + 17)
    beat(windower, 75, host="n2")
    beat(windower, 100)
    assert windower.advance(now=T0 + 102) == []
    beat(windower, 80, host="n2")
    assert [one.end for one in windower.advance(now=T0 + 103)] == [T0 + 60]


def test_a_silent_reporter_is_not_waited_for() -> None:
    """After a minute of processing time without any sign of it, windows close without it."""
    windower = Windower()
    windower.add_flow(flow(15), received_at=T0 + 17)
    beat(windower, 30, host="n2")
    beat(windower, 85)
    assert windower.advance(now=T0 + 87) == []
    assert len(windower.advance(now=T0 + 93)) == 1


def test_a_reporter_that_lags_is_silent_in_event_time_too() -> None:
    """A recording replayed at any speed needs no wall clock to see that a node is gone."""
    windower = Windower()
    windower.add_flow(flow(15), received_at=T0)
    beat(windower, 20, host="n2")
    windower.add_heartbeat(Heartbeat("c1", "n1", T0 + 81.0), received_at=T0 + 22.0)
    assert len(windower.advance(now=T0 + 22.0)) == 1


def test_no_flows_are_zeros_while_the_node_lives() -> None:
    """Empty windows of a known workload, with the node that vouches for it."""
    windower = Windower()
    for at in (15, 60):
        windower.add_flow(flow(at), received_at=T0 + at + 2)
    for at in range(75, 301, 15):
        beat(windower, at)
    quiet = [one for one in windower.advance(now=T0 + 302) if one.is_quiet]
    assert [(one.start - T0, one.hosts) for one in quiet] == [(60 * at, frozenset({"n1"})) for at in (1, 2, 3)]
    assert windower.windows_missing == 0


def test_no_heartbeat_makes_windows_missing_not_zero() -> None:
    """While the workload's node is dead, another node's life proves nothing about it."""
    windower = Windower()
    for at in (15, 60):
        windower.add_flow(flow(at), received_at=T0 + at + 2)
    for at in range(15, 301, 15):
        beat(windower, at, host="n2")
    windows = windower.advance(now=T0 + 302)
    assert [one.start for one in windows] == [T0]
    assert windower.windows_missing == 3


def test_a_node_that_comes_back_does_not_turn_its_absence_into_zeros() -> None:
    """Five minutes without any sign of life stay missing, though its clock has passed them later."""
    windower = Windower()
    for at in (15, 30, 45, 60, 600):
        windower.add_flow(flow(at), received_at=T0 + at + 2)
    windows = of(windower.finish(), 60)
    assert [one.start - T0 for one in windows] == [0, 540]
    assert windower.windows_missing == 8


def test_a_workload_is_retired_after_a_day() -> None:
    """It then gets no more zeros, and is forgotten; when it comes back it starts anew."""
    options = WindowOptions(retire_after_s=600)
    windower = Windower(options)
    windower.add_flow(flow(15), received_at=T0 + 17)
    for at in range(30, 7300, 15):
        beat(windower, at)
    minutes = of(windower.advance(now=T0 + 7300), 60)
    assert len(minutes) == 10
    assert windower.tracked == 0
    assert windower.facts() == {}


def test_a_late_record_corrects_history_and_is_not_scored_again() -> None:
    """Its minute and five minutes are closed and come as corrections; the open hour simply holds it."""
    windower = Windower()
    for at in range(15, 421, 15):
        windower.add_flow(flow(at), received_at=T0 + at + 2)
    first = windower.advance(now=T0 + 422)
    assert windower.add_flow(flow(58, length=10), received_at=T0 + 424) is Arrival.CORRECTED
    assert windower.advance(now=T0 + 425) == []
    corrections = windower.corrections()
    assert [(one.start - T0, one.horizon_s) for one in corrections] == [(0, 60), (0, 300)]
    before = {(one.start, one.horizon_s): one for one in first}
    for one in corrections:
        (old,), (new,) = before[one.start, one.horizon_s].edges.values(), one.edges.values()
        assert new.started == old.started + 1
    assert windower.corrections() == []


def test_a_late_record_of_a_window_never_emitted_is_emitted_once() -> None:
    """A workload nobody knew of: its late window may still be judged, the second late record only corrects it."""
    windower = Windower()
    for at in range(15, 181, 15):
        windower.add_flow(flow(at), received_at=T0 + at + 2)
    windower.advance(now=T0 + 182)
    windower.add_flow(flow(30, source="db"), received_at=T0 + 183)
    late = windower.advance(now=T0 + 184)
    assert [(str(one.workload), one.start) for one in late] == [("shop/db", T0)]
    windower.add_flow(flow(45, source="db"), received_at=T0 + 185)
    assert windower.advance(now=T0 + 186) == []
    assert [str(one.workload) for one in windower.corrections()] == ["shop/db"]


def test_a_record_later_than_ten_minutes_is_dropped() -> None:
    """Counted, and changes nothing."""
    windower = Windower()
    for at in range(15, 901, 15):
        windower.add_flow(flow(at), received_at=T0 + at + 2)
    windower.advance(now=T0 + 902)
    assert windower.add_flow(flow(50, length=10), received_at=T0 + 903) is Arrival.DROPPED
    assert windower.advance(now=T0 + 904) == []
    assert windower.corrections() == []


def test_a_record_from_the_future_is_refused() -> None:
    """One wrong clock must not close everybody's windows."""
    windower = Windower()
    with pytest.raises(MalformedRecord, match="from_the_future"):
        windower.add_flow(flow(600), received_at=T0 + 500)
    with pytest.raises(MalformedRecord, match="from_the_future"):
        windower.add_heartbeat(Heartbeat("c1", "n1", T0 + 600.0), received_at=T0 + 500)
    assert windower.finish() == []


def test_edges_past_the_cap_are_summed_and_counted() -> None:
    """Nothing is lost from the sums; the edges seen first are kept."""
    options = WindowOptions(edges_cap=16)
    usual = flow(15)
    scan = [flow(30, dest_port=port, counts=Counts(0, 1, 0, 60, 1, 1, 0)) for port in range(1000, 1100)]
    window = of(run(usual, *scan, flow(60), options=options), 60)[0]
    assert len(window.edges) == 16
    assert 80 in {key.port for key in window.edges}
    assert window.overflow_edges == 85
    total = sum(counts.started for counts in window.edges.values()) + window.overflow.started
    assert total == 102


def test_hosts_and_networks_are_nobodys_windows() -> None:
    """A record whose own end is no workload moves the clock and counts nothing."""
    windower = Windower()
    node = Endpoint(EndpointKind.HOST, "", "n1", "n1", "", None)
    foreign = replace(flow(15), source=node)
    assert windower.add_flow(foreign, received_at=T0 + 17) is Arrival.FOREIGN
    assert windower.finish() == []


def test_facts_hold_the_newest_labels_hosts_and_peers() -> None:
    """Whatever order records come in, the newest labels win; a record without labels changes none."""
    old, new = (("app", "web"), ("v", "1")), (("app", "web"), ("v", "2"))
    windower = Windower()
    for at, labels in ((45, new), (15, old), (60, None)):
        windower.add_flow(flow(at, labels=labels, peer_labels=(("app", "api"),)), received_at=T0 + 62)
    (fact,) = windower.facts().values()
    assert fact.labels == new
    assert (fact.first_seen - T0, fact.last_seen - T0, fact.hosts) == (14, 59, frozenset({"n1"}))
    assert {str(peer): labels for peer, labels in fact.peer_labels.items()} == {"shop/api": (("app", "api"),)}


def test_clusters_have_clocks_of_their_own() -> None:
    """A cluster that is far behind holds up only its own windows."""
    windower = Windower()
    for at in (15, 90):
        windower.add_flow(flow(at), received_at=T0 + at + 2)
    windower.add_flow(flow(15, cluster="c2"), received_at=T0 + 90)
    assert [one.workload.cluster for one in windower.advance(now=T0 + 92)] == ["c1"]


def test_a_damaged_or_newer_snapshot_is_refused() -> None:
    """And the state stays as it was."""
    windower = Windower()
    windower.add_flow(flow(60), received_at=T0 + 62)
    good = windower.snapshot()
    for bad in (b"", b"garbage", good[:-3], good[:20] + bytes([good[20] ^ 255]) + good[21:]):
        with pytest.raises(CheckpointRejected):
            windower.restore(bad)
    assert len(windower.finish()) == 1


def test_time_in_which_nobody_is_expected_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of a wrong clock lies decades away: nothing lies between, and nobody walks there minute by minute."""
    far, looked = 40 * 365 * 86_400, []
    alive = Clocks.alive

    def counted(self: Clocks, end: int, *, within_s: float) -> set[str]:
        looked.append(end)
        return alive(self, end, within_s=within_s)

    monkeypatch.setattr(Clocks, "alive", counted)
    windows = of(run(flow(60), flow(120), flow(far + 60), flow(far + 120)), 60)
    assert [window.start - T0 for window in windows if window.edges] == [0, 60, far, far + 60]
    assert all(window.start - T0 < 86_400 + 3600 or window.start - T0 >= far for window in windows)
    assert len(looked) < 2 * 1440


def test_a_new_version_of_the_pods_is_a_rollout_that_a_checkpoint_remembers() -> None:
    """By the template's hash of the labels, else of the ReplicaSet's name; the workload stays the same."""
    windower = Windower()
    for end, source in ((60, "web-7d4b9c6f5"), (120, "web-5f6b8c9d4"), (135, "web-7d4b9c6f5")):
        windower.add_flow(flow(end, source=source), received_at=T0 + end)
    (facts,) = windower.facts().values()
    assert (facts.workload.name, facts.rollout_at) == ("web", T0 + 119)
    again = Windower()
    again.restore(windower.snapshot())
    assert [one.rollout_at for one in again.facts().values()] == [T0 + 119]
    assert again.snapshot() == windower.snapshot()


def test_a_snapshot_of_before_versions_were_noted_is_read() -> None:
    """Format 1 goes on where it stopped; nothing was rolled out as far as it knows."""
    windower = Windower()
    windower.add_flow(flow(60, source="web-7d4b9c6f5"), received_at=T0 + 60)
    packed = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(windower.snapshot()))
    packed[0] = 1
    for _, body in packed[1]:
        body["workloads"] = [row[:10] for row in body["workloads"]]
    old = zstandard.ZstdCompressor(write_checksum=True).compress(msgspec.msgpack.encode(packed))
    again = Windower()
    again.restore(old)
    assert [one.rollout_at for one in again.facts().values()] == [None]
    assert again.open_windows == windower.open_windows
