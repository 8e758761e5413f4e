"""A recording cut in two: each half learned and the other judged, never from the future.

To test the first half after learning the second, the first half and its labels are moved behind the second. Both the
benchmark of the demo's recording and the rows of the suite that hold others beside the product read it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from baseline.domain.flow import Flow
from baseline.domain.units import HOUR_S, parse_rfc3339
from baseline.services import outcome
from baseline.services.evaluate import Course, Plan, run
from baseline.services.outcome import Label, Outcome
from baseline.services.score import JudgeOptions
from pipelines._recipe import read_recipe

MIDDLE = "2023-03-10T10:15:00Z"  # of the 90 minutes of the shipped recording
MOVED_S = 2 * HOUR_S  # whole hours, so that every window keeps its place in the hour
WINDOW_S = 60
SECOND, FIRST = "learned 1st half, tested 2nd", "learned 2nd half, tested 1st"


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One direction: what was learned, what was tested, and what came of it."""

    name: str
    plan: Plan
    course: Course
    outcome: Outcome
    labels: tuple[Label, ...]  # as the flows of this direction have them: moved, where the tested half was
    moved_s: float  # how far behind its own time the tested half was moved

    @property
    def hours(self) -> float:
        """Time that was judged."""
        return self.course.hours_tested


def shipped(name: str) -> Path:
    """A file of the demo's recording."""
    return Path(str(resources.files("baseline") / "recordings")) / name


def both(flows: Sequence[Flow], labels: Sequence[Label], *, middle: float) -> list[Half]:
    """Learn the first half and test the second, then the other way round. Flows in order of time."""
    second = judged(flows, labels, fit_until=middle, moved_s=0.0, name=SECOND)
    moved, moved_labels, fit_until = swapped(flows, labels, middle=middle)
    first = judged(moved, moved_labels, fit_until=fit_until, moved_s=MOVED_S, name=FIRST)
    return [second, first]


def swapped(flows: Sequence[Flow], labels: Sequence[Label], *, middle: float) -> tuple[list[Flow], list[Label], float]:
    """The first half moved behind the second: flows in order of time, labels of the moved half, where it begins."""
    moved = sorted((later(flow) if flow.end <= middle else flow for flow in flows), key=lambda flow: flow.end)
    begins = min(flow.start for flow in moved if flow.end > flows[-1].end)
    moved_labels = [
        replace(label, start=label.start + MOVED_S, end=label.end + MOVED_S) for label in labels if label.start < middle
    ]
    return moved, moved_labels, begins - begins % WINDOW_S


def later(flow: Flow) -> Flow:
    """The same flow, moved."""
    return replace(flow, start=flow.start + MOVED_S, end=flow.end + MOVED_S)


def judged(flows: Iterable[Flow], labels: Sequence[Label], *, fit_until: float, moved_s: float, name: str) -> Half:
    """One evaluation, with the options of ``pipelines.evaluate --mature`` and its defaults."""
    plan = plan_until(fit_until)
    course = run(flows, plan)
    until = course.tested_until + 1
    found = outcome.compare(course.deviations, labels, since=plan.test_from, until=until)
    return Half(name=name, plan=plan, course=course, outcome=found, labels=tuple(labels), moved_s=moved_s)


def plan_until(fit_until: float) -> Plan:
    """What the command line makes of ``--fit-until TIME --mature``."""
    recipe = replace(read_recipe(None), is_mature=True)
    judging = JudgeOptions(horizons_s=recipe.horizons_s)
    return Plan(fit_until=fit_until, recipe=recipe, judging=judging)


def middle() -> float:
    """Where the shipped recording is cut."""
    return parse_rfc3339(MIDDLE)
