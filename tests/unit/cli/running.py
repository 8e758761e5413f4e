"""The command line run in this process, as its entry point runs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from baseline.cli import main
from baseline.ports import Books
from baseline.settings import Settings
from baseline.wiring import stores


@dataclass(frozen=True, slots=True)
class Ran:
    """Exit code and what was written."""

    code: int
    out: str
    err: str


class Command:
    """``baseline`` with what the environment says."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *words: str) -> Ran:
        """Run it; 0 is a plain return or ``sys.exit(0)``."""
        self._monkeypatch.setattr(sys, "argv", ["baseline", *words])
        self._capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        told = self._capsys.readouterr()
        assert isinstance(code, int)
        return Ran(code, told.out, told.err)

    def good(self, *words: str) -> str:
        """Run it, and it must do without a complaint: its output."""
        ran = self(*words)
        assert (ran.code, ran.err) == (0, ""), ran
        return ran.out

    def failed(self, *words: str) -> str:
        """Run it, and it must fail with exit 1 and one line, which is returned."""
        ran = self(*words)
        assert (ran.code, ran.out) == (1, ""), ran
        (line,) = ran.err.splitlines()
        assert line.startswith("baseline: ")
        return line


@contextmanager
def books() -> Iterator[Books]:
    """One transaction on the books the command uses."""
    with stores.library(Settings()) as library, library.transaction() as opened:
        yield opened
