"""The agent against the in-memory log: what is shipped, remembered and claimed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from baseline.adapters.memory.log import MemoryDeadLetters, MemoryFlowSink, MemoryLog
from baseline.agent.loop import Agent, AgentOptions, run
from baseline.agent.shipping import ShippingOptions
from baseline.domain.attribution import reporting_workload
from baseline.domain.errors import Unavailable
from baseline.domain.flow import Flow, Heartbeat
from baseline.formats import decode
from tests.unit.agent.fakes import NOW, FakeClock, FakeLines, FakeMetrics
from tests.unit.formats.records import enterprise, goldmane, line

TOPIC = "calico.flows"


def shipping(mirror_peers: tuple[str, ...] = ()) -> ShippingOptions:
    """Cluster prod, node-1."""
    return ShippingOptions(topic=TOPIC, cluster="prod", host="node-1", mirror_peers=mirror_peers)


class House:
    """An agent and everything around it."""

    def __init__(self, values: Sequence[bytes], *, batch_lines: int = 100, mirror_peers: tuple[str, ...] = ()) -> None:
        self.lines = FakeLines(values)
        self.log = MemoryLog({TOPIC: 2})
        self.sink = MemoryFlowSink(self.log)
        self.letters = MemoryDeadLetters()
        self.metrics = FakeMetrics()
        self.clock = FakeClock()
        self.options = AgentOptions(shipping=shipping(mirror_peers), batch_lines=batch_lines)

    def agent(self) -> Agent:
        """A new process over the same world."""
        return Agent(self.lines, self.sink, self.letters, options=self.options, clock=self.clock, metrics=self.metrics)

    def shipped(self) -> list[tuple[str, Flow]]:
        """Key and flow of every record that is no heartbeat."""
        read = [(record.key, decode(record.value, cluster="?")) for record in self.log.records(TOPIC)]
        return [((key or b"").decode(), found) for key, found in read if isinstance(found, Flow)]

    def beats(self) -> list[Heartbeat]:
        """Every heartbeat, of every partition."""
        read = [decode(record.value, cluster="?") for record in self.log.records(TOPIC)]
        return [found for found in read if isinstance(found, Heartbeat)]


def test_line_is_keyed_by_its_reporting_workload_and_stamped() -> None:
    """Cluster and host stand in the record, the event time on it."""
    house = House([line(enterprise()), line(enterprise(reporter="dst"))])
    assert house.agent().step()
    assert {key for key, _ in house.shipped()} == {"prod/default/frontend", "prod/default/cartservice"}
    assert {(flow.cluster, flow.host) for _, flow in house.shipped()} == {("prod", "node-1")}
    record = next(record for record in house.log.records(TOPIC) if record.key == b"prod/default/frontend")
    assert record.timestamp == house.shipped()[0][1].event_time
    assert house.lines.saved == 2


def test_bad_lines_are_dead_letters_and_their_neighbours_are_shipped() -> None:
    """With reason and position; transit, host and blank lines are skipped without one."""
    values = [
        line(enterprise()), b"{", line(enterprise(action="?")), b"  ", line(enterprise(reporter="fwd")),
        line(enterprise(source_type="hep", source_name_aggr="node-1")), line(goldmane()),
    ]  # fmt: skip
    house = House(values)
    house.agent().step()
    assert [(letter.reason, letter.position) for letter in house.letters.letters] == [
        ("not_json", "flows.log:1"), ("unknown_action", "flows.log:2"),
    ]  # fmt: skip
    assert [key for key, _ in house.shipped()].count("prod/default/frontend") == 1
    assert {key for key, _ in house.shipped()} == {"prod/default/frontend", "prod/shop/frontend"}
    results = {name: count for name, count in house.metrics.counts.items() if name.startswith("agent_lines_total/")}
    assert results == {
        "agent_lines_total/sent": 2, "agent_lines_total/dead": 2, "agent_lines_total/skipped": 2,
        "agent_lines_total/blank": 1,
    }  # fmt: skip


def test_broker_that_is_down_costs_nothing() -> None:
    """Position unsaved while it is down, no further line read, everything shipped once it is back."""
    house = House([line(enterprise(dest_port=port)) for port in range(1, 8)], batch_lines=3)
    agent = house.agent()
    house.log.is_up = False
    for _ in range(3):
        with pytest.raises(Unavailable):
            agent.step()
    assert (house.lines.saved, house.lines.place) == (0, 3)
    house.log.is_up = True
    while agent.step():
        pass
    assert sorted(flow.dest_port or 0 for _, flow in house.shipped()) == list(range(1, 8))
    assert house.lines.saved == 7


def test_broker_that_goes_in_the_middle_of_a_batch_doubles_nothing() -> None:
    """The step continues at the line where it stopped."""
    house = House([line(enterprise(dest_port=port)) for port in range(1, 6)])
    agent, sent, plain_send = house.agent(), 0, house.sink.send

    def failing_send(topic: str, *, key: bytes, value: bytes, **given: object) -> None:
        nonlocal sent
        sent += 1
        if sent == 3:
            raise Unavailable("gone for a moment")
        plain_send(topic, key=key, value=value, **given)  # type: ignore[arg-type] # passed on as given

    house.sink.send = failing_send  # type: ignore[method-assign] # a sink that fails once
    with pytest.raises(Unavailable):
        agent.step()
    agent.step()
    assert sorted(flow.dest_port or 0 for _, flow in house.shipped()) == [1, 2, 3, 4, 5]


def test_crash_before_the_save_ships_the_same_records_again() -> None:
    """At least once: what was acknowledged but not remembered comes twice, equal in identity and counts."""
    house = House([line(enterprise(dest_port=port)) for port in (1, 2)])
    house.lines.fails = 1
    with pytest.raises(Unavailable):
        house.agent().step()
    house.lines.place = house.lines.saved  # what a new process finds
    house.agent().step()
    flows = [flow for _, flow in house.shipped()]
    assert len(flows) == 4
    assert len({flow.identity for flow in flows}) == 2
    assert house.lines.saved == 2


def test_peer_that_nobody_reports_for_gets_a_mirrored_copy() -> None:
    """Keyed to it, marked, and counted from its side; other peers get none."""
    house = House([line(enterprise()), line(enterprise(dest_name_aggr="pay-*"))], mirror_peers=("default/cart*",))
    house.agent().step()
    copies = [(key, flow) for key, flow in house.shipped() if flow.mirrored]
    assert [key for key, _ in copies] == ["prod/default/cartservice"]
    assert str(reporting_workload(copies[0][1])) == "default/cartservice"
    assert copies[0][1].counts.packets_in == 2418
    assert len(house.shipped()) == 3


def test_heartbeat_goes_to_every_partition_and_claims_no_unfinished_interval() -> None:
    """At the end of the files: one export interval (here 300 s) and the writing before now."""
    house = House([line(enterprise())])
    house.agent().step()
    assert house.beats() == [Heartbeat("prod", "node-1", NOW - 300 - 5)] * 2


def test_heartbeat_behind_the_end_of_the_files_claims_what_was_shipped_whole() -> None:
    """The interval being read may be half read, so the claim ends before it."""
    house = House([line(enterprise(dest_port=port)) for port in (1, 2)], batch_lines=1)
    house.agent().step()
    newest = house.shipped()[0][1].event_time
    assert house.beats() == [Heartbeat("prod", "node-1", float(newest - 300))] * 2


def test_silent_node_still_sends_heartbeats() -> None:
    """No flows is data only while they come; Felix's own interval is assumed."""
    house = House([])
    agent = house.agent()
    agent.step()
    house.clock.time += 15
    agent.step()
    house.clock.time += 5
    agent.step()
    assert sorted({beat.event_time for beat in house.beats()}) == [NOW - 305, NOW + 15 - 305]
    assert len(house.beats()) == 4


def test_run_retries_with_growing_pauses_and_stops_when_asked() -> None:
    """1, 2, 4 ... 30 s, never faster; the idle pause once all is well."""
    house = House([line(enterprise())])
    house.log.is_up = False
    clock = FakeClock(waits_max=9)
    run(house.lines, house.sink, house.letters, options=house.options, clock=clock, metrics=house.metrics)
    assert clock.waited[1:9] == [1, 2, 4, 8, 16, 30, 30, 30]
    assert house.metrics.counts["loop_errors_total/Unavailable"] == 9
