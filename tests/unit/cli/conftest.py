"""An installation in an empty folder: migrated books, a folder of manifests, nothing else running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from baseline.settings import Settings
from baseline.wiring import stores
from tests.unit.cli.running import Command


@pytest.fixture(name="bare")
def _bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Before `baseline migrate`; nothing of the machine's environment holds."""
    for name in [name for name in os.environ if name.startswith("BASELINE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BASELINE_CONFIG", "")  # so that what --config leaves behind is undone
    monkeypatch.setenv("BASELINE_CLUSTER__NAME", "east")
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.chdir(tmp_path)
    logging = structlog.get_config()
    yield Command(monkeypatch, capsys)
    structlog.configure(**logging)
    structlog.contextvars.clear_contextvars()


@pytest.fixture(name="baseline")
def _baseline(bare: Command) -> Command:
    """After it."""
    stores.migrate(Settings(), topics=False)
    return bare
