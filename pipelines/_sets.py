"""Model sets by the names that people give the jobs."""

from __future__ import annotations

from baseline.adapters.shelf import FolderShelf
from baseline.domain.errors import NotFound
from baseline.domain.modelset import Alias


def named(name: str, shelf: FolderShelf) -> str:
    """The id an alias stands for, or the id itself."""
    if name not in {alias.value for alias in Alias}:
        return name
    found = shelf.resolve(Alias(name))
    if found is None:
        raise NotFound("model set", name)
    return found
