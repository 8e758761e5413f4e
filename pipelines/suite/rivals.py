"""What others do, at the product's alert budget: StackRox, Kubescape, Theia, Elastic and KitNET, each "-style".

Written in our own words after their documentation, named in each one's docstring; none of their code is in here.
On the demo's recording they are behind by events, counted twice: each half learned with its attacks, as everybody
else's is here, and each half of the clean recording learned. A rival counts with the best threshold within the
budget, chosen by the labels of the judged half: more than anybody could get out of it.
On CESNET they are behind by recall at the budgets of that row, which the product must reach to pass its own gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pipelines.suite import _cesnet_data as cesnet
from pipelines.suite import _rivals_cesnet, _rivals_westermo
from pipelines.suite._alerting import counted, recalled
from pipelines.suite._westermo_trials import Found, Trial, after_clean, recording, under_attack, was_found
from pipelines.suite.figure import Figure

NAME = "rivals"
NEEDS = (cesnet.FOLDER,)  # the other recording is shipped
SEEDS = 4
A_WEEK, A_DAY = 1.0, 7.0  # false alerts a week
PRODUCT_AT_WEEK, PRODUCT_AT_DAY = 0.45, 0.75  # gates of the row cesnet
NEVER = "cannot run: the series has neither peers nor ports nor addresses"


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """How far ahead of each rival the product is."""
    attacked, clean, labels = recording(is_quick=is_quick)
    return [
        *_westermo(under_attack(attacked, labels), "attacked", seed=seed),
        *_westermo(after_clean(attacked, clean, labels), "clean", seed=seed),
        *_cesnet(data, seeds=range(seed - 1, seed - 1 + (1 if is_quick else SEEDS)), seed=seed),
    ]


def _westermo(trials: Sequence[Trial], learned: str, *, seed: int) -> Iterator[Figure]:
    ours = [hit for trial in trials for hit in was_found(trial.judged.half.outcome.findings)]
    false = sum(len(trial.judged.half.outcome.false_alerts) for trial in trials)
    for rival in _rivals_westermo.all_rivals(trials, seed=seed):
        yield ahead(ours, false, rival, learned, seed=seed)


def ahead(ours: Sequence[bool], false: int, rival: Found, learned: str, *, seed: int) -> Figure:
    """Events the product finds beyond a rival's; the interval over events, which are the same for both."""
    margin = np.array(ours, dtype=np.float64) - np.array(rival.best_hits, dtype=np.float64)
    return Figure(
        row=NAME, name=f"ahead of {rival.name} ({learned})", value=float(margin.sum()),
        unit=f"of {len(ours)} events", interval=counted(margin, seed=seed), gate=(1.0, None),
        note=f"{learned} halves learned; product {sum(ours)} with {false} false; rival {rival.told()}",
    )  # fmt: skip


def _cesnet(data: Path, *, seeds: Sequence[int], seed: int) -> Iterator[Figure]:
    series = cesnet.read(data)
    for name, score in _rivals_cesnet.all_rivals():
        found = _rivals_cesnet.found_by(name, score, series, seeds=seeds, rates=(A_WEEK, A_DAY))
        kinds = ", ".join(f"{kind} {found.recall(A_DAY, only=(kind,)):.2f}" for kind in cesnet.KINDS)
        note = f"recall at that rate of false alerts, limit: the product's gate; AP {found.precision:.3f}"
        for word, rate, limit in (("week", A_WEEK, PRODUCT_AT_WEEK), ("day", A_DAY, PRODUCT_AT_DAY)):
            yield Figure(
                row=NAME, name=f"{name}, CESNET, 1 a {word}", value=found.recall(rate),
                interval=recalled(np.concatenate(found.hits[rate]), seed=seed), gate=(None, limit),
                note=f"{note}, {len(seeds)} seeds" + (f"; {kinds}" if rate == A_DAY else ""),
            )  # fmt: skip
    for name in _rivals_cesnet.ABSENT:
        yield Figure(row=NAME, name=f"{name}, CESNET", value=0.0, note=NEVER)
