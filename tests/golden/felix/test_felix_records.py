"""Records of a real Felix v3.32.1: every one is read, and counting gives the true counts."""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from baseline.domain.attribution import denied_connections, edge_key, is_attempt, reporting_workload
from baseline.domain.errors import MalformedRecord
from baseline.domain.flow import Action, Flow, PolicyKind, Reporter
from baseline.formats import decode

RUNS = {"nft": (153, 15), "iptables": (111, 15), "flush1": (420, 1)}  # records, flush interval in seconds


def read(record: dict[str, Any], *, flush_interval_s: int = 15) -> Flow:
    """One record as the agent would produce it."""
    value = json.dumps(record).encode()
    flow = decode(value, cluster="lab", host="node-1", flush_interval_s=flush_interval_s)
    assert isinstance(flow, Flow)
    return flow


def run(shared: Path, name: str) -> list[Flow]:
    """All flows of one measured run."""
    with gzip.open(shared / "data" / "felix-flows" / f"flows-raw-{name}.json.gz") as packed:
        recorded = json.load(packed)
    return [read(record, flush_interval_s=RUNS[name][1]) for record in recorded["records"]]


@pytest.fixture(name="samples")
def _samples(shared: Path) -> dict[str, Flow]:
    """The annotated records, by the first words of their note."""
    path = shared / "data" / "felix-flows" / "flows-sample.json"
    return {sample["note"]: read(sample["flow"]) for sample in json.loads(path.read_text())["samples"]}


def noted(samples: dict[str, Flow], note: str) -> Flow:
    """The sample whose note begins so."""
    return next(flow for text, flow in samples.items() if text.startswith(note))


def started(flows: list[Flow]) -> dict[str, tuple[int, int]]:
    """Connections started by edge, allowed only: summed over records, and over the maximum of equal ones."""
    summed: Counter[str] = Counter()
    largest: dict[tuple[str, tuple[object, ...]], int] = defaultdict(int)
    for flow in flows:
        if flow.action is Action.ALLOW and flow.reporter is Reporter.SRC:
            service = f" by {flow.service.name}" if flow.service else ""
            edge = f"{reporting_workload(flow)} -> {edge_key(flow).peer}:{flow.dest_port}/{flow.protocol}{service}"
            summed[edge] += flow.counts.started
            largest[edge, flow.identity] = max(largest[edge, flow.identity], flow.counts.started)
    true: Counter[str] = Counter()
    for (edge, _), count in largest.items():
        true[edge] += count
    return {edge: (summed[edge], true[edge]) for edge in summed}


@pytest.mark.parametrize("name", RUNS)
def test_every_raw_record_is_read(shared: Path, name: str) -> None:
    """With the interval of one flush, because Felix writes end = start."""
    flows = run(shared, name)
    records, flush_interval_s = RUNS[name]
    assert len(flows) == records
    assert {flow.end - flow.start for flow in flows} == {flush_interval_s}
    assert {str(reporting_workload(flow)) for flow in flows} == {"shop/client", "shop/server", "shop/other"}


def test_every_record_of_goldmanes_stream_is_read(shared: Path) -> None:
    """24 flows; the last line of the recording is the client's own error message and is none."""
    with gzip.open(shared / "data" / "felix-flows" / "goldmane-stream.ndjson.gz") as packed:
        *lines, last = packed.read().splitlines()
    flows = [decode(value, cluster="lab") for value in lines]
    assert [isinstance(flow, Flow) and flow.end - flow.start for flow in flows] == [15] * 24
    with pytest.raises(MalformedRecord, match="not_json"):
        decode(last, cluster="lab")


def test_maximum_over_policies_is_the_true_count(shared: Path) -> None:
    """114 real connections were summed to 142 and 144: Felix copies counters when a policy set changes."""
    counted = started(run(shared, "nft"))
    assert counted["shop/client -> set:partner:8080/tcp"] == (142, 114)
    assert counted["shop/client -> pvt:8080/tcp"] == (144, 114)
    assert counted["shop/client -> shop/other:8080/tcp"] == (128, 114)
    assert counted["shop/client -> shop/server:5353/udp"] == (194, 113)
    assert counted["shop/client -> shop/server:9090/tcp by web"] == (140, 112)
    assert counted["shop/other -> shop/server:8080/tcp"] == (114, 114)


@pytest.mark.parametrize("name", RUNS)
def test_both_sides_agree_once_counted_right(shared: Path, name: str) -> None:
    """What the source started, the destination allowed or denied."""
    flows = run(shared, name)
    source, dest = Counter[object](), Counter[object]()
    for flow in {flow.identity: flow for flow in sorted(flows, key=lambda flow: flow.counts.started)}.values():
        edge = (flow.source[:4], flow.dest[:4], flow.dest_port, flow.service)
        is_source = flow.reporter is Reporter.SRC
        if flow.dest.namespace == "shop" and not (is_source and flow.action is Action.DENY):
            (source if is_source else dest)[edge] += flow.counts.started
    assert source == dest


def test_deny_by_our_policy_names_it(samples: dict[str, Flow]) -> None:
    """Source side, tier behaviour, rule index 0 left out by protojson."""
    flow = noted(samples, "DENIED by our policy")
    hit = flow.enforced[0]
    assert (hit.kind, hit.tier, hit.namespace, hit.action, hit.rule_index, hit.staged) == (
        PolicyKind.NETWORK_POLICY, "behaviour", "shop", "deny", 0, False,
    )  # fmt: skip
    assert hit.name.startswith("behaviour.")
    assert denied_connections(flow) > 0


def test_surviving_connection_is_allowed_with_pending_deny(samples: dict[str, Flow]) -> None:
    """An established connection that a new deny has not cut."""
    flow = noted(samples, "ESTABLISHED connection")
    assert flow.action is Action.ALLOW
    assert flow.pending[0].action == "deny"
    assert (flow.counts.started, flow.counts.packets_out > 0) == (0, True)


def test_duplicated_counters_are_one_identity(samples: dict[str, Flow]) -> None:
    """Two records, the same counts, different policies."""
    first, second = noted(samples, "DUPLICATED COUNTERS 1/2"), noted(samples, "DUPLICATED COUNTERS 2/2")
    assert first.identity == second.identity
    assert first.counts == second.counts
    assert first.enforced != second.enforced


def test_staged_deny_is_told_apart(samples: dict[str, Flow]) -> None:
    """It is pending, and staged."""
    flow = noted(samples, "staged deny")
    assert flow.pending[0][4::2] == ("deny", True)
    assert all(not hit.staged for hit in flow.enforced)


def test_refused_by_the_peer_is_an_attempt_at_the_source(samples: dict[str, Flow]) -> None:
    """The destination denies; the source's record says Allow."""
    assert denied_connections(noted(samples, "denied at the destination")) > 0
    assert is_attempt(noted(samples, "same attempts seen from the source"))
    assert not is_attempt(noted(samples, "allowed pod to pod"))


def test_stale_deny_counts_nothing(samples: dict[str, Flow]) -> None:
    """No packets, nothing started, policy long gone."""
    flow = noted(samples, "STALE deny")
    assert (flow.action, denied_connections(flow)) == (Action.DENY, 0)
