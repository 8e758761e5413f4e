"""Around every request: tokens, sizes, headers, counting, and the document."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from baseline.adapters.memory.books import MemoryLibrary
from baseline.adapters.metrics import PrometheusMetrics
from baseline.domain.errors import NotAllowed
from baseline.ports import Role
from baseline.services import tokens
from baseline.web import examples, schemas
from baseline.web.app import create_app
from tests.contracts.nouns import T0, an_alert
from tests.unit.web.serving import NOW, Api, OneShelf, StillClock, is_problem, plans

GOLDEN = Path(__file__).parents[2] / "golden" / "openapi.json"
A0 = an_alert(0).id


class TestTokens:
    def test_only_the_bearer_scheme_with_a_known_secret_opens(self, api: Api) -> None:
        """Other schemes, other cases, cut and lengthened secrets are strangers."""
        secret = api.secrets[Role.VIEWER]
        for header in (f"Basic {secret}", secret, f"Bearer {secret}x", f"Bearer {secret[:-1]}", "Bearer " + "a" * 9000):
            answer = api.client.get("/api/v1/alerts", headers={"Authorization": header})
            assert is_problem(answer, 401, "unauthenticated")
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert api.client.get("/api/v1/alerts", headers={"Authorization": f"bearer {secret}"}).status_code == 200

    def test_revoking_works_at_once(self, api: Api) -> None:
        """The next request is a stranger's."""
        with api.library.transaction() as books:
            tokens.revoke(books, "viewer", now=NOW, by="test")
        assert is_problem(api.get("alerts"), 401, "unauthenticated")
        assert api.get("alerts", role=Role.ADMIN).status_code == 200

    def test_an_expired_token_is_a_strangers(self, api: Api) -> None:
        """From its very second on."""
        with api.library.transaction() as books:
            api.secrets[Role.VIEWER] = tokens.create(
                books, name="short", role=Role.VIEWER, entropy=b"e" * 32, now=NOW, by="test", ttl_s=60
            )
        api.clock.time = NOW + 59
        assert api.get("alerts").status_code == 200
        api.clock.time = NOW + 60
        assert is_problem(api.get("alerts"), 401, "unauthenticated")

    def test_the_books_hold_no_secret(self, api: Api) -> None:
        """Only its hash; making and ending tokens is audited."""
        with api.library.transaction() as books:
            kept = repr(tokens.listed(books)) + repr(books.audit.find().items)
            assert {entry.action for entry in books.audit.find().items} == {"token.create"}
        assert not any(secret in kept for secret in api.secrets.values())

    def test_an_unknown_path_below_the_api_tells_strangers_nothing(self, api: Api) -> None:
        """401 for them, 404 for others; 405 for a wrong method."""
        assert is_problem(api.client.get("/api/v1/secrets"), 401, "unauthenticated")
        assert is_problem(api.get("secrets"), 404, "not-found")
        assert is_problem(api.client.get("/nowhere"), 404, "not-found")
        answer = api.client.delete(f"/api/v1/alerts/{A0}", headers=api.headers(Role.ADMIN))
        assert is_problem(answer, 405, "method-not-allowed")


class TestBodies:
    def test_a_large_one_is_refused_declared_or_not(self, api: Api) -> None:
        """64 KiB at most, whether its length was announced or it comes in chunks."""
        headers = {**api.headers(Role.RESPONDER), "Idempotency-Key": "k", "If-Match": '"1"'}
        large = json.dumps({"note": "x" * 70_000}).encode()
        chunks = (large[start : start + 1000] for start in range(0, len(large), 1000))
        for content in (large, chunks):
            answer = api.client.post(f"/api/v1/alerts/{A0}/confirm", headers=headers, content=content)
            assert is_problem(answer, 413, "too-large")

    @pytest.mark.parametrize(
        "content", [b"{", b"\xff\xfe", b"[" * 5000, b'{"note": "\\ud800"}', b"null null", b"NaN", b"9" * 5000]
    )
    def test_what_is_no_json_is_said(self, api: Api, content: bytes) -> None:
        """422, never a crash; nothing happens."""
        headers = {**api.headers(Role.RESPONDER), "Idempotency-Key": "k", "If-Match": '"1"'}
        headers["Content-Type"] = "application/json"
        answer = api.client.post(f"/api/v1/alerts/{A0}/confirm", headers=headers, content=content)
        assert answer.status_code in (400, 422)
        assert answer.headers["content-type"] == "application/problem+json"
        assert api.get(f"alerts/{A0}").json()["disposition"] == "none"


class TestHeadersAndCounting:
    def test_every_answer_carries_the_security_headers(self, api: Api) -> None:
        """Good, bad and unauthenticated ones alike; no cookies."""
        answers = [api.get("alerts"), api.get("nope"), api.client.get("/api/v1/alerts"), api.client.get("/livez")]
        for answer in answers:
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"
            assert "set-cookie" not in answer.headers

    def test_requests_are_counted_by_route_and_code(self, api: Api) -> None:
        """Templates, not paths: hostile paths make no new series."""
        api.get(f"alerts/{A0}")
        api.get("alerts/none")
        api.client.get("/x/y/z")
        text = api.client.get("/metrics").text
        assert 'baseline_http_requests_total{code="200",route="/api/v1/alerts/{alert_id}"} 1.0' in text
        assert 'baseline_http_requests_total{code="404",route="/api/v1/alerts/{alert_id}"} 1.0' in text
        assert 'baseline_http_requests_total{code="404",route="unknown"} 1.0' in text
        assert "/x/y/z" not in text

    def test_probes_need_no_token(self, api: Api) -> None:
        """Live, ready, metrics."""
        assert api.client.get("/livez").json() == {"status": "ok"}
        assert api.client.get("/readyz").json() == {"status": "ok", "books": "ok"}
        assert api.client.get("/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


class TestDocument:
    def test_it_is_the_one_that_was_reviewed(self) -> None:
        """A change of the API shows in the golden file; BASELINE_GOLDEN=write writes it anew."""
        document = _document()
        if os.environ.get("BASELINE_GOLDEN") == "write":
            GOLDEN.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
        assert document == json.loads(GOLDEN.read_text())

    def test_every_reference_in_it_leads_somewhere(self) -> None:
        """No schema is named that is not there."""
        document = _document()
        known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
        text = json.dumps(document)
        wanted = {part.partition('"')[0] for part in text.split('"$ref": "')[1:]}
        assert wanted <= known

    def test_every_operation_documents_its_problems(self) -> None:
        """401 everywhere; changes document their conditions, too."""
        for path, operations in _document()["paths"].items():
            for method, operation in operations.items():
                expected = {"200", "401", "403", "503"}
                if method == "post":
                    expected |= {"400", "404", "409", "412", "413", "422", "428"}
                assert expected <= set(operation["responses"]), (path, method)
                assert operation["security"], (path, method)

    @pytest.mark.parametrize(
        ("view", "example"),
        [
            (schemas.AlertView, examples.ALERT),
            (schemas.RestrictionView, examples.RESTRICTION),
            (schemas.WorkloadView, examples.WORKLOAD),
            (schemas.ModelSetView, examples.MODEL_SET),
            (schemas.ProblemView, examples.PROBLEM),
        ],
    )
    def test_its_examples_are_complete(self, view: type[schemas.View], example: dict[str, Any]) -> None:
        """Each example is a whole object of its schema."""
        made = view.model_validate(example)
        assert made.model_dump(exclude_unset=True) == example


class TestMakingTokens:
    @pytest.mark.parametrize("name", ["", " ", "a b", "-x", "x" * 64, "a\n", "é"])
    def test_a_name_must_be_one(self, api: Api, name: str) -> None:
        """It stands in audit rows and log lines."""
        with api.library.transaction() as books, pytest.raises(NotAllowed):
            tokens.create(books, name=name, role=Role.VIEWER, entropy=b"e" * 32, now=T0, by="test")

    def test_it_needs_real_randomness(self, api: Api) -> None:
        """256 bits; the same bytes twice are refused."""
        with api.library.transaction() as books, pytest.raises(NotAllowed):
            tokens.create(books, name="x", role=Role.VIEWER, entropy=b"e" * 31, now=T0, by="test")


def _document() -> dict[str, Any]:
    app = create_app(
        library=MemoryLibrary(),
        clock=StillClock(),
        metrics=PrometheusMetrics(),
        shelf=OneShelf(),
        planner=plans,
    )
    document: dict[str, Any] = json.loads(json.dumps(app.openapi()))
    return document
