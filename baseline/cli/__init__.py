"""The command ``baseline``: one verb a process, and the verbs of the people who run it."""

from __future__ import annotations

from baseline.cli.root import main

__all__ = ["main"]
