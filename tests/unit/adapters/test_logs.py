"""Logs are events with keys, on standard error."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from baseline.adapters import logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The logging of the other tests."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()


def test_an_event_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With its process, level, time and keys; a hostile value stays in its line."""
    logs.configure(process="stream")
    structlog.get_logger().info("alert_opened", workload="shop/web\n{}")
    told = capsys.readouterr()
    assert told.out == ""
    (line,) = told.err.splitlines()
    event = json.loads(line)
    assert event.pop("timestamp").endswith("Z")
    assert event == {"event": "alert_opened", "process": "stream", "level": "info", "workload": "shop/web\n{}"}


def test_below_the_level_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """The level is a setting."""
    logs.configure(process="stream", level="warning")
    log = structlog.get_logger()
    log.info("unheard")
    log.warning("heard")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["heard"]


def test_an_exception_is_in_its_event(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, with the traceback as a text."""
    logs.configure(process="stream")
    try:
        raise ValueError("odd")
    except ValueError:
        structlog.get_logger().exception("loop_failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "ValueError: odd" in json.loads(line)["exception"]


def test_a_terminal_gets_columns_without_colours_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """What is no terminal is not painted."""
    logs.configure(process="demo", form="console")
    structlog.get_logger().info("started", port=80)
    told = capsys.readouterr().err
    assert "started" in told
    assert "port=80" in told
    assert "\x1b" not in told
