"""Whatever is sent, the answer is one of the documented ones: never a 500, never a change nobody asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from baseline.ports import Role
from tests.contracts.nouns import an_alert
from tests.unit.web.serving import Api, served
from tests.unit.web.test_shell import _document

A0 = an_alert().id
KINDS = ["alerts", "restrictions", "workloads", "suppressions", "weights"]
# No lone surrogates: the client itself cannot send them (test_shell sends one by hand).
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
words = st.sampled_from([
    "note", "restrict", "level", "ttl", "R1", "15m", "1e3", "nan", "-1s", "scope", "until", "edge", "always",
    "accept_hiding_confirmed", "9999-12-31T23:59:59Z",
])  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text | words
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | text, inner, max_size=3), max_leaves=6
)


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """One API for all examples."""
    with served() as api:
        with api.library.transaction() as books:
            books.alerts.put(an_alert())
        yield api


@pytest.mark.parametrize("path", [f"alerts/{A0}/{verb}" for verb in ("confirm", "dismiss", "restrict")])
@given(body=anything, revision=st.sampled_from(['"1"', '"999"', "*", '"0"']))
@hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_has_a_documented_answer(api: Api, path: str, body: object, revision: str) -> None:
    """And what is no 200 changed nothing."""
    before = api.get(f"alerts/{A0}").text
    answer = api.post(path, body, revision=revision)
    documented = _DOCUMENT["paths"][f"/api/v1/alerts/{{alert_id}}/{path.rpartition('/')[2]}"]["post"]["responses"]
    assert str(answer.status_code) in documented
    if answer.status_code != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert api.get(f"alerts/{A0}").text == before


@pytest.mark.parametrize("path", ["alerts", "restrictions", "workloads", "model-sets", "suppressions", "weights"])
@given(
    names=st.lists(st.sampled_from(["limit", "after", "since", "workload", "state", "active", "x"]), max_size=3),
    value=text,
)
@hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_any_query_has_a_documented_answer(api: Api, path: str, names: list[str], value: str) -> None:
    """Listings answer or say what they cannot read."""
    answer = api.get(path, params=[(name, value) for name in names])
    assert str(answer.status_code) in _DOCUMENT["paths"][f"/api/v1/{path}"]["get"]["responses"]


@given(
    scope=st.sampled_from(["hour", "edge", "workload", "always"]) | text,
    until=st.sampled_from(["7d", "0s", "91d", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "1e400d"]) | text,
)
@hypothesis_settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_any_preview_has_a_documented_answer(api: Api, scope: str, until: str) -> None:
    """Scopes and times are anybody's text, too."""
    answer = api.get(f"alerts/{A0}/dismissal-preview", params={"scope": scope, "until": until})
    documented = _DOCUMENT["paths"]["/api/v1/alerts/{alert_id}/dismissal-preview"]["get"]["responses"]
    assert str(answer.status_code) in documented


@given(parts=st.lists(text, min_size=1, max_size=4), kind=st.sampled_from(KINDS))
@hypothesis_settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_any_path_is_a_problem_and_no_crash(api: Api, parts: list[str], kind: str) -> None:
    """Ids are anybody's text."""
    path = "/".join(quote(part, safe="") for part in parts)
    answer = api.client.get(f"/api/v1/{kind}/{path}", headers=api.headers(Role.VIEWER))
    assert answer.status_code in (200, 401, 404, 405)


_DOCUMENT: dict[str, Any] = _document()
