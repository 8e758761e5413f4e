"""The product as a person would run it: real processes of the installed command, settings by environment only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.containers import Container
from tests.ground.process import free_port
from tests.ground.waiting import eventually

PROGRAM = str(Path(sys.executable).with_name("baseline"))
READY_WITHIN_S = 60.0


class Processes:
    """Everything of ours that runs, in one folder; ``stop`` leaves nothing behind."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self._settings = dict(settings)
        self._running: dict[str, Container] = {}

    def __getitem__(self, name: str) -> Container:
        return self._running[name]

    def start(self, verb: str, *, name: str = "", **settings: str) -> Container:
        """Start a process; ``ready`` waits for it. ``settings`` are this process's own."""
        port = free_port()
        address = {"BASELINE_WEB__PORT" if verb == "web" else "BASELINE_OPS__PORT": str(port)}
        process = Container(
            name or verb,
            [*self._inside({**address, **settings}), PROGRAM, verb],
            log=self.folder / f"{name or verb}.log",
            base_url=f"http://127.0.0.1:{port}",
        )
        self._running[name or verb] = process
        process.start(lambda: True, timeout_s=1.0)
        return process

    def ready(self) -> None:
        """Wait until everything that was started says it is ready; an early end fails with its log."""
        for name, process in self._running.items():
            eventually(
                lambda process=process: process.is_ready() or not process.is_running,  # type: ignore[misc]  # bound now
                READY_WITHIN_S,
                interval_s=0.2,
                message=f"{name} is ready: {process.get('/readyz')}\n{process.tail()}",
            )
            assert process.is_running, f"{name} ended\n{process.tail()}"

    def begin(self, *words: str | Path, **settings: str) -> subprocess.Popen[str]:
        """Start a command that ends by itself: ``baseline WORDS``, or ``python -m`` where the first word is ``-m``."""
        program = [sys.executable] if words[0] == "-m" else [PROGRAM]
        return subprocess.Popen(
            [*self._inside(settings), *program, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words: str | Path, timeout_s: float = 120.0, **settings: str) -> str:
        """What the command printed; AssertionError when it did not end with 0."""
        return done(self.begin(*words, **settings), timeout_s=timeout_s)

    def log_tails(self) -> str:
        """The last lines of everything that runs."""
        return "\n".join(process.tail() for process in self._running.values())

    def stop(self) -> None:
        """End everything, at once."""
        for process in self._running.values():
            process.kill()

    def _inside(self, settings: Mapping[str, str]) -> list[str]:
        """`env` with our settings and no other."""
        words = ["env", "--chdir", str(self.folder)]
        for name in os.environ:
            if name.startswith("BASELINE_") and "__" in name:
                words += ["--unset", name]
        return words + [f"{name}={value}" for name, value in {**self._settings, **settings}.items()]


def done(process: subprocess.Popen[str], *, timeout_s: float = 60.0) -> str:
    """What a command that ``begin`` started printed, once it has ended with 0."""
    try:
        printed, complained = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, complained = process.communicate()
        complained += f"\nkilled after {timeout_s:g} s"
    assert process.returncode == 0, f"{process.args!r} ended with {process.returncode}\n{printed}\n{complained}"
    return printed


class Person:
    """Somebody with a token, at the REST API."""

    def __init__(self, base_url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=f"{base_url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=10.0
        )

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()

    def get(self, path: str, **query: str | Sequence[str]) -> Any:
        """The body; AssertionError for anything but success."""
        answer = self._client.get(path, params=query)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def items(self, path: str, **query: str | Sequence[str]) -> list[dict[str, Any]]:
        """A page's items, newest first."""
        found: list[dict[str, Any]] = self.get(path, **query)["items"]
        return found

    def post(self, path: str, *, of: str, body: Mapping[str, Any] | None = None) -> Any:
        """Change what is read at ``of`` as it was read a moment ago; again when somebody was faster."""

        def tried() -> httpx.Response | bool:
            etag = self._client.get(of).headers["ETag"]
            headers = {"If-Match": etag, "Idempotency-Key": uuid.uuid4().hex, "Content-Type": "application/json"}
            answer = self._client.post(path, content=json.dumps(body or {}), headers=headers)
            return answer.status_code != httpx.codes.PRECONDITION_FAILED and answer

        answer = eventually(tried, 10.0, message=f"POST {path} at the revision that was read")
        assert isinstance(answer, httpx.Response)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()
