"""PostgreSQL from the distribution's package, one server with a folder of its own.

The server refuses to run as root; where the tests do, it becomes the user `postgres` that the package made.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import uuid
from pathlib import Path

import psycopg

from tests.ground.process import ServerProcess, free_port
from tests.ground.require import missing

INSTALLED = Path("/usr/lib/postgresql")  # Debian and Ubuntu keep the server's programs here, off the PATH
# No durability: a test's data need not outlive a power cut. Small buffers: the machine is shared.
OPTIONS = ["fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60", "jit=off"]
OPTIONS += ["listen_addresses=127.0.0.1", "unix_socket_directories="]


def find_programs() -> Path | None:
    """The folder with `initdb` and `postgres` (the newest version), or None."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    versions = sorted(INSTALLED.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


def _server_user() -> str | None:
    """The user to become: None unless we are root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        missing("the user postgres", enable="install Debian's package postgresql, or run the tests as a plain user")


class PostgresServer:
    """One server; user `baseline`, no password, loopback only."""

    def __init__(self, *, programs: Path, data: Path, log: Path, run_as: str | None) -> None:
        self._port = free_port()
        self._data = data
        self._programs = programs
        self._run_as = run_as
        command: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(self._port)]
        for option in OPTIONS:
            command += ["-c", option]
        self._process = ServerProcess("postgres", command, log=log, run_as=run_as)

    @classmethod
    def prepare(cls, folder: Path) -> PostgresServer:
        """An initialised server that is not started yet; ends the test when PostgreSQL is not installed."""
        programs = find_programs()
        if programs is None:
            missing("PostgreSQL", enable="install the server (Debian: postgresql)")
        run_as = _server_user()
        # pytest's folders are closed to other users, so the data of another user needs a place of its own.
        data = Path(tempfile.mkdtemp(prefix="baseline-postgres-")) if run_as else folder / "data"
        if run_as:
            shutil.chown(data, run_as)
        server = cls(programs=programs, data=data, log=folder / "postgres.log", run_as=run_as)
        server._initialise()
        return server

    def _initialise(self) -> None:
        command = [str(self._programs / "initdb"), "-D", str(self._data), "-U", "baseline", "-A", "trust"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, cwd="/", user=self._run_as
        )
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")

    @property
    def started_in_s(self) -> float:
        """Seconds the last start took."""
        return self._process.started_in_s

    @property
    def url(self) -> str:
        """SQLAlchemy URL (psycopg) of the database every server has."""
        return self._url("postgres")

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://baseline@127.0.0.1:{self._port}/{database}"

    def _connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self._port, user="baseline", dbname="postgres", autocommit=True, connect_timeout=2
        )

    def _is_ready(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> None:
        """Start on the same port and data; returns when a connection is accepted."""
        if not self._process.is_running:
            self._process.start(self._is_ready, timeout_s=30.0)

    def stop(self) -> None:
        """End it at once, cutting every connection (PostgreSQL's immediate shutdown); data stay for `start()`."""
        self._process.stop(with_signal=signal.SIGQUIT, timeout_s=10.0)

    def log_tail(self) -> str:
        """The last lines of the server's log, for the report of a failed test."""
        return self._process.tail()

    def new_database(self) -> str:
        """Create an empty database and return its SQLAlchemy URL."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self._url(name)

    def remove(self) -> None:
        """Delete the data where it lies outside pytest's own folder."""
        self.stop()
        if self._run_as:
            shutil.rmtree(self._data, ignore_errors=True)
