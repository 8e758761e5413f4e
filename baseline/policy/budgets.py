"""The guards that count: how many, how fast, how large a share, how soon again."""

from __future__ import annotations

from baseline.domain.units import HOUR_S, format_duration, rfc3339
from baseline.domain.workload import WorkloadId
from baseline.policy.situation import Answer, GuardOptions, Situation

Said = tuple[Answer, str]


def concurrent(situation: Situation, options: GuardOptions) -> Said:
    """At most ``concurrent_max`` automatic restrictions at once."""
    return _within(len(situation.automatic), options.concurrent_max, "automatic restrictions are live")


def in_namespace(situation: Situation, options: GuardOptions) -> Said:
    """At most ``namespace_max`` of them in one namespace."""
    namespace = situation.workload.namespace
    live = sum(restriction.workload.namespace == namespace for restriction in situation.automatic)
    return _within(live, options.namespace_max, f"automatic restrictions are live in namespace {namespace}")


def on_workload(situation: Situation, options: GuardOptions) -> Said:
    """At most ``workload_max`` live restrictions on one workload, whoever applied them."""
    live = sum(restriction.workload == situation.workload for restriction in situation.live)
    return _within(live, options.workload_max, f"restrictions are live on {situation.workload}")


def rate(situation: Situation, options: GuardOptions) -> Said:
    """A bucket of ``burst_max`` automatic restrictions that refills at ``hourly_max`` an hour."""
    if not options.hourly_max or not options.burst_max:
        return Answer.ASK, "no automatic restriction is allowed in any hour"
    refill_s = HOUR_S / options.hourly_max
    tokens, last = float(options.burst_max), 0.0
    for at in (*situation.approvals, situation.now):
        tokens = min(options.burst_max, tokens + max(0.0, at - last) / refill_s)
        last = max(last, at)
        if at < situation.now:
            tokens = max(0.0, tokens - 1)
    recent = sum(situation.now - at < HOUR_S for at in situation.approvals)
    told = f"{recent} automatic restrictions within the hour ({options.hourly_max} and bursts of {options.burst_max})"
    return (Answer.ALLOW if tokens >= 1 and recent < options.hourly_max else Answer.ASK), told


def share(situation: Situation, options: GuardOptions) -> Said:
    """At most max(1, ``workloads_share``) of all workloads restricted automatically."""
    total = sum(situation.workloads.values())
    most = max(1, int(options.workloads_share * total))
    restricted = {restriction.workload for restriction in situation.automatic} - {situation.workload}
    return _within(len(restricted), most, f"of {total} workloads are restricted automatically")


def namespace_share(situation: Situation, options: GuardOptions) -> Said:
    """At most max(1, ``namespace_share``) of a namespace's workloads."""
    namespace = situation.workload.namespace
    total = situation.workloads.get(namespace, 0)
    most = max(1, int(options.namespace_share * total))
    restricted = {item.workload for item in situation.automatic if item.workload.namespace == namespace}
    told = f"of {total} workloads of namespace {namespace} are restricted automatically"
    return _within(len(restricted - {situation.workload}), most, told)


def cool_down(situation: Situation, options: GuardOptions) -> Said:
    """No automatic restriction of a workload for ``cool_down_s`` after a release."""
    ends = [item.ended_at for item in situation.ended if situation.now - item.ended_at < options.cool_down_s]
    if not ends:
        return Answer.ALLOW, f"nothing of {situation.workload} was released lately"
    ago = format_duration(situation.now - max(ends))
    return Answer.ASK, f"{situation.workload} was released {ago} ago, less than {format_duration(options.cool_down_s)}"


def platform(situation: Situation, options: GuardOptions) -> Said:
    """Many workloads anomalous at once are an event of the platform: nothing automatic for a while."""
    limit = max(options.platform_min, options.platform_share * sum(situation.workloads.values()))
    for at, count in _crowds(situation, options.platform_within_s):
        if count >= options.platform_min and count >= limit and 0 <= situation.now - at < options.platform_pause_s:
            told = f"{count} workloads were anomalous within {format_duration(options.platform_within_s)}"
            return Answer.ASK, f"{told} at {rfc3339(at)}: an event of the platform, not of one workload"
    return Answer.ALLOW, "few workloads are anomalous at once"


def _crowds(situation: Situation, within_s: float) -> list[tuple[float, int]]:
    """After each alert: how many distinct workloads alerted in the time before it."""
    crowds = []
    for at, _ in situation.anomalies:
        near: set[WorkloadId] = {who for other, who in situation.anomalies if at - within_s < other <= at}
        crowds.append((at, len(near)))
    return crowds


def _within(count: int, most: int, what: str) -> Said:
    return (Answer.ALLOW if count < most else Answer.ASK), f"{count} {what}, at most {most}"
