"""Peer groups, the rarity of new edges, and how complete a baseline is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import completeness, edges, rarity
from baseline.detectors.edges import Edges
from baseline.detectors.edgeuse import EdgeUse, days_of, merged
from baseline.detectors.groups import Sums, group_ids
from baseline.domain.deviation import Maturity
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.units import DAY_S, HOUR_S
from baseline.domain.workload import OwnerKind, WorkloadId
from tests.detectors.making import T0, rows

LATER = T0 + 60 * DAY_S


def key(name: str, port: int = 443) -> EdgeKey:
    """An edge to a workload, or to a public address."""
    kind = PeerKind.ADDRESS if name[0].isdigit() else PeerKind.WORKLOAD
    return EdgeKey(Direction.EGRESS, Peer(kind, "" if name[0].isdigit() else "shop", name), port, "tcp")


def use(name: str, first: float = T0, last: float | None = None, days: int = 1) -> EdgeUse:
    """An edge that was used from first to last."""
    return EdgeUse(key=key(name), first_seen=first, last_seen=last if last is not None else first, connections=5,
                   bytes_out=1, bytes_in=1, hours=1, days=days)  # fmt: skip


def workload(name: str, namespace: str = "shop", kind: OwnerKind = OwnerKind.DEPLOYMENT) -> WorkloadId:
    """Of one cluster."""
    return WorkloadId("c", namespace, name, kind)


def test_the_same_application_is_one_group_wherever_it_runs() -> None:
    """By its labels, before the kind of its namespace; what has too few of its own joins the coarser group."""
    caches = [workload(f"cache-{number}", namespace=f"ns-{number}") for number in range(3)]
    webs = [workload(f"web-{number}") for number in range(3)]
    alone = [workload("job", "batch", OwnerKind.CRON_JOB)]
    labels = dict.fromkeys(caches, (("app.kubernetes.io/name", "redis"),))
    groups = group_ids([*caches, *webs, *alone], labels)
    assert groups[:3].tolist() == [groups[0]] * 3
    assert groups[3:6].tolist() == [groups[3]] * 3
    assert len({groups[0], groups[3], groups[6]}) == 3


def test_the_same_owner_in_many_namespaces_is_a_group_without_labels() -> None:
    """A tenant's database resembles the other tenants', not what else the tenant runs."""
    tenants = [workload("db", f"t{number}", OwnerKind.STATEFUL_SET) for number in range(4)]
    assert len(set(group_ids(tenants).tolist())) == 1


def test_clusters_never_share_a_group() -> None:
    """Whatever they call their workloads."""
    both = [WorkloadId(cluster, "shop", f"w{number}") for cluster in "ab" for number in range(5)]
    assert group_ids(both).tolist() == [0] * 5 + [1] * 5


def test_a_peers_mean_leaves_the_line_itself_out() -> None:
    """One loud workload must not be its own excuse."""
    groups = np.array([0, 0, 0, 1])
    lines = np.arange(4)
    sums = Sums.of(np.array([9.0, 1.0, 1.0, 5.0]), groups, lines=lines)
    found = sums.others_mean(groups, lines=lines, prior=2.0, strength=1.0)
    assert found.tolist() == [(1 + 1 + 2) / 3, (9 + 1 + 2) / 3, (9 + 1 + 2) / 3, 2.0]


def test_an_edge_that_nobody_uses_weighs_more_than_one_that_half_the_group_uses() -> None:
    """RITA's fifteen per cent, each way."""
    fleet = [[use(f"own-{line}")] for line in range(100)]
    for line in range(1, 3):
        fleet[line].append(use("shared"))
    groups = np.array([0] * 4 + [1] * 96)
    arrays = edges.fit_edges(fleet, groups)
    rare, shared = rarity.modifiers(arrays, 0, [key("nobody"), key("shared")], at=T0 + DAY_S)
    assert rare == pytest.approx(1 + rarity.STEP)
    assert shared == pytest.approx(1 - rarity.STEP)  # two of the three others of its group
    outside = rarity.modifiers(arrays, 50, [key("shared")], at=T0 + DAY_S)[0]
    assert outside == pytest.approx(1.0)  # 2.02 % of the fleet, none of its own group: neither


def test_age_weighs_once_history_can_tell_it() -> None:
    """In the first week everything is young, and that says nothing."""
    fleet = [
        [use("founder")],
        [use("old", T0 + 2 * DAY_S)],
        [use("young", LATER - DAY_S)],
        *([use("x")] for _ in range(9)),
    ]
    arrays = edges.fit_edges(fleet)
    old, young, never = rarity.modifiers(arrays, 0, [key("old"), key("young"), key("never")], at=LATER)
    assert (old, young) == (pytest.approx(1 - rarity.STEP), pytest.approx(1 + rarity.STEP))
    assert never == pytest.approx(rarity.HIGHEST)
    assert rarity.modifiers(arrays, 0, [key("never")], at=T0 + DAY_S)[0] == pytest.approx(1 + rarity.STEP)


def test_in_training_an_edge_is_as_rare_as_it_was_when_it_began() -> None:
    """The third user of a far end did not know of the fourth."""
    fleet = [[use("s", T0)], [use("s", T0 + 10)], [use("s", T0 + 20)], [use("own", T0 + 5)]]
    found = rarity.at_first_use(fleet, np.zeros(4, dtype=np.int64))
    assert [float(own[0]) for own in found] == [
        pytest.approx(1.15),
        pytest.approx(1.0),
        pytest.approx(0.85),
        pytest.approx(1.15),
    ]


def test_an_unseen_peer_never_lowers_the_score() -> None:
    """More new edges, and rarer ones, only add evidence, whatever the fleet's new edges were like."""
    learned = rows(lines=3, windows=300)
    learned.fresh[::50] = 1
    for weight in (rarity.LOWEST, 1.0, rarity.HIGHEST):
        weights = np.where(learned.fresh > 0, weight, 1.0)
        arrays = Edges(np.zeros(3, dtype=np.int64)).fit(replace(learned, rarity=weights), lines=3, seed=1)
        probe = learned.pick(np.zeros(6, dtype=np.int64))
        counts, mods = np.array([0, 1, 1, 2, 2, 9]), np.array([1.0, 0.7, 1.0, 1.0, 1.3, 1.3])
        scores = Edges().score(arrays, replace(probe, fresh=counts, rarity=mods))
        assert np.all(np.diff(scores) >= 0)
        assert scores[0] == 0


def test_a_rollout_makes_new_edges_likely_and_never_unlikely() -> None:
    """A database that never met anybody meets its new version's dependencies; a proxy is a proxy."""
    learned = rows(lines=2, windows=600)
    learned.fresh[600:] = 3
    arrays = Edges().fit(learned, lines=2, seed=1)
    probe = replace(learned.pick(np.array([0, 0, 600, 600])), fresh=np.array([3, 3, 3, 3]))
    before, after, proxy, proxy_after = Edges().p_values(arrays, replace(probe, rollout=np.array([0, 0.2, 0, 0.2])))
    assert after > 3 * before
    assert proxy_after >= proxy


def test_peers_who_meet_new_peers_make_them_likelier() -> None:
    """A newcomer among proxies is judged as a proxy, one among databases as a database."""
    learned = rows(lines=8, windows=200)
    is_proxy = learned.workloads < 4
    learned.fresh[is_proxy & (np.arange(len(learned)) % 3 == 0)] = 1
    young = learned.pick(((learned.workloads != 0) & (learned.workloads != 4)) | (np.arange(len(learned)) % 200 < 10))
    young.fresh[(young.workloads == 0)] = 0
    arrays = Edges(np.array([0] * 4 + [1] * 4)).fit(young, lines=8, seed=1)
    assert arrays["rate"][0] > 10 * arrays["rate"][4]


def test_days_are_kept_by_day_and_merge_wherever_they_lie() -> None:
    """Bit 0 is the newest day; what is older than the bitmap falls out of it."""
    hours = [day * 24 + 5 for day in (100, 101, 103)]
    assert days_of(hours) == 0b1101
    early = use("52.1.2.3", 100 * DAY_S + 5, 101 * DAY_S, days=0b11)
    late = use("52.1.2.99", 103 * DAY_S, 103 * DAY_S, days=1)
    for order in ([early, late], [late, early]):
        both = merged(order)
        assert len(both) == 1
        assert (both[0].days, both[0].days_seen, both[0].connections) == (0b1101, 3, 10)
        assert str(both[0].key.peer) == "52.1.2.0/24"
    ancient = merged([use("db", T0, T0), use("db", T0 + 70 * DAY_S, T0 + 70 * DAY_S)])[0]
    assert ancient.days == 1
    assert ancient.first_seen == T0


def test_the_chance_of_a_new_edge_falls_as_edges_come_back() -> None:
    """Seen once says little; ten edges that come back for a week leave one in seventy."""
    once = [use(f"e{n}") for n in range(10)]
    weekly = [use(f"e{n}", days=0b1111111) for n in range(10)]
    assert completeness.chance_new([]) == 1.0
    assert completeness.chance_new(once) == 1.0
    assert completeness.chance_new(weekly) == pytest.approx(1 / 71)
    assert completeness.chance_new([*weekly, *once[:3]]) == pytest.approx(4 / 74)
    with_proxy = [use(f"p{n}") for n in range(500)] + weekly
    assert completeness.chance_new(with_proxy) > 0.8


def test_the_chance_that_is_told_is_the_share_of_new_edges_that_follow() -> None:
    """Measured: edges of a Zipf habit on forty days, and what the next ten days hold that was never seen."""
    rng = np.random.default_rng(5)
    told, came = [], []
    for _ in range(60):
        days = [np.unique(np.minimum(rng.zipf(1.6, size=30), 5_000)) for _ in range(50)]
        known, after = days[:40], days[40:]
        seen, counts = np.unique(np.concatenate(known), return_counts=True)
        told.append(
            completeness.chance_new(
                [use(f"z{n}", days=(1 << int(count)) - 1) for n, count in zip(seen, counts, strict=True)]
            )
        )
        came.append(np.mean(~np.isin(np.concatenate(after[:1]), seen)))
    assert np.mean(told) == pytest.approx(np.mean(came), rel=0.25)


@pytest.mark.parametrize(
    ("days", "hours", "chance", "known"),
    [
        (0.3, 6, 0.01, Maturity.LEARNING),
        (0.6, 13, 0.4, Maturity.PROVISIONAL),
        (0.6, 13, 0.9, Maturity.LEARNING),
        (1.0, 2, 1.0, Maturity.PROVISIONAL),  # the clock bounds the wait
        (7.1, 168, 0.02, Maturity.MATURE),
        (7.1, 168, 0.03, Maturity.PROVISIONAL),
        (7.1, 100, 0.01, Maturity.PROVISIONAL),  # the collector was down at night
        (14.0, 300, 1.0, Maturity.MATURE),
    ],
)
def test_maturity_is_measured_and_the_clock_only_bounds_it(
    days: float, hours: int, chance: float, known: Maturity
) -> None:
    """Complete early, or after a day and a fortnight at the latest."""
    assert completeness.maturity(seen_s=days * DAY_S, hours=hours, chance=chance) is known


def test_nobody_is_a_newcomer_where_history_itself_is_young() -> None:
    """Those that were there from the beginning are its founders."""
    until = T0 + 6 * HOUR_S
    learning = Maturity.LEARNING
    assert not completeness.is_newcomer(learning, first_seen=T0 + HOUR_S, since=T0, until=until)
    assert completeness.is_newcomer(learning, first_seen=T0 + 5 * HOUR_S, since=T0, until=until)
    assert not completeness.is_newcomer(Maturity.PROVISIONAL, first_seen=T0 + 5 * HOUR_S, since=T0, until=until)
