"""The endpoints of restrictions, workloads and model sets: one class each, strangers first."""

from __future__ import annotations

import pytest

from baseline.domain.restriction import HOLD_S, Level, restriction_id
from baseline.domain.units import rfc3339
from baseline.ports import Role
from tests.contracts.nouns import T0, a_restriction, an_alert, some_facts
from tests.unit.web.serving import NOW, Api, is_problem

APPLIED = restriction_id(an_alert(1).id, Level.R1)


class TestListRestrictions:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Without a token there is nothing to see."""
        assert is_problem(api.client.get("/api/v1/restrictions"), 401, "unauthenticated")

    def test_filters_narrow_it(self, api: Api) -> None:
        """By states, alert and workload; newest first."""
        with api.library.transaction() as books:
            proposed = books.restrictions.add(a_restriction(an_alert(2), now=NOW))

        def ids(query: str) -> list[str]:
            return [item["id"] for item in api.get(f"restrictions{query}").json()["items"]]

        assert ids("") == [proposed.id, APPLIED]
        assert ids("?state=applied") == [APPLIED]
        assert ids("?state=applied&state=proposed&limit=1") == [proposed.id]
        assert ids(f"?alert={an_alert(2).id}") == [proposed.id]
        assert ids("?workload=shop/nobody") == []

    def test_what_cannot_be_read_is_said(self, api: Api) -> None:
        """Unknown states and unknown parameters."""
        for query in ("state=gone", "status=applied"):
            assert is_problem(api.get(f"restrictions?{query}"), 422, "invalid")


class TestReadRestriction:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Not even whether it exists is told."""
        assert is_problem(api.client.get(f"/api/v1/restrictions/{APPLIED}"), 401, "unauthenticated")

    def test_it_shows_rules_guards_and_end(self, api: Api) -> None:
        """What stands in the cluster, why it may, and until when."""
        answer = api.get(f"restrictions/{APPLIED}")
        body = answer.json()
        assert answer.headers["etag"] == '"3"'
        assert (body["object_name"], body["state"]) == (f"behaviour.{APPLIED}", "applied")
        assert body["rules"][0] | {"ports": [22], "peer": "ledger"} == body["rules"][0]
        assert body["expires_at"] == rfc3339(NOW - 60 + 900)
        assert (body["ended_at"], body["guards"][0]) == (None, "mode: recommend")

    def test_an_unknown_one_is_not_found(self, api: Api) -> None:
        """As a problem."""
        assert is_problem(api.get("restrictions/r-0"), 404, "not-found")


class TestReleaseRestriction:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Before anything else."""
        assert is_problem(api.client.post(f"/api/v1/restrictions/{APPLIED}/release"), 401, "unauthenticated")

    def test_a_viewer_may_not(self, api: Api) -> None:
        """And it stays."""
        answer = api.post(f"restrictions/{APPLIED}/release", revision=3, role=Role.VIEWER)
        assert is_problem(answer, 403, "forbidden")
        assert api.get(f"restrictions/{APPLIED}").json()["state"] == "applied"

    def test_it_ends_by_the_tokens_name(self, api: Api) -> None:
        """Now, with audit and one event."""
        body = api.post(f"restrictions/{APPLIED}/release", {"note": "cleaned"}, revision=3).json()
        assert (body["state"], body["ended_by"], body["ended_at"]) == ("released", "responder", rfc3339(NOW))
        with api.library.transaction() as books:
            (entry,) = books.audit.find(target=f"restriction/{APPLIED}").items
            assert (entry.actor, entry.detail["note"]) == ("responder", "cleaned")
            assert len(books.outbox.due(now=NOW, limit=10)) == 1

    def test_a_stale_revision_is_refused(self, api: Api) -> None:
        """Control renewed it after it was read: read again."""
        answer = api.post(f"restrictions/{APPLIED}/release", revision=2)
        assert is_problem(answer, 412, "stale-revision")
        assert answer.headers["etag"] == '"3"'


class TestHoldRestriction:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Before anything else."""
        assert is_problem(api.client.post(f"/api/v1/restrictions/{APPLIED}/hold"), 401, "unauthenticated")

    def test_a_viewer_may_not(self, api: Api) -> None:
        """And it expires as before."""
        before = api.get(f"restrictions/{APPLIED}").json()
        assert is_problem(api.post(f"restrictions/{APPLIED}/hold", revision=3, role=Role.VIEWER), 403, "forbidden")
        assert api.get(f"restrictions/{APPLIED}").json() == before

    def test_it_lasts_four_hours_more_or_as_asked(self, api: Api) -> None:
        """Never shorter than it would have lasted anyway."""
        held = api.post(f"restrictions/{APPLIED}/hold", {"ttl": "1h"}, revision=3).json()
        assert (held["state"], held["expires_at"]) == ("held", rfc3339(NOW + 3600))
        assert api.post(f"restrictions/{APPLIED}/hold", revision=4).json()["expires_at"] == rfc3339(NOW + HOLD_S)
        assert api.post(f"restrictions/{APPLIED}/hold", {"ttl": 1}, revision=5).json()["expires_at"] == rfc3339(
            NOW + HOLD_S
        )

    def test_what_is_over_is_not_held(self, api: Api) -> None:
        """Nothing comes back by holding."""
        api.post(f"restrictions/{APPLIED}/release", revision=3)
        assert is_problem(api.post(f"restrictions/{APPLIED}/hold", revision=4), 409, "not-allowed")

    @pytest.mark.parametrize("ttl", ["5h", 0, -1, "x"])
    def test_a_time_out_of_bounds_is_refused(self, api: Api, ttl: object) -> None:
        """Four hours at a time."""
        assert is_problem(api.post(f"restrictions/{APPLIED}/hold", {"ttl": ttl}, revision=3), 422, "invalid")


class TestListWorkloads:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Without a token there is nothing to see."""
        assert is_problem(api.client.get("/api/v1/workloads"), 401, "unauthenticated")

    def test_they_come_in_order_of_name(self, api: Api) -> None:
        """Paged, and by namespace."""
        first = api.get("workloads", params={"limit": 1})
        second = api.client.get(first.links["next"]["url"], headers=api.headers(Role.VIEWER))
        assert [page.json()["items"][0]["id"] for page in (first, second)] == ["shop/checkout", "web/cart"]
        assert second.json()["after"] is None
        assert [item["id"] for item in api.get("workloads?namespace=web").json()["items"]] == ["web/cart"]
        assert api.get(f"workloads?seen_since={rfc3339(NOW)}").json()["items"] == []


class TestReadWorkload:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Not even whether it exists is told."""
        assert is_problem(api.client.get("/api/v1/workloads/shop/checkout"), 401, "unauthenticated")

    def test_a_bare_name_means_the_one_cluster(self, api: Api) -> None:
        """With and without the cluster, and with the slash escaped."""
        for path in ("shop/checkout", "east/shop/checkout", "shop%2Fcheckout"):
            answer = api.get(f"workloads/{path}")
            assert (answer.json()["id"], answer.headers["etag"]) == ("shop/checkout", '"1"')

    def test_it_tells_how_complete_the_baseline_is_and_when_a_version_came(self, api: Api) -> None:
        """A chance from 0 to 1 and a time; null where nothing was measured, or nothing was rolled out."""
        known = api.get("workloads/shop/checkout").json()
        assert (known["chance_new"], known["rollout_at"]) == (None, None)
        with api.library.transaction() as books:
            books.workloads.see([some_facts(last_seen=T0 + 60, chance_new=0.125, rollout_at=T0)])
        known = api.get("workloads/shop/checkout").json()
        assert (known["chance_new"], known["rollout_at"]) == (0.125, rfc3339(T0))

    def test_what_is_no_workload_is_not_found(self, api: Api) -> None:
        """Unknown, other clusters, and names of another shape."""
        for path in ("shop/nobody", "west/shop/checkout", "shop", "a/b/c/d", "shop//checkout"):
            assert is_problem(api.get(f"workloads/{path}"), 404, "not-found")


class TestListModelSets:
    def test_a_stranger_is_turned_away(self, api: Api) -> None:
        """Without a token there is nothing to see."""
        assert is_problem(api.client.get("/api/v1/model-sets"), 401, "unauthenticated")

    def test_it_says_which_is_in_use(self, api: Api) -> None:
        """Aliases by set; odd metrics are null."""
        (item,) = api.get("model-sets").json()["items"]
        assert (item["id"], item["aliases"]) == ("0123456789abcdef", ["current"])
        assert item["metrics"] == {"false_alerts_per_day": 0.4, "odd": None}
