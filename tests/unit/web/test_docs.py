"""docs/api.md says what the API does: routes, problems and the signature are read out of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from baseline.adapters.notify.webhook import signature
from baseline.web import problems
from tests.unit.web.test_shell import _document

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def test_it_lists_every_operation_and_no_other() -> None:
    """The table of routes is the document's."""
    listed = set(re.findall(r"^\| `(GET|POST) (/\S+)`", PAGE, flags=re.MULTILINE))
    served = {
        (method.upper(), re.sub(r"\{\w+_id(:path)?\}", "{id}", path.removeprefix("/api/v1")))
        for path, operations in _document()["paths"].items()
        for method in operations
    }
    assert listed == served


def test_it_names_every_problem_a_caller_can_meet() -> None:
    """Slugs of the domain's errors and of HTTP's."""
    listed = set(re.findall(r"^\| \d{3} \| `([a-z-]+)`", PAGE, flags=re.MULTILINE))
    rare = {"unsafe-restriction", "outside", "unsupported-media-type"}  # no request of these routes leads to them
    known = {slug for _, _, slug, _ in problems._TABLE} | {slug for slug, _ in problems._STATUS.values()}
    assert listed == known - rare


def test_the_signature_it_shows_is_the_one_we_send() -> None:
    """The Python in it, run."""
    shown = re.search(r"^expected = .*$", PAGE, flags=re.MULTILINE)
    assert shown is not None
    names: dict[str, Any] = {"secret": "s" * 16, "timestamp": "1000", "body": b'{"a": 1}'}
    exec("import hmac\n" + shown[0], names)
    assert names["expected"] == signature("s" * 16, timestamp="1000", body=b'{"a": 1}')
