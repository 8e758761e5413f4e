"""What the API speaks: views of our nouns, and the bodies of requests.

Times are RFC 3339 in UTC. Names and labels come out of flow logs and are anybody's text: they appear only as JSON
strings. A number that is not finite is ``null``.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from baseline.domain.alert import Alert, named_edges
from baseline.domain.deviation import EdgeEvidence, Reason
from baseline.domain.edge import EdgeKey
from baseline.domain.explanation import Rise, Technique
from baseline.domain.modelset import Manifest
from baseline.domain.restriction import HOLD_S, MAX_TTL_S, Restriction, Rule
from baseline.domain.suppression import Suppression
from baseline.domain.units import parse_duration, parse_moment, rfc3339
from baseline.domain.workload import WorkloadId
from baseline.features import calendar
from baseline.ports import Weighting, WorkloadFacts
from baseline.services.suppress import Preview
from baseline.services.triage import flows
from baseline.web import examples

Labels = dict[str, str]
Number = float | None


class View(BaseModel):
    """Something we say."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkloadRef(View):
    """Which workload."""

    id: str = Field(description="namespace/name")
    cluster: str
    namespace: str
    name: str
    kind: str


class DecisionView(View):
    """What a person said."""

    disposition: str
    by: str
    at: str | None
    note: str


class ReasonView(View):
    """One line of why."""

    family: str
    feature: str
    sentence: str
    actual: Number
    expected_low: Number
    expected_high: Number
    z: Number = Field(description="Robust residual; positive: more than normal.")
    share: Number = Field(description="Of the evidence, from 0 to 1.")


class VoiceView(View):
    """What one detector says."""

    name: str
    p: Number = Field(description="Its own p-value; smaller is more unusual.")
    share: Number = Field(description="Of the combined evidence, from 0 to 1.")


class CounterfactualView(View):
    """What would have been normal."""

    sentence: str
    features: list[str] = Field(description="One, or several that are needed together; empty: not even all reasons.")
    values: list[Number] = Field(description="The farthest normal value of each, in natural units.")


class TechniqueView(View):
    """What it looks like, by the numbering of MITRE ATT&CK: a hint, never a claim."""

    id: str
    name: str
    confidence: str = Field(description="low, medium or high")
    rule: str = Field(description="The rule that gave the hint.")
    sentence: str


class RiseView(View):
    """Is the business growing, or is this an attack: who carries what is more than usual."""

    spread: str = Field(description="growth, concentrated, platform-wide or unclear; never hides an alert")
    sentence: str
    known_share: Number = Field(description="Of the excess, carried by clients or peers the baseline knows.")
    evenness: Number = Field(description="1: the known ones keep their usual shares, all up by the same factor.")
    factor: Number = Field(description="Times the usual; null where nothing is usual.")
    known: int
    up: int = Field(description="Known ones that rose with the whole.")
    new: int = Field(description="Never seen before.")
    workloads_up: int = Field(description="Workloads that rose in the same window by causes of their own.")
    workloads: int


class EdgeView(View):
    """One edge that carries the deviation."""

    workload: str
    direction: str
    peer_kind: str
    peer_namespace: str
    peer: str
    port: int | None
    protocol: str
    is_new: bool
    connections: int
    bytes_out: int
    bytes_in: int
    failed: int
    share: Number
    normal_rate: Number = Field(description="Connections a window that are usual on it at this hour.")
    first_seen: str | None = Field(description="Of its flows in the deviating windows.")
    last_seen: str | None
    peer_labels: Labels


class AlertView(View):
    """Merged deviations of one workload and family."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.ALERT]})

    id: str
    workload: WorkloadRef
    family: str
    families: list[str]
    disposition: str = Field(description="none, confirmed or dismissed")
    decision: DecisionView | None
    sentence: str = Field(description="Why, in one plain sentence.")
    opened_at: str | None
    updated_at: str | None
    window_start: str | None
    window_end: str | None
    windows: int = Field(description="Deviating windows merged.")
    p: Number = Field(description="The smallest calibrated p-value; smaller is more unusual.")
    score: Number = Field(description="1 - p; higher is more unusual.")
    threshold: Number
    reasons: list[ReasonView]
    voices: list[VoiceView] = Field(description="Of the strongest window, the largest share first.")
    counterfactuals: list[CounterfactualView] = Field(description="In the order of the reasons.")
    techniques: list[TechniqueView] = Field(description="The most confident first; often none.")
    rise: RiseView | None = Field(description="Null: nothing is up, or nobody knows what is usual.")
    evidence: list[str] = Field(description="The flows behind it, at most ten edges, new ones first.")
    edges: list[EdgeView]
    local_labels: Labels
    maturity: str
    model_set: str
    recorded_at: str | None
    revision: int = Field(description="Also the ETag.")


class SuppressedEdgeView(View):
    """One edge a suppression names."""

    direction: str
    peer_kind: str
    peer_namespace: str
    peer: str
    port: int | None
    protocol: str


class SilencedView(View):
    """What a suppression has kept from people."""

    count: int = Field(description="Deviating windows.")
    first_at: str | None
    last_at: str | None


class SuppressionView(View):
    """More of what one alert told is not shown, until it expires or is revoked."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.SUPPRESSION]})

    id: str
    alert_id: str
    workload: WorkloadRef
    scope: str = Field(description="hour, edge, workload or always")
    state: str = Field(description="active, expired or revoked")
    families: list[str]
    edges: list[SuppressedEdgeView] = Field(description="Edges of the dismissed alert.")
    hours: list[str] = Field(description="Hours of the week the alert spanned, in `zone`.")
    zone: str
    reason: str
    made_by: str
    made_at: str | None
    expires_at: str | None
    revoked_at: str | None
    revoked_by: str
    silenced: SilencedView
    revision: int = Field(description="Also the ETag.")


class DayView(View):
    """Alerts of one day."""

    day: str = Field(description="UTC.")
    alerts: int


class FamilyView(View):
    """Alerts that had this family."""

    family: str
    alerts: int


class PreviewView(View):
    """What a dismissal of this scope would have silenced in the last 30 days, beside the alert itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PREVIEW]})

    suppression: SuppressionView = Field(description="As it would be made now.")
    since: str | None
    alerts: list[str] = Field(description="Ids of alerts nobody would have seen, newest first.")
    windows: int = Field(description="Deviating windows in them.")
    days: list[DayView]
    families: list[FamilyView]
    hidden_confirmed: list[str] = Field(
        description="Confirmed attacks of which the whole or the beginning would have been hidden. "
        "Where there are any, dismissing needs `accept_hiding_confirmed`."
    )


class WeightsView(View):
    """One version of what voices and families count for a group of workloads."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WEIGHTS]})

    group: str = Field(description="A workload, as cluster/namespace/name.")
    version: int = Field(description="Also the ETag.")
    weights: dict[str, float] = Field(description="`voice:NAME` and `family:NAME`, 0.25 to 4; what is absent counts 1.")
    cause: str = Field(description="confirm, dismiss or reset")
    by: str
    at: str | None
    alert_id: str | None = Field(description="Whose decision it was; null for a reset.")
    note: str


class RuleView(View):
    """One denied edge."""

    direction: str
    peer: str
    peer_kind: str
    peer_namespace: str
    peer_labels: Labels
    nets: list[str]
    protocol: str
    ports: list[int] = Field(description="Empty: every port of the protocol.")


class RestrictionView(View):
    """The time-limited narrowing of one workload's traffic."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.RESTRICTION]})

    id: str
    alert_id: str
    workload: WorkloadRef
    object_name: str = Field(description="Of the NetworkPolicy in the workload's namespace.")
    level: str
    state: str
    mode: str
    selector: Labels
    rules: list[RuleView]
    allow_dns: bool
    created_at: str | None
    ttl_s: Number
    expires_at: str | None
    max_expires_at: str | None
    approved_by: str
    applied_at: str | None
    ended_at: str | None
    ended_by: str
    detail: str
    guards: list[str]
    revision: int = Field(description="Also the ETag.")


class WorkloadView(View):
    """A workload and how far its baseline can be trusted."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.WORKLOAD]})

    id: str = Field(description="namespace/name")
    cluster: str
    namespace: str
    name: str
    kind: str
    first_seen: str | None
    last_seen: str | None
    labels: Labels
    hosts: list[str]
    maturity: str
    chance_new: Number = Field(
        description="Chance that the next peer or port it uses is one it never used, from 0 to 1; null: not measured."
    )
    rollout_at: str | None = Field(description="When its newest version was first seen.")
    revision: int = Field(description="Also the ETag.")


class ModelSetView(View):
    """What a model set says of itself."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.MODEL_SET]})

    id: str
    aliases: list[str] = Field(description="Of current, candidate and previous.")
    created_at: str | None
    trained_from: str | None
    trained_until: str | None
    workloads: int
    schema_hash: str
    data_hash: str
    metrics: dict[str, Number]


class AlertPage(View):
    """Alerts, newest first."""

    items: list[AlertView]
    after: str | None = Field(description="Pass as `after` for the next page; null at the end.")


class RestrictionPage(View):
    """Restrictions, newest first."""

    items: list[RestrictionView]
    after: str | None = Field(description="Pass as `after` for the next page; null at the end.")


class SuppressionPage(View):
    """Suppressions, newest first."""

    items: list[SuppressionView]
    after: str | None = Field(description="Pass as `after` for the next page; null at the end.")


class WeightsPage(View):
    """Weights in force in order of group, or versions of one group, newest first."""

    items: list[WeightsView]
    after: str | None = Field(description="Pass as `after` for the next page; null at the end.")


class WorkloadPage(View):
    """Workloads in order of name."""

    items: list[WorkloadView]
    after: str | None = Field(description="Pass as `after` for the next page; null at the end.")


class ModelSetPage(View):
    """Model sets, newest first; always one page."""

    items: list[ModelSetView]
    after: str | None = None


class ProblemView(View):
    """An error (RFC 9457). `type` is stable and for programs, `detail` for people."""

    model_config = ConfigDict(json_schema_extra={"examples": [examples.PROBLEM]})

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = Field(None, description="Where a request is wrong, for status 422.")


def _seconds(value: object) -> object:
    """Text such as ``15m`` as seconds; numbers as they are."""
    return parse_duration(value) if isinstance(value, str) else value


Seconds = Annotated[float, BeforeValidator(_seconds, json_schema_input_type=float | str)]
ScopeText = Literal["once", "hour", "edge", "workload", "always"]


def _until(text: str) -> str:
    parse_moment(text, now=0.0)
    return text


Until = Annotated[str, AfterValidator(_until), Field(max_length=40, examples=["14d", "2026-10-05T08:00:00Z"])]
Note = Annotated[str, Field(max_length=2000, description="Why; kept in the audit log.")]


class Body(BaseModel):
    """Something we are told; nothing unknown in it is overlooked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class ConfirmBody(Body):
    """It was an attack."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "scan from the staging runner", "restrict": True}]}
    )

    note: Note = ""
    restrict: bool = Field(False, description="Also apply the proposed restriction.")


class DismissBody(Body):
    """It was normal."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"note": "the new backup job", "scope": "edge", "until": "14d"}]}
    )

    note: Note = ""
    scope: ScopeText = Field(
        "once",
        description="once: this alert; hour: workload and families at this hour of the week; edge: on exactly these "
        "edges; workload: whatever the edges; always: as edge, 90 days. Anything wider than once needs a note.",
    )
    until: Until | None = Field(
        None,
        description="RFC 3339, or a time from now such as 14d; 90 days at most. Default: 7 days, 28 for hour, "
        "90 for always.",
    )
    accept_hiding_confirmed: bool = Field(
        False, description="Needed where the preview says that a confirmed attack would have been hidden."
    )


class RevokeBody(Body):
    """End a suppression."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "the backup moved"}]})

    note: Note = ""


class ResetBody(Body):
    """Let everything count 1 again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "dismissed by mistake for weeks"}]})

    note: Note = ""


class RestrictBody(Body):
    """Apply a restriction."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"level": "R1", "ttl": "15m"}]})

    level: Literal["R1"] = Field("R1", description="R1 denies the deviating edges.")
    ttl: Seconds | None = Field(
        None,
        gt=0,
        le=MAX_TTL_S,
        description="Seconds, or text such as 15m or 1h30m; at most a day. Default: as planned.",
    )


class HoldBody(Body):
    """Extend a restriction."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"ttl": "4h"}]})

    ttl: Seconds = Field(HOLD_S, gt=0, le=HOLD_S, description="From now; seconds or text, at most 4h at a time.")


class ReleaseBody(Body):
    """End a restriction."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"note": "host cleaned"}]})

    note: Note = ""


def alert(noun: Alert) -> AlertView:
    """View of an alert."""
    decision = noun.decision
    return AlertView(
        id=noun.id,
        workload=reference(noun.workload),
        family=noun.family,
        families=list(noun.families),
        disposition=noun.disposition,
        decision=decision
        and DecisionView(disposition=decision.disposition, by=decision.by, at=_time(decision.at), note=decision.note),
        sentence=noun.sentence,
        opened_at=_time(noun.opened_at),
        updated_at=_time(noun.updated_at),
        window_start=_time(noun.window_start),
        window_end=_time(noun.window_end),
        windows=noun.windows,
        p=_number(noun.p),
        score=_number(noun.score),
        threshold=_number(noun.threshold),
        reasons=[_reason(reason) for reason in noun.reasons],
        voices=_voices(noun),
        counterfactuals=[
            CounterfactualView(
                sentence=one.sentence, features=list(one.features), values=[_number(value) for value in one.values]
            )
            for one in noun.explanation.counterfactuals
        ],
        techniques=[_technique(one) for one in noun.explanation.techniques],
        rise=_rise(noun.explanation.rise) if noun.explanation.rise else None,
        evidence=[f"{'new: ' if one.is_new else ''}{one.edge}: {flows(one)}" for one in named_edges(noun)],
        edges=[_edge(evidence) for evidence in noun.edges],
        local_labels=dict(noun.local_labels),
        maturity=noun.maturity,
        model_set=noun.model_set,
        recorded_at=_time(noun.recorded_at),
        revision=noun.revision,
    )


def restriction(noun: Restriction) -> RestrictionView:
    """View of a restriction."""
    return RestrictionView(
        id=noun.id,
        alert_id=noun.alert_id,
        workload=reference(noun.workload),
        object_name=noun.object_name,
        level=noun.level,
        state=noun.state,
        mode=noun.mode,
        selector=dict(noun.selector),
        rules=[_rule(rule) for rule in noun.rules],
        allow_dns=noun.allow_dns,
        created_at=_time(noun.created_at),
        ttl_s=_number(noun.ttl_s),
        expires_at=_time(noun.expires_at),
        max_expires_at=_time(noun.max_expires_at),
        approved_by=noun.approved_by,
        applied_at=_time(noun.applied_at),
        ended_at=_time(noun.ended_at),
        ended_by=noun.ended_by,
        detail=noun.detail,
        guards=list(noun.guards),
        revision=noun.revision,
    )


def suppression(noun: Suppression, *, now: float) -> SuppressionView:
    """View of a suppression."""
    return SuppressionView(
        id=noun.id,
        alert_id=noun.alert_id,
        workload=reference(noun.workload),
        scope=noun.scope,
        state=noun.state(now=now),
        families=sorted(noun.families),
        edges=[_suppressed(key) for key in sorted(noun.edges, key=str)],
        hours=[calendar.words(slot) for slot in sorted(noun.slots)],
        zone=noun.zone,
        reason=noun.reason,
        made_by=noun.by,
        made_at=_time(noun.made_at),
        expires_at=_time(noun.expires_at),
        revoked_at=_time(noun.revoked_at),
        revoked_by=noun.revoked_by,
        silenced=SilencedView(
            count=noun.silenced.count,
            first_at=_time(noun.silenced.first_at),
            last_at=_time(noun.silenced.last_at),
        ),
        revision=noun.revision,
    )


def preview(noun: Suppression, found: Preview, *, now: float) -> PreviewView:
    """View of what a suppression would have done."""
    return PreviewView(
        suppression=suppression(noun, now=now),
        since=_time(found.since),
        alerts=list(found.alerts),
        windows=found.windows,
        days=[DayView(day=day, alerts=count) for day, count in found.days],
        families=[FamilyView(family=family, alerts=count) for family, count in found.families],
        hidden_confirmed=list(found.confirmed),
    )


def weights(noun: Weighting) -> WeightsView:
    """View of one version of weights."""
    return WeightsView(
        group=noun.group,
        version=noun.version,
        weights=dict(noun.weights),
        cause=noun.cause,
        by=noun.by,
        at=_time(noun.at),
        alert_id=noun.alert_id or None,
        note=noun.note,
    )


def workload(facts: WorkloadFacts) -> WorkloadView:
    """View of a workload."""
    return WorkloadView(
        **reference(facts.workload).model_dump(),
        first_seen=_time(facts.first_seen),
        last_seen=_time(facts.last_seen),
        labels=dict(facts.labels),
        hosts=sorted(facts.hosts),
        maturity=facts.maturity,
        chance_new=_number(facts.chance_new) if facts.chance_new is not None else None,
        rollout_at=_time(facts.rollout_at),
        revision=facts.revision,
    )


def model_set(manifest: Manifest, *, aliases: list[str]) -> ModelSetView:
    """View of a model set."""
    return ModelSetView(
        id=manifest.id,
        aliases=aliases,
        created_at=_time(manifest.created_at),
        trained_from=_time(manifest.trained_from),
        trained_until=_time(manifest.trained_until),
        workloads=manifest.workloads,
        schema_hash=manifest.schema_hash,
        data_hash=manifest.data_hash,
        metrics={name: _number(value) for name, value in manifest.metrics.items()},
    )


def reference(noun: WorkloadId) -> WorkloadRef:
    """Which workload."""
    return WorkloadRef(id=str(noun), cluster=noun.cluster, namespace=noun.namespace, name=noun.name, kind=noun.kind)


def _reason(reason: Reason) -> ReasonView:
    return ReasonView(
        family=reason.family,
        feature=reason.feature,
        sentence=reason.sentence,
        actual=_number(reason.actual),
        expected_low=_number(reason.expected_low),
        expected_high=_number(reason.expected_high),
        z=_number(reason.z),
        share=_number(reason.share),
    )


def _voices(noun: Alert) -> list[VoiceView]:
    shares = dict(noun.explanation.voice_shares)
    found = [VoiceView(name=name, p=_number(p), share=_number(shares.get(name, 0.0))) for name, p in noun.voices]
    return sorted(found, key=lambda voice: -(voice.share or 0.0))


def _technique(one: Technique) -> TechniqueView:
    return TechniqueView(id=one.id, name=one.name, confidence=one.confidence, rule=one.rule, sentence=one.sentence)


def _rise(one: Rise) -> RiseView:
    return RiseView(
        spread=one.spread,
        sentence=one.sentence,
        known_share=_number(one.known_share),
        evenness=_number(one.evenness),
        factor=_number(one.factor),
        known=one.known,
        up=one.up,
        new=one.new,
        workloads_up=one.workloads_up,
        workloads=one.workloads,
    )


def _edge(evidence: EdgeEvidence) -> EdgeView:
    return EdgeView(
        workload=str(evidence.edge.workload),
        direction=evidence.edge.direction,
        peer_kind=evidence.edge.peer.kind,
        peer_namespace=evidence.edge.peer.namespace,
        peer=evidence.edge.peer.name,
        port=evidence.edge.port,
        protocol=evidence.edge.protocol,
        is_new=evidence.is_new,
        connections=evidence.connections,
        bytes_out=evidence.bytes_out,
        bytes_in=evidence.bytes_in,
        failed=evidence.failed,
        share=_number(evidence.share),
        normal_rate=_number(evidence.normal_rate),
        first_seen=_time(evidence.first_seen),
        last_seen=_time(evidence.last_seen),
        peer_labels=dict(evidence.peer_labels),
    )


def _suppressed(key: EdgeKey) -> SuppressedEdgeView:
    return SuppressedEdgeView(
        direction=key.direction,
        peer_kind=key.peer.kind,
        peer_namespace=key.peer.namespace,
        peer=key.peer.name,
        port=key.port,
        protocol=key.protocol,
    )


def _rule(rule: Rule) -> RuleView:
    return RuleView(
        direction=rule.direction,
        peer=rule.peer.name,
        peer_kind=rule.peer.kind,
        peer_namespace=rule.peer_namespace,
        peer_labels=dict(rule.peer_labels),
        nets=list(rule.nets),
        protocol=rule.protocol,
        ports=list(rule.ports),
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _time(value: float | None) -> str | None:
    """RFC 3339; null for "never" (0) and for what no calendar holds."""
    try:
        return rfc3339(value) if value else None
    except (ValueError, OverflowError, OSError):
        return None
