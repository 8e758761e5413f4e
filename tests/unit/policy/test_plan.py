"""Which workload is restricted, by which rules, and when there is no restriction."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baseline.domain.alert import Alert
from baseline.domain.edge import Direction, Peer, PeerKind
from baseline.domain.restriction import Mode, Restriction, State
from baseline.domain.workload import WorkloadId
from baseline.policy.plan import Refusal, mentioned, plan
from tests.unit.policy.making import BILLING, DB, NOW, OUTSIDE, WEB, alert, deny, evidence, wanted

LABELS = {WEB: (("app", "web"),)}


def planned(one: Alert, *existing: Restriction) -> Restriction:
    """The restriction, which there must be."""
    found = plan(one, labels=LABELS, existing=existing, mode=Mode.RECOMMEND, now=NOW)
    assert isinstance(found, Restriction), found
    return found


def refused(one: Alert, *existing: Restriction) -> Refusal:
    """The refusal, which there must be."""
    found = plan(one, labels=LABELS, existing=existing, mode=Mode.RECOMMEND, now=NOW)
    assert isinstance(found, Refusal), found
    return found


def test_egress_evidence_restricts_the_alerted_workload() -> None:
    """It is the one that initiates; hashes of a rollout are no part of its selector."""
    restriction = planned(alert(evidence(DB)))
    assert (restriction.workload, restriction.selector) == (WEB, (("app", "web"),))
    assert restriction.rules == (deny(DB),)
    assert (restriction.state, restriction.allow_dns) == (State.PROPOSED, True)


def test_ingress_evidence_from_a_workload_restricts_that_workload() -> None:
    """The victim alerted; the attacker's egress is denied."""
    attacker = Peer(PeerKind.WORKLOAD, "billing", "ledger")
    one = alert(evidence(attacker, port=22, direction=Direction.INGRESS))
    restriction = planned(one)
    assert restriction.workload == WorkloadId("cluster", "billing", "ledger")
    (rule,) = restriction.rules
    assert (rule.direction, rule.peer, rule.ports) == (Direction.EGRESS, Peer(PeerKind.WORKLOAD, "shop", "web"), (22,))
    assert rule.peer_labels == (("app", "web"),)


def test_ingress_from_an_address_is_kept_out_at_the_alerted_workload() -> None:
    """Nothing of ours initiates it."""
    restriction = planned(alert(evidence(OUTSIDE, port=443, direction=Direction.INGRESS)))
    (rule,) = restriction.rules
    assert restriction.workload == WEB
    assert (rule.direction, rule.nets) == (Direction.INGRESS, ("203.0.113.9/32",))


def test_a_scan_of_ports_folds_into_one_rule_for_all_of_them() -> None:
    """Seventeen ports towards one peer."""
    (rule,) = planned(alert(*(evidence(DB, port=port) for port in range(1, 18)))).rules
    assert rule.ports == ()


def test_few_ports_towards_one_peer_are_one_rule_with_exactly_them() -> None:
    """Nothing beside the evidence is denied."""
    (rule,) = planned(alert(evidence(DB, port=22), evidence(DB, port=80))).rules
    assert rule.ports == (22, 80)


def test_a_sweep_over_peers_is_a_rule_for_each_within_the_limit() -> None:
    """An alert keeps 64 edges, a restriction 64 rules."""
    peers = [Peer(PeerKind.WORKLOAD, "shop", f"p{number:02}") for number in range(70)]
    restriction = planned(replace(alert(), edges=tuple(evidence(peer) for peer in peers)))
    assert len(restriction.rules) == 64
    assert "more than 64 peers deviate" in restriction.detail


def test_known_edges_are_denied_only_as_far_as_they_carry_the_deviation() -> None:
    """New edges first; then the largest shares until nine tenths are stopped."""
    one = alert(
        evidence(DB, share=0.6),
        evidence(BILLING, share=0.35, is_new=False, normal_rate=1.0),
        evidence(OUTSIDE, share=0.05, is_new=False, normal_rate=9.0),
    )
    assert [rule.peer for rule in planned(one).rules] == [DB, BILLING]


def test_edges_without_ports_deny_the_protocol() -> None:
    """ICMP, and logs that aggregate ports away."""
    (rule,) = planned(alert(evidence(DB, port=None, protocol="icmp"))).rules
    assert (rule.protocol, rule.ports) == ("icmp", ())


def test_dns_is_passed_unless_it_is_what_deviates() -> None:
    """A tunnel over DNS must not pass because it is DNS."""
    assert not planned(alert(evidence(DB, port=53, protocol="udp"))).allow_dns


@pytest.mark.parametrize(
    ("peer", "word"),
    [
        (Peer(PeerKind.PUBLIC, "", "pub"), "whole internet"),
        (Peer(PeerKind.PRIVATE, "", "pvt"), "every private address"),
        (Peer(PeerKind.DOMAIN, "", "evil.example"), "domain"),
        (Peer(PeerKind.HOST, "", "node-1"), "host"),
        (Peer(PeerKind.NETWORK_SET, "", "partners"), "no label"),
        (Peer(PeerKind.ADDRESS, "", "0.0.0.0/0"), "too wide"),
        (Peer(PeerKind.ADDRESS, "", "nonsense"), "not an address"),
    ],
)
def test_a_peer_that_cannot_be_named_is_refused_with_the_reason(peer: Peer, word: str) -> None:
    """Denying what the log only hints at would deny far more than deviates."""
    assert word in refused(alert(evidence(peer))).reason


def test_a_network_set_is_selected_by_the_labels_the_log_shows() -> None:
    """Where there are any."""
    peer = Peer(PeerKind.NETWORK_SET, "", "partners")
    (rule,) = planned(alert(evidence(peer, peer_labels=(("role", "partner"),)))).rules
    assert rule.peer_labels == (("role", "partner"),)


def test_what_cannot_be_named_may_be_left_out_when_it_matters_little() -> None:
    """And is said to people."""
    one = alert(evidence(DB, share=0.9), evidence(Peer(PeerKind.PUBLIC, "", "pub"), share=0.1))
    restriction = planned(one)
    assert len(restriction.rules) == 1
    assert "whole internet" in restriction.detail


def test_a_workload_without_labels_cannot_be_restricted() -> None:
    """An empty selector would select everything."""
    one = alert(workload=WorkloadId("cluster", "shop", "bare"), local_labels=(("pod-template-hash", "x"),))
    assert "cannot be selected" in refused(one).reason


@pytest.mark.parametrize("value", ["a' || all()", "it's", "a b", "ü"])
def test_a_label_value_that_is_none_is_refused(value: str) -> None:
    """It would end the literal and widen the selector."""
    assert "not a Kubernetes label" in refused(alert(local_labels=(("app", value),))).reason


def test_an_alert_without_edges_restricts_nothing() -> None:
    """A volume that no edge carries."""
    assert "no edge" in refused(replace(alert(), edges=())).reason


def test_a_workload_is_not_restricted_twice_for_the_same_edges() -> None:
    """The other side's alert asks for what is already denied."""
    standing = wanted(deny(DB, ports=()), alert_id="another")
    assert refused(alert(evidence(DB)), standing).existing == standing.id
    assert planned(alert(evidence(DB), evidence(BILLING)), standing).rules


def test_the_initiator_with_most_of_the_deviation_is_restricted_and_others_are_named() -> None:
    """One alert, one restriction."""
    one = alert(
        evidence(BILLING, direction=Direction.INGRESS, share=0.7),
        evidence(DB, direction=Direction.INGRESS, share=0.2),
    )
    restriction = planned(one)
    assert restriction.workload.name == "ledger"
    assert "shop/db" in restriction.detail


def test_all_workloads_whose_labels_may_matter_are_mentioned() -> None:
    """So that the books are asked once."""
    assert mentioned(alert(evidence(DB), evidence(OUTSIDE))) == {WEB, WorkloadId("cluster", "shop", "db")}
