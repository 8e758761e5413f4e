"""The simulator: real shapes, seeded, and closed windows as the stream would give them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baseline.domain.edge import Direction
from baseline.domain.units import DAY_S, HOUR_S
from baseline.domain.window import merge
from pipelines.suite import _curves, simulate
from pipelines.suite.simulate import Traffic, World, pods
from tests.ground.require import shared_dir

BEGIN = 1_767_571_200  # Monday 2026-01-05
NOWHERE = Path("no-data-here")


@pytest.fixture(name="world", scope="module")
def _world() -> World:
    """Without any data: the built-in curve."""
    return World.make(NOWHERE, seed=3, is_small=True)


@pytest.fixture(name="traffic", scope="module")
def _traffic(world: World) -> Traffic:
    """Four hours of it."""
    return world.traffic(BEGIN, 4 / 24)


def test_without_data_the_curve_is_the_built_in_one_and_has_days_and_weekends() -> None:
    """Documented, invented, the same for everybody."""
    curve = _curves.uk_backbone(NOWHERE)
    assert curve.name == "built-in"
    assert curve.profile[14].mean() > curve.profile[2].mean() + 1
    assert curve.profile[14].mean() > curve.profile[5 * 24 + 14].mean()


@pytest.mark.parametrize(
    ("folder", "make", "name"),
    [("isp-5min", _curves.uk_backbone, "uk-backbone"), ("cesnet-ts24-103", _curves.cesnet, "cesnet-103")],
)
def test_real_curves_are_busier_by_day(folder: str, make: object, name: str) -> None:
    """Read from the recordings, whole days only."""
    data = shared_dir("data", folder).parent
    curve = make(data)  # type: ignore[operator]  # one of the two above
    assert curve.name == name
    assert curve.profile[24 + 11].mean() > curve.profile[24 + 3].mean()
    assert curve.days.shape[1] == DAY_S // _curves.STEP_S
    assert np.isfinite(curve.days).all()


def test_a_holiday_looks_like_a_sunday(world: World) -> None:
    """And nothing else of the day changes."""
    from datetime import date

    starts = BEGIN + _curves.STEP_S * np.arange(288, dtype=np.int64)
    demands = [
        world.shop.demand(starts, zone="UTC", rng=np.random.default_rng(1), holidays=days)
        for days in ([], [date(2026, 1, 5)])
    ]
    sunday = world.shop.profile[6 * 24 : 7 * 24].reshape(-1) - world.shop.profile[:24].reshape(-1)
    assert np.allclose(np.log(demands[1] / demands[0]), sunday)


def test_the_same_seed_gives_the_same_traffic_and_another_does_not(world: World, traffic: Traffic) -> None:
    """Every array."""
    again = world.traffic(BEGIN, 4 / 24)
    other = World.make(NOWHERE, seed=4, is_small=True).traffic(BEGIN, 4 / 24)
    assert all(np.array_equal(a.bytes_out, b.bytes_out) for a, b in zip(traffic.streams, again.streams, strict=True))
    assert any(
        not np.array_equal(a.bytes_out, b.bytes_out) for a, b in zip(traffic.streams, other.streams, strict=True)
    )


def test_the_owner_is_derived_as_the_product_derives_it() -> None:
    """A new ReplicaSet is the same workload."""
    new = pods("shop", "cartservice", revision=simulate.NEW_REVISION)
    assert new == pods("shop", "cartservice")
    assert simulate.is_a_workload(new)


def test_an_hour_is_the_sum_of_its_windows_in_the_order_of_the_stream(traffic: Traffic) -> None:
    """Batches come in order of their end; 300 s windows of an hour add up to the hour's."""
    batches = list(simulate.closed(traffic))
    ends = [batch[0].end for batch in batches]
    assert ends == sorted(ends)
    assert all([w.workload.key for w in batch if w.horizon_s == 300] == sorted(
        w.workload.key for w in batch if w.horizon_s == 300) for batch in batches)  # fmt: skip
    front = simulate.workload(pods("shop", "frontend"))
    own = [window for batch in batches for window in batch if window.workload == front]
    hour = next(window for window in own if window.horizon_s == HOUR_S)
    parts = [window for window in own if window.horizon_s == 300 and window.end <= hour.end]
    summed = merge(parts, start=hour.start, end=hour.end)
    assert {key: counts.bytes_out for key, counts in summed.edges.items()} == {
        key: counts.bytes_out for key, counts in hour.edges.items()
    }


def test_both_ends_of_a_link_tell_the_same(traffic: Traffic) -> None:
    """What one sent the other received."""
    windows = {window.workload: window for window in next(iter(simulate.closed(traffic, horizons_s=(300,))))}
    front, cart = (pods("shop", name) for name in ("frontend", "cartservice"))
    out = next(c for k, c in windows[simulate.workload(front)].edges.items() if k.peer == cart)
    back = next(
        c
        for k, c in windows[simulate.workload(cart)].edges.items()
        if k.peer == front and k.direction is Direction.INGRESS
    )
    assert (out.bytes_out, out.bytes_in, out.started) == (back.bytes_in, back.bytes_out, back.started)


def test_missing_windows_do_not_exist_and_flows_are_not_reported(world: World) -> None:
    """Nobody was alive to look."""
    traffic = world.traffic(BEGIN, 2 / 24)
    cart = pods("shop", "cartservice")
    traffic.missing[cart] = np.zeros(traffic.steps, dtype=np.bool_)
    traffic.missing[cart][3:6] = True
    starts = [
        w.start for b in simulate.closed(traffic, horizons_s=(300,)) for w in b if w.workload.name == "cartservice"
    ]
    assert [step for step in range(traffic.steps) if BEGIN + 300 * step not in starts] == [3, 4, 5]
    told = {flow.start for flow in simulate.flows(traffic) if flow.local.name_aggr.startswith("cartservice")}
    assert BEGIN + 300 * 4 not in told
    assert BEGIN + 300 * 7 in told
