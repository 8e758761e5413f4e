"""Apache Kafka, one node in KRaft mode, from the jars that `tests.ground.build` fetches."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid
from pathlib import Path

from tests.ground.build import KAFKA, built, how_to_build
from tests.ground.process import ServerProcess, free_port, is_listening
from tests.ground.require import missing
from tests.ground.topics import create_topic

# One partition for each internal topic: a test needs no more, and start-up and memory shrink with it.
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=16777216
"""
HEAP = ["-Xms64m", "-Xmx384m", "-XX:+UseSerialGC"]


class KafkaServer:
    """One broker with its data on disk: `stop()` and `start()` again keep topics, records and group positions."""

    def __init__(self, *, java: str, jars: Path, folder: Path) -> None:
        self._port = free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        self._java = [java, "-cp", f"{jars}/*"]
        self._folder = folder
        self._properties = folder / "server.properties"
        command: list[str | Path] = [*self._java, *HEAP, "-Dlog4j2.level=WARN", "kafka.Kafka", self._properties]
        self._process = ServerProcess("kafka", command, log=folder / "kafka.log")

    @classmethod
    def prepare(cls, folder: Path) -> KafkaServer:
        """A formatted node that is not started yet; ends the test when Java or the jars are missing."""
        java = shutil.which("java")
        if java is None:
            missing("Java", enable="install a Java runtime >= 17 (Debian: default-jre-headless)")
        jars = built(KAFKA)
        if jars is None:
            missing("Apache Kafka", enable=how_to_build(KAFKA))
        server = cls(java=java, jars=jars / "libs", folder=folder)
        server._format()
        return server

    def _format(self) -> None:
        data = self._folder / "data"
        text = PROPERTIES.format(port=self._port, controller_port=free_port(), data=data)
        self._properties.write_text(text)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*self._java, "-Xshare:auto", "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format"]
        command += ["-t", cluster, "-c", str(self._properties)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"Kafka's storage was not formatted:\n{done.stdout}\n{done.stderr}")

    @property
    def started_in_s(self) -> float:
        """Seconds the last start took."""
        return self._process.started_in_s

    def start(self) -> None:
        """Start on the same port and data; returns when the broker accepts connections."""
        if not self._process.is_running:
            self._process.start(lambda: is_listening(self._port), timeout_s=60.0)

    def stop(self) -> None:
        """Shut the broker down in good order (0.5 s; `start()` then takes 2 s)."""
        self._process.stop(timeout_s=20.0)

    def kill(self) -> None:
        """Take the broker away at once; `start()` then waits some seconds for its own old registration to expire."""
        self._process.kill()

    def log_tail(self) -> str:
        """The last lines of the server's log, for the report of a failed test."""
        return self._process.tail()

    def create_topic(self, name: str, partitions: int = 1, *, configs: dict[str, str] | None = None) -> None:
        """Create a topic and wait until all its partitions are described."""
        create_topic(self.bootstrap, name, partitions, configs=configs)
