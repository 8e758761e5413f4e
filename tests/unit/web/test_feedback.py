"""Dismissals with a scope, suppressions and weights over HTTP: one class an endpoint, strangers first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from baseline.domain.alert import Alert
from baseline.domain.units import DAY_S, rfc3339
from baseline.domain.workload import WorkloadId
from baseline.ports import Role, Silence
from tests.contracts.nouns import T0, an_alert
from tests.unit.web.serving import NOW, Api, is_problem

A0, A1, A2 = (an_alert(number).id for number in range(3))
EDGE = {"note": "the new backup job", "scope": "edge"}
VOICES = (("tail", 1e-9), ("forest", 0.4), ("edges", 1.0))


def suppressed(api: Api, alert_id: str = A0, **more: object) -> str:
    """Dismiss with a scope; the suppression's id."""
    answer = api.post(f"alerts/{alert_id}/dismiss", {**EDGE, **more})
    assert answer.status_code == 200, answer.text
    (made,) = api.get("suppressions", params={"alert": alert_id}).json()["items"]
    assert answer.headers["location"] == f"/api/v1/suppressions/{made['id']}"
    return str(made["id"])


class TestDismissWithScope:
    def test_a_viewer_may_not(self, api: Api) -> None:
        """And nothing is silenced."""
        assert is_problem(api.post(f"alerts/{A0}/dismiss", EDGE, role=Role.VIEWER), 403, "forbidden")
        assert api.get("suppressions").json()["items"] == []

    def test_without_a_scope_nothing_later_is_silenced(self, api: Api) -> None:
        """As it always was."""
        answer = api.post(f"alerts/{A0}/dismiss", {"note": "backup"})
        assert (answer.status_code, "location" in answer.headers) == (200, False)
        assert api.get("suppressions").json()["items"] == []

    @pytest.mark.parametrize(
        ("until", "ends"),
        [(None, 7 * DAY_S), ("14d", 14 * DAY_S), (rfc3339(NOW + 3600), 3600), ("90d", 90 * DAY_S)],
    )
    def test_a_scope_silences_until_a_time(self, api: Api, until: str | None, ends: float) -> None:
        """Said as a time, as a duration, or not at all."""
        made = api.get(f"suppressions/{suppressed(api, until=until)}").json()
        assert (made["scope"], made["state"], made["made_by"]) == ("edge", "active", "responder")
        assert (made["reason"], made["expires_at"]) == (EDGE["note"], rfc3339(NOW + ends))
        assert (made["families"], made["edges"][0]["port"]) == (["fan-out", "novelty"], 22)

    @pytest.mark.parametrize(
        "body",
        [
            {"scope": "edge"},
            {"scope": "edge", "note": "  "},
            {"scope": "edge", "note": "r", "until": "91d"},
            {"scope": "always", "note": "r", "until": "2027-09-21T00:00:00Z"},
            {"scope": "edge", "note": "r", "until": "2020-01-01T00:00:00Z"},
            {"until": "7d"},
        ],
    )
    def test_what_may_not_be_is_said_and_decides_nothing(self, api: Api, body: object) -> None:
        """No reason, too long, in the past, an end without a scope."""
        assert is_problem(api.post(f"alerts/{A0}/dismiss", body), 409, "not-allowed")
        assert api.get(f"alerts/{A0}").json()["disposition"] == "none"

    @pytest.mark.parametrize(
        "body",
        [{"scope": "cluster"}, {"scope": 1}, {"until": "soon"}, {"until": 7}, {"accept_hiding_confirmed": "yes"}],
    )
    def test_what_cannot_be_read_is_said(self, api: Api, body: object) -> None:
        """There is no scope for a cluster."""
        assert is_problem(api.post(f"alerts/{A0}/dismiss", body), 422, "invalid")

    def test_hiding_a_confirmed_attack_must_be_accepted(self, api: Api) -> None:
        """The problem names the attack; said explicitly it goes."""
        api.post(f"alerts/{A1}/confirm")
        refused = api.post(f"alerts/{A0}/dismiss", EDGE)
        assert is_problem(refused, 409, "not-allowed")
        assert A1 in refused.json()["detail"]
        assert api.get("suppressions").json()["items"] == []
        assert suppressed(api, accept_hiding_confirmed=True)

    def test_the_same_request_again_makes_no_second_one(self, api: Api) -> None:
        """The first answer is given again."""
        answers = [api.post(f"alerts/{A0}/dismiss", EDGE, key="k") for _ in range(2)]
        assert answers[0].json() == answers[1].json()
        assert len(api.get("suppressions").json()["items"]) == 1

    def test_hours_are_those_the_alert_was_judged_by(self, api: Api) -> None:
        """The zone is its model set's; UTC where that is no more."""
        made = api.get(f"suppressions/{suppressed(api, scope='hour')}").json()
        assert (made["zone"], made["hours"]) == ("Europe/Berlin", ["Mondays at 16 h"])
        with api.library.transaction() as books:
            books.alerts.put(an_alert(9, model_set="gone"))
        found = api.get(f"alerts/{an_alert(9).id}/dismissal-preview", params={"scope": "hour"}).json()
        assert (found["suppression"]["zone"], found["suppression"]["hours"]) == ("UTC", ["Mondays at 14 h"])


class TestPreview:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Without a token there is nothing to see."""
        assert is_problem(api.client.get(f"/api/v1/alerts/{A0}/dismissal-preview?scope=edge"), 401, "unauthenticated")

    def test_it_says_what_would_have_been_lost(self, api: Api) -> None:
        """Two alerts like it, one of them an attack; and it changes nothing."""
        api.post(f"alerts/{A1}/confirm")
        found = api.get(f"alerts/{A0}/dismissal-preview", params={"scope": "edge", "until": "2d"}).json()
        assert (found["alerts"], found["windows"], found["hidden_confirmed"]) == ([A2, A1], 2, [A1])
        assert found["days"] == [{"day": "2026-09-21", "alerts": 2}]
        assert {one["family"] for one in found["families"]} == {"fan-out", "novelty"}
        assert found["suppression"]["expires_at"] == rfc3339(NOW + 2 * DAY_S)
        assert api.get("suppressions").json()["items"] == []
        assert api.get(f"alerts/{A0}").json()["disposition"] == "none"

    @pytest.mark.parametrize("query", ["", "scope=once", "scope=all", "scope=edge&until=soon", "scope=edge&x=1"])
    def test_what_cannot_be_read_is_said(self, api: Api, query: str) -> None:
        """A preview of once would be of nothing."""
        assert is_problem(api.get(f"alerts/{A0}/dismissal-preview?{query}"), 422, "invalid")

    def test_what_could_not_be_made_cannot_be_previewed(self, api: Api) -> None:
        """With the reason; an unknown alert is not found."""
        assert is_problem(api.get(f"alerts/{A0}/dismissal-preview?scope=edge&until=91d"), 409, "not-allowed")
        assert is_problem(api.get("alerts/none/dismissal-preview?scope=edge"), 404, "not-found")


class TestSuppressions:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """From all of them."""
        for path in ("suppressions", "suppressions/none"):
            assert is_problem(api.client.get(f"/api/v1/{path}"), 401, "unauthenticated")

    def test_they_are_listed_by_what_is_asked(self, api: Api) -> None:
        """Newest first; by alert, workload and whether they still silence."""
        first = suppressed(api, until="1h")
        api.clock.time += 60
        second = suppressed(api, A1, scope="workload")

        def ids(**params: object) -> list[str]:
            return [item["id"] for item in api.get("suppressions", params=params).json()["items"]]

        assert ids() == ids(workload="shop/checkout") == [second, first]
        assert (ids(alert=A0), ids(workload="shop/cart")) == ([first], [])
        api.clock.time += 7200
        assert ids(active="true") == [second]
        assert api.get(f"suppressions/{first}").json()["state"] == "expired"

    def test_what_it_silenced_is_told(self, api: Api) -> None:
        """How much and when; the ETag stays, so that a revoke is not refused for it."""
        made = suppressed(api)
        with api.library.transaction() as books:
            books.suppressions.note([Silence(made, (int(T0), int(T0) + 60, 1e-6))])
        answer = api.get(f"suppressions/{made}", headers={"If-None-Match": '"1"'})
        assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
        assert answer.json()["silenced"] == {"count": 1, "first_at": rfc3339(T0), "last_at": rfc3339(T0 + 60)}


class TestRevoke:
    def test_a_viewer_may_not(self, api: Api) -> None:
        """And it goes on silencing."""
        made = suppressed(api)
        assert is_problem(api.post(f"suppressions/{made}/revoke", role=Role.VIEWER), 403, "forbidden")
        assert api.get(f"suppressions/{made}").json()["state"] == "active"

    def test_it_ends_now_by_whom_and_why(self, api: Api) -> None:
        """Answer, audit row and ETag."""
        made = suppressed(api)
        api.clock.time += 60
        answer = api.post(f"suppressions/{made}/revoke", {"note": "moved"})
        assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
        assert (answer.json()["state"], answer.json()["revoked_by"]) == ("revoked", "responder")
        assert answer.json()["revoked_at"] == rfc3339(NOW + 60)
        with api.library.transaction() as books:
            entry = books.audit.find(target=f"suppression/{made}").items[0]
        assert (entry.action, entry.detail["note"]) == ("suppression.revoke", "moved")
        assert is_problem(api.post(f"suppressions/{made}/revoke", revision=2), 409, "not-allowed")

    def test_only_what_was_read_is_revoked(self, api: Api) -> None:
        """Stale, unknown and unreadable are told apart."""
        made = suppressed(api)
        assert is_problem(api.post(f"suppressions/{made}/revoke", revision=7), 412, "stale-revision")
        assert is_problem(api.post("suppressions/none/revoke"), 404, "not-found")
        assert is_problem(api.post(f"suppressions/{made}/revoke", {"x": 1}), 422, "invalid")


def taught(api: Api, number: int = 0, *, verb: str = "dismiss", **changes: object) -> Alert:
    """Decide about an alert whose voices are known."""
    alert = replace(an_alert(100 + number, voices=VOICES), **changes)  # type: ignore[arg-type]
    with api.library.transaction() as books:
        books.alerts.put(alert)
    assert api.post(f"alerts/{alert.id}/{verb}").status_code == 200
    return alert


class TestWeights:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """From all of them."""
        for path in ("weights", "weights/shop/checkout"):
            assert is_problem(api.client.get(f"/api/v1/{path}"), 401, "unauthenticated")

    def test_every_version_says_which_decision_made_it(self, api: Api) -> None:
        """The newest is in force; all of them can be read."""
        first = taught(api)
        second = taught(api, 1, verb="confirm")
        versions = api.get("weights", params={"workload": "shop/checkout"}).json()["items"]
        assert [(one["version"], one["cause"], one["alert_id"]) for one in versions] == [
            (2, "confirm", second.id), (1, "dismiss", first.id),
        ]  # fmt: skip
        assert versions[1]["weights"]["voice:tail"] < 1
        (newest,) = api.get("weights").json()["items"]
        answer = api.get("weights/shop/checkout")
        assert answer.json() == newest == versions[0]
        assert answer.headers["etag"] == '"2"'
        assert api.get("weights/east/shop/checkout", headers={"If-None-Match": '"2"'}).status_code == 304

    def test_who_never_taught_is_not_found(self, api: Api) -> None:
        """Also where the name is none."""
        for name in ("shop/checkout", "shop", "a/b/c/d"):
            assert is_problem(api.get(f"weights/{name}"), 404, "not-found")


class TestReset:
    def test_a_viewer_may_not(self, api: Api) -> None:
        """And nothing is forgotten."""
        taught(api)
        assert is_problem(api.post("weights/shop/checkout/reset", role=Role.VIEWER), 403, "forbidden")
        assert api.get("weights/shop/checkout").json()["version"] == 1

    def test_everything_counts_one_again(self, api: Api) -> None:
        """As a version of its own, under the token's name."""
        taught(api)
        answer = api.post("weights/shop/checkout/reset", {"note": "by mistake"})
        assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
        body = answer.json()
        assert (body["weights"], body["cause"], body["by"], body["alert_id"]) == ({}, "reset", "responder", None)

    def test_only_what_was_read_is_reset(self, api: Api) -> None:
        """A version that moved on is stale."""
        taught(api)
        assert is_problem(api.post("weights/shop/checkout/reset", revision=2), 412, "stale-revision")
        assert is_problem(api.post("weights/shop/cart/reset"), 404, "not-found")

    def test_another_workload_keeps_its_weights(self, api: Api) -> None:
        """A reset is of one group."""
        taught(api)
        cart = WorkloadId("east", "shop", "cart")
        taught(api, id="a-cart", workload=cart)
        api.post("weights/shop/checkout/reset")
        assert api.get("weights/shop/cart").json()["weights"]["voice:tail"] < 1
