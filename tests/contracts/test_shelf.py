"""Shelves: in memory, in a folder, and behind fsspec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from baseline.adapters.memory.shelf import MemoryShelf
from baseline.adapters.shelf import FolderShelf
from baseline.detectors.fitted import FittedSet
from baseline.domain.errors import ModelSetRejected, NotFound
from baseline.domain.modelset import Alias, Manifest
from baseline.ports import Shelf
from tests.unit.services_score.making import fitted_files, workload


@pytest.fixture(name="shelf", params=["memory", "folder", "fsspec"])
def _shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """Each adapter, empty, that keeps two sets without an alias."""
    makers: dict[str, Callable[[], Shelf]] = {
        "memory": lambda: MemoryShelf(kept=2),
        "folder": lambda: FolderShelf(str(tmp_path / "sets"), kept=2),
        "fsspec": lambda: FolderShelf(f"memory://{uuid4()}", kept=2),
    }
    return makers[request.param]()


def another(manifest: Manifest, number: int) -> Manifest:
    """A set of the same files under another id, made later."""
    return replace(manifest, id=f"{number:016x}", created_at=manifest.created_at + number)


def test_a_set_is_opened_as_it_was_put(shelf: Shelf) -> None:
    """Manifest and arrays, ready to judge, and read-only."""
    manifest, files = fitted_files()
    shelf.put(manifest, files)
    assert shelf.manifest(manifest.id) == manifest
    arrays = shelf.open(manifest.id)
    model = FittedSet.load(arrays, manifest)
    assert model.line(workload("web")) >= 0
    with pytest.raises(ValueError, match="read-only"):
        arrays["h60.safetensors"]["ready"][0] = 0


def test_putting_a_set_twice_changes_nothing(shelf: Shelf) -> None:
    """A set is its content."""
    manifest, files = fitted_files()
    shelf.put(manifest, files)
    shelf.put(manifest, files)
    assert [one.id for one in shelf.sets()] == [manifest.id]


def test_aliases_move_only_to_sets_that_are_there(shelf: Shelf) -> None:
    """Unset is None; a set that is missing cannot be current."""
    manifest, files = fitted_files()
    assert shelf.resolve(Alias.CURRENT) is None
    with pytest.raises(NotFound):
        shelf.point(Alias.CURRENT, manifest.id)
    shelf.put(manifest, files)
    shelf.point(Alias.CURRENT, manifest.id)
    assert shelf.resolve(Alias.CURRENT) == manifest.id
    assert shelf.resolve(Alias.PREVIOUS) is None


def test_sets_come_newest_first_and_old_ones_go(shelf: Shelf) -> None:
    """Two without an alias stay, and whatever an alias names."""
    manifest, files = fitted_files()
    shelf.put(manifest, files)
    shelf.point(Alias.CURRENT, manifest.id)
    for number in (1, 2, 3):
        shelf.put(another(manifest, number), files)
    kept = [one.id for one in shelf.sets()]
    assert kept == [f"{3:016x}", f"{2:016x}", manifest.id]
    with pytest.raises(NotFound):
        shelf.manifest(f"{1:016x}")


def test_what_is_not_there_is_not_found(shelf: Shelf) -> None:
    """Also ids that are no ids."""
    for name in ("0123456789abcdef", "", "../../etc/passwd"):
        with pytest.raises(NotFound):
            shelf.manifest(name)
        with pytest.raises(NotFound):
            shelf.open(name)


def test_files_that_are_not_the_manifest_s_are_refused(shelf: Shelf) -> None:
    """Nothing is stored then."""
    manifest, files = fitted_files()
    with pytest.raises(ModelSetRejected):
        shelf.put(manifest, {**files, "h60.safetensors": files["fleet.safetensors"]})
    assert list(shelf.sets()) == []


def test_a_changed_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """One flipped byte anywhere."""
    manifest, files = fitted_files()
    shelf = FolderShelf(str(tmp_path))
    shelf.put(manifest, files)
    path = tmp_path / manifest.id / "h60.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelSetRejected, match="checksum"):
        shelf.open(manifest.id)


def test_an_unfinished_set_is_invisible(tmp_path: Path) -> None:
    """A folder without a manifest is not a set, and does not stop the listing."""
    manifest, files = fitted_files()
    shelf = FolderShelf(str(tmp_path))
    (tmp_path / "00ff").mkdir()
    (tmp_path / "00ee").mkdir()
    (tmp_path / "00ee" / "manifest.json").write_text("{}", encoding="utf-8")
    shelf.put(manifest, files)
    assert [one.id for one in shelf.sets()] == [manifest.id]


def test_local_sets_are_mapped_not_copied(tmp_path: Path) -> None:
    """The arrays are views of the file."""
    manifest, files = fitted_files()
    shelf = FolderShelf(str(tmp_path))
    shelf.put(manifest, files)
    centre = shelf.open(manifest.id)["h60.safetensors"]["seasonal.centre"]
    while centre.base is not None and not isinstance(centre, np.memmap):
        centre = centre.base
    assert isinstance(centre, np.memmap)
