"""Every service of docker-compose.yml runs with exactly its command and environment, on real Kafka and PostgreSQL.

The processes are started once for this file, in the order that `depends_on` asks for, and the tests tell one story:
ready, flows through, a person looks, jobs, stop.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from baseline.domain.units import HOUR_S
from tests.e2e import compose
from tests.e2e.containers import Container, Machine, enterprise_line
from tests.ground.kafka import KafkaServer
from tests.ground.postgres import PostgresServer
from tests.ground.require import CHECKOUT
from tests.ground.waiting import eventually

PROCESSES = ("agent", "stream", "control", "janitor", "web")
FLOW_LOG = "/var/log/calico/flowlogs"
INCOMING = "/var/lib/baseline/incoming"
SHELF = "/var/lib/baseline/shelf"
REPORTS = "/var/lib/baseline/reports"
SPAN_S = 8 * 60  # event time of the flows we write: several 1-minute windows and at least one of 5 minutes
EXPORT_S = 15

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True, slots=True)
class Product:
    """Everything of ours, running."""

    machine: Machine
    services: dict[str, compose.Service]
    running: dict[str, Container]

    def __getitem__(self, name: str) -> Container:
        return self.running[name]


@pytest.fixture(scope="module")
def product(
    kafka_server: KafkaServer, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """Migrated and started in the order of `depends_on`."""
    services = compose.read(variables={"DB_PASSWORD": "3f"})
    machine = Machine(
        tmp_path_factory.mktemp("compose"),
        bootstrap=kafka_server.bootstrap,
        books_url=postgres_server.new_database(),
    )
    running: dict[str, Container] = {}
    try:
        running["janitor"] = machine.start(services["janitor"])  # waits for nobody, so it may well be first
        machine.run(services["migrate"])
        for name in PROCESSES:
            if name != "janitor":
                assert services[name].depends_on == {"migrate"}
                running[name] = machine.start(services[name])
        yield Product(machine, services, running)
    finally:
        machine.kill_all()


@pytest.mark.parametrize("name", PROCESSES)
def test_a_process_becomes_ready_and_shows_its_metrics(product: Product, name: str) -> None:
    """/readyz and /livez answer 200, /metrics holds our names."""
    product.machine.ready(product[name])
    assert product[name].get("/livez")[0] == 200
    status, text = product[name].get("/metrics")
    assert status == 200
    assert "baseline_" in text


@pytest.mark.parametrize("name", PROCESSES)
def test_the_image_s_health_check_agrees(product: Product, name: str) -> None:
    """The Dockerfile's HEALTHCHECK, run with the service's environment, ends with 0."""
    (words,) = re.findall(r"HEALTHCHECK .* CMD (\[.*\])", compose.DOCKERFILE.read_text())
    program, script = json.loads(words)
    assert (program, script) == ("python", "/app/healthcheck.py")
    product.machine.ready(product[name])
    check = [sys.executable, str(CHECKOUT / "deploy" / "image" / "healthcheck.py")]
    environment = {**os.environ, **product.machine.environment(product.services[name])}
    assert subprocess.run(check, env=environment, timeout=10, check=False).returncode == 0
    down = {**environment, "BASELINE_OPS__PORT": "1"}
    assert subprocess.run(check, env=down, timeout=10, check=False, stderr=subprocess.DEVNULL).returncode == 1


def test_migrating_again_changes_nothing(product: Product) -> None:
    """A second `docker compose up` runs the migration again: it must end with 0."""
    product.machine.run(product.services["migrate"])


def test_flows_in_the_node_s_log_become_closed_windows(product: Product) -> None:
    """Lines that Felix would write are shipped, consumed, none dead, and their windows close."""
    for name in ("agent", "stream"):
        product.machine.ready(product[name])
    end = int(time.time()) // EXPORT_S * EXPORT_S
    times = range(end - SPAN_S, end, EXPORT_S)
    log = product.machine.volume(FLOW_LOG) / "flows.log"
    with log.open("ab") as file:
        for start in times:
            file.write(
                enterprise_line(start=start, end=start + EXPORT_S, source="frontend", dest="checkout", port=5050)
            )
    eventually(
        lambda: product["agent"].metric("baseline_agent_records_sent_total") >= len(times),
        30.0,
        message=f"the agent shipped {len(times)} records\n{product['agent'].tail()}",
    )
    eventually(
        lambda: product["stream"].metric("baseline_flows_consumed_total", result="ok") >= len(times),
        60.0,
        message=f"the stream consumed {len(times)} records\n{product['stream'].tail()}",
    )
    assert product["stream"].metric("baseline_dead_letters_total") == 0
    eventually(
        lambda: product["stream"].metric("baseline_windows_closed_total") >= 5,
        60.0,
        message=f"windows closed\n{product['stream'].tail()}",
    )


def test_a_token_made_on_the_command_line_opens_the_api(product: Product) -> None:
    """`baseline tokens create` in the web service's environment; the token reads, no token does not."""
    product.machine.ready(product["web"])
    printed = product.machine.run(
        product.services["web"], command=["tokens", "create", "compose-test", "--role", "viewer"]
    )
    token = max(re.findall(r"\S{20,}", printed), key=len)
    assert product["web"].get("/api/v1/workloads")[0] == 401
    status, text = product["web"].get("/api/v1/workloads", token=token)
    assert (status, type(json.loads(text)) in (dict, list)) == (200, True), text


def test_the_jobs_run_one_after_the_other(product: Product) -> None:
    """Backfill of a recording, retrain, promote of the candidate and expiry, each with the file's command."""
    product.machine.volume(INCOMING).joinpath("flows.jsonl").write_bytes(_recording(until=int(time.time()) - HOUR_S))
    for job in ("backfill", "retrain"):
        product.machine.run(product.services[job], timeout_s=200.0)
    candidate = (product.machine.volume(SHELF) / "candidate").read_text().strip()
    chosen = compose.read(variables={"DB_PASSWORD": "3f", "MODEL_SET": candidate})
    assert candidate in chosen["promote"].command
    product.machine.run(chosen["promote"], timeout_s=200.0)
    assert (product.machine.volume(SHELF) / "current").read_text().strip() == candidate
    product.machine.run(product.services["expire"])


def test_the_stream_loads_a_promoted_set_without_restart(product: Product) -> None:
    """The same process that started without a model set has loaded the promoted one."""
    eventually(
        lambda: product["stream"].metric("baseline_model_set_loads_total", result="ok") >= 1,
        30.0,
        message=f"the stream loaded the promoted set\n{product['stream'].tail()}",
    )


@pytest.mark.timeout(600)  # it plays a recording against the clock; a machine under load takes four minutes
def test_the_demo_profile_needs_no_other_service(tmp_path: Path) -> None:
    """The service `demo` as the file starts it: its report is on the volume and nothing is left in its cluster."""
    demo = compose.read(variables={"DB_PASSWORD": "3f"})["demo"]
    assert not demo.depends_on
    machine = Machine(tmp_path, bootstrap="127.0.0.1:1", books_url="")
    machine.run(demo, timeout_s=580.0)
    report = json.loads((machine.volume(REPORTS) / "demo.json").read_text())
    assert report["records"]["consumed"] > 0
    assert report["records"]["dead_letters"] == 0
    assert report["left_over"] == []


def _recording(*, until: int) -> bytes:
    """The demo's recording without attacks, moved in time so that it ends at ``until``."""
    packed = (CHECKOUT / "baseline" / "recordings" / "westermo-clean.jsonl.gz").read_bytes()
    records = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    later = (until - max(record["end_time"] for record in records)) // HOUR_S * HOUR_S
    for record in records:
        record["start_time"] += later
        record["end_time"] += later
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def test_every_process_ends_by_itself_when_stopped(product: Product) -> None:
    """SIGTERM ends each with code 0 within the grace period of the file, 10 s where none is given."""
    codes = {}
    for name, container in product.running.items():
        grace = product.services[name].raw.get("stop_grace_period", "10s")
        codes[name] = container.end(timeout_s=float(grace.removesuffix("s")))
    assert codes == dict.fromkeys(product.running, 0), shlex.join(
        container.tail() for container in product.running.values()
    )
