"""The webhook and Alertmanager, over real HTTP."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from baseline.adapters.notify.alertmanager import Alertmanager, posted
from baseline.adapters.notify.webhook import Webhook, is_genuine, signature
from baseline.domain import restriction as restrictions
from baseline.domain.errors import Denied, Invalid, Unavailable
from baseline.domain.restriction import State
from baseline.domain.units import rfc3339
from baseline.domain.workload import WorkloadId
from baseline.ports import EventKind
from baseline.services.events import alert_opened, restriction_changed
from tests.contracts.nouns import T0, an_alert, an_applied, an_explanation
from tests.unit.notify.receiver import Receiver, listening

SECRET = "a secret of the two of us"
OPENED = alert_opened(an_alert(), now=T0)


class StillClock:
    """A clock that stands."""

    def now(self) -> float:
        """T0 and a bit."""
        return T0 + 0.7

    def wait(self, seconds: float) -> bool:
        """Nobody waits here."""
        raise NotImplementedError


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A listening receiver."""
    with listening() as receiver:
        yield receiver


@pytest.fixture
def webhook(receiver: Receiver) -> Iterator[Webhook]:
    """A webhook to it, patient for half a second."""
    webhook = Webhook(f"{receiver.url}/hook", secret=SECRET, source="/baseline/east", clock=StillClock(), timeout_s=0.5)
    yield webhook
    webhook.close()


class TestWebhook:
    def test_it_sends_a_cloud_event_that_can_be_checked(self, receiver: Receiver, webhook: Webhook) -> None:
        """Structured JSON, the id for de-duplication, a signature over time and body."""
        webhook.send(OPENED)
        (heard,) = receiver.heard
        event = json.loads(heard.body)
        assert heard.path == "/hook"
        assert heard.headers["Content-Type"] == "application/cloudevents+json"
        assert heard.headers["Idempotency-Key"] == heard.headers["ce-id"] == event["id"] == OPENED.id
        assert (event["specversion"], event["source"], event["subject"]) == ("1.0", "/baseline/east", an_alert().id)
        assert event["type"] == "io.github.calico-baseline.alert.opened"
        assert event["data"]["workload"] == "shop/checkout"
        timestamp, presented = heard.headers["Baseline-Timestamp"], heard.headers["Baseline-Signature"]
        assert is_genuine(SECRET, timestamp=timestamp, body=heard.body, presented=presented, now=T0 + 200)

    def test_a_forged_or_old_request_is_not_genuine(self) -> None:
        """Another body, secret or time; a replay after five minutes."""
        good = signature(SECRET, timestamp="1000", body=b"{}")
        assert is_genuine(SECRET, timestamp="1000", body=b"{}", presented=good, now=1000)
        for secret, timestamp, body, presented, now in (
            ("other", "1000", b"{}", good, 1000),
            (SECRET, "1001", b"{}", good, 1000),
            (SECRET, "1000", b"{ }", good, 1000),
            (SECRET, "1000", b"{}", good[:-1], 1000),
            (SECRET, "1000", b"{}", good, 1301),
            (SECRET, "x", b"{}", good, 1000),
        ):
            assert not is_genuine(secret, timestamp=timestamp, body=body, presented=presented, now=now)

    def test_trying_again_is_the_same_event(self, receiver: Receiver, webhook: Webhook) -> None:
        """Same id, same body, so that the receiver can tell."""
        webhook.send(OPENED)
        webhook.send(alert_opened(an_alert(), now=T0))
        first, second = receiver.heard
        assert (first.body, first.headers["ce-id"]) == (second.body, second.headers["ce-id"])

    @pytest.mark.parametrize("status", [500, 502, 503, 408, 429])
    def test_later_is_unavailable(self, receiver: Receiver, webhook: Webhook, status: int) -> None:
        """Try again."""
        receiver.status = status
        with pytest.raises(Unavailable) as caught:
            webhook.send(OPENED)
        assert caught.value.retry_after_s is None

    @pytest.mark.parametrize(("asked", "seconds"), [("120", 120.0), ("soon", None), ("-5", None), ("", None)])
    def test_it_listens_to_retry_after(
        self, receiver: Receiver, webhook: Webhook, asked: str, seconds: float | None
    ) -> None:
        """In seconds; nonsense is no answer."""
        receiver.status, receiver.headers = 429, {"Retry-After": asked}
        with pytest.raises(Unavailable) as caught:
            webhook.send(OPENED)
        assert caught.value.retry_after_s == seconds

    def test_retry_after_may_be_a_date(self, receiver: Receiver, webhook: Webhook) -> None:
        """Measured against the receiver's own clock, the Date of its answer."""
        until = datetime.now(UTC) + timedelta(seconds=600)
        receiver.status, receiver.headers = 503, {"Retry-After": format_datetime(until, usegmt=True)}
        with pytest.raises(Unavailable) as caught:
            webhook.send(OPENED)
        assert caught.value.retry_after_s == pytest.approx(600, abs=5)

    @pytest.mark.parametrize("status", [400, 404, 410, 301, 302])
    def test_never_is_invalid(self, receiver: Receiver, webhook: Webhook, status: int) -> None:
        """A redirect is not followed: what is signed goes where it was sent."""
        receiver.status = status
        receiver.headers = {"Location": f"{receiver.url}/elsewhere"}
        with pytest.raises(Invalid):
            webhook.send(OPENED)
        assert len(receiver.heard) == 1

    @pytest.mark.parametrize("status", [401, 403])
    def test_a_wrong_secret_is_denied(self, receiver: Receiver, webhook: Webhook, status: int) -> None:
        """Somebody can put it right."""
        receiver.status = status
        with pytest.raises(Denied):
            webhook.send(OPENED)

    def test_a_silent_receiver_is_unavailable_in_time(self, receiver: Receiver, webhook: Webhook) -> None:
        """The limit on one delivery holds."""
        receiver.is_silent = True
        with pytest.raises(Unavailable, match="Timeout"):
            webhook.send(OPENED)

    def test_nobody_there_is_unavailable(self) -> None:
        """Connection refused."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            webhook = Webhook(url, secret=SECRET, source="s", clock=StillClock())
            with pytest.raises(Unavailable):
                webhook.send(OPENED)
            webhook.close()

    @pytest.mark.parametrize("url", ["nonsense", "ftp://x/y", "http://[::1"])
    def test_what_is_no_url_is_invalid(self, url: str) -> None:
        """Rather than tried for hours."""
        webhook = Webhook(url, secret=SECRET, source="s", clock=StillClock())
        with pytest.raises(Invalid):
            webhook.send(OPENED)
        webhook.close()

    def test_a_short_secret_is_refused(self) -> None:
        """There is no unsigned webhook."""
        with pytest.raises(Invalid, match="16"):
            Webhook("http://x", secret="short", source="s", clock=StillClock())


class TestAlertmanager:
    def test_an_opened_alert_fires(self, receiver: Receiver) -> None:
        """A list of one, with labels to route by and the sentence to read."""
        channel = Alertmanager(receiver.url + "/")
        channel.send(OPENED)
        channel.close()
        (heard,) = receiver.heard
        (told,) = json.loads(heard.body)
        assert heard.path == "/api/v2/alerts"
        assert told["labels"] == {
            "alertname": "BaselineDeviation",
            "severity": "warning",
            "cluster": "east",
            "workload": "shop/checkout",
            "family": "fan-out",
            "alert_id": an_alert().id,
        }
        assert told["annotations"]["summary"] == f"shop/checkout: {an_alert().sentence}"
        assert (told["startsAt"], told["endsAt"]) == (rfc3339(T0), rfc3339(T0 + 86_400))

    def test_a_release_resolves_what_was_applied(self) -> None:
        """Same labels, an end at the release; while it is in force the end is its expiry."""
        standing = an_applied()
        over = restrictions.ended(standing, state=State.RELEASED, by="dismissal by ada", now=T0 + 60)
        applied = posted(restriction_changed(EventKind.RESTRICTION_APPLIED, standing, now=T0))
        released = posted(restriction_changed(EventKind.RESTRICTION_RELEASED, over, now=T0 + 60))
        assert applied["labels"] == released["labels"]
        assert applied["endsAt"] == rfc3339(standing.expires_at)
        assert released["endsAt"] == rfc3339(T0 + 60)
        assert "startsAt" not in released

    def test_hostile_names_stay_text(self) -> None:
        """Labels are strings of whatever was in the log; an empty one is left out, as Alertmanager demands."""
        hostile = an_alert(workload=WorkloadId("", 'x"}]\x00', "näme"))
        labels = posted(alert_opened(hostile, now=T0))["labels"]
        assert labels["workload"] == 'x"}]\x00/näme'
        assert "cluster" not in labels

    @pytest.mark.parametrize("kind", list(EventKind)[1:])
    def test_every_kind_has_words(self, kind: EventKind) -> None:
        """Nobody is paged with an empty sentence."""
        told = posted(restriction_changed(kind, replace(an_applied(), detail="no such tier"), now=T0))
        assert told["annotations"]["summary"].startswith("shop/checkout: ")
        assert len(told["annotations"]["summary"]) > 30


class TestEvents:
    def test_an_alert_says_what_it_means(self) -> None:
        """The two questions asked first: does the business grow, and what does it look like?"""
        told = OPENED.payload
        assert told["rise"] == "does not look like growth: data/ledger carries 100% of the rise"
        assert told["looks_like"] == ["T1110 Brute Force (high)"]
        assert alert_opened(an_alert(explanation=an_explanation(rise=None)), now=T0).payload["rise"] is None

    def test_the_same_fact_is_the_same_event(self) -> None:
        """Whoever tells it and whenever."""
        assert alert_opened(an_alert(), now=1).id == alert_opened(an_alert(), now=2).id
        standing = an_applied()
        ids = {restriction_changed(kind, standing, now=T0).id for kind in EventKind}
        assert len(ids) == len(EventKind)
        again = replace(standing, created_at=T0 + 9000)
        kind = EventKind.RESTRICTION_APPLIED
        assert restriction_changed(kind, again, now=T0).id != restriction_changed(kind, standing, now=T0).id
