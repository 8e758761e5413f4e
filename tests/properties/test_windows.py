"""Properties of windows: order, batches, partitions and restarts change nothing."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from baseline.domain.flow import Action, Counts, Flow
from baseline.domain.window import Window
from baseline.features.windows import Windower
from tests.unit.features_windows.making import DENIED, T0, flow

NUMBERS = st.integers(0, 50)


@st.composite
def recordings(draw: st.DrawFn) -> list[Flow]:
    """Records of three workloads and two nodes over twenty minutes, copies and re-sends included."""
    flows = []
    for _ in range(draw(st.integers(1, 40))):
        counts = Counts(*(draw(NUMBERS) for _ in range(7)))
        length = draw(st.sampled_from([15, 15, 15, 60, 300]))
        is_denied = draw(st.booleans())
        name = draw(st.sampled_from(["web", "api", "db"]))
        flows.append(
            flow(
                draw(st.integers(1, 80)) * 15,
                source=name,
                dest=draw(st.sampled_from(["api", "cache"])),
                host={"web": "n1", "api": "n1", "db": "n2"}[name],
                length=length,
                counts=counts,
                labels=draw(st.sampled_from([None, (("v", "1"),), (("v", "2"),)])),
                action=Action.DENY if is_denied else Action.ALLOW,
                enforced=(DENIED,) if is_denied else (),
            )
        )
    return flows


def windows_of(flows: list[Flow]) -> list[Window]:
    """Windows of a recording of which all arrives before anything is late."""
    windower = Windower()
    for one in flows:
        windower.add_flow(one, received_at=T0 + 2000.0)
    return windower.finish()


@given(recordings(), st.randoms())
def test_the_order_of_arrival_changes_nothing(flows: list[Flow], random: Random) -> None:
    """Any order, with any record sent twice: identical windows and facts."""
    shuffled = [*flows, *random.sample(flows, len(flows) // 2)]
    random.shuffle(shuffled)
    assert windows_of(shuffled) == windows_of(flows)


@given(recordings(), st.integers(1, 7))
def test_batches_and_restarts_change_nothing(flows: list[Flow], size: int) -> None:
    """Advancing after every batch, through a snapshot each time, emits the same windows in the same order."""
    ordered = sorted(flows, key=lambda one: one.end)
    windower, stepwise = Windower(), []
    for at in range(0, len(ordered), size):
        for one in ordered[at : at + size]:
            windower.add_flow(one, received_at=one.end + 2.0)
        stepwise += windower.advance(now=ordered[at].end + 2.0)
        snapshot = windower.snapshot()
        windower = Windower()
        windower.restore(snapshot)
        assert windower.snapshot() == snapshot
    stepwise += windower.finish()
    straight = Windower()
    for one in ordered:
        straight.add_flow(one, received_at=one.end + 2.0)
    seen = {(window.end, window.horizon_s, window.workload.key): window for window in stepwise}
    assert len(seen) == len(stepwise)
    for window in straight.finish():
        if not window.is_quiet:
            assert seen[window.end, window.horizon_s, window.workload.key] == window


@given(recordings())
def test_every_record_is_in_exactly_one_window_of_a_horizon(flows: list[Flow]) -> None:
    """Started connections of an hour are those of the distinct records, at every horizon that holds them."""
    windower = Windower()
    for one in flows:
        windower.add_flow(one, received_at=T0 + 2000.0)
    closing = flow(3700, source="zz", host="n1")
    windower.add_flow(closing, received_at=T0 + 4000.0)
    windows = windower.finish()
    largest: dict[tuple[object, ...], Flow] = {}
    for one in flows:
        held = largest.get(one.identity)
        if held is None or one.counts.started > held.counts.started:
            largest[one.identity] = one
    expected = sum(one.counts.started for one in largest.values() if not is_stale(one, flows))
    for horizon in (300, 3600):
        counted = sum(
            counts.started for window in windows if window.horizon_s == horizon for counts in window.edges.values()
        )
        assert counted == expected


def is_stale(one: Flow, flows: list[Flow]) -> bool:
    """A deny of which no copy has packets or started anything."""
    copies = [other for other in flows if other.identity == one.identity]
    return one.action is Action.DENY and not any(
        other.counts.started or other.counts.packets_in or other.counts.packets_out for other in copies
    )
