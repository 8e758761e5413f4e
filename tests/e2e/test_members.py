"""Two streams in one consumer group on real Kafka and PostgreSQL: one dies, the other takes over, no alert differs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from baseline.adapters.sql.library import open_library
from baseline.domain.alert import Alert
from tests.e2e import stage, story, traffic
from tests.e2e.containers import Container
from tests.e2e.processes import Processes
from tests.ground.kafka import KafkaServer
from tests.ground.postgres import PostgresServer
from tests.ground.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TOPIC = "e2e.members"
PARTITIONS = 4
TAKES_OVER_WITHIN_S = 30.0  # the session timeout is 6 s; the rest is a busy machine


def _partitions(member: Container) -> int:
    """How many partitions it has, by its own word."""
    return int(json.loads(member.get("/readyz")[1]).get("partitions", 0)) if member.is_ready() else 0


def _alerts(books_url: str) -> dict[str, Alert]:
    """What the books hold, but for when it was written and how often."""
    library = open_library(books_url)
    try:
        with library.transaction() as books:
            found = books.alerts.find(limit=100).items
    finally:
        library.close()
    return {alert.id: replace(alert, recorded_at=0.0, revision=0) for alert in found}


@contextmanager
def _group(folder: Path, *, bootstrap: str, books_url: str, group: str, shelf: Path) -> Iterator[Processes]:
    """A place for the members of one group, with books and checkpoints of its own."""
    folder.mkdir()
    found = stage.settings(bootstrap, books_url, folder, topic=TOPIC)
    processes = Processes(folder, {**found, "BASELINE_KAFKA__GROUP": group, "BASELINE_MODELS__SHELF_URL": str(shelf)})
    try:
        processes.run("migrate")
        yield processes
    finally:
        processes.stop()


def test_a_member_that_is_killed_changes_no_alert(
    kafka_server: KafkaServer, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Both have partitions, one is killed over fresh evidence; alerts are those of an undisturbed single run."""
    pair_books, single_books = postgres_server.new_database(), postgres_server.new_database()
    bootstrap, shelf = kafka_server.bootstrap, tmp_path / "shelf"
    stage.learn(Processes(tmp_path, {}))
    with _group(tmp_path / "pair", bootstrap=bootstrap, books_url=pair_books, group="pair", shelf=shelf) as pair:
        first, second = (
            pair.start("stream", name=name, BASELINE_KAFKA__INSTANCE_ID=name) for name in ("member-1", "member-2")
        )
        pair.ready()
        eventually(
            lambda: (_partitions(first), _partitions(second)) == (PARTITIONS // 2, PARTITIONS // 2),
            TAKES_OVER_WITHIN_S,
            message="the members share the partitions",
        )
        calm, loud = stage.recorded_attack(tmp_path)
        pair.run("feed", calm)
        eventually(
            lambda: second.metric("baseline_windows_closed_total") > 0, 20.0, message="the second member closes windows"
        )
        pair.run("feed", loud)
        second.kill()
        eventually(lambda: _partitions(first) == PARTITIONS, TAKES_OVER_WITHIN_S, message="the first member takes over")
        _until_all_alerts(pair_books, first)
    with _group(tmp_path / "single", bootstrap=bootstrap, books_url=single_books, group="single", shelf=shelf) as alone:
        member = alone.start("stream")
        _until_all_alerts(single_books, member)
    assert _alerts(pair_books) == _alerts(single_books)


def _until_all_alerts(books_url: str, member: Container) -> None:
    """Until every attacker and, by its own log, their victim has an alert over every minute of the attack."""
    wanted, minutes = {*traffic.ATTACKERS, traffic.VICTIM}, stage.ATTACK_S // 60

    def are_told() -> bool:
        found = _alerts(books_url).values()
        return {str(alert.workload) for alert in found if alert.windows >= minutes} == wanted

    try:
        eventually(are_told, story.DETECTED_WITHIN_S, interval_s=0.2, message=f"all of {wanted} have alerts")
    except AssertionError as late:
        raise AssertionError(f"{late}\n{member.tail()}") from late
