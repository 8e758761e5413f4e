"""Guards: may this restriction be applied by itself, does it need a person, or must it not be at all?

Pure. Every guard is a named predicate over one ``Situation`` and answers with a sentence; the table ``GUARDS`` is the
whole policy, in the order people read it. Its numbers are those of ``GuardOptions``. A guard that lets through says
so too: what was checked is stored with the restriction.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from baseline.domain.deviation import EdgeEvidence, Maturity, independent
from baseline.domain.edge import Direction
from baseline.domain.restriction import Level, Mode
from baseline.domain.units import format_duration
from baseline.policy import budgets
from baseline.policy.evaluate import rule_denies
from baseline.policy.plan import initiated, is_wide
from baseline.policy.render import DNS_NAMESPACE, DNS_PORT
from baseline.policy.situation import Answer, GuardOptions, Outcome, Situation

Said = tuple[Answer, str]
Guard = Callable[[Situation, GuardOptions], Said]


def mode(situation: Situation, _: GuardOptions) -> Said:
    """The namespace's mode says how far we may act."""
    level = situation.restriction.level
    if situation.mode is None:
        return Answer.ASK, "the cluster could not be asked for the namespace's mode"
    told = f"namespace {situation.workload.namespace} is in mode {situation.mode}"
    if situation.mode is Mode.OBSERVE:
        return Answer.REFUSE, told
    automatic = {Mode.AUTO_NARROW: {Level.R1}, Mode.AUTO: {Level.R1, Level.R2}}.get(situation.mode, set())
    return (Answer.ALLOW if level in automatic else Answer.ASK), told


def protected(situation: Situation, options: GuardOptions) -> Said:
    """Some namespaces and workloads are never restricted, by nobody."""
    workload = situation.workload
    if situation.is_protected:
        return Answer.REFUSE, f"{workload} or its namespace is labelled as protected"
    if is_protected_namespace(workload.namespace, options):
        return Answer.REFUSE, f"namespace {workload.namespace} is protected"
    if options.cluster and workload.cluster != options.cluster:
        return Answer.REFUSE, f"{workload.key} is not in cluster {options.cluster}, the one we enforce in"
    return Answer.ALLOW, f"{workload} is not protected"


def infrastructure(situation: Situation, options: GuardOptions) -> Said:
    """The API server is never denied; DNS only by a person."""
    nets = [ipaddress.ip_network(net) for net in options.protected_nets]
    for rule in situation.restriction.rules:
        if rule.direction is not Direction.EGRESS:
            continue
        denied = [ipaddress.ip_network(net) for net in rule.nets]
        if any(_overlap(one, other) for one in denied for other in nets):
            return Answer.REFUSE, f"{rule.peer} lies in a protected net"
        if DNS_PORT in rule.ports or rule.peer_namespace == DNS_NAMESPACE:
            return Answer.ASK, f"{rule.peer} serves DNS or is part of the cluster itself"
    return Answer.ALLOW, "neither DNS nor the API server is denied"


def evidence(situation: Situation, options: GuardOptions) -> Said:
    """Far past the threshold, and either two families agree or nothing the baseline ever used is cut."""
    alert = situation.alert
    limit = alert.threshold / options.evidence_factor
    agreeing = independent(alert.families)
    told = f"p {alert.p:.2g} against {limit:.2g}, {agreeing} independent families of evidence"
    if alert.p >= limit:
        return Answer.ASK, told
    if agreeing >= 2:
        return Answer.ALLOW, told
    if any(is_wide(rule) for rule in situation.restriction.rules):
        return Answer.ASK, f"{told}, and a rule is wider than the edges that were seen"
    return (Answer.ALLOW if all(item.is_new for item in _denied(situation)) else Answer.ASK), told


def maturity(situation: Situation, _: GuardOptions) -> Said:
    """Only a mature baseline may act."""
    known = situation.alert.maturity
    return (Answer.ALLOW if known is Maturity.MATURE else Answer.ASK), f"the baseline is {known}"


def freshness(situation: Situation, options: GuardOptions) -> Said:
    """Yesterday's evidence restricts nobody today."""
    alert = situation.alert
    age_s = situation.now - alert.updated_at
    limit_s = options.evidence_windows * (alert.window_end - alert.window_start)
    told = f"the newest evidence is {format_duration(age_s)} old, at most {format_duration(limit_s)}"
    return (Answer.ALLOW if age_s <= limit_s else Answer.ASK), told


def lag(situation: Situation, options: GuardOptions) -> Said:
    """A stream that is behind judges the past."""
    if situation.lag_s is None:
        return Answer.ASK, "the stream's lag is not known"
    told = f"the stream is {situation.lag_s:.0f} s behind, at most {options.lag_max_s:.0f} s"
    return (Answer.ALLOW if situation.lag_s <= options.lag_max_s else Answer.ASK), told


def time_to_live(situation: Situation, options: GuardOptions) -> Said:
    """Everything ends, and soon."""
    told = f"time to live {format_duration(situation.restriction.ttl_s)}, at most {format_duration(options.ttl_max_s)}"
    return (Answer.ALLOW if 0 < situation.restriction.ttl_s <= options.ttl_max_s else Answer.REFUSE), told


def normal_traffic(situation: Situation, _: GuardOptions) -> Said:
    """Nothing that is normal at this hour may be cut without a person."""
    count = sum(item.normal_rate > 0 for item in _denied(situation))
    return (Answer.ASK if count else Answer.ALLOW), f"{count} edges that are normal at this hour would be cut"


def _denied(situation: Situation) -> list[EdgeEvidence]:
    """The edges of the evidence that the restriction would cut."""
    turned = [(item, *initiated(item.edge)) for item in situation.alert.edges]
    return [
        item
        for item, subject, key in turned
        if subject == situation.workload and any(rule_denies(rule, key) for rule in situation.restriction.rules)
    ]


GUARDS: Mapping[str, Guard] = {
    "mode": mode,
    "protected": protected,
    "infrastructure": infrastructure,
    "ttl": time_to_live,
    "evidence": evidence,
    "maturity": maturity,
    "freshness": freshness,
    "lag": lag,
    "normal-traffic": normal_traffic,
    "concurrent": budgets.concurrent,
    "namespace-concurrent": budgets.in_namespace,
    "workload-concurrent": budgets.on_workload,
    "rate": budgets.rate,
    "share": budgets.share,
    "namespace-share": budgets.namespace_share,
    "cool-down": budgets.cool_down,
    "platform-event": budgets.platform,
}
NEVER_RELAXED = frozenset({"mode", "protected", "infrastructure", "ttl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What all guards said."""

    outcomes: tuple[Outcome, ...]

    @property
    def answer(self) -> Answer:
        """The strongest answer."""
        return max(outcome.answer for outcome in self.outcomes)

    @property
    def objections(self) -> tuple[Outcome, ...]:
        """Those that did not allow, the strongest first."""
        return tuple(sorted((one for one in self.outcomes if one.answer), key=lambda one: -one.answer))

    @property
    def sentence(self) -> str:
        """Why it is not automatic; empty when it may be."""
        return "; ".join(one.sentence for one in self.objections)


def consult(situation: Situation, options: GuardOptions, guards: Mapping[str, Guard] = GUARDS) -> Verdict:
    """Ask every guard. A relaxed one lets through and says what it would have said.

    Raises ValueError for a relaxed name that is no guard, or one that is never relaxed: a misspelt safety setting
    must not pass silently.
    """
    if wrong := sorted((options.relaxed - guards.keys()) | (options.relaxed & NEVER_RELAXED)):
        raise ValueError(f"guards that cannot be relaxed: {', '.join(wrong)}")
    return Verdict(outcomes=tuple(_asked(situation, options, guards.items())))


def is_protected_namespace(namespace: str, options: GuardOptions) -> bool:
    """Protected by name: ours, or one of the configured patterns."""
    return namespace == options.own_namespace or any(
        fnmatchcase(namespace, pattern) for pattern in options.protected_namespaces
    )


def _asked(situation: Situation, options: GuardOptions, guards: Iterable[tuple[str, Guard]]) -> Iterable[Outcome]:
    for name, guard in guards:
        answer, sentence = guard(situation, options)
        if answer is not Answer.ALLOW and name in options.relaxed:
            answer, sentence = Answer.ALLOW, f"relaxed: {sentence}"
        yield Outcome(name, answer, sentence)


Net = ipaddress.IPv4Network | ipaddress.IPv6Network


def _overlap(one: Net, other: Net) -> bool:
    return one.version == other.version and one.overlaps(other)
