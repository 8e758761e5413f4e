"""One HTTP request to a receiver, and its answer as our errors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from baseline.domain.errors import Denied, Invalid, Unavailable

TIMEOUT_S = 5.0
_GONE_AWAY = frozenset({408, 409, 421, 423, 425, 429})  # 4xx that say "later", not "never"


class HttpPost:
    """POSTs to one URL. Follows no redirect: a signed body goes where it was sent, or nowhere."""

    def __init__(self, url: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._url = url
        self._client = httpx.Client(timeout=timeout_s, follow_redirects=False)

    def send(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Deliver once.

        Raises
        ------
        Unavailable
            No connection, no answer in time, 5xx or a "later" of 4xx; with what Retry-After asked for.
        Denied
            401 or 403: our secret is wrong.
        Invalid
            Any other answer that is not 2xx: the same bytes would be refused again.
        """
        try:
            answer = self._client.post(self._url, content=body, headers=dict(headers))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Invalid(f"not a URL that can be posted to: {error}") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        status = answer.status_code
        if 200 <= status < 300:
            return
        if status in (401, 403):
            raise Denied(f"the receiver answered {status}")
        if status >= 500 or status in _GONE_AWAY:
            raise Unavailable(f"the receiver answered {status}", retry_after_s=_retry_after_s(answer))
        raise Invalid(f"the receiver answered {status}")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _retry_after_s(answer: httpx.Response) -> float | None:
    """Seconds, from either form of the header; None when it says nothing we can read."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
        since = parsedate_to_datetime(answer.headers["date"]) if "date" in answer.headers else datetime.now(UTC)
        return max(0.0, (until - since).total_seconds())
    except (ValueError, TypeError):
        return None
