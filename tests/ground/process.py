"""One server process of the test ground: started on free ports, logged to a file, never left behind.

On Linux the kernel kills the server when the thread that started it ends (parent death signal, set by setpriv), so
a test run that is itself killed leaves nothing; elsewhere an exit hook does what it can. Start servers from the main
thread only, for that reason.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.ground.waiting import eventually

LOG_TAIL_LINES = 40


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_listening(port: int) -> bool:
    """True when something accepts connections on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class ServerProcess:
    """A command that runs until it is stopped; may be started again after that."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        run_as: str | None = None,
    ) -> None:
        """``env`` is added to this process's own; ``run_as`` is a user to become (needs root)."""
        self.name = name
        self.log = log
        self._command = [*_guard(run_as), *map(str, command)]
        self._env = {**os.environ, **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.started_in_s = 0.0

    @property
    def is_running(self) -> bool:
        """True from start until the process has ended, for whatever reason."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Process id, None when not running."""
        return self._process.pid if self._process is not None and self.is_running else None

    def start(self, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Start and wait until ``is_ready``; an early end or a late start fails with the tail of the log."""
        began = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env, start_new_session=True
            )
        atexit.register(self.kill)

        def ready_or_dead() -> bool:
            return not self.is_running or is_ready()

        try:
            eventually(ready_or_dead, timeout_s, message=f"{self.name} is ready")
        except AssertionError as late:
            self.kill()
            raise RuntimeError(f"{late}\n{self.tail()}") from late
        if not self.is_running:
            raise RuntimeError(f"{self.name} ended at once\n{self.tail()}")
        self.started_in_s = time.monotonic() - began

    def stop(self, *, with_signal: signal.Signals = signal.SIGTERM, timeout_s: float = 10.0) -> None:
        """Ask it to end and wait; after ``timeout_s`` seconds it is killed."""
        if self._process is not None and self.is_running:
            self._process.send_signal(with_signal)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._forget()

    def kill(self) -> None:
        """SIGKILL to it and to its children, then wait for its end. Does nothing when it is not running."""
        if self._process is not None and self.is_running:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10.0)
        self._forget()

    def _forget(self) -> None:
        self._process = None
        atexit.unregister(self.kill)

    def tail(self) -> str:
        """The last lines of its log, for a failure's text."""
        if not self.log.exists():
            return f"{self.name} wrote no log"
        lines = self.log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"--- {self.name}: {self.log}", *lines])


def _guard(run_as: str | None) -> list[str]:
    """The command prefix that ties a child's life to ours and changes the user."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if run_as is not None:
            raise RuntimeError("setpriv (util-linux) is needed to start a server as another user")
        return []
    change = ["--reuid", run_as, "--regid", run_as, "--init-groups"] if run_as else []
    return [setpriv, *change, "--pdeathsig", "KILL", "--"]
