"""What the product would have done by itself: deviations -> alerts -> the planned restriction -> the guards.

A deviation is grouped by ``triage`` as the stream does it; every version of every alert is planned and shown to the
guards that judge the alert itself. Those that judge the moment (lag, budgets, modes, cool-down) are left out: they
could only make fewer restrictions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from baseline.domain.alert import Alert
from baseline.domain.deviation import Deviation
from baseline.domain.restriction import Mode
from baseline.domain.workload import WorkloadId
from baseline.policy.guard import GUARDS, consult
from baseline.policy.plan import Refusal, mentioned, plan
from baseline.policy.situation import Answer, GuardOptions, Situation
from baseline.services.score import Labelled
from baseline.services.triage import TriageState, triage

OF_THE_ALERT = ("infrastructure", "evidence", "maturity", "normal-traffic")
OPTIONS = GuardOptions()


@dataclass(slots=True, kw_only=True)
class Consequences:
    """What followed from some deviations."""

    alerts: dict[str, Alert] = field(default_factory=dict)  # newest version of each
    evident: list[Alert] = field(default_factory=list)  # versions that pass the evidence rule
    automatic: list[Alert] = field(default_factory=list)  # versions that pass every guard of the alert itself
    refused: dict[str, str] = field(default_factory=dict)  # alert id -> why no restriction could be planned

    def new_beside(self, other: Consequences) -> list[Alert]:
        """Alerts that the other run did not have."""
        return [alert for alert_id, alert in self.alerts.items() if alert_id not in other.alerts]


def consequences(deviations: Iterable[Deviation], facts: Mapping[WorkloadId, Labelled]) -> Consequences:
    """Group, plan and ask the guards, in order of event time."""
    found, state = Consequences(), TriageState()
    for deviation in sorted(deviations, key=lambda one: (one.window_end, one.window_start, one.workload.key)):
        for alert in triage([deviation], state=state, now=float(deviation.window_end)):
            found.alerts[alert.id] = alert
            answers = _asked(alert, facts, found)
            if answers.get("evidence") is Answer.ALLOW:
                found.evident.append(alert)
            if answers and max(answers.values()) is Answer.ALLOW:
                found.automatic.append(alert)
    return found


def _asked(alert: Alert, facts: Mapping[WorkloadId, Labelled], found: Consequences) -> dict[str, Answer]:
    """Answers of the guards; none where no restriction can be planned."""
    labels = {who: facts[who].labels for who in mentioned(alert) if who in facts}
    planned = plan(alert, labels=labels, existing=(), mode=Mode.AUTO, now=alert.updated_at)
    if isinstance(planned, Refusal):
        found.refused[alert.id] = planned.reason
        return {}
    situation = Situation(
        alert=alert, restriction=planned, now=alert.updated_at, mode=Mode.AUTO, is_protected=False, lag_s=0.0
    )
    verdict = consult(situation, OPTIONS, {name: GUARDS[name] for name in OF_THE_ALERT})
    return {outcome.guard: outcome.answer for outcome in verdict.outcomes}


def workloads(alerts: Sequence[Alert]) -> list[str]:
    """Names of those concerned, sorted."""
    return sorted({str(alert.workload) for alert in alerts})
