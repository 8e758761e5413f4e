"""A server of the test ground never outlives the run that started it, and tells why it did not start."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ground.process import ServerProcess
from tests.ground.require import CHECKOUT, missing
from tests.ground.waiting import eventually

STARTS_A_SERVER_AND_HANGS = """
import sys, threading
from pathlib import Path
from tests.ground.process import ServerProcess
server = ServerProcess("idle", ["sleep", "600"], log=Path(sys.argv[1]))
# setpriv asks the kernel for the signal first and then becomes the server: ready is when it has.
server.start(lambda: Path(f"/proc/{server.pid}/comm").read_text().strip() == "sleep", timeout_s=30)
print(server.pid, flush=True)
threading.Event().wait(600)
"""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_a_server_dies_with_a_test_run_that_is_killed(tmp_path: Path) -> None:
    """The kernel ends the server when its starter is gone by SIGKILL."""
    if shutil.which("setpriv") is None:
        missing("setpriv", enable="install util-linux")
    command = [sys.executable, "-c", STARTS_A_SERVER_AND_HANGS, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=CHECKOUT) as run:
        assert run.stdout is not None
        server = int(run.stdout.readline())
        assert _is_alive(server)
        run.send_signal(signal.SIGKILL)
        run.wait(10.0)
    eventually(lambda: not _is_alive(server), 5.0, message="the server ended with its starter")


def test_a_server_that_ends_at_once_shows_its_log(tmp_path: Path) -> None:
    """The failure's text holds what the server wrote last."""
    server = ServerProcess("grumpy", ["sh", "-c", "echo no such option >&2; exit 3"], log=tmp_path / "log")
    with pytest.raises(RuntimeError, match="no such option"):
        server.start(lambda: False, timeout_s=5.0)


def test_a_server_that_is_never_ready_is_killed_and_shows_its_log(tmp_path: Path) -> None:
    """After the deadline nothing runs on."""
    server = ServerProcess("slow", ["sh", "-c", "echo thinking; exec sleep 600"], log=tmp_path / "log")
    with pytest.raises(RuntimeError, match="thinking"):
        server.start(lambda: False, timeout_s=0.3)
    assert not server.is_running


def test_a_stopped_server_starts_again(tmp_path: Path) -> None:
    """Stop waits for the end; the same command may be started once more."""
    server = ServerProcess("idle", ["sleep", "600"], log=tmp_path / "log")
    server.start(lambda: True, timeout_s=5.0)
    first = server.pid
    server.stop()
    assert server.pid is None
    server.start(lambda: True, timeout_s=5.0)
    assert server.is_running
    assert server.pid != first
    server.kill()
    assert not server.is_running


def test_waiting_returns_the_value_and_tells_the_last_one_seen() -> None:
    """`eventually` gives what the predicate returned, retries asserts, and fails with what it saw last."""
    values = iter([0, 0, 7])
    assert eventually(lambda: next(values), 5.0, interval_s=0.0) == 7
    with pytest.raises(AssertionError, match="last seen: 0"):
        eventually(lambda: 0, 0.05, interval_s=0.01)

    attempts = iter([1, 2, 3])

    def third_time() -> None:
        assert next(attempts) == 3

    eventually(third_time, 5.0, interval_s=0.0)
