"""Promoting by the name of an alias."""

from __future__ import annotations

from pathlib import Path

import pytest

from baseline.domain.errors import NotFound
from baseline.domain.modelset import Alias
from pipelines import _sets, promote


class Shelf:
    """Aliases and nothing else."""

    def __init__(self, **aliases: str) -> None:
        self._aliases = aliases

    def resolve(self, alias: Alias) -> str | None:
        return self._aliases.get(alias.value)


@pytest.mark.parametrize("alias", list(Alias))
def test_an_alias_stands_for_its_set(alias: Alias) -> None:
    """Each of them, so that a former current can be promoted back by the name `previous`."""
    shelf = Shelf(**{alias.value: "0123456789abcdef"})
    assert _sets.named(alias.value, shelf) == "0123456789abcdef"  # type: ignore[arg-type]  # as much of a shelf as is asked
    with pytest.raises(NotFound, match=alias.value):
        _sets.named(alias.value, Shelf())  # type: ignore[arg-type]  # as above


def test_any_other_name_is_an_id() -> None:
    """The shelf says whether it is there."""
    assert _sets.named("0123456789abcdef", Shelf()) == "0123456789abcdef"  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("name", ["candidate", "current", "previous", "nonsense", "../../etc"])
def test_a_name_that_stands_for_nothing_fails(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 1 and the name, no traceback; nothing is made on the shelf."""
    assert promote.main([name, "--shelf", str(tmp_path / "shelf")]) == 1
    assert name in capsys.readouterr().err
    assert not (tmp_path / "shelf" / "current").exists()
