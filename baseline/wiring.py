"""The only file that knows everyone: settings -> adapters -> what the processes and verbs run on."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn

from baseline.adapters.calico import CalicoCluster, connect
from baseline.adapters.checkpoints import FileCheckpoints
from baseline.adapters.flowfile import FlowFile
from baseline.adapters.history import ParquetHistory
from baseline.adapters.kafka import KafkaConnection, KafkaDeadLetters, KafkaFlowSink, KafkaFlowSource, ensure_topics
from baseline.adapters.manifests import ManifestFolder
from baseline.adapters.metrics import PrometheusMetrics
from baseline.adapters.notify.teller import Teller, notifiers
from baseline.adapters.shelf import FolderShelf
from baseline.adapters.sql.library import SqlLibrary, open_library
from baseline.adapters.sql.migrate import migrate as migrate_books
from baseline.agent import loop as agent_loop
from baseline.agent.feed import NO_HOOKS, FeedHooks, FeedOptions, FeedProgress
from baseline.agent.feed import feed as feed_files
from baseline.agent.loop import AgentOptions
from baseline.agent.shipping import ShippingOptions
from baseline.control.janitor import Janitor, JanitorOptions
from baseline.control.loop import Control, ControlOptions
from baseline.domain.errors import Unavailable
from baseline.domain.units import DAY_S, HOUR_S
from baseline.features import schema
from baseline.features.windows import WindowOptions
from baseline.policy.situation import GuardOptions
from baseline.ports import Books, Clock, Cluster, FlowSource, Metrics
from baseline.services import decide, restrict, signs
from baseline.services.reconcile import ReconcileOptions
from baseline.services.score import JudgeOptions
from baseline.services.train import Recipe
from baseline.settings import KafkaSettings, Settings
from baseline.stream.loop import StreamLoop, Told
from baseline.stream.modelwatch import ModelWatch
from baseline.stream.status import Stores, StreamOptions
from baseline.stream.steps import PlainDecoder
from baseline.stream.trace import MetricsTrace
from baseline.web.app import create_app
from baseline.web.rooms import WebOptions

Ready = tuple[bool, Mapping[str, Any]]


@contextmanager
def library(settings: Settings) -> Iterator[SqlLibrary]:
    """The books, closed at the end."""
    opened = open_library(settings.books.url.get_secret_value())
    try:
        yield opened
    finally:
        opened.close()


def kafka(settings: KafkaSettings, *, process: str) -> KafkaConnection:
    """How ``process`` reaches the brokers; the client id names process and machine."""
    return KafkaConnection(
        bootstrap=settings.bootstrap,
        client_id=f"baseline-{process}-{settings.instance_id or socket.gethostname()}",
        security_protocol=settings.security_protocol,
        ca_file=settings.ca_file,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
        sasl_mechanism=settings.sasl_mechanism,
        sasl_username=settings.sasl_username,
        sasl_password=settings.sasl_password.get_secret_value(),
    )


@contextmanager
def sink(settings: Settings, *, process: str) -> Iterator[KafkaFlowSink]:
    """A producer, closed at the end."""
    opened = KafkaFlowSink(kafka(settings.kafka, process=process))
    try:
        yield opened
    finally:
        opened.close()


def dead_letters(settings: Settings, producer: KafkaFlowSink) -> KafkaDeadLetters:
    """Where unreadable records are kept."""
    return KafkaDeadLetters(producer, settings.kafka.dead_letter_topic)


def cluster(settings: Settings, clock: Clock) -> Cluster:
    """The API server, or the folder of manifests."""
    chosen = settings.cluster
    if chosen.kind == "manifests":
        return ManifestFolder(Path(chosen.manifests_dir), clock=clock, namespace=chosen.namespace)
    transport = connect(kubeconfig=chosen.kubeconfig, context=chosen.context, timeout_s=chosen.request_timeout_s)
    return CalicoCluster(transport, namespace=chosen.namespace)


def restrict_options(settings: Settings, *, relaxed: frozenset[str] = frozenset()) -> restrict.RestrictOptions:
    """How restrictions are proposed and guarded."""
    chosen = settings.restriction
    guards = GuardOptions(
        protected_namespaces=chosen.protected_namespaces,
        own_namespace=settings.cluster.namespace,
        cluster=settings.cluster.name,
        concurrent_max=chosen.concurrent_max,
        namespace_max=chosen.namespace_max,
        hourly_max=chosen.hourly_max,
        cool_down_s=chosen.cool_down_s,
        relaxed=relaxed,
    )
    return restrict.RestrictOptions(mode=chosen.mode, ttl_s=chosen.ttl_s, guards=guards)


def planner(settings: Settings, books: Books, *, now: float) -> decide.Planner:
    """Plans an alert for a person who asks for its restriction: guards that only ask are answered by the asking."""
    options = restrict_options(settings)
    around = restrict.Surroundings(namespaces=None)
    return lambda alert: restrict.considered(books, alert, now=now, options=options, around=around, automatic=False)


def channels(settings: Settings) -> Sequence[str]:
    """Names of the channels that are told."""
    chosen = settings.notify
    named = {"webhook": chosen.webhook_url, "alertmanager": chosen.alertmanager_url}
    return tuple(name for name, url in named.items() if url)


def history(settings: Settings) -> ParquetHistory:
    """Closed windows and hourly edges."""
    return ParquetHistory(settings.history.url, schema_hash=schema.hash())


def shelf(settings: Settings) -> FolderShelf:
    """Where model sets stand."""
    return FolderShelf(settings.models.shelf_url)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProcess:
    """The node's process, ready to run."""

    source: FlowFile
    sink: KafkaFlowSink
    letters: KafkaDeadLetters
    options: AgentOptions
    clock: Clock
    metrics: Metrics

    def run(self) -> None:
        """Until the clock is stopped."""
        agent_loop.run(
            self.source, self.sink, self.letters, options=self.options, clock=self.clock, metrics=self.metrics
        )

    def ready(self) -> Ready:
        """An agent that runs is ready: a broker that is down is waited for."""
        return True, {}


@contextmanager
def agent(settings: Settings, *, clock: Clock, metrics: Metrics) -> Iterator[AgentProcess]:
    """Tails this node's flow logs."""
    chosen = settings.agent
    shipping = ShippingOptions(
        topic=settings.kafka.flows_topic,
        cluster=settings.cluster.name,
        host=chosen.host or socket.gethostname(),
        mirror_peers=chosen.mirror_peers,
    )
    with sink(settings, process="agent") as producer:
        yield AgentProcess(
            source=FlowFile(chosen.paths, Path(chosen.position_file)),
            sink=producer,
            letters=dead_letters(settings, producer),
            options=AgentOptions(shipping=shipping, heartbeat_s=chosen.heartbeat_s),
            clock=clock,
            metrics=metrics,
        )


def feed(
    settings: Settings,
    files: Sequence[Path],
    *,
    speed: float | None,
    clock: Clock,
    metrics: Metrics,
    hooks: FeedHooks = NO_HOOKS,
    tail_s: int = 60,
    hosts: tuple[str, ...] | None = None,
) -> FeedProgress:
    """Feed recordings to their end."""
    options = FeedOptions(
        topic=settings.kafka.flows_topic, cluster=settings.cluster.name, speed=speed, tail_s=tail_s, hosts=hosts
    )
    with sink(settings, process="feed") as producer:
        letters = dead_letters(settings, producer)
        return feed_files(files, producer, letters, options=options, clock=clock, metrics=metrics, hooks=hooks)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProcess:
    """The consumer, ready to run."""

    loop: StreamLoop

    def run(self) -> None:
        """Until the clock is stopped; then everything is checkpointed."""
        self.loop.run()

    def ready(self) -> Ready:
        """Ready while rounds succeed."""
        status = self.loop.status()
        detail = {"partitions": status.partitions, "lag_records": status.lag_records, "model_set": status.model_set}
        return status.is_ready, {**detail, "last_error": status.last_error}


@contextmanager
def stream(settings: Settings, *, clock: Clock, metrics: Metrics) -> Iterator[StreamProcess]:
    """Consumes flow records."""
    chosen = settings.stream
    options = StreamOptions(
        windows=WindowOptions(
            grace_s=chosen.window_delay_s,
            lateness_s=int(chosen.lateness_s),
            silence_after_s=chosen.silence_s,
            edges_cap=chosen.edges_max,
        ),
        judge=JudgeOptions(alerts_per_week=settings.detection.alerts_per_week, zone=settings.detection.time_zone),
        channels=tuple(channels(settings)),
        checkpoint_interval_s=chosen.checkpoint_interval_s,
        history_interval_s=settings.history.write_interval_s,
        member=settings.kafka.instance_id or f"{socket.gethostname()}-{os.getpid()}",
    )

    def connect(assigned: Told, revoked: Told) -> FlowSource:
        return KafkaFlowSource(
            kafka(settings.kafka, process="stream"),
            settings.kafka.flows_topic,
            settings.kafka.group,
            instance_id=settings.kafka.instance_id,
            session_timeout_s=settings.kafka.session_timeout_s,
            on_assigned=assigned,
            on_revoked=revoked,
        )

    with library(settings) as books, sink(settings, process="stream") as producer:
        yield StreamProcess(
            loop=StreamLoop(
                connect=connect,
                stores=Stores(
                    library=books,
                    history=history(settings),
                    checkpoints=FileCheckpoints(chosen.checkpoint_url),
                    dead_letters=dead_letters(settings, producer),
                ),
                models=ModelWatch(shelf(settings), metrics=metrics, reload_s=settings.models.reload_s),
                decode=PlainDecoder(cluster=settings.cluster.name),
                clock=clock,
                metrics=metrics,
                trace=MetricsTrace(metrics),
                options=options,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlProcess:
    """The controller, ready to run."""

    control: Control

    def run(self) -> None:
        """Until the clock is stopped."""
        self.control.run()

    def ready(self) -> Ready:
        """Ready while books and cluster answer."""
        return self.control.status.ready()


@contextmanager
def control(
    settings: Settings,
    *,
    clock: Clock,
    metrics: Metrics,
    relaxed: frozenset[str] = frozenset(),
    poll_s: float = 1.0,
) -> Iterator[ControlProcess]:
    """Plans, applies and ends restrictions. ``relaxed`` guards are the demo's; no setting relaxes one."""
    restricting = restrict_options(settings, relaxed=relaxed)
    options = ControlOptions(
        restrict=restricting,
        reconcile=ReconcileOptions(
            instance=settings.cluster.instance, channels=tuple(channels(settings)), guards=restricting.guards
        ),
        poll_s=poll_s,
        manages_tier=settings.cluster.manages_tier,
    )
    with library(settings) as books, _telling(settings, books, clock=clock, metrics=metrics):
        yield ControlProcess(
            control=Control(
                books,
                cluster(settings, clock),
                clock=clock,
                metrics=metrics,
                options=options,
                seed=secrets.randbits(32),
                lag_s=lambda: signs.lag_s(books, now=clock.now()),
            )
        )


@contextmanager
def _telling(settings: Settings, books: SqlLibrary, *, clock: Clock, metrics: Metrics) -> Iterator[None]:
    """Events are told by a thread beside control, never in enforcement's way."""
    chosen = settings.notify
    told = notifiers(
        webhook_url=chosen.webhook_url,
        webhook_secret=chosen.webhook_secret.get_secret_value(),
        alertmanager_url=chosen.alertmanager_url,
        source=f"/baseline/{settings.cluster.name}",
        clock=clock,
        timeout_s=chosen.timeout_s,
    )
    if not told:
        yield
        return
    thread = Teller(books, told, clock=clock, metrics=metrics).start()
    try:
        yield
    finally:
        thread.join(chosen.timeout_s)  # the stopped clock ends it; a delivery in progress may finish


@dataclass(frozen=True, slots=True, kw_only=True)
class JanitorProcess:
    """The dead-man's switch, ready to run."""

    janitor: Janitor

    def run(self) -> None:
        """Until the clock is stopped."""
        self.janitor.run()

    def run_once(self) -> int:
        """One sweep; how many restrictions it ended. Unavailable when the cluster did not answer."""
        swept = self.janitor.run_once()
        if swept is None:
            raise Unavailable("the cluster did not answer; see the log")
        return len(swept.deleted)

    def ready(self) -> Ready:
        """Ready while the cluster answers."""
        return self.janitor.status.ready()


def janitor(settings: Settings, *, clock: Clock, metrics: Metrics) -> JanitorProcess:
    """Ends what is past its expiry; needs the cluster and nothing else."""
    options = JanitorOptions(instance=settings.cluster.instance)
    found = cluster(settings, clock)
    return JanitorProcess(
        janitor=Janitor(found, clock=clock, metrics=metrics, options=options, seed=secrets.randbits(32))
    )


def recipe(name: str) -> Recipe:
    """A shipped recipe: package data in the wheel, models/recipes in a checkout."""
    packed = files("baseline").joinpath("recipes", f"{name}.toml")
    checkout = Path(__file__).resolve().parent.parent / "models" / "recipes" / f"{name}.toml"
    return Recipe.parse(packed.read_text("utf-8") if packed.is_file() else checkout.read_text("utf-8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebProcess:
    """The REST API, ready to serve."""

    server: uvicorn.Server

    def run(self) -> None:
        """Until SIGTERM or SIGINT, or until ``server.should_exit`` is set."""
        self.server.run()


@contextmanager
def web(settings: Settings, *, clock: Clock, metrics: PrometheusMetrics) -> Iterator[WebProcess]:
    """Serves people."""
    with library(settings) as books:
        app = create_app(
            library=books,
            clock=clock,
            metrics=metrics,
            shelf=shelf(settings),
            planner=lambda tx, alert, now: planner(settings, tx, now=now)(alert),
            options=WebOptions(cluster=settings.cluster.name, channels=tuple(channels(settings))),
        )
        config = uvicorn.Config(
            app, host=settings.web.host, port=settings.web.port, log_config=None, access_log=False, server_header=False
        )
        yield WebProcess(server=uvicorn.Server(config))


def migrate(settings: Settings, *, topics: bool) -> Sequence[str]:
    """Bring the database to this version and make missing topics; what was done, a line each."""
    migrate_books(settings.books.url.get_secret_value())
    done = ["books: at this version"]
    if topics:
        chosen = settings.kafka
        wanted = {chosen.flows_topic: chosen.partitions, chosen.dead_letter_topic: 1}
        made = ensure_topics(
            kafka(chosen, process="migrate"),
            wanted,
            retention_s=chosen.retention_hours * HOUR_S,
            replication=chosen.replication,
        )
        done.append(f"topics: made {', '.join(made)}" if made else "topics: all there")
    return done


def expire_history(settings: Settings, *, now: float) -> int:
    """Delete history past its retention; how many files."""
    chosen = settings.history
    return history(settings).expire(
        windows_before=now - chosen.windows_days * DAY_S, edges_before=now - chosen.edges_days * DAY_S
    )
