"""The demo's person: decides restrictions through the REST API, by a rule that knows no label.

The first restriction that is applied is dismissed, the second confirmed, every later one left to expire.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from baseline.domain.errors import Unavailable

TIMEOUT_S = 10.0
TRIES = 5  # control may change an alert's restriction, never the alert; the stream may, between our read and write


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One thing the person did."""

    restriction: str
    alert: str
    verb: str  # dismiss, confirm, or none: left to expire
    at: float  # the recording's time


class Operator:
    """Looks at the restrictions now and then; every restriction is decided once."""

    def __init__(self, url: str, token: str) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S
        )
        self.acts: list[Act] = []

    def look(self, *, now: float) -> None:
        """Decide what was applied since the last look."""
        seen = {act.restriction for act in self.acts}
        applied = [one for one in self._restrictions() if one["state"] in ("applied", "held") and one["id"] not in seen]
        for restriction in sorted(applied, key=lambda one: (one["applied_at"], one["id"])):
            verb = {0: "dismiss", 1: "confirm"}.get(len(self.acts), "none")
            if verb != "none":
                self._decide(restriction["alert_id"], verb)
            self.acts.append(Act(restriction=restriction["id"], alert=restriction["alert_id"], verb=verb, at=now))

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _restrictions(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self._get("/restrictions", {"limit": "200"}).json()["items"]
        return items

    def _decide(self, alert_id: str, verb: str) -> None:
        note = {"dismiss": "the demo's first: taken for normal", "confirm": "the demo's second: taken for an attack"}
        status = ""
        for _ in range(TRIES):
            alert = self._get(f"/alerts/{alert_id}", {})
            headers = {"If-Match": alert.headers["ETag"], "Idempotency-Key": str(uuid.uuid4())}
            answer = self._post(f"/alerts/{alert_id}/{verb}", {"note": note[verb]}, headers)
            if answer.is_success:
                return
            status = f"{answer.status_code} {answer.text[:500]}"
            if answer.status_code != httpx.codes.PRECONDITION_FAILED:
                break
        raise Unavailable(f"the API would not {verb} alert {alert_id}: {status}")

    def _post(self, path: str, body: Mapping[str, str], headers: Mapping[str, str]) -> httpx.Response:
        try:
            return self._client.post(path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise Unavailable(f"the API does not answer: {error}") from error

    def _get(self, path: str, parameters: Mapping[str, str]) -> httpx.Response:
        try:
            answer = self._client.get(path, params=parameters)
        except httpx.HTTPError as error:
            raise Unavailable(f"the API does not answer: {error}") from error
        if answer.is_error:
            raise Unavailable(f"the API answered {answer.status_code} to {path}: {answer.text[:500]}")
        return answer
