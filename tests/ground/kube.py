"""A real kube-apiserver on its etcd, with Calico's resources: what the product enforces through.

No controller-manager, no kubelet and no Calico run here: a deleted namespace stays Terminating, a policy is stored and
admitted but cuts nothing.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import ssl
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.ground.build import APISERVER, ETCD, Part, built, how_to_build
from tests.ground.calico import Definitions, definitions, probe_writes
from tests.ground.process import ServerProcess, free_port
from tests.ground.require import missing
from tests.ground.waiting import eventually

Rule = Mapping[str, Sequence[str]]

ISSUER = "https://kubernetes.default.svc"
READY_TIMEOUT_S = 60.0
WRITES_TIMEOUT_S = 60.0
# A restarted API server that asks for Calico's kinds a moment too early asks again 30 s later, and answers writes with
# 503 until then. Starting it once more is quicker than waiting.
RESTARTS = 4
RESTARTED_WRITES_TIMEOUT_S = 6.0
RBAC = "/apis/rbac.authorization.k8s.io/v1"


class KubeApi:
    """One API server; `stop()` and `start()` keep its address, certificates, tokens and objects."""

    def __init__(self, *, etcd: Path, apiserver: Path, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.url = f"https://127.0.0.1:{self._port}"
        self.ca_file = folder / "certs" / "apiserver.crt"
        self.admin_token = secrets.token_hex(16)
        self.is_official_calico = False  # True when Calico's own definitions are loaded, not our reduced ones
        self._has_calico = False
        client_url, peer_url = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self._etcd_url = client_url
        self._etcd = ServerProcess("etcd", _etcd_command(etcd, folder, client_url, peer_url), log=folder / "etcd.log")
        command = _apiserver_command(apiserver, folder, client_url, self._port)
        self._apiserver = ServerProcess("kube-apiserver", command, log=folder / "kube-apiserver.log")

    @classmethod
    def prepare(cls, folder: Path) -> KubeApi:
        """Servers that are not started yet; ends the test when a program is missing."""
        programs = [_program(part) for part in (ETCD, APISERVER)]
        if shutil.which("openssl") is None:
            missing("openssl", enable="install it (Debian: openssl)")
        api = cls(etcd=programs[0], apiserver=programs[1], folder=folder)
        (folder / "tokens.csv").write_text(f'{api.admin_token},admin,admin,"system:masters"\n')
        key = folder / "sa.key"
        _openssl("genrsa", "-out", str(key), "2048")
        _openssl("rsa", "-in", str(key), "-pubout", "-out", str(folder / "sa.pub"))
        return api

    @property
    def started_in_s(self) -> float:
        """Seconds the last start of the API server took, etcd and Calico's definitions not counted."""
        return self._apiserver.started_in_s

    def start(self) -> None:
        """Start etcd if need be, then the API server; returns when it serves and, once loaded, takes Calico objects."""
        if not self._etcd.is_running:
            self._etcd.start(lambda: _answers(f"{self._etcd_url}/health"), timeout_s=30.0)
        for _ in range(RESTARTS if self._has_calico else 0):
            self._start_apiserver()
            try:
                self._wait_for_writes(RESTARTED_WRITES_TIMEOUT_S)
            except AssertionError:
                self._apiserver.kill()
            else:
                return
        self._start_apiserver()
        if self._has_calico:
            self._wait_for_writes()

    def _start_apiserver(self) -> None:
        if not self._apiserver.is_running:
            self._apiserver.start(self._is_ready, timeout_s=READY_TIMEOUT_S)

    def stop(self) -> None:
        """Take the API server away at once; etcd stays, or every client would wait 34 s for each answer."""
        self._apiserver.kill()

    def stop_etcd(self) -> None:
        """End etcd; stop the API server first."""
        self._etcd.kill()

    def log_tail(self) -> str:
        """The last lines of the servers' logs, for the report of a failed test."""
        return f"{self._etcd.tail()}\n{self._apiserver.tail()}"

    def pause(self) -> None:
        """Freeze the API server: connections open and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused API server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        pid = self._apiserver.pid
        if pid is None:
            raise RuntimeError("the API server does not run")
        os.kill(pid, number)

    def _is_ready(self) -> bool:
        return self.ca_file.exists() and _answers(f"{self.url}/readyz", ca_file=self.ca_file)

    def request(self, method: str, path: str, *, body: object = None, token: str | None = None) -> httpx.Response:
        """One call of the API with a token, the administrator's by default; never raises for a status."""
        headers = {"Authorization": f"Bearer {token or self.admin_token}"}
        with httpx.Client(base_url=self.url, verify=_trust(self.ca_file), headers=headers, timeout=10.0) as client:
            return client.request(method, path, json=body)

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST as administrator and return the stored object; 409 (it exists) returns the one that exists."""
        answer = self.request("POST", path, body=body)
        if answer.status_code == httpx.codes.CONFLICT:
            answer = self.request("GET", f"{path}/{body['metadata']['name']}")
        if answer.is_error:
            raise RuntimeError(f"POST {path} answered {answer.status_code}: {answer.text}")
        created: dict[str, Any] = answer.json()
        return created

    def load_calico(self, found: Definitions | None = None) -> None:
        """Create Calico's definitions, admission policies and default tier, and wait until writes are accepted."""
        found = found or definitions()
        self.is_official_calico = found.is_official
        for path, body in found.objects:
            self.create(path, body)
        self._has_calico = True
        self._wait_for_writes()

    def _wait_for_writes(self, timeout_s: float = WRITES_TIMEOUT_S) -> None:
        eventually(
            lambda: probe_writes(lambda path, body: self.request("POST", path, body=body)),
            timeout_s,
            interval_s=0.2,
            message="the API server accepts Calico objects and applies their admission policies",
            ignore=(AssertionError, httpx.TransportError),
        )

    def create_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Create a namespace, or leave the one of that name as it is."""
        self.create("/api/v1/namespaces", {"metadata": {"name": name, "labels": dict(labels or {})}})

    def service_account(
        self, name: str, rules: Sequence[Rule], *, namespace: str = "calico-baseline", hours: int = 24
    ) -> str:
        """Make a service account with exactly these ClusterRole rules and return a token of it.

        ``rules`` are those of a Kubernetes ClusterRole (`apiGroups`, `resources`, `verbs`, `resourceNames` ...).
        Asking again for the same name replaces its rules.
        """
        role = f"{namespace}-{name}"
        self.create_namespace(namespace)
        self.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
        body = {"metadata": {"name": role}, "rules": [{key: list(v) for key, v in rule.items()} for rule in rules]}
        self.create(f"{RBAC}/clusterroles", body)
        self.request("PUT", f"{RBAC}/clusterroles/{role}", body=body).raise_for_status()
        self.create(f"{RBAC}/clusterrolebindings", _binding(role, name, namespace))
        wanted = {"spec": {"expirationSeconds": hours * 3600}}
        token = self.create(f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", wanted)
        return str(token["status"]["token"])

    def kubeconfig(self, token: str | None = None) -> Path:
        """Write a kubeconfig for this token, the administrator's by default, and return its path."""
        cluster = {"server": self.url, "certificate-authority": str(self.ca_file)}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "ground", "cluster": cluster}],
            "users": [{"name": "user", "user": {"token": token or self.admin_token}}],
            "contexts": [{"name": "ground", "context": {"cluster": "ground", "user": "user"}}],
            "current-context": "ground",
        }
        path = self._folder / f"kubeconfig-{secrets.token_hex(4)}.yaml"
        path.write_text(yaml.safe_dump(config))
        path.chmod(0o600)
        return path


def _program(part: Part) -> Path:
    folder = built(part)
    if folder is None:
        missing(part.name, enable=how_to_build(part))
    return folder / part.name


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=30)


def _trust(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)


def _answers(url: str, *, ca_file: Path | None = None) -> bool:
    """True for any success; readiness is open to everybody."""
    try:
        return httpx.get(url, verify=_trust(ca_file) if ca_file else True, timeout=2.0).is_success
    except httpx.TransportError:
        return False


def _binding(role: str, name: str, namespace: str) -> dict[str, Any]:
    return {
        "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }


def _etcd_command(program: Path, folder: Path, client_url: str, peer_url: str) -> list[str | Path]:
    command: list[str | Path] = [program, "--name=ground", f"--data-dir={folder / 'etcd'}", "--log-level=warn"]
    command += [f"--listen-client-urls={client_url}", f"--advertise-client-urls={client_url}"]
    command += [f"--listen-peer-urls={peer_url}", f"--initial-advertise-peer-urls={peer_url}"]
    return [*command, f"--initial-cluster=ground={peer_url}", "--unsafe-no-fsync"]


def _apiserver_command(program: Path, folder: Path, etcd_url: str, port: int) -> list[str | Path]:
    return [
        program,
        f"--etcd-servers={etcd_url}",
        f"--cert-dir={folder / 'certs'}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={folder / 'sa.pub'}",
        f"--service-account-signing-key-file={folder / 'sa.key'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--disable-admission-plugins=ServiceAccount",
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true",
    ]
