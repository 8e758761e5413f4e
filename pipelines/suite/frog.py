"""Row: a boiling frog. External bytes out grow by 2 % a day until they have doubled (35 days); retraining goes on.

Simulated (``simulate``): hourly windows of the shop, four weeks learned, then one workload sends to the external peer
it always sent to, a little more every day. The set is fitted anew on the last six weeks, daily or weekly, from
everything but windows under an alert (a person is taken to confirm it), and held to the set before by the daily cap on
how far a slot's normal may move (``detectors.guard``). One judge keeps its memory over all sets, as the stream does.
What counts is the factor at the first alert of that workload that did not come in the same weeks without the growth
(retrained weekly).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from baseline.detectors.fitted import FittedSet
from baseline.domain.deviation import Deviation
from baseline.domain.units import DAY_S, HOUR_S
from baseline.domain.window import Window
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.score import JudgeOptions, JudgeState, judge
from baseline.services.train import Exclusion, Recipe
from pipelines.suite import simulate
from pipelines.suite._automatic import consequences
from pipelines.suite.figure import Figure
from pipelines.suite.simulate import Traffic, World, outside, pods

NAME = "frog"
NEEDS = ("isp-5min",)
BEGIN = 1_767_571_200  # Monday 2026-01-05
HISTORY_DAYS, QUICK_HISTORY_DAYS = 28, 15
KEPT_DAYS = 42
GROWTH = 1.02  # a day
GROWS_DAYS, QUICK_GROWS_DAYS = 35, 6  # 1.02 ** 35 is 2.0
WATCHED = (
    "cart-backup",
    "cartservice",
    "checkoutservice",
    "emailservice",
    "frontend",
    "paymentservice",
    "recommendationservice",
    "shippingservice",
)  # fewer workloads, so that 35 fits take a minute
FROG, PEER = pods("shop", "shippingservice"), outside("198.51.100.30")
RETRAINED_EVERY = {"daily": 1, "weekly": 7}


@dataclass(slots=True, kw_only=True)
class Ride:
    """One run: what was alerted and what the guard held back."""

    alerts: dict[str, float] = field(default_factory=dict)  # alert id of the frog -> when it opened
    others: int = 0
    held: dict[str, float] = field(default_factory=dict)  # feature moves held back, by metric


def figures(data: Path, *, is_quick: bool, seed: int) -> list[Figure]:
    """The factor at the first alert, for both rhythms of retraining."""
    world = World.make(data, seed=seed, is_small=True)
    history = QUICK_HISTORY_DAYS if is_quick else HISTORY_DAYS
    grows = QUICK_GROWS_DAYS if is_quick else GROWS_DAYS
    from_s = BEGIN + history * DAY_S
    traffic = world.traffic(BEGIN, history + grows)
    calm = _noted(traffic)
    heat(traffic, since=from_s)
    heated = _noted(traffic)
    calm_ride = _ride(calm, traffic, from_s=from_s, days=grows, every=RETRAINED_EVERY["weekly"], seed=seed)
    found = []
    for rhythm in ("weekly",) if is_quick else RETRAINED_EVERY:
        ride = _ride(heated, traffic, from_s=from_s, days=grows, every=RETRAINED_EVERY[rhythm], seed=seed)
        found += _figures(rhythm, ride, calm_ride, from_s=from_s, is_quick=is_quick)
    return found


def _figures(rhythm: str, ride: Ride, without: Ride, *, from_s: int, is_quick: bool) -> list[Figure]:
    own = sorted(at for alert_id, at in ride.alerts.items() if alert_id not in without.alerts)
    day = (own[0] - from_s) / DAY_S if own else None
    told = f"on day {day:.1f}" if day is not None else "never"
    factor = GROWTH ** int(day) if day is not None else GROWTH ** (GROWS_DAYS + 1)
    held = ", ".join(f"{name} {wanted:+.1f}" for name, wanted in list(ride.held.items())[:3]) or "nobody"
    note = (
        f"simulated; +2 % a day on {FROG.name}'s external bytes, retrained {rhythm}: alerted {told}; "
        f"{len(without.alerts)} alerts of it without the growth; held by the cap: {held}"
    )
    return [
        Figure(row=NAME, name=f"factor when alerted, retrained {rhythm}", value=round(factor, 3), unit="x",
               gate=None if is_quick else (None, 1.999), note=note),
        Figure(row=NAME, name=f"alerts of others, retrained {rhythm}", value=float(ride.others), unit="alerts",
               note=f"simulated; {len(WATCHED) - 1} workloads, {GROWS_DAYS} days"),
    ]  # fmt: skip


def heat(traffic: Traffic, *, since: int) -> None:
    """A little more every day on the one link, in both directions as its protocol answers."""
    days = np.floor((traffic.starts - since) / DAY_S)
    factor = GROWTH ** np.maximum(days + 1, 0.0)
    for stream in traffic.streams:
        if (stream.source, stream.dest) == (FROG, PEER):
            stream.bytes_out = (stream.bytes_out * factor).astype(np.int64)


Noted = list[list[Window]]


def _noted(traffic: Traffic) -> Noted:
    only = {simulate.workload(pods("shop", name)) for name in WATCHED}
    return list(simulate.closed(traffic, horizons_s=(HOUR_S,), only=only))


def _ride(noted: Noted, traffic: Traffic, *, from_s: int, days: int, every: int, seed: int) -> Ride:
    ride, state, known = Ride(), JudgeState(), simulate.Log(traffic).facts(at=traffic.end)
    recipe = Recipe(horizons_s=(HOUR_S,))
    options = JudgeOptions(horizons_s=(HOUR_S,))
    deviations: list[Deviation] = []
    model: FittedSet | None = None
    notebook, done = Notebook(edge_horizon_s=HOUR_S), 0
    for day in range(days):
        now = from_s + day * DAY_S
        while done < len(noted) and noted[done][0].end <= now:
            for window in noted[done]:
                notebook.add(window)
            done += 1
        if day % every == 0:
            model = _refit(notebook, now, deviations, recipe, model, ride, seed=seed)
        for batch in noted[done : done + DAY_S // HOUR_S]:
            deviations += judge(batch, model=model, state=state, options=options, facts=known).deviations
    who = simulate.workload(FROG)
    for alert in consequences(deviations, known).alerts.values():
        if alert.workload == who:
            ride.alerts[alert.id] = alert.opened_at
        else:
            ride.others += 1
    return ride


def _refit(
    notebook: Notebook, now: int, deviations: list[Deviation], recipe: Recipe, before: FittedSet | None, ride: Ride, *,
    seed: int,
) -> FittedSet:  # fmt: skip
    """A set of the last weeks, without windows under an alert, no further from the one before than it may."""
    since = now - KEPT_DAYS * DAY_S
    lesson = notebook.lesson(since=since, until=now, calibrate_from=None, horizons_s=recipe.horizons_s)
    exclude: list[Exclusion] = [(one.workload, one.window_start, one.window_end) for one in deviations]
    tables = {
        HOUR_S: {
            line: train.without(table, [*exclude, (table.workload, 0.0, since)])
            for line, table in lesson.tables[HOUR_S].items()
        }
    }
    lesson = replace(lesson, tables=tables)
    manifest, files = train.fit_lesson(lesson, recipe=recipe, now=now, seed=seed, previous=before)
    for name, value in manifest.metrics.items():
        if ".held." in name and abs(value) > abs(ride.held.get(name, 0.0)):
            ride.held[name] = value
    return train.opened(manifest, files)
