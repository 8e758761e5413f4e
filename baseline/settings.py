"""Every setting, documented, with a safe default. Read once, by the command line; nothing below wiring imports this.

A setting is given by environment (``BASELINE_KAFKA__BOOTSTRAP``), by a TOML file (``--config FILE`` or
``BASELINE_CONFIG``), or not at all; the environment wins. Units are in the names. Unknown keys are refused: a
misspelt safety setting must not be silently ignored.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from baseline.domain.restriction import DEFAULT_TTL_S, HOLD_S, MAX_TTL_S, Mode

Positive = Annotated[float, Field(gt=0)]
Port = Annotated[int, Field(ge=0, le=65_535)]


class Room(BaseModel):
    """Settings of one room."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(Room):
    """The log that carries flows."""

    bootstrap: str = Field("127.0.0.1:9092", description="Brokers, host:port, separated by commas.")
    flows_topic: str = Field("calico.flows", description="Topic of flow records.")
    dead_letter_topic: str = Field("baseline.dead-letter", description="Topic that keeps what could not be read.")
    group: str = Field("baseline-stream", description="Consumer group of the stream.")
    instance_id: str = Field(
        "", description=("Static member id, one per stream process (a pod's ordinal name); empty: dynamic membership.")
    )
    session_timeout_s: Positive = Field(6.0, description="A member silent for this long loses its partitions.")
    partitions: int = Field(12, ge=1, description=("Partitions of the flows topic when `baseline migrate` makes it."))
    replication: int = Field(
        1, ge=1, description=("Replicas of topics that `baseline migrate` makes; 3 in production.")
    )
    retention_hours: Positive = Field(72.0, description="Retention of topics that `baseline migrate` makes.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    ca_file: str = Field("", description="CA bundle for SSL.")
    cert_file: str = Field("", description="Client certificate for SSL.")
    key_file: str = Field("", description="Client key for SSL.")
    sasl_mechanism: str = Field("", description="SASL mechanism: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512.")
    sasl_username: str = Field("", description="SASL user.")
    sasl_password: SecretStr = Field(SecretStr(""), description="SASL password.")


class BooksSettings(Room):
    """The database of alerts, restrictions, decisions and tokens."""

    url: SecretStr = Field(
        SecretStr("sqlite:///baseline.db"),
        description=("SQLAlchemy URL: sqlite:///FILE, or postgresql+psycopg://USER:PASSWORD@HOST/NAME in production."),
    )


class ClusterSettings(Room):
    """The Kubernetes cluster that restrictions go to."""

    name: str = Field(
        "cluster",
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$",
        description=("Name of the one configured cluster; part of every workload's key."),
    )
    kind: Literal["kubernetes", "manifests"] = Field(
        "manifests",
        description=(
            "Where restrictions are written: the API server, or a folder of manifests (for GitOps and trials)."
        ),
    )
    manifests_dir: str = Field("restrictions", description="The folder, for kind manifests.")
    kubeconfig: str = Field("", description="Kubeconfig file; empty: the service account of the pod.")
    context: str = Field("", description="Context in the kubeconfig; empty: its current one.")
    namespace: str = Field(
        "calico-baseline", description=("Our own namespace: holds the enforcement ConfigMap and is always protected.")
    )
    instance: str = Field(
        "default",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description=("Whose objects are ours, when two installations share a cluster."),
    )
    request_timeout_s: Positive = Field(10.0, description="Limit on every call to the API server.")
    manages_tier: bool = Field(
        False,
        description=(
            "Whether control may create tier `behaviour` when it is missing; otherwise the deploy manifests do."
        ),
    )


class AgentSettings(Room):
    """The node's process."""

    paths: tuple[str, ...] = Field(
        ("/var/log/calico/flowlogs/flows.log", r"c:\TigeraCalico\flowlogs\flows.log"),
        description=("Flow-log files to tail; globs allowed. Missing ones are waited for."),
    )
    host: str = Field("", description=("Name of this node as Kubernetes knows it; empty: the machine's host name."))
    position_file: str = Field(
        "baseline-agent.positions.json", description="Where the position is remembered, on the node's disk."
    )
    heartbeat_s: Positive = Field(15.0, description="Interval of heartbeats; without them silence proves nothing.")
    mirror_peers: tuple[str, ...] = Field(
        (),
        description=(
            "Workloads (namespace/name, globs allowed) on nodes that write no flow log, such as "
            "Windows nodes with open-source Calico: records that name them as peers are also keyed to"
            " them."
        ),
    )


class StreamSettings(Room):
    """The consumer."""

    checkpoint_url: str = Field("checkpoints", description="Folder or filesystem URL of checkpoints.")
    checkpoint_interval_s: Positive = Field(30.0, description="How often state and position are stored.")
    window_delay_s: Positive = Field(
        20.0, description=("A window closes when every live reporter's clock has passed its end by this much.")
    )
    lateness_s: Positive = Field(
        600.0, description=("Records later than their window by at most this much still correct it.")
    )
    silence_s: Positive = Field(
        60.0,
        description=("A reporter without record or heartbeat for this long is silent: windows stop waiting for it."),
    )
    edges_max: int = Field(4096, ge=16, description="Distinct edges kept per window; sums stay exact past it.")


class HistorySettings(Room):
    """Closed windows and hourly edges, as Parquet."""

    url: str = Field("history", description="Folder or filesystem URL.")
    write_interval_s: float = Field(
        600.0, ge=0, description="Least time between history files of a partition: fewer and larger files."
    )
    windows_days: Positive = Field(90.0, description="How long closed windows are kept.")
    edges_days: Positive = Field(396.0, description="How long hourly edges and policy hits are kept (13 months).")


class ModelSettings(Room):
    """Where model sets stand."""

    shelf_url: str = Field("models/sets", description="Folder or filesystem URL of the shelf.")
    reload_s: Positive = Field(10.0, description="How often the stream looks for a newly promoted set.")
    shadow_books_url: SecretStr = Field(
        SecretStr("sqlite:///shadow.db"),
        description="Books of `baseline stream --shadow`, which judges by the candidate set and tells nobody.",
    )


class DetectionSettings(Room):
    """How many alerts a person is willing to look at."""

    alerts_per_week: Positive = Field(1.0, description="Alert budget of one workload.")
    cluster_alerts_per_day: int = Field(
        10, ge=1, description="New alerts a day that notification channels hear of: the most unusual. All are listed."
    )


class RestrictionSettings(Room):
    """What may be restricted, and for how long. The defaults never enforce by themselves."""

    mode: Mode = Field(Mode.RECOMMEND, description=("Mode of namespaces that carry no `calico-baseline/mode` label."))
    ttl_s: Positive = Field(DEFAULT_TTL_S, le=MAX_TTL_S, description="Time to live of a restriction nobody held.")
    hold_s: Positive = Field(HOLD_S, le=MAX_TTL_S, description="What one hold by a person adds at most.")
    evidence_factor: float = Field(
        50.0, ge=1, description="Automatic only where p is below the alert threshold divided by this."
    )
    evidence_windows: int = Field(2, ge=1, description="Automatic only on evidence at most this many windows old.")
    lag_max_s: Positive = Field(60.0, description="Automatic only while the stream is at most this far behind.")
    concurrent_max: int = Field(5, ge=0, description="Automatic restrictions at once.")
    namespace_max: int = Field(2, ge=0, description="Automatic restrictions at once in one namespace.")
    workload_max: int = Field(1, ge=0, description="Restrictions at once on one workload, before a person is asked.")
    hourly_max: int = Field(10, ge=0, description="Automatic restrictions an hour.")
    burst_max: int = Field(3, ge=0, description="Automatic restrictions in quick succession.")
    workloads_share: float = Field(
        0.02, ge=0, le=1, description="Share of all workloads that may be restricted automatically; at least one."
    )
    namespace_share: float = Field(
        0.10, ge=0, le=1, description="Share of a namespace's workloads that may be; at least one."
    )
    platform_share: float = Field(
        0.10, ge=0, le=1, description="More workloads than this anomalous at once is an event of the platform."
    )
    platform_min: int = Field(5, ge=1, description="And at least so many.")
    platform_within_s: Positive = Field(300.0, description="What at once means.")
    platform_pause_s: Positive = Field(1800.0, description="For how long nothing is automatic after such an event.")
    protected_nets: tuple[str, ...] = Field(
        (), description="Networks that are never denied, such as the API server's addresses (CIDR)."
    )
    cool_down_s: float = Field(
        1800.0, ge=0, description=("After a release the workload is not restricted automatically for this long.")
    )
    protected_namespaces: tuple[str, ...] = Field(
        ("kube-system", "calico-*", "tigera-operator"),
        description=("Never restricted, by nobody (globs allowed); our own namespace is always among them."),
    )


class WebSettings(Room):
    """The REST API."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(8080, description="Port to listen on; 0 takes a free one.")


class NotifySettings(Room):
    """Whom we tell. Empty means nobody."""

    webhook_url: SecretStr = Field(SecretStr(""), description="Signed webhook (CloudEvents JSON).")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Key of the webhook's HMAC-SHA256 signature.")
    alertmanager_url: SecretStr = Field(SecretStr(""), description="Alertmanager, such as http://alertmanager:9093.")
    timeout_s: Positive = Field(5.0, description="Limit on one delivery.")


class OpsSettings(Room):
    """`/livez`, `/readyz` and `/metrics` of agent, stream, control and janitor (web serves them itself)."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(0, description="Port to listen on; 0 takes a free one, which is logged.")


class LogSettings(Room):
    """Logs go to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is written.")
    format: Literal["json", "console"] = Field("json", description="JSON lines, or columns for a terminal.")


class _UnknownRooms(PydanticBaseSettingsSource):
    """Variables of rooms that do not exist: handed on, so that ``extra="forbid"`` refuses them by name.

    pydantic-settings itself reads the variables of known fields only, and would pass over BASELINE_RESTRICTON__MODE.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Nothing for known fields."""
        del field
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Room -> the variable that named it."""
        prefix = str(self.config.get("env_prefix", "")).upper()
        found: dict[str, Any] = {}
        for name in os.environ:
            room, nested, _ = name.upper().removeprefix(prefix).lower().partition("__")
            if name.upper().startswith(prefix) and nested and room not in self.settings_cls.model_fields:
                found[room] = name
        return found


def _toml(settings_cls: type[BaseSettings], path: Path) -> TomlConfigSettingsSource:
    """The settings file; pydantic-settings itself passes over one that is not there, and with it every safety setting.

    Raises SettingsError when it cannot be read.
    """
    if not path.is_file():
        raise SettingsError(f"no settings file {path}")
    try:
        return TomlConfigSettingsSource(settings_cls, path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"settings file {path}: {error}") from error


class Settings(BaseSettings):
    """All rooms."""

    model_config = SettingsConfigDict(env_prefix="BASELINE_", env_nested_delimiter="__", frozen=True, extra="forbid")

    kafka: KafkaSettings = KafkaSettings()
    books: BooksSettings = BooksSettings()
    cluster: ClusterSettings = ClusterSettings()
    agent: AgentSettings = AgentSettings()
    stream: StreamSettings = StreamSettings()
    history: HistorySettings = HistorySettings()
    models: ModelSettings = ModelSettings()
    detection: DetectionSettings = DetectionSettings()
    restriction: RestrictionSettings = RestrictionSettings()
    web: WebSettings = WebSettings()
    notify: NotifySettings = NotifySettings()
    ops: OpsSettings = OpsSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then environment, then the TOML file named by BASELINE_CONFIG."""
        config = os.environ.get("BASELINE_CONFIG", "")
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings, _UnknownRooms(settings_cls))
        return (*sources, _toml(settings_cls, Path(config))) if config else sources


def rooms() -> dict[str, type[Room]]:
    """Name and class of every group, in order: what the documentation is written from."""
    found = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: room for name, room in found.items() if isinstance(room, type) and issubclass(room, Room)}
