"""A whole recording -> the windows the stream would close on it.

Pure. A recording is complete: every host seen anywhere in it is taken as alive from its beginning to its end, as
``baseline feed`` says with heartbeats when it plays one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from baseline.domain.flow import Flow, Heartbeat
from baseline.domain.window import Window
from baseline.features.windows import Windower

BEAT_S = 15  # event time between heartbeats
TAIL_S = 60  # heartbeats go on for this long after the end, so that the last windows close
GAP_S = 900  # a jump of the recording's clock is a gap: nobody was alive in it, its windows are missing


def closed_windows(recording: Iterable[Flow], windower: Windower) -> Iterator[list[Window]]:
    """Windows as they close, corrections included, in batches; the recording is read twice, in order of time."""
    hosts = sorted({(flow.cluster, flow.host) for flow in recording})  # a first reading: who is there from the start
    beat_at = newest = 0
    for flow in recording:
        if flow.event_time - newest > GAP_S:
            beat_at = (flow.event_time // BEAT_S + 1) * BEAT_S
        while beat_at < flow.event_time:
            yield from _beat(windower, hosts, beat_at)
            beat_at += BEAT_S
        newest = max(newest, flow.event_time)
        windower.add_flow(flow, received_at=newest + 1.0)
    while newest and beat_at < newest + TAIL_S:
        yield from _beat(windower, hosts, beat_at)
        beat_at += BEAT_S
    if closed := windower.finish():  # what the stream closes when all its reporters have gone silent
        yield closed


def _beat(windower: Windower, hosts: Sequence[tuple[str, str]], at: int) -> Iterator[list[Window]]:
    for cluster, host in hosts:
        windower.add_heartbeat(Heartbeat(cluster, host, float(at)), received_at=at)
    closed = [*windower.advance(now=at), *windower.corrections()]
    if closed:
        yield closed
