"""What deviations would have cost: alerts for people, restrictions for workloads, minutes of narrowed traffic.

The guards that only need counts are played: evidence, maturity, budgets, cool-down and platform events. Those that need
the cluster or the edges (protected targets, normal traffic at this hour, modes) are not; they would only have refused
more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from baseline.domain.alert import MERGE_WITHIN_S
from baseline.domain.deviation import Family, independent
from baseline.domain.restriction import DEFAULT_TTL_S
from baseline.domain.units import DAY_S, HOUR_S, MINUTE_S, WEEK_S
from baseline.domain.workload import WorkloadId
from baseline.policy.situation import GuardOptions
from baseline.services.backtest import Past


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one setting over an interval."""

    days: float
    workloads: int
    alerts: int
    alerts_by_workload: dict[str, int] = field(default_factory=dict)
    restrictions: int
    minutes_by_workload: dict[str, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)  # guard -> deviations it kept from being restricted

    @property
    def alerts_per_day(self) -> float:
        """Of the cluster."""
        return self.alerts / self.days

    @property
    def alerts_per_workload_week(self) -> float:
        """What the budget is given in."""
        return self.alerts / max(1, self.workloads) / (self.days * DAY_S / WEEK_S)

    @property
    def restrictions_per_day(self) -> float:
        """Of the cluster, automatic ones."""
        return self.restrictions / self.days

    @property
    def minutes_per_workload(self) -> float:
        """Minutes restricted of the average workload, over the whole interval."""
        return sum(self.minutes_by_workload.values()) / max(1, self.workloads)


def cost(
    past: Sequence[Past], *, workloads: int, since: float, until: float, guards: GuardOptions,
    ttl_s: float = DEFAULT_TTL_S,
) -> Cost:  # fmt: skip
    """Alerts and automatic restrictions of deviations given in order of their end."""
    alerts = _alerts(past)
    play = _Play(guards, ttl_s, workloads)
    for one in past:
        play.take(one)
    return Cost(
        days=(until - since) / DAY_S,
        workloads=workloads,
        alerts=sum(alerts.values()),
        alerts_by_workload=dict(alerts.most_common()),
        restrictions=play.restrictions,
        minutes_by_workload=dict(sorted(play.minutes.items(), key=lambda item: (-item[1], item[0]))),
        refused=dict(play.refused),
    )


def _alerts(past: Sequence[Past]) -> Counter[str]:
    """Deviations of one workload closer than the merge interval are one alert."""
    last: dict[WorkloadId, float] = {}
    found: Counter[str] = Counter()
    for one in past:
        if one.start - last.get(one.workload, float("-inf")) > MERGE_WITHIN_S:
            found[str(one.workload)] += 1
        last[one.workload] = max(last.get(one.workload, 0.0), float(one.end))
    return found


class _Play:
    """Guards and restrictions as time goes by."""

    def __init__(self, guards: GuardOptions, ttl_s: float, workloads: int) -> None:
        self._guards, self._ttl_s, self._workloads = guards, ttl_s, workloads
        self._ends: dict[WorkloadId, float] = {}  # newest restriction's end
        self._approved: list[float] = []
        self._anomalies: list[tuple[float, WorkloadId]] = []
        self._paused_until = float("-inf")
        self.restrictions = 0
        self.minutes: dict[str, float] = {}
        self.refused: Counter[str] = Counter()

    def take(self, one: Past) -> None:
        """One deviation, in order of time."""
        now = float(one.end)
        self._note_anomaly(now, one.workload)
        if now < self._ends.get(one.workload, float("-inf")):
            return  # it is restricted already
        refusal = self._refusal(one, now)
        if refusal is not None:
            self.refused[refusal] += 1
            return
        self._ends[one.workload] = now + self._ttl_s
        self._approved.append(now)
        self.restrictions += 1
        self.minutes[str(one.workload)] = self.minutes.get(str(one.workload), 0.0) + self._ttl_s / MINUTE_S

    def _refusal(self, one: Past, now: float) -> str | None:
        """The first guard that says no, by its name in policy.guard."""
        live = [workload for workload, end in self._ends.items() if end > now]
        recent = [at for at in self._approved if now - at < HOUR_S]
        in_namespace = sum(workload.namespace == one.workload.namespace for workload in live)
        most = max(1, int(self._guards.workloads_share * self._workloads))
        asked = {
            "evidence": one.p >= one.threshold / self._guards.evidence_factor or not _agree(one.families),
            "maturity": not one.is_mature,
            "platform-event": now < self._paused_until,
            "cool-down": now - self._ends.get(one.workload, float("-inf")) < self._guards.cool_down_s,
            "concurrent": len(live) >= self._guards.concurrent_max,
            "namespace-concurrent": in_namespace >= self._guards.namespace_max,
            "rate": len(recent) >= self._guards.hourly_max or self._tokens(now) < 1,
            "share": len(live) >= most,
        }
        return next((name for name, is_refused in asked.items() if is_refused), None)

    def _tokens(self, now: float) -> float:
        refill_s = HOUR_S / max(1, self._guards.hourly_max)
        tokens, last = float(self._guards.burst_max), float("-inf")
        for at in (*self._approved[-self._guards.hourly_max :], now):
            tokens = min(self._guards.burst_max, tokens + max(0.0, at - last) / refill_s)
            last, tokens = at, tokens - (at < now)
        return tokens

    def _note_anomaly(self, now: float, workload: WorkloadId) -> None:
        within = [one for one in self._anomalies if now - one[0] < self._guards.platform_within_s]
        self._anomalies = [*within, (now, workload)]
        crowd = len({who for _, who in self._anomalies})
        if crowd >= max(self._guards.platform_min, self._guards.platform_share * self._workloads):
            self._paused_until = now + self._guards.platform_pause_s


def _agree(families: Sequence[Family]) -> bool:
    """Two families, or only what the baseline never used."""
    return independent(families) >= 2 or tuple(families) == (Family.NOVELTY,)
