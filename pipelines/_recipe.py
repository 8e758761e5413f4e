"""Recipes: from a file, or the shipped ones (package data in the wheel, models/recipes in a checkout)."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from baseline.domain.errors import GateRefused
from baseline.services.train import Recipe

_CHECKOUT = Path(__file__).resolve().parent.parent / "models" / "recipes"


def recipe_text(name: str) -> str:
    """A shipped recipe's text; GateRefused when there is none of that name."""
    packed = files("baseline").joinpath("recipes", f"{name}.toml")
    if packed.is_file():
        return packed.read_text(encoding="utf-8")
    path = _CHECKOUT / f"{name}.toml"
    if not path.is_file():
        raise GateRefused(f"no recipe named {name}")
    return path.read_text(encoding="utf-8")


def read_recipe(path: Path | None) -> Recipe:
    """The recipe of a file, or the default one."""
    return Recipe.parse(path.read_text(encoding="utf-8") if path else recipe_text("default"))
