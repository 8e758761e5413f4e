"""Fit a model set from history: read, fit each horizon, pack. Pure over the History port; scikit-learn stays in fit."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import codec, completeness, feedback
from baseline.detectors.combine import named
from baseline.detectors.edges import News, fit_edges, fresh_in_training
from baseline.detectors.edgeuse import EdgeUse, merged
from baseline.detectors.fit import fit_horizon
from baseline.detectors.fitted import FLEET_FILE, FittedSet, horizon_file, workload_arrays
from baseline.detectors.forest import BUILDERS, Builder
from baseline.detectors.groups import Labels, group_ids
from baseline.detectors.protocol import Arrays, Rows
from baseline.domain.edge import EdgeKey
from baseline.domain.errors import GateRefused
from baseline.domain.modelset import FORMAT, Manifest
from baseline.domain.units import DAY_S, HOUR_S
from baseline.domain.window import HORIZONS_S, EdgeCounts
from baseline.domain.workload import WorkloadId
from baseline.features import availability, schema
from baseline.features.calendar import Calendar
from baseline.features.table import IntArray, WindowTable
from baseline.ports import EdgeRow, History
from baseline.services import movement, quarantine

FEWEST_WINDOWS = 8  # of the typical workload at a horizon, below which it is not fitted
_KEYS = {"horizons_s", "zone", "holidays", "history_days", "is_mature", "min_windows", "builder", "windows_nodes",
         "description"}  # fmt: skip
Files = dict[str, bytes]
Exclusion = tuple[WorkloadId, float, float]  # windows of the workload that overlap [since, until) never teach


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What to fit. ``text`` is the TOML it was read from, kept in the manifest."""

    text: str = ""
    horizons_s: tuple[int, ...] = HORIZONS_S
    calendar: Calendar = field(default_factory=Calendar)
    history_days: float = 42.0  # older windows are not read
    is_mature: bool = False  # take the history as a whole observation period, however short
    min_windows: int = 60  # of all workloads together, at a horizon, to fit it
    builder: Builder = "sklearn"  # what fits forests; "fast" for fleets: docs/decisions/0013
    windows_nodes: tuple[str, ...] = ()  # workloads on Windows nodes, namespace/name, globs allowed

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Read TOML; GateRefused for unknown keys or values that cannot be."""
        try:
            found = tomllib.loads(text)
            unknown = set(found) - _KEYS
            if unknown:
                raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
            if isinstance(found.get("windows_nodes", ()), str):
                raise TypeError("windows_nodes: a list of namespace/name")
            horizons = tuple(int(horizon) for horizon in found.get("horizons_s", HORIZONS_S))
            if not horizons or not set(horizons) <= set(HORIZONS_S):
                raise ValueError(f"horizons_s: {horizons}")
            builder = found.get("builder", "sklearn")
            if builder not in BUILDERS:
                raise ValueError(f"builder: {builder!r} is none of {', '.join(BUILDERS)}")
            return cls(
                text=text,
                horizons_s=horizons,
                calendar=Calendar(zone=str(found.get("zone", "UTC")), holidays=frozenset(_dates(found))),
                history_days=float(found.get("history_days", 42.0)),
                is_mature=bool(found.get("is_mature", False)),
                min_windows=int(found.get("min_windows", 60)),
                builder=builder,
                windows_nodes=tuple(str(pattern) for pattern in found.get("windows_nodes", ())),
            )
        except (ValueError, TypeError) as error:
            raise GateRefused(f"recipe: {error}") from error


def _dates(found: Mapping[str, Any]) -> Iterable[date]:
    """Holidays of a recipe: TOML dates."""
    for day in found.get("holidays", ()):
        if not isinstance(day, date) or isinstance(day, datetime):
            raise TypeError(f"holidays: {day!r} is no date (write 2026-12-25, without quotes)")
        yield day


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Everything one fit reads, in order of line."""

    workloads: Sequence[WorkloadId]
    tables: Mapping[int, Mapping[int, WindowTable]]  # horizon -> line -> table
    uses: Sequence[Sequence[EdgeUse]]  # per line, merged by far end
    since: float
    until: float
    labels: Mapping[WorkloadId, Labels] = field(default_factory=dict)  # of their pods, newest seen
    calibrate_from: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[WorkloadId, feedback.Weights] = field(default_factory=dict)  # what decisions taught, if anything


def fit_set(
    history: History,
    *,
    recipe: Recipe,
    since: float,
    until: float,
    exclude: Collection[Exclusion] = (),
    now: float,
    seed: int = 1,
    calibrate_from: float | None = None,
) -> tuple[Manifest, Files]:
    """Fit every workload with windows in [since, until).

    Raises GateRefused when there is nothing to learn from.
    """
    return fit_lesson(
        read(history, recipe=recipe, since=since, until=until, exclude=exclude, calibrate_from=calibrate_from),
        recipe=recipe, now=now, seed=seed,
    )  # fmt: skip


def read(
    history: History, *, recipe: Recipe, since: float, until: float, exclude: Collection[Exclusion] = (),
    calibrate_from: float | None = None,
) -> Lesson:  # fmt: skip
    """Windows and edges of an interval, without what must never teach."""
    since = max(since, until - recipe.history_days * DAY_S)
    workloads = history.workloads(since=since, until=until)
    part = read_part(history, workloads, recipe=recipe, since=since, until=until, exclude=exclude)
    return replace(part, calibrate_from=calibrate_from)


def read_part(
    history: History, workloads: Iterable[WorkloadId], *, recipe: Recipe, since: float, until: float,
    exclude: Collection[Exclusion] = (),
) -> Lesson:  # fmt: skip
    """``read`` of some workloads: what one worker does."""
    ordered = sorted(workloads, key=lambda workload: workload.key)
    tables = read_windows(history, ordered, recipe=recipe, since=since, until=until, exclude=exclude)
    uses, labels = read_edges(history, ordered, since=since, until=until, exclude=exclude)
    return Lesson(workloads=ordered, tables=tables, uses=uses, since=since, until=until, labels=labels)


def read_windows(
    history: History, workloads: Sequence[WorkloadId], *, recipe: Recipe, since: float, until: float,
    exclude: Collection[Exclusion] = (),
) -> dict[int, dict[int, WindowTable]]:  # fmt: skip
    """Windows by horizon and line."""
    return {
        horizon: {
            line: without(history.windows(workload, horizon_s=horizon, since=since, until=until), exclude)
            for line, workload in enumerate(workloads)
        }
        for horizon in recipe.horizons_s
    }


def read_edges(
    history: History, workloads: Sequence[WorkloadId], *, since: float, until: float,
    exclude: Collection[Exclusion] = (),
) -> tuple[list[list[EdgeUse]], dict[WorkloadId, Labels]]:  # fmt: skip
    """The uses of each workload, merged by far end, and its newest labels."""
    lines = {workload: line for line, workload in enumerate(workloads)}
    found: list[list[EdgeUse]] = [[] for _ in workloads]
    labels: dict[WorkloadId, Labels] = {}
    for begin, end in _days(since, until):  # a day at a time: the hours of a month are a hundred times their sum
        parts: list[list[EdgeUse]] = [[] for _ in workloads]
        for row in history.edges(since=begin, until=end):
            if not _was_used(row, since=since, until=until):
                continue
            if row.workload in lines and row.local_labels:
                labels[row.workload] = row.local_labels
            if row.workload in lines and not _is_excluded(row.workload, row.hour, row.hour + HOUR_S, exclude):
                parts[lines[row.workload]].append(use_of(row.key, row.counts, seen=row.hour))
        found = [merged([*known, *part]) if part else known for known, part in zip(found, parts, strict=True)]
    return found, labels


def _days(since: float, until: float) -> Iterator[tuple[float, float]]:
    """The interval in days of UTC.

    Edges are stored by the hour: the first one has usually begun before ``since``, and ``until`` may lie in the last.
    """
    begin = since - since % HOUR_S
    while begin < until:
        end = min(begin - begin % DAY_S + DAY_S, until)
        yield begin, end
        begin = end


def gathered(parts: Sequence[Lesson], *, since: float, until: float) -> Lesson:
    """Parts of disjoint workloads as one lesson, in order of workload key."""
    places = sorted(
        ((workload, number, line) for number, part in enumerate(parts) for line, workload in enumerate(part.workloads)),
        key=lambda place: place[0].key,
    )
    horizons = sorted({horizon for part in parts for horizon in part.tables})
    tables = {
        horizon: {
            line: parts[number].tables[horizon][old]
            for line, (_, number, old) in enumerate(places)
            if old in parts[number].tables.get(horizon, {})
        }
        for horizon in horizons
    }
    uses = [parts[number].uses[old] for _, number, old in places]
    labels = {workload: found for part in parts for workload, found in part.labels.items()}
    return Lesson(
        workloads=[workload for workload, _, _ in places], tables=tables, uses=uses, since=since, until=until,
        labels=labels,
    )  # fmt: skip


def _was_used(row: EdgeRow, *, since: float, until: float) -> bool:
    """Whether the edge was in use in [since, until), as far as an hour's row tells."""
    return (row.counts.first_seen or row.hour) < until and (row.counts.last_seen or row.hour + HOUR_S) >= since


def use_of(key: EdgeKey, counts: EdgeCounts, *, seen: float) -> EdgeUse:
    """One hour of an edge."""
    return EdgeUse(
        key=key, first_seen=counts.first_seen or seen, last_seen=counts.last_seen or seen,
        connections=max(counts.started, counts.denied + counts.attempts), bytes_out=counts.bytes_out,
        bytes_in=counts.bytes_in, hours=1,
    )  # fmt: skip


def without(table: WindowTable, exclude: Iterable[Exclusion]) -> WindowTable:
    """The table without windows that overlap an exclusion of its workload."""
    keep = np.ones(len(table), dtype=np.bool_)
    for workload, since, until in exclude:
        if workload == table.workload:
            keep &= (table.starts + table.horizon_s <= since) | (table.starts >= until)
    return WindowTable(
        workload=table.workload, horizon_s=table.horizon_s, starts=table.starts[keep], values=table.values[keep],
        quiet=table.quiet[keep],
    )  # fmt: skip


def fit_lesson(
    lesson: Lesson, *, recipe: Recipe, now: float, seed: int, previous: FittedSet | None = None
) -> tuple[Manifest, Files]:
    """Fit what was read. The same lesson, recipe, seed and set before give the same bytes.

    previous : the set in use, from which what is normal may move only so far (``services.movement``).
    """
    lines = len(lesson.workloads)
    if not lines:
        raise GateRefused("no workload has windows in the interval")
    files: Files = {}
    metrics: dict[str, float] = dict(lesson.metrics)
    elder: Arrays | None = None
    groups = group_ids(lesson.workloads, lesson.labels)
    given = given_features(lesson.workloads, lesson.uses, recipe)
    weights = feedback.packed([lesson.weights.get(workload, {}) for workload in lesson.workloads])
    for horizon in sorted(recipe.horizons_s):
        rows, settled = rows_of(lesson, horizon, calendar=recipe.calendar, groups=groups)
        metrics[f"h{horizon}.windows"] = float(len(rows))
        if not is_enough(rows, recipe):
            continue
        arrays = fit_horizon(
            rows,
            lines=lines,
            seed=seed,
            settled=settled,
            calibrate_from=lesson.calibrate_from,
            elder=elder,
            builder=recipe.builder,
            groups=groups,
            present=given,
            weights=weights,
        )
        arrays, moved = movement.held(
            arrays, horizon_s=horizon, workloads=lesson.workloads, until=lesson.until, previous=previous
        )
        metrics |= moved
        elder = arrays if arrays["ready"][0] else elder
        metrics[f"h{horizon}.ready"] = float(arrays["ready"][0])
        files[horizon_file(horizon)] = codec.encode(arrays)
    if not files:
        raise GateRefused(f"fewer than {recipe.min_windows} windows at every horizon")
    files[FLEET_FILE] = codec.encode(
        fleet_arrays(lesson, groups, recipe, first_seen=first_seen(lesson), hours=hours_seen(lesson))
    )
    return manifest_of(lesson, files, recipe=recipe, now=now, data_hash=data_hash(lesson), metrics=metrics), files


def manifest_of(
    lesson: Lesson, files: Files, *, recipe: Recipe, now: float, data_hash: str, metrics: Mapping[str, float]
) -> Manifest:
    """What a set says of itself; its name follows from its bytes."""
    digests = {name: codec.sha256(payload) for name, payload in sorted(files.items())}
    return Manifest(
        id=codec.set_id(digests, recipe.text, schema.hash()),
        format=FORMAT,
        schema_hash=schema.hash(),
        recipe=recipe.text,
        created_at=now,
        trained_from=lesson.since,
        trained_until=lesson.until,
        data_hash=data_hash,
        workloads=len(lesson.workloads),
        files=digests,
        metrics=dict(metrics),
    )


def given_features(
    workloads: Sequence[WorkloadId], uses: Sequence[Sequence[EdgeUse]], recipe: Recipe
) -> npt.NDArray[np.bool_]:
    """Which features each workload's log gives: see ``availability``."""
    facts = [
        availability.LogFacts.of(
            (use.key for use in own),
            is_windows=any(fnmatchcase(str(workload), pattern) for pattern in recipe.windows_nodes),
        )
        for workload, own in zip(workloads, uses, strict=True)
    ]
    return availability.present([availability.absent(one) for one in facts])


def fleet_arrays(
    lesson: Lesson, groups: IntArray, recipe: Recipe, *, first_seen: Sequence[float], hours: Sequence[int]
) -> dict[str, npt.NDArray[Any]]:
    """What a set knows beside its horizons: workloads, their groups and how well they are known, and edges."""
    chance = completeness.chances(lesson.uses)
    uses = lesson.uses
    if not recipe.is_mature:  # a whole observation period has no newcomers
        known = [
            completeness.maturity(seen_s=lesson.until - first, hours=seen, chance=float(new))
            for first, seen, new in zip(first_seen, hours, chance, strict=True)
        ]
        late = quarantine.newcomers(lesson.workloads, uses, first_seen=first_seen, maturity=known, until=lesson.until)
        uses = quarantine.without_newcomers(lesson.workloads, uses, late)
    return named("edges", fit_edges(uses, groups)) | workload_arrays(
        lesson.workloads,
        first_seen,
        hours=hours,
        chance_new=chance,
        is_mature=recipe.is_mature,
        calendar=recipe.calendar,
    )


def opened(manifest: Manifest, files: Mapping[str, bytes]) -> FittedSet:
    """A set that was just fitted, without a shelf between."""
    return FittedSet.load({name: codec.decode(payload, name=name) for name, payload in files.items()}, manifest)


def rows_of(
    lesson: Lesson, horizon_s: int, *, calendar: Calendar, groups: IntArray | None = None, news: News | None = None
) -> tuple[Rows, npt.NDArray[np.bool_]]:
    """All windows of one horizon as rows in order of line and time, and which come after their workload's warm-up."""
    tables = {line: table for line, table in lesson.tables.get(horizon_s, {}).items() if len(table)}
    starts_by_line: dict[int, IntArray] = {line: table.starts for line, table in tables.items()}
    groups = group_ids(lesson.workloads, lesson.labels) if groups is None else groups
    firsts = fresh_in_training(starts_by_line, horizon_s, lesson.uses, groups, news=news)
    starts = _joined([table.starts for table in tables.values()])
    rows = Rows(
        schema=schema.PRODUCT,
        workloads=_joined([np.full(len(table), line, dtype=np.int64) for line, table in tables.items()]),
        starts=starts,
        slots=calendar.slots(starts),
        days=calendar.days(starts),
        values=np.concatenate([np.zeros((0, schema.WIDTH)), *(table.values for table in tables.values())]),
        residuals=np.zeros((0, schema.WIDTH)),
        fresh=_joined([firsts.counts[line] for line in tables]),
        fresh_peers=np.zeros(len(starts), dtype=np.int64),
        rarity=np.concatenate([np.zeros(0), *(firsts.rarity[line] for line in tables)]),
    )
    return rows, np.concatenate([np.zeros(0, dtype=np.bool_), *(firsts.settled[line] for line in tables)])


def is_enough(rows: Rows, recipe: Recipe) -> bool:
    """Whether a horizon can be fitted: windows of all workloads together, and of the typical one."""
    if len(rows) < recipe.min_windows:
        return False
    return float(np.median(np.unique(rows.workloads, return_counts=True)[1])) >= FEWEST_WINDOWS


def _joined(parts: Sequence[IntArray]) -> IntArray:
    return np.concatenate([np.zeros(0, dtype=np.int64), *parts])


def first_seen(lesson: Lesson) -> list[float]:
    """Start of each line's first window, the end of the interval where it has none."""
    found = []
    for line in range(len(lesson.workloads)):
        own = [tables[line] for tables in lesson.tables.values() if line in tables]
        found.append(min((float(table.starts[0]) for table in own if len(table)), default=lesson.until))
    return found


def hours_seen(lesson: Lesson) -> list[int]:
    """Hours of the clock in which each line has windows, by its horizon with most of them."""
    found = []
    for line in range(len(lesson.workloads)):
        own = [tables[line] for tables in lesson.tables.values() if line in tables]
        found.append(max((len(np.unique(table.starts // HOUR_S)) for table in own), default=0))
    return found


def data_hash(lesson: Lesson) -> str:
    """What was read, in 16 digits."""
    digest = hashlib.sha256()
    for workload in lesson.workloads:
        digest.update(workload.key.encode() + b"\n")
    for horizon in sorted(lesson.tables):
        for line in sorted(lesson.tables[horizon]):
            digest.update(lesson.tables[horizon][line].starts.tobytes())
            digest.update(lesson.tables[horizon][line].values.tobytes())
    return digest.hexdigest()[:16]


def _is_excluded(workload: WorkloadId, since: float, until: float, exclude: Iterable[Exclusion]) -> bool:
    """An edge's hour is left out only when an exclusion covers it wholly."""
    return any(own == workload and begin <= since and until <= end for own, begin, end in exclude)
