"""The endpoints of alerts: one class each, strangers first."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from baseline.domain.alert import Alert, Disposition
from baseline.domain.restriction import HOLD_S, Restriction, State, restriction_id
from baseline.domain.units import rfc3339
from baseline.domain.workload import WorkloadId
from baseline.policy.plan import Refusal
from baseline.ports import Books, EventKind, Role
from tests.contracts.nouns import T0, a_restriction, an_alert, an_applied, an_explanation
from tests.unit.web.serving import NOW, Api, is_problem, served

A0, A1, A2 = (an_alert(number).id for number in range(3))


class TestListAlerts:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Without a token there is nothing to see."""
        assert is_problem(api.client.get("/api/v1/alerts"), 401, "unauthenticated")

    def test_newest_come_first(self, api: Api) -> None:
        """Complete views; the last page says so."""
        body = api.get("alerts").json()
        assert [item["id"] for item in body["items"]] == [A2, A1, A0]
        assert body["after"] is None

    def test_pages_follow_their_links_though_alerts_open_meanwhile(self, api: Api) -> None:
        """Each alert once, whatever opens while somebody pages; the link keeps the filters."""
        first = api.get("alerts", params={"limit": 2, "disposition": "none"})
        with api.library.transaction() as books:
            books.alerts.put(an_alert(50))
        assert "disposition=none" in first.headers["link"]
        second = api.client.get(first.links["next"]["url"], headers=api.headers(Role.VIEWER))
        seen = [item["id"] for answer in (first, second) for item in answer.json()["items"]]
        assert seen == [A2, A1, A0]
        assert "link" not in second.headers

    def test_filters_narrow_it(self, api: Api) -> None:
        """By disposition, workload and time."""
        api.post(f"alerts/{A1}/confirm")
        with api.library.transaction() as books:
            books.alerts.put(an_alert(9, workload=WorkloadId("east", "web", "cart")))

        def ids(**params: str) -> list[str]:
            return [item["id"] for item in api.get("alerts", params=params).json()["items"]]

        assert ids(disposition="confirmed") == [A1]
        assert len(ids(workload="web/cart")) == 1
        assert len(ids(workload="east/shop/checkout")) == 3
        assert len(ids(since=rfc3339(an_alert(1).opened_at), workload="shop/checkout")) == 2

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0", "limit=501", "limit=x", "disposition=maybe", "since=yesterday", "since=2026-09-21T14:15:20",
            "workload=shop", "after=forged", "after=" + "A" * 2000, "unknown=1",
        ],
    )  # fmt: skip
    def test_what_cannot_be_read_is_said(self, api: Api, query: str) -> None:
        """Neither ignored nor a crash."""
        assert is_problem(api.get(f"alerts?{query}"), 422, "invalid")


class TestReadAlert:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Not even whether it exists is told."""
        for alert_id in (A0, "none"):
            assert is_problem(api.client.get(f"/api/v1/alerts/{alert_id}"), 401, "unauthenticated")

    def test_it_says_why_in_words_and_numbers(self, api: Api) -> None:
        """With its revision as ETag."""
        answer = api.get(f"alerts/{A0}")
        body = answer.json()
        assert answer.headers["etag"] == '"1"'
        assert (body["workload"]["id"], body["sentence"]) == ("shop/checkout", an_alert().sentence)
        assert body["reasons"][0]["actual"] == 312
        assert (body["edges"][0]["peer"], body["edges"][0]["port"]) == ("ledger", 22)
        assert body["opened_at"].endswith("Z")

    def test_it_says_what_it_means(self, api: Api) -> None:
        """Voices with their shares, what would have been normal, who carries it, what it looks like, the flows."""
        body = api.get(f"alerts/{A0}").json()
        assert [(voice["name"], voice["share"]) for voice in body["voices"]] == [
            ("tail", 0.8),
            ("edges", 0.2),
            ("forest", 0.0),
        ]
        assert body["counterfactuals"][0]["values"] == [40]
        assert (body["techniques"][0]["id"], body["techniques"][0]["confidence"]) == ("T1110", "high")
        assert body["rise"]["spread"] == "concentrated"
        (line,) = body["evidence"]
        assert line.startswith("new: shop/checkout -> data/ledger:22/tcp: 312 connections (2.5 usual), 300 failed, ")
        assert body["edges"][0]["first_seen"] < body["edges"][0]["last_seen"]

    def test_ten_edges_are_named_and_new_ones_first(self, api: Api) -> None:
        """A scan has thousands; the rest is counted elsewhere."""
        one = an_alert().edges[0]
        old = replace(one, edge=replace(one.edge, port=443), is_new=False, share=0.9)
        many = [replace(one, edge=replace(one.edge, port=port), share=0.01) for port in range(1, 30)]
        alert = an_alert(8, edges=(old, *many))
        with api.library.transaction() as books:
            books.alerts.put(alert)
        evidence = api.get(f"alerts/{alert.id}").json()["evidence"]
        assert len(evidence) == 10
        assert all(line.startswith("new: ") for line in evidence)

    def test_where_nothing_is_up_the_rise_is_null(self, api: Api) -> None:
        """And an infinite factor is null, too."""
        still = an_alert(9, explanation=an_explanation(rise=None))
        rise = an_explanation().rise
        assert rise is not None
        endless = an_alert(10, explanation=an_explanation(rise=replace(rise, factor=float("inf"))))
        with api.library.transaction() as books:
            books.alerts.put(still)
            books.alerts.put(endless)
        assert api.get(f"alerts/{still.id}").json()["rise"] is None
        assert api.get(f"alerts/{endless.id}").json()["rise"]["factor"] is None

    def test_who_has_it_already_is_told_so(self, api: Api) -> None:
        """304 on the same ETag, 200 on another."""
        assert api.get(f"alerts/{A0}", headers={"If-None-Match": '"1"'}).status_code == 304
        assert api.get(f"alerts/{A0}", headers={"If-None-Match": '"2"'}).status_code == 200

    def test_an_unknown_one_is_not_found(self, api: Api) -> None:
        """As a problem, whatever the id looks like."""
        for alert_id in ("none", "%00", "%F0%9F%92%A5", "..%2Frestrictions", "<script>"):
            answer = api.get(f"alerts/{alert_id}")
            assert answer.status_code == 404
            assert answer.headers["content-type"] == "application/problem+json"

    def test_hostile_names_and_odd_numbers_are_plain_json(self, api: Api) -> None:
        """Markup stays a string in JSON, infinities are null, times no calendar holds are null."""
        workload = WorkloadId("east", "</script><img src=x onerror=alert(1)>", '"\u202e\x00')
        reason = replace(an_alert().reasons[0], expected_high=float("inf"), z=float("nan"))
        hostile = an_alert(7, workload=workload, reasons=(reason,), recorded_at=1e18)
        with api.library.transaction() as books:
            books.alerts.put(hostile)
        answer = api.get(f"alerts/{hostile.id}")
        body = answer.json()
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert body["workload"]["namespace"] == workload.namespace
        assert (body["reasons"][0]["expected_high"], body["reasons"][0]["z"], body["recorded_at"]) == (None, None, None)


class TestConfirmAlert:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Before anything of the request is read."""
        answer = api.client.post(f"/api/v1/alerts/{A0}/confirm", content=b"{ not json")
        assert is_problem(answer, 401, "unauthenticated")

    def test_a_viewer_may_not(self, api: Api) -> None:
        """And nothing happens."""
        assert is_problem(api.post(f"alerts/{A0}/confirm", role=Role.VIEWER), 403, "forbidden")
        assert api.get(f"alerts/{A0}").json()["disposition"] == "none"

    @pytest.mark.parametrize("role", [Role.RESPONDER, Role.ADMIN])
    def test_it_is_written_under_the_tokens_name(self, api: Api, role: Role) -> None:
        """Decision, audit row and feedback; the ETag moves."""
        answer = api.post(f"alerts/{A0}/confirm", {"note": "scan"}, role=role)
        assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
        decision = {"disposition": "confirmed", "by": role.value, "at": rfc3339(NOW), "note": "scan"}
        assert answer.json()["decision"] == decision
        with api.library.transaction() as books:
            (entry,) = books.audit.find(target=f"alert/{A0}").items
            assert (entry.actor, entry.action, entry.at) == (role.value, "alert.confirm", NOW)
            assert [one.disposition for one in books.feedback.since(0)] == [Disposition.CONFIRMED]

    def test_an_applied_restriction_is_held(self, api: Api) -> None:
        """Four hours from the decision."""
        api.post(f"alerts/{A1}/confirm")
        with api.library.transaction() as books:
            held = books.restrictions.get(restriction(A1))
        assert (held.state, held.expires_at) == (State.HELD, NOW + HOLD_S)

    def test_restrict_true_applies_the_proposed_one(self, api: Api) -> None:
        """In the same request."""
        with api.library.transaction() as books:
            proposed = books.restrictions.add(a_restriction(an_alert(2), now=T0))
        assert api.post(f"alerts/{A2}/confirm", {"restrict": True}).status_code == 200
        assert api.get(f"restrictions/{proposed.id}").json()["state"] == "approved"

    def test_confirming_twice_is_not_allowed(self, api: Api) -> None:
        """The problem names who was first."""
        api.post(f"alerts/{A0}/confirm")
        again = api.post(f"alerts/{A0}/confirm", revision=2, role=Role.ADMIN)
        assert is_problem(again, 409, "not-allowed")
        assert "responder" in again.json()["detail"]

    @pytest.mark.parametrize(
        "body", [{"nope": 1}, {"note": 5}, {"note": "x" * 2001}, {"restrict": "yes"}, {"restrict": 1}, [], "confirm", 7]
    )
    def test_what_cannot_be_read_is_said(self, api: Api, body: object) -> None:
        """Unknown fields and wrong types are refused; nothing happens."""
        answer = api.post(f"alerts/{A0}/confirm", body)
        assert is_problem(answer, 422, "invalid")
        assert answer.json()["errors"][0]["at"].startswith("body")
        assert api.get(f"alerts/{A0}").json()["disposition"] == "none"

    def test_of_two_analysts_at_once_one_decides(self, api: Api) -> None:
        """Both read revision 1; the second to write is told that it is stale, with the ETag to read."""
        barrier = threading.Barrier(2)

        def decide(verb: str, role: Role) -> tuple[int, str]:
            barrier.wait(10)
            answer = api.post(f"alerts/{A0}/{verb}", role=role)
            return answer.status_code, answer.headers["etag"]

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(decide, ("confirm", "dismiss"), (Role.RESPONDER, Role.ADMIN)))
        assert sorted(answers) == [(200, '"2"'), (412, '"2"')]
        with api.library.transaction() as books:
            assert len(books.audit.find(target=f"alert/{A0}").items) == 1


class TestDismissAlert:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Also with a made-up token."""
        headers = {"Authorization": "Bearer cbl_made-up"}
        assert is_problem(api.client.post(f"/api/v1/alerts/{A0}/dismiss", headers=headers), 401, "unauthenticated")

    def test_a_viewer_may_not(self, api: Api) -> None:
        """And nothing ends."""
        assert is_problem(api.post(f"alerts/{A1}/dismiss", role=Role.VIEWER), 403, "forbidden")
        assert api.get(f"restrictions/{restriction(A1)}").json()["state"] == "applied"

    def test_its_restriction_ends_in_the_same_moment(self, api: Api) -> None:
        """Released by whose dismissal, and told once."""
        assert api.post(f"alerts/{A1}/dismiss", {"note": "backup"}).json()["disposition"] == "dismissed"
        over = api.get(f"restrictions/{restriction(A1)}").json()
        assert (over["state"], over["ended_by"]) == ("released", "dismissal by responder")
        with api.library.transaction() as books:
            (told,) = books.outbox.due(now=NOW, limit=10)
            assert (told.event.kind, told.channel) == (EventKind.RESTRICTION_RELEASED, "webhook")

    def test_an_unknown_alert_is_not_found_and_leaves_no_trace(self, api: Api) -> None:
        """The key of the failed request is free again."""
        assert is_problem(api.post("alerts/none/dismiss", key="k"), 404, "not-found")
        assert api.post(f"alerts/{A0}/dismiss", key="k").status_code == 200


class TestRestrictAlert:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """With an empty token, too."""
        answer = api.client.post(f"/api/v1/alerts/{A0}/restrict", headers={"Authorization": "Bearer"})
        assert is_problem(answer, 401, "unauthenticated")

    def test_a_viewer_may_not(self, api: Api) -> None:
        """And nothing is planned."""
        assert is_problem(api.post(f"alerts/{A0}/restrict", role=Role.VIEWER), 403, "forbidden")
        assert is_problem(api.get(f"restrictions/{restriction(A0)}"), 404, "not-found")

    @pytest.mark.parametrize("ttl", ["10m", 600, 600.0, "600", "0.5m570s"])
    def test_it_is_planned_and_approved_for_the_time_asked(self, api: Api, ttl: object) -> None:
        """Location and ETag are the restriction's."""
        answer = api.post(f"alerts/{A0}/restrict", {"level": "R1", "ttl": ttl})
        body = answer.json()
        assert (body["state"], body["ttl_s"], body["approved_by"]) == ("approved", 600, "responder")
        stored = api.get(answer.headers["location"].removeprefix("/api/v1/"))
        assert stored.json() == body
        assert stored.headers["etag"] == answer.headers["etag"]

    def test_without_a_body_it_is_as_planned(self, api: Api) -> None:
        """R1 for the planned time."""
        assert api.post(f"alerts/{A0}/restrict").json()["ttl_s"] == 900

    @pytest.mark.parametrize("ttl", [0, -5, "0s", "24h1s", 86401, "soon", "", "5 parsecs", True, [], 1e999, None])
    def test_a_time_out_of_bounds_is_refused(self, api: Api, ttl: object) -> None:
        """Nothing is planned; null means as planned and is no error."""
        if ttl is None:
            assert api.post(f"alerts/{A0}/restrict", {"ttl": None}).status_code == 200
            return
        if ttl == 1e999:
            headers = {**api.headers(Role.RESPONDER), "Idempotency-Key": "k", "If-Match": '"1"'}
            headers["Content-Type"] = "application/json"
            answer = api.client.post(f"/api/v1/alerts/{A0}/restrict", headers=headers, content=b'{"ttl": 1e999}')
        else:
            answer = api.post(f"alerts/{A0}/restrict", {"ttl": ttl})
        assert is_problem(answer, 422, "invalid")
        assert is_problem(api.get(f"restrictions/{restriction(A0)}"), 404, "not-found")

    def test_another_level_is_refused(self, api: Api) -> None:
        """R3 is never answered with an R1."""
        assert is_problem(api.post(f"alerts/{A0}/restrict", {"level": "R3"}), 422, "invalid")

    def test_asking_twice_at_once_is_one_restriction(self, api: Api) -> None:
        """Six responders with keys of their own: one restriction, one audit row, the same answer."""
        barrier = threading.Barrier(6)

        def ask(_: int) -> tuple[int, str]:
            barrier.wait(10)
            answer = api.post(f"alerts/{A0}/restrict", {"ttl": "15m"})
            return answer.status_code, answer.text

        with ThreadPoolExecutor(6) as pool:
            answers = set(pool.map(ask, range(6)))
        assert len(answers) == 1
        assert answers.pop()[0] == 200
        with api.library.transaction() as books:
            approvals = books.audit.find(target=f"restriction/{restriction(A0)}").items
            assert [entry.action for entry in approvals] == ["restriction.approve"]

    def test_a_refusal_says_why(self) -> None:
        """The planner's reason is the problem's detail."""

        def refuses(_books: Books, alert: Alert, _now: float) -> Restriction | Refusal:
            return Refusal(alert_id=alert.id, reason="shop is protected")

        with served(planner=refuses) as api:
            with api.library.transaction() as books:
                books.alerts.put(an_alert())
            answer = api.post(f"alerts/{A0}/restrict")
        assert is_problem(answer, 409, "not-allowed")
        assert "shop is protected" in answer.json()["detail"]

    def test_a_dismissed_alert_is_not_restricted(self, api: Api) -> None:
        """Somebody said that it is normal."""
        api.post(f"alerts/{A0}/dismiss")
        assert is_problem(api.post(f"alerts/{A0}/restrict", revision=2), 409, "not-allowed")


def restriction(alert_id: str) -> str:
    """The id of an alert's R1."""
    return restriction_id(alert_id, an_applied().level)
