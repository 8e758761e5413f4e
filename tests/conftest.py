"""Shared by all tests: data outside the checkout, waiting, the servers of the test ground, and markers.

``from tests.conftest import eventually, shared_dir`` works, and so does asking for the fixtures ``eventually``
and ``shared``. How tests are spread over xdist workers is in tests/ground/scheduling.py.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.ground.fixtures import GROUND_FIXTURES, kafka_server, kube_api, postgres_server, tansu_broker
from tests.ground.require import find_shared_dir, is_everything_required, missing, shared_dir
from tests.ground.waiting import eventually

__all__ = [
    "eventually",
    "find_shared_dir",
    "is_everything_required",
    "kafka_server",
    "kube_api",
    "missing",
    "postgres_server",
    "shared_dir",
    "tansu_broker",
]

# A busy two-core machine makes single examples slow without anything being wrong; pytest-timeout bounds the whole test.
settings.register_profile("baseline", deadline=None, max_examples=100, print_blob=True)
settings.load_profile("baseline")


@pytest.fixture(name="eventually")
def _eventually() -> Callable[..., Any]:
    """The function `eventually`, for tests that like their tools as fixtures."""
    return eventually


@pytest.fixture(name="shared", scope="session")
def _shared() -> Path:
    """The folder of shared recordings and definitions; skips (or fails) the test when it is absent."""
    return shared_dir()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses a real server with `ground`, so that `-m "not ground"` is a quick run."""
    for item in items:
        if GROUND_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.ground)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the last log lines of the servers that a failed test used."""
    report = yield
    if report.failed:
        used: dict[str, Any] = getattr(item, "funcargs", {})
        for name in sorted(GROUND_FIXTURES.intersection(used)):
            report.sections.append((f"log of {name}", used[name].log_tail()))
    return report


@pytest.hookimpl(optionalhook=True)  # without xdist there is nothing to schedule
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Spread whole files over the workers, and keep the users of the same heavy servers together."""
    from tests.ground.scheduling import TogetherByServer

    return TogetherByServer(config, log)
