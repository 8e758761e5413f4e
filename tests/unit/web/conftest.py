"""The API over memory, with three alerts and two restrictions in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.nouns import an_alert, an_applied, some_facts
from tests.unit.web.serving import NOW, Api, served


@pytest.fixture
def api() -> Iterator[Api]:
    """A served API: alert 0 without, alert 1 with an applied restriction, alert 2 undisturbed."""
    with served() as api:
        with api.library.transaction() as books:
            for number in range(3):
                books.alerts.put(an_alert(number))
            books.restrictions.add(an_applied(an_alert(1), now=NOW - 60))
            books.workloads.see([some_facts(), some_facts("cart", namespace="web")])
        yield api
