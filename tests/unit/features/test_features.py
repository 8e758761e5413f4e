"""Windows as numbers, and hours of the local week."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import SchemaMismatch
from baseline.domain.units import parse_rfc3339
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features import calendar, extract, schema

WEB = WorkloadId("c", "shop", "web")
DB = Peer(PeerKind.WORKLOAD, "shop", "db")


def window(*edges: tuple[EdgeKey, EdgeCounts], overflow: EdgeCounts | None = None) -> Window:
    """A minute of the web."""
    return Window(workload=WEB, start=0, end=60, edges=dict(edges), overflow=overflow or EdgeCounts(),
                  overflow_edges=700 if overflow else 0)  # fmt: skip


def edge(peer: Peer = DB, port: int = 5432, direction: Direction = Direction.EGRESS) -> EdgeKey:
    """An edge of the web."""
    return EdgeKey(direction, peer, port, "tcp")


def value(found: Window, name: str) -> float:
    """One feature in natural units."""
    column = schema.INDEX[name]
    return schema.natural(schema.FEATURES[column], float(extract.vector(found)[column]))


def test_a_quiet_window_has_no_amounts() -> None:
    """Zeros in every count, and finite everywhere."""
    found = extract.vector(window())
    assert np.isfinite(found).all()
    for name in ("connections_out", "bytes_out_out", "peers_in", "failed_out"):
        assert found[schema.INDEX[name]] == 0.0


def test_counts_come_back_in_natural_units() -> None:
    """The scale is undone by `natural`."""
    found = window((edge(), EdgeCounts(records=1, started=312, bytes_out=5_000_000, packets_out=4000)))
    assert value(found, "connections_out") == pytest.approx(312)
    assert value(found, "bytes_out_out") == pytest.approx(5_000_000)
    assert value(found, "packets_out_out") == pytest.approx(4000)


def test_natural_units_are_plain_floats() -> None:
    """Reasons go into the books, and no codec takes numpy's own numbers."""
    for feature in schema.FEATURES:
        for number in np.array([-1.0, 0.0, 0.7, 5.0]):
            assert type(schema.natural(feature, number)) is float, feature.name


def test_directions_are_counted_apart() -> None:
    """What others start is not what the workload starts."""
    found = window((edge(direction=Direction.INGRESS), EdgeCounts(records=1, started=9)))
    assert value(found, "connections_in") == pytest.approx(9)
    assert value(found, "connections_out") == 0.0


def test_a_scan_shows_in_fan_out_failure_and_shape() -> None:
    """Many ports, few bytes, no answers."""
    ports = [(edge(port=port), EdgeCounts(records=1, started=1, bytes_out=60, attempts=1)) for port in range(1, 301)]
    found = window(*ports)
    assert value(found, "ports_out") == pytest.approx(300)
    assert value(found, "failed_out") == pytest.approx(300)
    assert value(found, "bytes_per_connection_out") < 100
    assert value(found, "edges_per_peer_out") > 20


def test_refused_connections_count_where_none_was_started() -> None:
    """A log that counts only denies still shows the attempts."""
    found = window((edge(), EdgeCounts(records=1, denied=40)))
    assert value(found, "connections_out") == pytest.approx(40)


def test_long_connections_are_told_from_short_ones() -> None:
    """A tunnel is open in every record of the minute and starts once; a client that calls as often does not stay."""
    short = window((edge(), EdgeCounts(records=4, flows=400, started=400)))
    tunnels = window((edge(), EdgeCounts(records=4, flows=400, started=10)))
    assert value(short, "carried_out") == pytest.approx(1.0)
    assert value(tunnels, "carried_out") > 20
    assert value(tunnels, "carried_in") == pytest.approx(1.0)


def test_edges_past_the_cap_still_count() -> None:
    """The overflow adds its sums and its number of edges."""
    found = window((edge(), EdgeCounts(records=1, started=1)), overflow=EdgeCounts(records=700, started=700))
    assert value(found, "connections_out") == pytest.approx(701)
    assert value(found, "edges_out") == pytest.approx(701)


def test_external_bytes_leave_the_cluster() -> None:
    """Bytes to a workload are not external, bytes to an address are."""
    outside = edge(peer=Peer(PeerKind.ADDRESS, "", "203.0.113.9"), port=443)
    found = window((edge(), EdgeCounts(records=1, bytes_out=10**8)), (outside, EdgeCounts(records=1, bytes_out=10**6)))
    assert value(found, "external_bytes_out") == pytest.approx(10**6)
    assert value(found, "external_peers_out") == pytest.approx(1)


def test_the_schema_hash_knows_the_order_of_columns() -> None:
    """Names are unique and the hash is stable within a version."""
    assert len(set(schema.NAMES)) == schema.WIDTH
    assert schema.hash() == schema.hash()
    assert len(schema.hash()) == 16


def test_slots_follow_local_time_over_a_change_of_the_clock() -> None:
    """03 h in Berlin is slot 3 of the day, before and after the change."""
    winter = calendar.slot(parse_rfc3339("2026-03-27T02:30:00Z"), zone="Europe/Berlin")
    summer = calendar.slot(parse_rfc3339("2026-04-03T01:30:00Z"), zone="Europe/Berlin")
    assert winter == summer == 4 * 24 + 3


def test_a_holiday_counts_as_a_sunday() -> None:
    """The calendar moves a day, not its hours."""
    noon = parse_rfc3339("2026-12-25T12:00:00Z")
    assert calendar.slot(noon, holidays={date(2026, 12, 25)}) == 6 * 24 + 12
    assert calendar.slot(noon) == 4 * 24 + 12


def test_many_slots_are_the_slots_of_each() -> None:
    """The array form is the scalar form."""
    times = np.arange(0, 14 * 86_400, 1700, dtype=np.int64)
    zone = "Asia/Kathmandu"  # 5 h 45 min ahead
    assert calendar.slots(times, zone=zone).tolist() == [calendar.slot(int(at), zone=zone) for at in times]


def test_columns_are_put_in_order_by_name() -> None:
    """Known columns in any order, nothing unknown, missing or doubled."""
    one = schema.Schema(schema.FEATURES[:3])
    values = np.array([[3.0, 1.0, 2.0]])
    names = [one.names[2], one.names[0], one.names[1]]
    assert one.arranged(names, values).tolist() == [[1.0, 2.0, 3.0]]
    for wrong in (names[:2], [*names[:2], "nobody_knows"], [*names[:2], names[0]]):
        with pytest.raises(SchemaMismatch):
            one.arranged(wrong, values[:, : len(wrong)])


def test_a_feature_that_a_log_cannot_give_is_no_column() -> None:
    """Absent is another schema, not a zero."""
    less = schema.PRODUCT.without(["external_peers_out"])
    assert less.width == schema.WIDTH - 1
    assert less.hash != schema.PRODUCT.hash
    with pytest.raises(SchemaMismatch, match="nobody_knows"):
        schema.PRODUCT.without(["nobody_knows"])


def test_the_hour_before_a_change_of_the_clock_is_that_of_the_old_time() -> None:
    """Berlin puts its clocks back on 2026-10-25: 02:30 UTC is 03 h local, and was 04 h before."""
    berlin = calendar.Calendar(zone="Europe/Berlin")
    night = int(parse_rfc3339("2026-10-27T02:30:00Z"))
    times, before = np.array([night]), np.array([night - 14 * 86_400])
    assert berlin.slots(times).tolist() == [24 + 3]
    assert berlin.slots_as_of(times, before).tolist() == [24 + 4]
    assert berlin.slots_as_of(times, times).tolist() == [24 + 3]
    assert calendar.Calendar().slots_as_of(times, before).tolist() == calendar.Calendar().slots(times).tolist()
