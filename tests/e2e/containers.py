"""Services of docker-compose.yml as processes of this machine: what a container engine would do, without one.

A service keeps its command and its environment to the letter but for what a container would have of its own: names of
hosts become real servers on free ports, volumes become folders, ports become free ports, ``/app`` becomes the
checkout's files that the image holds. Not shown by this: the image itself, read-only mounts, users, networks.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.compose import IMAGE_WORKDIR, Service
from tests.ground.process import ServerProcess, free_port
from tests.ground.require import CHECKOUT
from tests.ground.waiting import eventually

EVERYWHERE = "0.0.0.0"  # in the file: all interfaces of the container; here: loopback
READY_WITHIN_S = 60.0


class Container(ServerProcess):
    """One service of ours that runs until it is stopped."""

    def __init__(self, name: str, command: Sequence[str | Path], *, log: Path, base_url: str) -> None:
        super().__init__(name, command, log=log)
        self.base_url = base_url

    def get(self, path: str, *, token: str = "") -> tuple[int, str]:
        """Status and text of a GET; status 0 when nobody answers."""
        request = urllib.request.Request(self.base_url + path)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=5.0) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError as silent:
            return 0, str(silent)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of one metric that carry these labels; 0 when there is none."""
        total = 0.0
        for line in self.get("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{key}="{one}"' in series for key, one in labels.items()):
                total += float(value)
        return total

    def is_ready(self) -> bool:
        """/readyz says 200."""
        return self.get("/readyz")[0] == 200

    def end(self, *, timeout_s: float) -> int:
        """SIGTERM, as `docker stop` sends it; the exit code, or a failure when it does not end in time."""
        process = self._process
        if process is None:
            raise AssertionError(f"{self.name} is not running\n{self.tail()}")
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired as stuck:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {timeout_s:g} s of SIGTERM\n{self.tail()}") from stuck
        self._forget()
        return code


class Machine:
    """Where the services run: one folder for all volumes, one free port for each that is published."""

    def __init__(self, folder: Path, *, bootstrap: str, books_url: str) -> None:
        self.folder = folder
        self._replacements = [("kafka:9092", bootstrap), (EVERYWHERE, "127.0.0.1")]
        self._books_url = books_url
        self._ports: dict[str, str] = {}
        self._running: list[Container] = []
        self._app = folder / "app"
        (self._app / "models").mkdir(parents=True)
        (self._app / "models" / "recipes").symlink_to(CHECKOUT / "models" / "recipes")

    def volume(self, target: str) -> Path:
        """The folder that stands for a mount point inside the containers."""
        path = self.folder / "volumes" / target.strip("/").replace("/", "_")
        path.mkdir(parents=True, exist_ok=True)
        return path

    def environment(self, service: Service) -> dict[str, str]:
        """The service's own variables as this machine needs them."""
        found: dict[str, str] = {}
        for name, value in service.environment.items():
            found[name] = self._books_url if name == "BASELINE_BOOKS__URL" else self._here(service, value)
            if name.endswith("__PORT"):
                found[name] = self._ports.setdefault(value, str(free_port()))
        return found

    def command(self, service: Service) -> list[str]:
        """The service's own command, with this environment's programs and folders."""
        program, *arguments = service.command
        programs = {"python": sys.executable, "baseline": str(Path(sys.executable).with_name("baseline"))}
        return [programs[program], *(self._here(service, word) for word in arguments)]

    def _inside(self, service: Service) -> list[str]:
        """`env` with the image's working directory, this service's variables, and no setting from outside."""
        words = ["env", "--chdir", str(self._app)]
        for name in os.environ:
            if name.startswith("BASELINE_") and "__" in name:
                words += ["--unset", name]
        return words + [f"{name}={value}" for name, value in self.environment(service).items()]

    def _here(self, service: Service, text: str) -> str:
        for mount in service.mounts:
            text = text.replace(mount.target, str(self.volume(mount.target)))
        for there, here in self._replacements:
            text = text.replace(there, here)
        return text.replace(f"{IMAGE_WORKDIR}/", f"{self._app}/")

    def start(self, service: Service) -> Container:
        """Start a process; it is not waited for (`ready` does)."""
        environment = self.environment(service)
        port = environment.get("BASELINE_OPS__PORT") or environment["BASELINE_WEB__PORT"]
        container = Container(
            service.name,
            [*self._inside(service), *self.command(service)],
            log=self.folder / f"{service.name}.log",
            base_url=f"http://127.0.0.1:{port}",
        )
        self._running.append(container)
        container.start(lambda: True, timeout_s=1.0)
        return container

    def run(self, service: Service, *, command: Sequence[str] = (), timeout_s: float = 60.0) -> str:
        """Run a service that ends by itself (or another command in its place) and return what it printed.

        Raises
        ------
        AssertionError
            It ended with another code than 0.
        """
        words = self.command(service) if not command else [*self.command(service)[:1], *command]
        done = subprocess.run(
            [*self._inside(service), *words], capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert done.returncode == 0, f"{service.name} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def ready(self, container: Container) -> None:
        """Wait until the process says it is ready; an early end fails with its log."""
        try:
            eventually(
                lambda: container.is_ready() or not container.is_running,
                READY_WITHIN_S,
                interval_s=0.2,
                message=f"{container.name} is ready",
            )
        except AssertionError as late:
            raise AssertionError(f"{late}\n{container.get('/readyz')}\n{container.tail()}") from late
        assert container.is_running, f"{container.name} ended\n{container.tail()}"

    def kill_all(self) -> None:
        """Leave nothing behind."""
        for container in self._running:
            container.kill()


def enterprise_line(*, start: int, end: int, source: str, dest: str, port: int) -> bytes:
    """One allowed TCP flow as a node's Felix writes it (Calico Enterprise, aggregated), newline included."""
    record = {
        "start_time": start, "end_time": end, "source_ip": None, "source_name": "-",
        "source_name_aggr": f"{source}-755cdc7957-*", "source_namespace": "shop", "source_port": None,
        "source_type": "wep", "source_labels": {"labels": [f"app={source}", "pod-template-hash=755cdc7957"]},
        "dest_ip": None, "dest_name": "-", "dest_name_aggr": f"{dest}-7d4899b484-*", "dest_namespace": "shop",
        "dest_port": port, "dest_type": "wep", "dest_labels": {"labels": [f"app={dest}"]},
        "dest_service_namespace": "shop", "dest_service_name": dest, "dest_service_port": "grpc",
        "dest_service_port_num": port, "dest_domains": None, "proto": "tcp", "action": "allow", "reporter": "src",
        "policies": {"all_policies": ["0|__PROFILE__|__PROFILE__.kns.shop|allow|0"]},
        "bytes_in": 1200, "bytes_out": 800, "num_flows": 2, "num_flows_started": 2, "num_flows_completed": 2,
        "packets_in": 9, "packets_out": 8, "http_requests_allowed_in": 0, "http_requests_denied_in": 0,
    }  # fmt: skip
    return json.dumps(record, separators=(",", ":")).encode() + b"\n"
