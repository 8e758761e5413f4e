"""An alert as lines for a terminal, the first question on top. Names come from logs: they are text, never markup."""

from __future__ import annotations

from collections.abc import Iterator

from baseline.domain.alert import Alert, named_edges
from baseline.domain.units import rfc3339
from baseline.services.triage import flows


def lines(alert: Alert) -> Iterator[str]:
    """Everything below the alert's sentence: growth or attack, reasons, voices, what would have been normal, flows."""
    told = alert.explanation
    if told.rise:
        yield told.rise.sentence
    yield f"alert {alert.id}, p {alert.p:.2e}, baseline {alert.maturity}, {alert.windows} windows"
    for reason in alert.reasons:
        yield f"  {reason.share:4.0%}  {reason.sentence}"
    p = dict(alert.voices)
    for name, share in told.voice_shares:
        yield f"  {share:4.0%}  voice {name}, p {p.get(name, float('nan')):.1e}"
    for one in told.counterfactuals:
        yield f"  {one.sentence}"
    for hint in told.techniques:
        yield f"  {hint.sentence} ({hint.id} {hint.name}, confidence {hint.confidence}: {hint.rule})"
    for evidence in named_edges(alert):
        yield f"  {'new ' if evidence.is_new else '    '}{evidence.edge}: {flows(evidence)}"
    if alert.decision:
        yield f"{alert.disposition} by {alert.decision.by} at {rfc3339(alert.decision.at)}"
