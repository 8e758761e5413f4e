"""A model set's card: what it was made from, what it sees, what it cannot. Written from measurements, not by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from baseline.detectors.fitted import FittedSet
from baseline.domain.deviation import Maturity
from baseline.domain.units import format_duration, rfc3339
from baseline.services.promote import GateReport

ALWAYS_BLIND = (
    "what flows do not show: layer 2 (ARP spoofing, wrong addresses), runtime exploits, misuse inside a connection",
    "an attacker within the volume that an existing edge normally has at this hour",
    "anything a workload already did during most of the learning period",
)


def card(model: FittedSet, gate: GateReport | None, suite: Mapping[str, Any] | None) -> str:
    """Markdown. ``suite`` is the JSON report of ``pipelines.evaluate --suite``, None where it was not run."""
    manifest = model.manifest
    span = format_duration(manifest.trained_until - manifest.trained_from)
    interval = f"{rfc3339(manifest.trained_from)} to {rfc3339(manifest.trained_until)}"
    made_from = (
        f"{manifest.workloads} workloads, {interval} ({span}), "
        f"unlabelled; data {manifest.data_hash}, schema {manifest.schema_hash}"
    )
    lines = [
        f"# Card: model set {manifest.id}",
        "",
        f"- **Made from**: {made_from}.",
        f"- **Windows learned**: {_windows(manifest.metrics)}.",
        f"- **Maturity**: {_maturity(model)}.",
        f"- **Gate**: {_gate(gate)}",
        "",
        "## What it cannot see",
        "",
        *(f"- {sentence}" for sentence in (*_blind(model), *ALWAYS_BLIND)),
        "",
        "## Measured with the same code on public data",
        "",
        *_figures(suite),
        "",
        "## Recipe",
        "",
        "```",
        manifest.recipe.strip() or "(defaults)",
        "```",
    ]
    return "\n".join(lines) + "\n"


def _windows(metrics: Mapping[str, float]) -> str:
    horizons = sorted(int(name[1:].removesuffix(".windows")) for name in metrics if name.endswith(".windows"))
    told = [
        f"{metrics[f'h{horizon}.windows']:,.0f} of {format_duration(horizon)}"
        + ("" if metrics.get(f"h{horizon}.ready") else " (too few to judge by)")
        for horizon in horizons
    ]
    return ", ".join(told) or "none"


def _maturity(model: FittedSet) -> str:
    counts = Counter(model.maturity(workload) for workload in model.lines)
    return ", ".join(f"{counts[level]} {level.value}" for level in Maturity)


def _gate(gate: GateReport | None) -> str:
    if gate is None:
        return "not judged."
    found = ", ".join(f"{name} {share:.0%}" for name, share in gate.found.items())
    return (
        f"golden attacks found on {gate.workloads} workloads: {found}; {gate.over_budget:.0%} past their alert budget "
        f"on what was learned; normal moved on {gate.moved:.0%} of {gate.compared} workloads of the set before."
    )


def _blind(model: FittedSet) -> Sequence[str]:
    """What this set in particular cannot see."""
    found = []
    ready = [horizon for horizon in sorted(model.horizons) if model.is_ready(horizon)]
    if not ready:
        return ["anything: no length of window had enough history to judge by"]
    if ready[0] > 60:
        found.append(f"bursts much shorter than {format_duration(ready[0])}: shorter windows were not learned")
    if 3600 not in ready:
        found.append("theft that is slow within every hour: windows of an hour were not learned")
    young = sum(model.maturity(workload) is not Maturity.MATURE for workload in model.lines)
    if young:
        found.append(f"habits that had not come back yet on {young} workloads that are not mature: they may alert")
    span_s = model.manifest.trained_until - model.manifest.trained_from
    if span_s < 28 * 86_400:
        found.append("what differs between the days of the week: less than four weeks were learned")
    return found


def _figures(suite: Mapping[str, Any] | None) -> Sequence[str]:
    if suite is None:
        return ["The evaluation suite was not run for this card."]
    rows = [
        f"| {one['row']} | {one['name']} | {one['value']:.4g} {one['unit']} | {one['verdict']} | {one['note']} |"
        for one in suite["figures"]
        if one["value"] is not None and one["verdict"] != "told"
    ]
    return ["| row | figure | value | stands | how |", "|---|---|---|---|---|", *rows]
