"""What peer groups and rarity buy for new edges, and whether the chance of a new edge is told right. Simulated.

    python -m benchmarks.novelty [--seeds 4] [--json FILE]

A fleet of six groups of twenty workloads meets new far ends for four weeks, some groups thrice a day and some every
other month, mostly far ends that are popular in their group. The week after that brings more of them, and one contact
each with three far ends that nobody ever used. Nothing of it is real; see docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from baseline.detectors import completeness, edges, rarity
from baseline.detectors.edges import Edges
from baseline.detectors.edgeuse import EdgeUse
from baseline.detectors.protocol import Rows
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.units import DAY_S
from baseline.features.schema import FEATURES, Schema
from baseline.features.table import FloatArray, IntArray
from benchmarks import figures

GROUPS, MEMBERS = 6, 20
A_DAY = (3.0, 1.0, 0.3, 0.1, 0.05, 0.02)  # new far ends of a typical member
LEARNED_DAYS, TESTED_DAYS, HORIZON_S = 28, 7, 300
POPULAR = 0.8  # share of new far ends that are popular in the group (Zipf 1.4), the others are nobody else's
STRANGE = 3  # far ends of an attack, each workload
FALSE_A_WEEK = 12  # benign new edges that may alert, in the whole fleet
T0 = 1_767_571_200
ONE = Schema(FEATURES[:1])  # the edges look at no feature
Contact = tuple[int, str, float, bool]  # line, far end, time, is strange


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """What was learned, and what came."""

    groups: IntArray
    uses: list[list[EdgeUse]]
    contacts: list[Contact]


def fleet(seed: int) -> Fleet:
    """One invented fleet."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(GROUPS, dtype=np.int64), MEMBERS)
    rates = np.array(A_DAY)[groups] * rng.lognormal(0, 0.5, len(groups))
    uses, contacts = [], []
    for line, group in enumerate(groups.tolist()):

        def met(at: float, line: int = line, group: int = group) -> str:
            is_popular = rng.random() < POPULAR
            return f"g{group}-{min(rng.zipf(1.4), 400)}" if is_popular else f"only-{line}-{at:.0f}"

        own = {f"g{group}-{min(rng.zipf(1.4), 400)}": T0 + rng.uniform(0, 3600) for _ in range(rng.poisson(8) + 3)}
        for at in _times(rng, rates[line], 0, LEARNED_DAYS):
            own.setdefault(met(at), at)
        uses.append([_use(name, at) for name, at in own.items()])
        for at in _times(rng, rates[line], LEARNED_DAYS, TESTED_DAYS):
            if (name := met(at)) not in own:
                own[name] = at
                contacts.append((line, name, at, False))
        contacts += [
            (line, f"strange-{line}-{number}", at, True)
            for number, at in enumerate(T0 + DAY_S * (LEARNED_DAYS + TESTED_DAYS * rng.random(STRANGE)))
        ]
    return Fleet(groups=groups, uses=uses, contacts=contacts)


def judged(made: Fleet, *, with_peers: bool, with_rarity: bool) -> tuple[float, float]:
    """Share of strange contacts found where FALSE_A_WEEK benign ones alert, and the AUROC of one against the other."""
    tables = edges.fit_edges(made.uses, made.groups)
    learned = _rows(made)
    arrays = Edges(made.groups if with_peers else None).fit(
        learned if with_rarity else replace(learned, rarity=None), lines=len(made.groups), seed=1
    )
    weights = [rarity.modifiers(tables, line, [_key(name)], at=at)[0] for line, name, at, _ in made.contacts]
    is_new = [not edges.known(tables, line, [_key(name)])[0][0] for line, name, _, _ in made.contacts]
    probe = _plain(np.array([line for line, *_ in made.contacts], dtype=np.int64))
    probe = replace(probe, fresh=np.array(is_new, dtype=np.int64), rarity=np.array(weights) if with_rarity else None)
    scores = Edges().score(arrays, probe)
    strange = np.array([contact[-1] for contact in made.contacts])
    limit = np.sort(scores[~strange])[-FALSE_A_WEEK - 1]
    beats = scores[strange][:, None] - scores[~strange][None]
    return float(np.mean(scores[strange] > limit)), float(np.mean((beats > 0) + 0.5 * (beats == 0)))


def chances(seed: int) -> tuple[float, float]:
    """The chance of a new edge as it is told after forty days of a Zipf habit, and the share of the next day's."""
    rng = np.random.default_rng(seed)
    told, came = [], []
    for _ in range(60):
        days = [np.unique(np.minimum(rng.zipf(1.6, size=30), 5_000)) for _ in range(41)]
        seen, counts = np.unique(np.concatenate(days[:40]), return_counts=True)
        told.append(
            completeness.chance_new([_use(str(name), T0, int(count)) for name, count in zip(seen, counts, strict=True)])
        )
        came.append(float(np.mean(~np.isin(days[40], seen))))
    return float(np.mean(told)), float(np.mean(came))


def main(argv: Sequence[str] | None = None) -> int:
    """Simulate, judge, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.novelty", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4, help="fleets that are made")
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    args = parser.parse_args(argv)
    fleets = [fleet(seed) for seed in range(args.seeds)]
    ways = {"fleet's prior": (False, False), "peer groups": (True, False), "peer groups and rarity": (True, True)}
    rows: list[dict[str, Any]] = []
    for name, (with_peers, with_rarity) in ways.items():
        found = np.array([judged(one, with_peers=with_peers, with_rarity=with_rarity) for one in fleets])
        rows.append({"name": name, "found": round(found[:, 0].mean(), 3), "auroc": round(found[:, 1].mean(), 3)})
    told, came = np.mean([chances(seed) for seed in range(args.seeds)], axis=0)
    about = figures.circumstances("calico-baseline", "numpy")
    figure = {
        "benchmark": "novelty", "is_simulated": True, "circumstances": about,
        "rows": rows, "chance_told": round(float(told), 4), "chance_came": round(float(came), 4),
    }  # fmt: skip
    table = Table(title="New edges of a simulated fleet", title_justify="left")
    for column in ("prior and weight", f"strange found at {FALSE_A_WEEK} false a week", "AUROC"):
        table.add_column(column, justify="left" if not table.columns else "right")
    for row in rows:
        table.add_row(row["name"], f"{row['found']:.2f}", f"{row['auroc']:.2f}")
    figures.show(table, [f"chance of a new edge: told {told:.1%}, came {came:.1%}", figures.told(about)])
    figures.write_json(args.json, figure)
    return 0


def _times(rng: np.random.Generator, a_day: float, begin: float, days: float) -> FloatArray:
    return np.sort(T0 + DAY_S * rng.uniform(begin, begin + days, rng.poisson(a_day * days)))


def _key(name: str) -> EdgeKey:
    return EdgeKey(Direction.EGRESS, Peer(PeerKind.WORKLOAD, "shop", name), 443, "tcp")


def _use(name: str, at: float, days: int = 1) -> EdgeUse:
    return EdgeUse(
        key=_key(name), first_seen=at, last_seen=T0 + LEARNED_DAYS * DAY_S, connections=5, bytes_out=1, bytes_in=1,
        hours=3, days=(1 << days) - 1,
    )  # fmt: skip


def _plain(lines: IntArray) -> Rows:
    zeros, nothing = np.zeros(len(lines), dtype=np.int64), np.zeros((len(lines), 1))
    return Rows(
        schema=ONE, workloads=lines, starts=zeros, slots=zeros, days=zeros, values=nothing, residuals=nothing,
        fresh=zeros, fresh_peers=zeros,
    )  # fmt: skip


def _rows(made: Fleet) -> Rows:
    """The windows that were learned from, after each workload's warm-up."""
    starts = T0 + HORIZON_S * np.arange(LEARNED_DAYS * DAY_S // HORIZON_S, dtype=np.int64)
    lines = range(len(made.groups))
    firsts = edges.fresh_in_training(dict.fromkeys(lines, starts), HORIZON_S, made.uses, made.groups)
    settled = [np.flatnonzero(firsts.settled[line]) for line in lines]
    rows = _plain(
        np.concatenate([np.full(len(own), line, dtype=np.int64) for line, own in zip(lines, settled, strict=True)])
    )
    return replace(
        rows,
        fresh=np.concatenate([firsts.counts[line][settled[line]] for line in lines]),
        rarity=np.concatenate([firsts.rarity[line][settled[line]] for line in lines]),
    )


if __name__ == "__main__":
    sys.exit(main())
