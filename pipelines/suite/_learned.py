"""A simulated world that was learned once: what the rows judge their events with."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date

from baseline.detectors.fitted import FittedSet
from baseline.domain.deviation import Deviation
from baseline.domain.units import DAY_S
from baseline.domain.window import Window
from baseline.features.calendar import Calendar
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.score import JudgeOptions, JudgeState, judge
from baseline.services.train import Recipe
from pipelines.suite import simulate
from pipelines.suite._automatic import Consequences, consequences
from pipelines.suite.simulate import Traffic, World

HORIZONS_S = simulate.HORIZONS_S
MATURE_DAYS = 14  # with less, the history counts as a whole observation period


@dataclass(slots=True, kw_only=True)
class Learned:
    """A history, and the sets fitted on it."""

    world: World
    notebook: Notebook
    since: int
    until: int
    sets: dict[str, FittedSet] = field(default_factory=dict)  # by time zone

    @classmethod
    def learned(cls, world: World, *, until: int, days: int) -> Learned:
        """History noted; a set is fitted when a zone is asked for."""
        since = until - days * DAY_S
        notebook = Notebook()
        for batch in simulate.closed(world.traffic(since, days)):
            for window in batch:
                notebook.add(window)
        return cls(world=world, notebook=notebook, since=since, until=until)

    def model(self, zone: str) -> FittedSet:
        """The set of one zone."""
        if zone not in self.sets:
            is_short = self.until - self.since < MATURE_DAYS * DAY_S
            recipe = Recipe(horizons_s=HORIZONS_S, calendar=Calendar(zone=zone), is_mature=is_short)
            lesson = self.notebook.lesson(
                since=self.since, until=self.until, calibrate_from=None, horizons_s=HORIZONS_S
            )
            self.sets[zone] = train.opened(*train.fit_lesson(lesson, recipe=recipe, now=self.until, seed=1))
        return self.sets[zone]

    def deviations(
        self, batches: Iterable[list[Window]], traffic: Traffic, *, zone: str, holidays: Collection[date] = ()
    ) -> list[Deviation]:
        """What the product says of closed windows."""
        options = JudgeOptions(horizons_s=HORIZONS_S)
        state, known = JudgeState(), simulate.Log(traffic)
        # A holiday after the history: the set is the one that a fit with it in the calendar makes.
        model = replace(self.model(zone), calendar=Calendar(zone=zone, holidays=frozenset(holidays)))
        found: list[Deviation] = []
        for batch in batches:
            facts = known.facts(at=batch[-1].end)
            found += judge(batch, model=model, state=state, options=options, facts=facts).deviations
        return found

    def judged(
        self, batches: Iterable[list[Window]], traffic: Traffic, *, zone: str, holidays: Collection[date] = ()
    ) -> Consequences:
        """The same, grouped and shown to the guards."""
        found = self.deviations(batches, traffic, zone=zone, holidays=holidays)
        return consequences(found, simulate.Log(traffic).facts(at=traffic.end))
