"""What a test needs from outside the checkout, and what happens when it is not there.

Absent means a skip that says what would enable the test; with ``BASELINE_REQUIRE_ALL=1`` (continuous
integration sets it) absent means a failure, so that nothing is skipped there unseen.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


def is_everything_required() -> bool:
    """True when a missing server, tool or data set must fail the run instead of skipping a test."""
    return os.environ.get("BASELINE_REQUIRE_ALL", "") not in ("", "0")


def missing(what: str, *, enable: str) -> NoReturn:
    """End this test: skip, or fail where everything is required.

    ``what`` names the absent part; ``enable`` is the sentence that says how to get it.
    """
    reason = f"{what} is missing; {enable}"
    if is_everything_required():
        pytest.fail(f"BASELINE_REQUIRE_ALL is set and {reason}", pytrace=False)
    pytest.skip(reason)


def find_shared_dir() -> Path | None:
    """The folder of shared recordings and Calico's definitions, or None: ``$BASELINE_SHARED``, else ``../shared``."""
    named = os.environ.get("BASELINE_SHARED")
    folder = Path(named) if named else CHECKOUT.parent / "shared"
    return folder if folder.is_dir() else None


def shared_dir(*parts: str) -> Path:
    """A path inside the shared folder; ends the test when it does not exist."""
    folder = find_shared_dir()
    if folder is None:
        missing("the shared data folder", enable="put it beside the checkout as ../shared or set BASELINE_SHARED")
    path = folder.joinpath(*parts)
    if not path.exists():
        missing(f"shared data {'/'.join(parts)}", enable="update the shared data folder")
    return path
