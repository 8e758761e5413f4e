"""The whole product on embedded parts, in one process: stream, control, janitor and web as threads on one clock."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from pydantic import SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from baseline.adapters.clock import PlayedClock
from baseline.adapters.metrics import PrometheusMetrics
from baseline.domain.errors import Unavailable
from baseline.domain.restriction import Mode
from baseline.ports import Role
from baseline.services import tokens
from baseline.settings import (
    BooksSettings,
    ClusterSettings,
    HistorySettings,
    KafkaSettings,
    ModelSettings,
    RestrictionSettings,
    Settings,
    StreamSettings,
    WebSettings,
)
from baseline.wiring import cluster as wired_cluster
from baseline.wiring import control as wired_control
from baseline.wiring import stores as wired_stores
from baseline.wiring import stream as wired_stream
from baseline.wiring import web as wired_web

log = structlog.get_logger()

START_WITHIN_S = 30.0
STOP_WITHIN_S = 15.0
CONTROL_EVERY_S = 5.0  # of the recording's time

# 90 minutes of history are no baseline: these guards would leave every restriction to a person.
RELAXED = {
    "normal-traffic": "the log has no ports, so denying an attacked device also denies its normal traffic",
    "workload-concurrent": "one workload makes all attacks of the recording, and three restrictions are to be shown",
    "share": "2 % of 11 workloads is none",
    "namespace-share": "10 % of 11 workloads is one",
    "namespace-concurrent": "all workloads are in one namespace",
    "cool-down": "the next attack comes minutes after the first restriction was dismissed",
}


class DemoSettings(Settings):
    """Settings of the demo: nothing of the environment may leak in."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is written here and nothing else."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def settings_in(folder: Path, *, bootstrap: str) -> Settings:
    """Everything below one folder, in mode auto-narrow."""
    return DemoSettings(
        kafka=KafkaSettings(bootstrap=bootstrap, partitions=1, retention_hours=24),
        books=BooksSettings(url=SecretStr(f"sqlite:///{folder / 'books.db'}")),
        cluster=ClusterSettings(name="demo", kind="manifests", manifests_dir=str(folder / "restrictions")),
        stream=StreamSettings(checkpoint_url=str(folder / "checkpoints")),
        history=HistorySettings(url=str(folder / "history"), write_interval_s=0),
        models=ModelSettings(shelf_url=str(folder / "shelf"), reload_s=5),
        restriction=RestrictionSettings(mode=Mode.AUTO_NARROW),
        web=WebSettings(port=0),
    )


@dataclass(slots=True, kw_only=True)
class Product:
    """The running processes."""

    settings: Settings
    clock: PlayedClock
    stream: wired_stream.StreamProcess
    metrics: PrometheusMetrics
    token: str
    url: str = ""
    failures: list[str] = field(default_factory=list)  # threads that died, which none may

    def check(self) -> None:
        """Raise when a part of the product has died."""
        if self.failures:
            raise Unavailable(f"a part of the demo stopped: {'; '.join(self.failures)}")


@contextmanager
def running(settings: Settings, clock: PlayedClock, *, wait: Callable[[float], bool]) -> Iterator[Product]:
    """Start everything, and stop it in the order that leaves nothing behind."""
    wired_stores.migrate(settings, topics=True)
    wired_cluster.cluster(settings, clock).set_enforcement(enabled=True)
    metrics = PrometheusMetrics()
    with ExitStack() as stack:
        library = stack.enter_context(wired_stores.library(settings))
        with library.transaction() as books:
            entropy = secrets.token_bytes(32)
            token = tokens.create(books, name="demo", role=Role.RESPONDER, entropy=entropy, now=clock.now(), by="demo")
        stream = stack.enter_context(wired_stream.stream(settings, clock=clock, metrics=metrics))
        control = stack.enter_context(
            wired_control.control(
                settings,
                clock=clock,
                metrics=metrics,
                relaxed=frozenset(RELAXED),
                poll_s=CONTROL_EVERY_S,
            )
        )
        web = stack.enter_context(wired_web.web(settings, clock=clock, metrics=PrometheusMetrics()))
        janitor = wired_cluster.janitor(settings, clock=clock, metrics=PrometheusMetrics())
        product = Product(settings=settings, clock=clock, stream=stream, metrics=metrics, token=token)
        threads = [
            _thread(product, name, run)
            for name, run in (
                ("stream", stream.run),
                ("control", control.run),
                ("janitor", janitor.run),
                ("web", web.run),
            )
        ]
        try:
            product.url = _address(web, product, wait=wait)
            yield product
        finally:
            clock.stop()
            web.server.should_exit = True
            for thread in threads:
                thread.join(STOP_WITHIN_S)


def _thread(product: Product, name: str, run: Callable[[], None]) -> threading.Thread:
    def guarded() -> None:
        try:
            run()
        except Exception as error:
            log.exception("part_died", part=name)
            product.failures.append(f"{name}: {error!r}")

    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread


def _address(web: wired_web.WebProcess, product: Product, *, wait: Callable[[float], bool]) -> str:
    """Where the API listens, once it does."""
    for _ in range(round(START_WITHIN_S / 0.05)):
        product.check()
        if web.server.started:
            host, port = web.server.servers[0].sockets[0].getsockname()[:2]
            return f"http://{host}:{port}"
        if wait(0.05):
            break
    raise Unavailable("the API did not start")
