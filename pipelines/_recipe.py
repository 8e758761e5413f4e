"""Recipes of the jobs: from a file, or the default one."""

from __future__ import annotations

from pathlib import Path

from baseline.services.train import Recipe
from baseline.wiring import stores


def read_recipe(path: Path | None) -> Recipe:
    """The recipe of a file, or the shipped default."""
    return Recipe.parse(path.read_text(encoding="utf-8")) if path else stores.recipe("default")
