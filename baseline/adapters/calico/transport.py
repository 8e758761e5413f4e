"""One call of the Kubernetes API: credentials and TLS by the official client, everything else spelled out.

The generated methods of that client parse into models that change between its versions, drop the headers we judge
time by, and let urllib3 sleep on ``Retry-After``. Here every call has one limit for its whole duration and size, is
never retried, and every failure becomes one of ``domain.errors``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import urllib3
from kubernetes import client
from kubernetes.config import load_incluster_config, new_client_from_config
from kubernetes.config.config_exception import ConfigException

from baseline.domain.errors import Conflict, Denied, Invalid, Missing, OutsideError, Unavailable

BYTES_MAX = 64 * 1024 * 1024
CHUNK_BYTES = 65_536
RETRY_AFTER_MAX_S = 3600.0

_CLASSES: Mapping[int, type[OutsideError]] = {
    400: Invalid, 401: Denied, 403: Denied, 404: Missing, 405: Missing, 409: Conflict, 410: Conflict, 412: Conflict,
    413: Invalid, 415: Invalid, 422: Invalid,
}  # fmt: skip


class Answer(NamedTuple):
    """A successful answer: a JSON object and the headers."""

    body: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def date(self) -> float:
        """The server's own time, epoch seconds; Unavailable without it, because expiry is judged by it."""
        try:
            return parsedate_to_datetime(self.headers.get("Date", "")).timestamp()
        except (ValueError, TypeError, IndexError) as error:
            raise Unavailable("the API server's answer has no readable Date") from error


class Transport:
    """Calls of one API server."""

    def __init__(self, api: client.ApiClient, *, timeout_s: float) -> None:
        """``timeout_s`` limits every call from its start to its last byte."""
        self._api = api
        self._timeout_s = timeout_s

    def close(self) -> None:
        """Let the connections go."""
        self._api.rest_client.pool_manager.clear()
        self._api.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Send it once.

        Raises Denied (401, 403), Missing (404), Conflict (409), Invalid (400, 422), and Unavailable for everything
        that may be better later: 429, 5xx, no connection, too slow, an answer that cannot be read.
        """
        url = f"{self._api.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "User-Agent": "calico-baseline", **self._credentials()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        deadline = time.monotonic() + self._timeout_s
        try:
            response = self._api.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body, allow_nan=False).encode(),
                headers=headers,
                timeout=urllib3.Timeout(total=self._timeout_s),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            content = _read(response, deadline)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"the API server cannot be reached: {type(error).__name__}: {error}"[:500]) from error
        if not 200 <= response.status < 300:
            raise _error(response.status, content, response.headers)
        return Answer(_object(content), response.headers)

    def _credentials(self) -> dict[str, str]:
        """Read anew for each call: tokens of service accounts are rotated."""
        settings = self._api.configuration.auth_settings().values()
        return {item["key"]: item["value"] for item in settings if item["in"] == "header" and item["value"]}


def connect(*, kubeconfig: str = "", context: str = "", timeout_s: float = 10.0) -> Transport:
    """By kubeconfig file, or by the pod's service account when none is named; Denied when there is neither."""
    try:
        if kubeconfig:
            api = new_client_from_config(config_file=kubeconfig, context=context or None)
        else:
            configuration = client.Configuration()
            load_incluster_config(client_configuration=configuration)
            api = client.ApiClient(configuration)
    except (ConfigException, OSError) as error:
        raise Denied(f"no usable credentials for the Kubernetes API: {error}") from error
    return Transport(api, timeout_s=timeout_s)


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The whole body, within time and size; otherwise the connection is dropped."""
    parts: list[bytes] = []
    size = 0
    while chunk := response.read1(CHUNK_BYTES, decode_content=True):
        parts.append(chunk)
        size += len(chunk)
        if size > BYTES_MAX or time.monotonic() > deadline:
            response.close()
            raise Unavailable("the API server's answer is too long or too slow")
    response.release_conn()
    return b"".join(parts)


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unavailable("the API server answered something that is no JSON") from error
    if not isinstance(body, Mapping):
        raise Unavailable("the API server answered something that is no object")
    return body


def _error(status: int, content: bytes, headers: Mapping[str, str]) -> OutsideError:
    message = f"the API server answered {status}: {_reason(content)}"
    if known := _CLASSES.get(status):
        return known(message)
    return Unavailable(message, retry_after_s=_retry_after(headers.get("Retry-After", "")))


def _reason(content: bytes) -> str:
    """The message of a Status object, or the beginning of whatever came instead."""
    try:
        told = _object(content).get("message")
    except Unavailable:
        told = None
    return (told if isinstance(told, str) and told else content[:300].decode(errors="replace"))[:300]


def _retry_after(told: str) -> float | None:
    """Seconds, from either spelling of the header; None when absent or nonsense."""
    if told.isascii() and told.isdecimal():
        return min(RETRY_AFTER_MAX_S, float(told[:9]))
    try:
        pause_s = parsedate_to_datetime(told).timestamp() - time.time()
    except (ValueError, TypeError, IndexError):
        return None
    return min(RETRY_AFTER_MAX_S, max(0.0, pause_s))
