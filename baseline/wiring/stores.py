"""Where things are kept: the books, the log, history and the shelf."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from baseline.adapters.history import ParquetHistory
from baseline.adapters.kafka import KafkaConnection, KafkaDeadLetters, KafkaFlowSink, ensure_topics
from baseline.adapters.shelf import FolderShelf
from baseline.adapters.sql.library import SqlLibrary, open_library
from baseline.adapters.sql.migrate import migrate as migrate_books
from baseline.domain.errors import GateRefused
from baseline.domain.units import DAY_S, HOUR_S
from baseline.features import schema
from baseline.services.train import Recipe
from baseline.settings import KafkaSettings, Settings


@contextmanager
def library(settings: Settings) -> Iterator[SqlLibrary]:
    """The books, closed at the end."""
    opened = open_library(settings.books.url.get_secret_value())
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def shadow_library(settings: Settings) -> Iterator[SqlLibrary]:
    """The books of a stream in shadow, brought to this version: they hold nothing that anybody decided."""
    url = settings.models.shadow_books_url.get_secret_value()
    if url == settings.books.url.get_secret_value():
        raise ValueError(
            "models.shadow_books_url must not be books.url: people would be told of the candidate's alerts"
        )
    migrate_books(url)
    opened = open_library(url)
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


def history(settings: Settings) -> ParquetHistory:
    """Closed windows and hourly edges."""
    return ParquetHistory(settings.history.url, schema_hash=schema.hash())


def shelf(settings: Settings) -> FolderShelf:
    """Where model sets stand."""
    return FolderShelf(settings.models.shelf_url)


def recipe(name: str) -> Recipe:
    """A shipped recipe: package data in the wheel, models/recipes in a checkout; GateRefused when there is none."""
    packed = files("baseline").joinpath("recipes", f"{name}.toml")
    checkout = Path(__file__).resolve().parents[2] / "models" / "recipes" / f"{name}.toml"
    for found in (packed, checkout):
        if found.is_file():
            return Recipe.parse(found.read_text(encoding="utf-8"))
    raise GateRefused(f"no recipe named {name}")


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
