"""Row: what happens in every cluster and is no attack must restrict nobody by itself. Simulated from real shapes.

One history of three weeks (``simulate``, the shop and what surrounds it, Europe/Berlin) is learned once; each event is
laid onto the same following day, judged by the product, grouped, planned and shown to the guards. What counts are
alerts that the undisturbed day does not have, and alerts that pass the evidence rule for automatic action.

rollout          a new ReplicaSet: other pod names and hashes (through the product's derivation of owners), every pool
                 opened anew by both ends, a few unanswered connections, 15 % more bytes, two new dependencies
scale 1 -> 10    a frontend with ten times the pods: everything it starts and is called with times ten, at ten times
                 the load of clients
scale, same load the same without more clients: pools, DNS and scrapes times ten
holiday          a Thursday that looks like a Sunday, in the calendar of holidays and not
clock change     spring and autumn in Europe/Berlin, judged in that zone; spring in UTC, too, to say what it costs
collector gap    a node's agent is dead for 45 minutes: no windows, and parts of windows at both ends
backfill         a node's flows of an hour arrive an hour late, through the stream's own windowing
counter reset    a node's Felix restarts: pools count as started once more and one export holds 12 times the bytes
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from baseline.domain.edge import Peer, PeerKind
from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Flow, Heartbeat
from baseline.domain.units import HOUR_S
from baseline.domain.window import Window
from baseline.features.windows import Windower
from pipelines.suite import simulate
from pipelines.suite._automatic import Consequences, workloads
from pipelines.suite._curves import STEP_S
from pipelines.suite._learned import HORIZONS_S, Learned
from pipelines.suite.figure import Figure
from pipelines.suite.simulate import Traffic, World, outside, pods

NAME = "negatives"
NEEDS = ("isp-5min",)
ZONE = "Europe/Berlin"
EVENT_DAY = int(datetime(2026, 3, 26, tzinfo=UTC).timestamp())  # a Thursday; the clocks change on the Sunday after
AUTUMN_DAY = int(datetime(2026, 10, 24, 18, tzinfo=UTC).timestamp())  # the Saturday before
SPRING_CHANGE = int(datetime(2026, 3, 28, 18, tzinfo=UTC).timestamp())
HISTORY_DAYS, AUTUMN_HISTORY_DAYS, QUICK_DAYS = 21, 14, 2
CHANGE_DAYS = 2  # around a change of the clock
DAY_BEGINS, DAY_LASTS = 6 * HOUR_S, 0.5  # what is judged: twelve hours around the event
EVENT_AT = 4 * 12  # step of what is judged: ten o'clock (UTC)


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """All events of one history, and the change of the clock in autumn with its own."""
    world = World.make(data, seed=seed, is_small=True, zone=ZONE)
    days = QUICK_DAYS if is_quick else HISTORY_DAYS
    spring = Learned.learned(world, until=EVENT_DAY, days=days)
    undisturbed = world.traffic(EVENT_DAY + DAY_BEGINS, DAY_LASTS)
    calm = spring.judged(simulate.closed(undisturbed), undisturbed, zone=ZONE)
    found = [_told("undisturbed day", "alerts", float(len(calm.alerts)), "alerts of 16 workloads in a day")]
    for name, change in EVENTS.items():
        traffic = world.traffic(EVENT_DAY + DAY_BEGINS, DAY_LASTS)
        change(traffic, world)
        found += _figures(name, spring.judged(simulate.closed(traffic), traffic, zone=ZONE), calm)
    found += _holidays(spring, calm)
    found += _backfill(spring, calm)
    found += _clock_changes(spring, SPRING_CHANGE, "spring")
    if not is_quick:
        autumn = Learned.learned(world, until=AUTUMN_DAY, days=AUTUMN_HISTORY_DAYS)
        found += _clock_changes(autumn, AUTUMN_DAY, "autumn")
    return found


def _figures(name: str, found: Consequences, calm: Consequences) -> list[Figure]:
    """Restrictions by the evidence rule (gate), and alerts that the event made."""
    made = found.new_beside(calm)
    evident = [alert for alert in found.evident if alert.id not in calm.alerts]
    automatic = [alert for alert in found.automatic if alert.id not in calm.alerts]
    note = (
        f"simulated; would pass the evidence rule: {', '.join(workloads(evident)) or 'nobody'}; "
        f"and all guards of the alert itself: {', '.join(workloads(automatic)) or 'nobody'}"
    )
    alerts = f"simulated; beyond the undisturbed day's, at {', '.join(workloads(made)) or 'nobody'}"
    limit = (None, 2.0) if name == "rollout" else None
    return [
        Figure(row=NAME, name=f"{name}: restrictions", value=float(len({one.id for one in evident})),
               unit="restrictions", gate=(0.0, 0.0), note=note),
        Figure(row=NAME, name=f"{name}: alerts", value=float(len(made)), unit="alerts", gate=limit, note=alerts),
    ]  # fmt: skip


def _told(name: str, what: str, value: float, note: str) -> Figure:
    return Figure(row=NAME, name=f"{name}: {what}", value=value, unit=what, note=f"simulated; {note}")


def _rollout(traffic: Traffic, world: World) -> None:
    """Of the checkout: old pods end while new ones open their pools."""
    new = pods("shop", "checkoutservice", revision=simulate.NEW_REVISION)
    if new != pods("shop", "checkoutservice"):  # the derivation of owners failed: it would be another workload
        raise ValueError("the new ReplicaSet is not the same workload")
    traffic.rolled[new] = EVENT_AT
    moment = slice(EVENT_AT, EVENT_AT + 3)
    rng = world.rng("rollout", traffic.begin)
    for stream in traffic.of(new):
        stream.started[moment] += 2 * stream.pool + rng.poisson(4, size=3)
        stream.failed[moment] += rng.poisson(1.5, size=3)
        stream.bytes_out[EVENT_AT:] = (stream.bytes_out[EVENT_AT:] * 1.15).astype(np.int64)
    for dest, port in ((pods("shop", "featureflagservice"), 50053), (outside("198.51.100.77"), 443)):
        stream = world.link(
            traffic, new, dest, port, demand=np.ones(traffic.steps), requests=40, sizes=(300, 900), is_pooled=True
        )
        for array in (stream.started, stream.failed, stream.bytes_out, stream.bytes_in):
            array[:EVENT_AT] = 0
        traffic.since.setdefault(dest, EVENT_AT)


def _times(stream: simulate.Stream, factor: float, since: int) -> None:
    for array in (stream.started, stream.failed, stream.bytes_out, stream.bytes_in):
        array[since:] = (array[since:] * factor).astype(np.int64)


def _scale(traffic: Traffic, _: World) -> None:
    """Ten frontends for ten times the clients."""
    for stream in traffic.of(pods("shop", "frontend")):
        _times(stream, 10.0, EVENT_AT)


def _scale_same_load(traffic: Traffic, _: World) -> None:
    """Ten frontends for the same clients: what each pod does for itself is there ten times."""
    front = pods("shop", "frontend")
    for stream in traffic.of(front):
        if stream.dest == simulate.DNS or stream.source == simulate.SCRAPER or stream.pool:
            stream.started[EVENT_AT:] *= 10
            stream.started[EVENT_AT : EVENT_AT + 2] += 9 * stream.pool
        if stream.dest == simulate.DNS or stream.source == simulate.SCRAPER:
            stream.bytes_out[EVENT_AT:] *= 10
            stream.bytes_in[EVENT_AT:] *= 10


def _on_node(traffic: Traffic, node: str) -> list[Peer]:
    ends = {end for stream in traffic.streams for end in (stream.source, stream.dest)}
    return sorted(end for end in ends if end.kind is PeerKind.WORKLOAD and simulate.node_of(end) == node)


def _busiest_node(traffic: Traffic) -> str:
    nodes = [f"node-{number}" for number in range(simulate.NODES)]
    return max(nodes, key=lambda node: len(_on_node(traffic, node)))


def _gap(traffic: Traffic, _: World) -> None:
    """Forty-five minutes, beginning and ending within hours."""
    for peer in _on_node(traffic, _busiest_node(traffic)):
        traffic.missing[peer] = np.zeros(traffic.steps, dtype=np.bool_)
        traffic.missing[peer][EVENT_AT + 5 : EVENT_AT + 14] = True


def _reset(traffic: Traffic, _: World) -> None:
    """One export counts what a restart forgot that it had counted."""
    for peer in _on_node(traffic, _busiest_node(traffic)):
        for stream in traffic.of(peer):
            stream.started[EVENT_AT] += stream.pool
            stream.bytes_out[EVENT_AT] *= 12
            stream.bytes_in[EVENT_AT] *= 12


EVENTS: Mapping[str, Callable[[Traffic, World], None]] = {
    "rollout": _rollout,
    "scale 1 -> 10": _scale,
    "scale, same load": _scale_same_load,
    "collector gap": _gap,
    "counter reset": _reset,
}


def _holidays(setting: Learned, calm: Consequences) -> list[Figure]:
    """The day is in the calendar, or it is not."""
    today = datetime.fromtimestamp(EVENT_DAY, UTC).date()
    traffic = setting.world.traffic(EVENT_DAY + DAY_BEGINS, DAY_LASTS, holidays={today})
    found = []
    for name, calendar in (("holiday in the calendar", frozenset({today})), ("holiday unknown", frozenset[date]())):
        found += _figures(name, setting.judged(simulate.closed(traffic), traffic, zone=ZONE, holidays=calendar), calm)
    return found


def _clock_changes(setting: Learned, day: int, season: str) -> list[Figure]:
    """The days around, whose people get up by the clock on the wall."""
    traffic = setting.world.traffic(day, CHANGE_DAYS)
    nobody = Consequences()
    found = _figures(f"clock change in {season}", setting.judged(simulate.closed(traffic), traffic, zone=ZONE), nobody)
    if season == "autumn":  # another fit, to say the same
        return found
    utc = setting.judged(simulate.closed(traffic), traffic, zone="UTC")
    passing = len({one.id for one in utc.evident})
    note = f"{CHANGE_DAYS} days around it; {passing} pass the evidence rule"
    return [*found, _told(f"clock change in {season}, judged in UTC", "alerts", float(len(utc.alerts)), note)]


def _backfill(setting: Learned, calm: Consequences) -> list[Figure]:
    """A node's hour comes an hour late, through the stream's own windowing."""
    traffic = setting.world.traffic(EVENT_DAY + DAY_BEGINS, DAY_LASTS)
    late_from = traffic.begin + EVENT_AT * STEP_S
    node = _busiest_node(traffic)
    last = EVENT_AT + 5 * 12
    windower, batches = Windower(), []
    arrivals = sorted(_arrivals(traffic, node, late_from, last), key=lambda arrival: arrival[0])
    dropped = 0
    for at, record in arrivals:
        try:
            if isinstance(record, Heartbeat):
                windower.add_heartbeat(record, received_at=at)
            else:
                windower.add_flow(record, received_at=at)
        except MalformedRecord:
            dropped += 1
        batches.append(windower.advance(now=at))
    found = setting.judged((_wanted(batch) for batch in batches if batch), traffic, zone=ZONE)
    return [
        *_figures("backfill", found, calm),
        _told("backfill", "records refused", float(dropped), "late records are corrections of history, not windows"),
    ]


def _wanted(batch: list[Window]) -> list[Window]:
    return [window for window in batch if window.horizon_s in HORIZONS_S]


def _arrivals(traffic: Traffic, node: str, late_from: int, last: int) -> Iterable[tuple[float, Flow | Heartbeat]]:
    """Every record with the time it reaches the log: two seconds after its end, or an hour late."""
    for flow in simulate.flows(traffic, first=EVENT_AT - 3 * 12, last=last):
        is_late = flow.host == node and late_from <= flow.start < late_from + HOUR_S
        yield flow.end + (HOUR_S if is_late else 2.0), flow
    for step in range(EVENT_AT - 3 * 12, last):
        end = traffic.begin + (step + 1) * STEP_S
        for number in range(simulate.NODES):
            host = f"node-{number}"
            if host != node or not late_from <= end < late_from + HOUR_S:
                yield end + 3.0, Heartbeat(simulate.CLUSTER, host, float(end))
