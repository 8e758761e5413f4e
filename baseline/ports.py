"""What the product needs of the outside, as Protocols; services and processes take them as arguments.

Every port has a real adapter and an in-memory twin (``adapters/memory``); one contract suite in ``tests/contracts``
runs over both. Errors are those of ``domain.errors``: an adapter translates whatever its library raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from baseline.domain.alert import Alert, Decision, Disposition
from baseline.domain.deviation import Maturity
from baseline.domain.edge import EdgeKey
from baseline.domain.flow import PolicyHit
from baseline.domain.modelset import Alias, Manifest
from baseline.domain.restriction import Mode, Restriction, State
from baseline.domain.suppression import Suppression
from baseline.domain.window import EdgeCounts, Window
from baseline.domain.workload import WorkloadId
from baseline.features.table import FloatArray, WindowTable

# --- time ---------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Processing time. The demo's clock runs compressed; nothing else may ask the machine for the time."""

    def now(self) -> float:
        """Epoch seconds, UTC."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait that long on this clock, or until the process is asked to stop; True when it was."""
        ...


# --- flows --------------------------------------------------------------------------------------------------------


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int


class Record(NamedTuple):
    """One record as it lies in the log: undecoded, with its position."""

    partition: Partition
    offset: int
    timestamp: float  # when the broker or producer stamped it, epoch seconds
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class FlowSource(Protocol):
    """A member of a consumer group. Partitions come and go by the callbacks given at construction."""

    def poll(self, timeout_s: float) -> Sequence[Record]:
        """The next records of the assigned partitions, in order per partition; empty after the timeout."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Continue at this offset (the next record to be read)."""
        ...

    def commit(self, positions: Mapping[Partition, int]) -> None:
        """Tell the group what is done (next offsets). A hint for lag tools; the checkpoint decides."""
        ...

    def end_offsets(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The offset after the last record of each partition."""
        ...

    def generation(self) -> int:
        """Generation of the group membership; what fences a checkpoint against a zombie."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class FlowSink(Protocol):
    """A producer with acknowledgements from all replicas and idempotence."""

    def send(
        self,
        topic: str,
        *,
        key: bytes,
        value: bytes,
        partition: int | None = None,
        timestamp: float | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Queue one record; blocks when the buffer is full."""
        ...

    def flush(self, timeout_s: float) -> None:
        """Return when everything queued is acknowledged; Unavailable otherwise (then nothing may be forgotten)."""
        ...

    def partitions(self, topic: str) -> Sequence[int]:
        """Numbers of the topic's partitions."""
        ...

    def close(self) -> None:
        """Flush what can be flushed and let go."""
        ...


class Line(NamedTuple):
    """One line of a flow-log file, without its line end, and where it stands."""

    path: str
    offset: int  # of its first byte in the file
    value: bytes  # of a line longer than the limit: its first 64 KiB
    size: int  # bytes of the whole line; more than len(value) when it was cut


class LineSource(Protocol):
    """Flow-log files of a node, read as they grow."""

    def read(self, max_lines: int) -> Sequence[Line]:
        """The next complete lines of all files; empty when everything written so far has been read."""
        ...

    def save(self) -> None:
        """Remember durably that everything read so far is done with; not to be called before it is acknowledged."""
        ...

    def close(self) -> None:
        """Let go of the files. Saves nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """Something we could not read, kept. ``position`` is ``topic/partition/offset`` or ``file:byte``."""

    reason: str
    detail: str
    position: str
    value: bytes  # the first 64 KiB


class DeadLetters(Protocol):
    """Where unreadable records are kept."""

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep them durably before returning."""
        ...


class Checkpoints(Protocol):
    """Window state and position in one atomic unit, per partition, fenced by group generation."""

    def save(self, partition: Partition, payload: bytes, *, generation: int) -> None:
        """Replace the partition's checkpoint; raise Conflict when a newer generation has written."""
        ...

    def load(self, partition: Partition) -> bytes | None:
        """The newest checkpoint, or None."""
        ...


# --- history and model sets -------------------------------------------------------------------------------------------


class EdgeRow(NamedTuple):
    """One edge in one hour of history."""

    workload: WorkloadId
    hour: int  # epoch seconds, start of the hour
    key: EdgeKey
    counts: EdgeCounts
    policy_hits: tuple[tuple[PolicyHit, int], ...]
    local_labels: tuple[tuple[str, str], ...]
    peer_labels: tuple[tuple[str, str], ...]
    slot: int | None = None  # start of the shorter window the row was written for: a rewrite replaces its whole slot


class HistoryBatch(NamedTuple):
    """What one partition adds for one interval. ``name`` is deterministic, so that a replay overwrites."""

    name: str
    windows: Sequence[tuple[Window, FloatArray]]  # closed windows with their feature vectors
    edges: Sequence[EdgeRow]


class History(Protocol):
    """Closed windows and hourly edges as Parquet."""

    def write(self, batch: HistoryBatch) -> None:
        """Write (or overwrite) the files of this batch."""
        ...

    def workloads(self, *, since: float, until: float) -> Sequence[WorkloadId]:
        """Everything with windows in [since, until), sorted by key."""
        ...

    def windows(self, workload: WorkloadId, *, horizon_s: int, since: float, until: float) -> WindowTable:
        """The workload's vectors at this horizon, in time order, one row per start (the last write wins)."""
        ...

    def edges(self, *, since: float, until: float, workload: WorkloadId | None = None) -> Iterator[EdgeRow]:
        """Hourly edges in [since, until), in order of workload, hour and edge; rows of the same hour are merged."""
        ...

    def expire(self, *, windows_before: float, edges_before: float) -> int:
        """Delete files that lie wholly before; how many were deleted."""
        ...


class Shelf(Protocol):
    """Where model sets stand."""

    def put(self, manifest: Manifest, files: Mapping[str, bytes]) -> None:
        """Store a set; storing the same set again changes nothing."""
        ...

    def manifest(self, set_id: str) -> Manifest:
        """Read and check a manifest; NotFound or ModelSetRejected otherwise."""
        ...

    def open(self, set_id: str) -> Mapping[str, Mapping[str, Any]]:
        """File name -> array name -> read-only (memory-mapped where possible) numpy array, checksums verified."""
        ...

    def sets(self) -> Sequence[Manifest]:
        """All sets, newest first."""
        ...

    def resolve(self, alias: Alias) -> str | None:
        """The set an alias names."""
        ...

    def point(self, alias: Alias, set_id: str) -> None:
        """Move an alias, in a single write."""
        ...


# --- books ------------------------------------------------------------------------------------------------------------


_T = TypeVar("_T")


class Page(NamedTuple, Generic[_T]):
    """One page of a keyset listing; ``after`` is the opaque key of the next one, None at the end."""

    items: Sequence[_T]
    after: str | None


class AlertBook(Protocol):
    """Alerts. Writing is idempotent by id."""

    def get(self, alert_id: str) -> Alert:
        """NotFound when there is none."""
        ...

    def put(self, alert: Alert) -> bool:
        """Insert or update what the stream knows; True when it is new. Never touches a decision, never goes back:
        an alert with ``updated_at`` not newer than the stored one changes nothing.
        """
        ...

    def decide(self, alert_id: str, decision: Decision, *, revision: int | None) -> Alert:
        """Store a decision; StaleRevision when ``revision`` is given and not the stored one."""
        ...

    def find(
        self,
        *,
        disposition: Disposition | None = None,
        workload: WorkloadId | None = None,
        since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Alert]:
        """Newest first (opened_at, then id)."""
        ...

    def unplanned(self, limit: int) -> Sequence[Alert]:
        """Undecided or confirmed alerts changed since control last planned them, oldest first."""
        ...

    def planned(self, alert_id: str, *, revision: int) -> None:
        """Control has planned this revision."""
        ...


class RestrictionBook(Protocol):
    """Restrictions. The id is deterministic: adding twice is adding once."""

    def get(self, restriction_id: str) -> Restriction:
        """NotFound when there is none."""
        ...

    def add(self, restriction: Restriction) -> Restriction:
        """Insert if absent; the stored one either way."""
        ...

    def update(self, restriction: Restriction) -> Restriction:
        """Replace; ``restriction.revision`` must be the stored revision + 1, else StaleRevision."""
        ...

    def find(
        self,
        *,
        states: Iterable[State] | None = None,
        alert_id: str | None = None,
        workload: WorkloadId | None = None,
        ended_since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Restriction]:
        """Newest first (created_at, then id)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """What we know of a workload beside its baseline."""

    workload: WorkloadId
    first_seen: float
    last_seen: float
    labels: tuple[tuple[str, str], ...] = ()  # of its pods, sorted, newest seen
    hosts: frozenset[str] = frozenset()
    maturity: Maturity = Maturity.LEARNING
    chance_new: float | None = None  # that the next edge it uses is one it never used; None: not measured yet
    rollout_at: float | None = None  # event time its newest version was first seen; None: one version only
    revision: int = 1


class WorkloadBook(Protocol):
    """Workloads seen in the flow logs."""

    def see(self, facts: Sequence[WorkloadFacts]) -> None:
        """Insert or update: widens first/last seen, replaces labels by newer ones, sets maturity."""
        ...

    def get(self, workload: WorkloadId) -> WorkloadFacts:
        """NotFound when never seen."""
        ...

    def find(
        self,
        *,
        namespace: str | None = None,
        seen_since: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[WorkloadFacts]:
        """In order of key."""
        ...

    def count(self, *, seen_since: float) -> Mapping[str, int]:
        """Workloads seen since, by namespace: what the budgets are shares of."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a decision teaches: dismissed windows may teach, confirmed ones never do."""

    alert_id: str
    workload: WorkloadId
    disposition: Disposition
    window_start: float
    window_end: float
    by: str
    at: float
    note: str = ""
    edges: tuple[EdgeKey, ...] = ()
    family: str = ""
    scope: str = ""  # of a dismissal; empty in rows of before there were scopes


class FeedbackBook(Protocol):
    """Decisions as training data."""

    def add(self, feedback: Feedback) -> None:
        """Insert or replace by alert id."""
        ...

    def since(self, at: float) -> Sequence[Feedback]:
        """All feedback given at or after, in order of time."""
        ...


class Silence(NamedTuple):
    """A deviating window that a suppression kept from people."""

    suppression_id: str
    window: tuple[int, int, float]  # start, end, p


class SuppressionBook(Protocol):
    """Suppressions. The id is deterministic: adding twice is adding once."""

    def get(self, suppression_id: str) -> Suppression:
        """NotFound when there is none."""
        ...

    def add(self, suppression: Suppression) -> Suppression:
        """Insert if absent; the stored one either way."""
        ...

    def update(self, suppression: Suppression) -> Suppression:
        """Replace all but what it has silenced; its revision must be the stored one + 1, else StaleRevision."""
        ...

    def note(self, silences: Sequence[Silence]) -> None:
        """Add silenced windows to their suppressions' records, which moves no revision. Noting the same again changes
        nothing; nor does a suppression that is not there.
        """
        ...

    def mark(self) -> tuple[int, int]:
        """Another one whenever a suppression was added or changed (not for what was noted); cheap to ask."""
        ...

    def standing(self, *, ending_after: float) -> Sequence[Suppression]:
        """All that end after this time, in order of making."""
        ...

    def find(
        self,
        *,
        workload: WorkloadId | None = None,
        alert_id: str | None = None,
        ending_after: float | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page[Suppression]:
        """Newest first (made_at, then id)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """One version of what a group's voices and families count, and the decision that made it."""

    group: str  # whose: a workload's key, or a peer group's
    version: int  # from 1
    weights: tuple[tuple[str, float], ...]  # see detectors.feedback; names absent count 1
    cause: str  # confirm, dismiss or reset
    by: str
    at: float
    alert_id: str = ""  # of the decision
    note: str = ""


class WeightingBook(Protocol):
    """Every version of every group's weights."""

    def newest(self, group: str) -> Weighting | None:
        """The version in force."""
        ...

    def add(self, weighting: Weighting) -> Weighting:
        """Insert the next version; StaleRevision when somebody else added one meanwhile."""
        ...

    def versions(self, group: str, *, limit: int = 100, after: str | None = None) -> Page[Weighting]:
        """Newest first."""
        ...

    def in_force(self, *, limit: int = 100, after: str | None = None) -> Page[Weighting]:
        """The newest version of each group, in order of group."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of who did what to which object, when and why."""

    at: float
    actor: str  # a person's token name, or "control", "janitor", "stream"
    action: str  # alert.confirm, restriction.apply, object.create, ...
    target: str  # alert/ID, restriction/ID, object/NAMESPACE/NAME
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A sign of life of one stream process, as processing time on its clock."""

    member: str  # host and process, or the static member id
    at: float
    lag_s: float  # how far it is behind its partitions, 0 when caught up
    watermark: float | None = None  # event time up to which its windows are closed


class SignBook(Protocol):
    """Signs of life of the streams: what tells control whether alerts are of now."""

    def put(self, sign: Sign) -> None:
        """Insert or replace the member's."""
        ...

    def since(self, at: float) -> Sequence[Sign]:
        """Those given at or after, in order of member."""
        ...

    def forget(self, *, before: float) -> None:
        """Delete those given before."""
        ...


class AuditLog(Protocol):
    """Append-only."""

    def append(self, entry: AuditEntry) -> None:
        """Write one entry."""
        ...

    def find(self, *, target: str | None = None, limit: int = 100, after: str | None = None) -> Page[AuditEntry]:
        """Newest first."""
        ...


class EventKind(StrEnum):
    """What we tell others about."""

    ALERT_OPENED = "alert.opened"
    RESTRICTION_APPLIED = "restriction.applied"
    RESTRICTION_RELEASED = "restriction.released"
    RESTRICTION_FAILED = "restriction.failed"
    RESTRICTION_EXPIRING = "restriction.expiring"  # about to expire while denied attempts go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing to tell. The id is deterministic (kind and subject), so that it is never told twice."""

    id: str
    kind: EventKind
    subject: str  # alert or restriction id
    at: float
    payload: Mapping[str, Any]


class Delivery(NamedTuple):
    """One event for one channel, waiting."""

    event: Event
    channel: str
    tries: int
    due: float


class Outbox(Protocol):
    """Events waiting to be told, written in the same transaction as what they tell of."""

    def add(self, event: Event, *, channels: Sequence[str]) -> None:
        """Insert once per (event id, channel)."""
        ...

    def due(self, *, now: float, limit: int, channel: str | None = None) -> Sequence[Delivery]:
        """Undelivered, oldest first; of one channel where it is named, so that one that is down starves no other."""
        ...

    def delivered(self, event_id: str, channel: str, *, at: float) -> None:
        """Done."""
        ...

    def failed(self, event_id: str, channel: str, *, error: str, retry_at: float | None) -> None:
        """Try again at ``retry_at``; None gives up (kept, counted)."""
        ...


class Role(StrEnum):
    """What a token may do; each includes those before it."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A named bearer token, stored hashed."""

    name: str
    role: Role
    hash: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None


class TokenBook(Protocol):
    """Who may use the API."""

    def add(self, token: Token) -> None:
        """Conflict when the name is taken."""
        ...

    def by_hash(self, token_hash: str) -> Token | None:
        """The token, revoked or not."""
        ...

    def revoke(self, name: str, *, at: float) -> None:
        """NotFound when there is none."""
        ...

    def all(self) -> Sequence[Token]:
        """In order of name."""
        ...


class StoredAnswer(NamedTuple):
    """What an idempotency key answered."""

    request_hash: str
    status: int
    body: bytes
    headers: Mapping[str, str]


class IdempotencyBook(Protocol):
    """First answers by (token, key)."""

    def begin(self, *, token: str, key: str, request_hash: str, now: float) -> StoredAnswer | None:
        """Claim the key (None), or the stored answer of the same request; Conflict when it is being answered
        elsewhere, KeyReused when it was used for another request. A claim nobody finished is free after a minute.

        In a transaction of its own: only a committed claim is seen by others.
        """
        ...

    def abandon(self, *, token: str, key: str) -> None:
        """Give a claimed key free: the request failed and changed nothing. A stored answer stays."""
        ...

    def finish(self, *, token: str, key: str, answer: StoredAnswer) -> None:
        """Store the answer in the request's own transaction."""
        ...


class Books(Protocol):
    """All books in one transaction: committed on leaving without an error, rolled back otherwise."""

    @property
    def alerts(self) -> AlertBook:
        """Alerts."""
        ...

    @property
    def restrictions(self) -> RestrictionBook:
        """Restrictions."""
        ...

    @property
    def workloads(self) -> WorkloadBook:
        """Workloads seen."""
        ...

    @property
    def feedback(self) -> FeedbackBook:
        """Decisions as training data."""
        ...

    @property
    def suppressions(self) -> SuppressionBook:
        """Dismissals that reach further than one alert."""
        ...

    @property
    def weightings(self) -> WeightingBook:
        """What voices and families count."""
        ...

    @property
    def signs(self) -> SignBook:
        """Signs of life of the streams."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Who did what."""
        ...

    @property
    def outbox(self) -> Outbox:
        """What is still to be told."""
        ...

    @property
    def tokens(self) -> TokenBook:
        """Who may use the API."""
        ...

    @property
    def idempotency(self) -> IdempotencyBook:
        """First answers."""
        ...


class Library(Protocol):
    """Where the books are kept."""

    def transaction(self) -> AbstractContextManager[Books]:
        """One transaction. Unavailable when the database cannot be reached."""
        ...

    def check(self) -> None:
        """Raise Unavailable unless the database answers and is migrated."""
        ...

    def advisory_lock(self, name: str) -> AbstractContextManager[bool]:
        """Try to be the only holder of a name (one control process); yields whether we are."""
        ...


# --- the cluster ------------------------------------------------------------------------------------------------------


class ClusterObject(NamedTuple):
    """A policy as the cluster holds it. ``manifest`` is the object as plain data (apiVersion, kind, metadata, spec)."""

    namespace: str
    name: str
    revision: str  # resourceVersion
    uid: str
    manifest: Mapping[str, Any]


class Listing(NamedTuple):
    """Every NetworkPolicy in our tier, ours or not, and the cluster's own time (the ``Date`` header)."""

    objects: Sequence[ClusterObject]
    now: float


class NamespaceFacts(NamedTuple):
    """Labels we read from a namespace."""

    name: str
    mode: Mode | None
    is_protected: bool


class Cluster(Protocol):
    """The Kubernetes API with Calico, or a folder of manifests."""

    def policies(self) -> Listing:
        """All NetworkPolicies of tier ``behaviour``."""
        ...

    def create(self, manifest: Mapping[str, Any]) -> ClusterObject:
        """POST; Conflict when the name exists."""
        ...

    def replace(self, manifest: Mapping[str, Any], *, revision: str) -> ClusterObject:
        """PUT with resourceVersion; Conflict when it was changed."""
        ...

    def delete(self, obj: ClusterObject) -> None:
        """DELETE with uid and revision as preconditions; an absent object is fine."""
        ...

    def ensure_tier(self) -> None:
        """Make sure that tier ``behaviour`` exists with ``defaultAction: Pass``; Invalid when it exists otherwise."""
        ...

    def namespaces(self) -> Mapping[str, NamespaceFacts]:
        """Mode and protection of every namespace."""
        ...

    def enforcement_enabled(self) -> bool:
        """The red button: True only when the ConfigMap says ``on``."""
        ...

    def set_enforcement(self, *, enabled: bool) -> None:
        """Press or release the red button."""
        ...


# --- telling and counting ---------------------------------------------------------------------------------------------


class Notifier(Protocol):
    """One channel out: webhook, Alertmanager, Kafka topic."""

    @property
    def channel(self) -> str:
        """Name, as in the outbox."""
        ...

    def send(self, event: Event) -> None:
        """Deliver once; Unavailable to try again, Invalid to give up."""
        ...


MetricName = Literal[
    # counters
    "agent_lines_total",  # lines read by the agent {result}
    "agent_records_sent_total",
    "agent_bytes_sent_total",
    "agent_heartbeats_total",
    "flows_consumed_total",  # {result} ok, dead, heartbeat
    "dead_letters_total",  # {reason}
    "late_records_total",  # {result} corrected, dropped
    "windows_closed_total",  # {horizon}
    "windows_missing_total",
    "deviations_total",  # {family}
    "deviations_silenced_total",  # {scope}
    "alerts_opened_total",  # {family}
    "alerts_over_budget_total",
    "checkpoints_total",  # {result}
    "model_set_loads_total",  # {result}
    "restrictions_total",  # {state}
    "restrictions_expired_total",  # {by} control, janitor
    "guard_refusals_total",  # {guard}
    "cluster_writes_total",  # {verb}
    "cluster_errors_total",  # {error}
    "notifications_total",  # {channel, result}
    "http_requests_total",  # {route, code}
    "loop_errors_total",  # {error}
    # gauges
    "consumer_lag_records",
    "consumer_lag_seconds",
    "watermark_age_seconds",
    "workloads_tracked",
    "open_windows",
    "restrictions_live",
    "alerts_open",
    "suppressions_active",
    "model_age_seconds",
    "enforcement_enabled",
    "is_leader",
    # histograms, seconds
    "score_seconds",
    "checkpoint_seconds",
    "restriction_apply_seconds",
    "http_request_seconds",
]


class Metrics(Protocol):
    """Counters, gauges and histograms by name; a name not in ``MetricName`` does not type-check."""

    def count(self, name: MetricName, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def gauge(self, name: MetricName, value: float, **labels: str) -> None:
        """Set a gauge."""
        ...

    def observe(self, name: MetricName, seconds: float, **labels: str) -> None:
        """Add to a histogram."""
        ...
