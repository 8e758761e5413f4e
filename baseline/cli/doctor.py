"""What `baseline doctor` looks at: each outside part once, with a hint for whoever reads the result."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from baseline.adapters.clock import SystemClock
from baseline.domain.errors import BaselineError
from baseline.domain.modelset import Alias
from baseline.settings import Settings
from baseline.wiring import cluster as wired_cluster
from baseline.wiring import stores as wired_stores

CLOCK_SKEW_MAX_S = 30.0


class Result(StrEnum):
    """How a check went."""

    GOOD = "ok"
    BAD = "failed"
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check."""

    check: str
    result: Result
    detail: str
    hint: str = ""


def examine(settings: Settings) -> Sequence[Finding]:
    """Every check, in the order in which a record travels."""
    checks: Sequence[tuple[str, Callable[[Settings], str], str]] = (
        ("kafka", _kafka, "Is the broker up, are the credentials right, has `baseline migrate` made the topics?"),
        ("books", _books, "Is the database up? Run `baseline migrate`."),
        ("model set", _model_set, "Fit and promote one: python -m pipelines.retrain, then pipelines.promote."),
        ("cluster", _cluster, "Check kubeconfig or service account, Calico >= 3.30, and deploy/: tier and rights."),
        ("enforcement", _enforcement, "Nothing is restricted while it is off: baseline enforcement on."),
    )
    return [_run(name, check, hint, settings) for name, check, hint in checks]


def to_json(found: Sequence[Finding]) -> str:
    """A JSON list, one object a check."""
    return json.dumps([asdict(finding) for finding in found], indent=2)


def _run(name: str, check: Callable[[Settings], str], hint: str, settings: Settings) -> Finding:
    try:
        return Finding(check=name, result=Result.GOOD, detail=check(settings))
    except BaselineError as error:
        return Finding(check=name, result=Result.BAD, detail=str(error), hint=hint)


def _kafka(settings: Settings) -> str:
    with wired_stores.sink(settings, process="doctor") as sink:
        found = len(sink.partitions(settings.kafka.flows_topic))
    return f"{settings.kafka.flows_topic} has {found} partitions"


def _books(settings: Settings) -> str:
    with wired_stores.library(settings) as library:
        library.check()
        with library.transaction() as books:
            known = sum(books.workloads.count(seen_since=0.0).values())
    return f"migrated, {known} workloads known"


def _model_set(settings: Settings) -> str:
    shelf = wired_stores.shelf(settings)
    current = shelf.resolve(Alias.CURRENT)
    if current is None:
        raise BaselineError("no model set is promoted: the stream learns and judges nothing")
    return f"{current}, {shelf.manifest(current).workloads} workloads"


def _cluster(settings: Settings) -> str:
    clock = SystemClock()
    listing = wired_cluster.cluster(settings, clock).policies()
    skew_s = abs(listing.now - clock.now())
    if skew_s > CLOCK_SKEW_MAX_S:
        raise BaselineError(f"this machine's clock is {skew_s:.0f} s off the cluster's")
    return f"{len(listing.objects)} policies in our tier"


def _enforcement(settings: Settings) -> str:
    if not wired_cluster.cluster(settings, SystemClock()).enforcement_enabled():
        raise BaselineError("off")
    return f"on, mode {settings.restriction.mode}"
