"""What only a folder of manifests can get wrong: half files, strangers' files, names that are paths."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from baseline.adapters.clock import PlayedClock
from baseline.adapters.manifests import ManifestFolder
from baseline.domain.errors import Conflict, Invalid, UnsafeRestriction
from baseline.domain.restriction import Mode
from baseline.policy.render import render
from tests.unit.policy.making import NOW, wanted


def folder(path: Path) -> ManifestFolder:
    """A folder on a clock that stands still."""
    return ManifestFolder(path, clock=PlayedClock(NOW))


def test_the_file_is_a_manifest_that_kubectl_could_apply(tmp_path: Path) -> None:
    """Nothing of the folder's own gets into it: no uid, no revision, no time."""
    manifest = render(wanted(), instance="default", now=NOW)
    folder(tmp_path).create(manifest)
    (path,) = tmp_path.glob("*/*.yaml")
    assert yaml.safe_load(path.read_text()) == manifest
    assert path.relative_to(tmp_path).as_posix() == f"shop/{manifest['metadata']['name']}.yaml"
    assert [one.name for one in path.parent.iterdir()] == [path.name], "a draft was left behind"


def test_files_of_others_are_listed_or_ignored_but_never_written(tmp_path: Path) -> None:
    """Broken YAML, other kinds, other tiers, a name that is not the file's."""
    place = tmp_path / "shop"
    place.mkdir()
    files = {
        "broken.yaml": "{",
        "text.yaml": "hello",
        "secret.yaml": "kind: Secret\nmetadata: {name: secret, namespace: shop}\n",
        "other.yaml": "kind: NetworkPolicy\nmetadata: {name: other, namespace: shop}\nspec: {tier: default}\n",
        "renamed.yaml": "kind: NetworkPolicy\nmetadata: {name: x, namespace: shop}\nspec: {tier: behaviour}\n",
        "odd.yaml": "kind: NetworkPolicy\nmetadata: 7\nspec: []\n",
    }
    for name, text in files.items():
        (place / name).write_text(text)
    assert folder(tmp_path).policies().objects == []
    assert {path.name: path.read_text() for path in place.iterdir()} == files


def test_a_stranger_at_our_name_is_a_conflict_whatever_it_holds(tmp_path: Path) -> None:
    """Even when it cannot be read."""
    manifest = render(wanted(), instance="default", now=NOW)
    path = tmp_path / "shop" / f"{manifest['metadata']['name']}.yaml"
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(Conflict):
        folder(tmp_path).create(manifest)
    assert path.read_text() == "{"


@pytest.mark.parametrize(("namespace", "name"), [("shop", "../../etc"), ("shop", ".hid"), ("../up", "behaviour.r-1")])
def test_a_name_never_leads_out_of_the_folder(tmp_path: Path, namespace: str, name: str) -> None:
    """Names are checked where they become paths."""
    manifest = render(wanted(), instance="default", now=NOW)
    manifest["metadata"] |= {"namespace": namespace, "name": name}
    with pytest.raises((Invalid, UnsafeRestriction)):
        folder(tmp_path / "in").create(manifest)
    assert list(tmp_path.glob("*")) == []


def test_namespaces_and_the_tier_are_files_too(tmp_path: Path) -> None:
    """A tier that does not pass by default is refused."""
    (tmp_path / "namespaces.yaml").write_text(
        "kind: Namespace\nmetadata: {name: shop, labels: {calico-baseline/mode: auto-narrow}}\n---\n"
        "kind: Namespace\nmetadata: {name: bank, labels: {calico-baseline/mode: me, calico-baseline/protect: 'true'}}\n"
    )
    found = folder(tmp_path).namespaces()
    assert (found["shop"].mode, found["shop"].is_protected) == (Mode.AUTO_NARROW, False)
    assert (found["bank"].mode, found["bank"].is_protected) == (Mode.OBSERVE, True)
    folder(tmp_path).ensure_tier()
    (tmp_path / "tier.yaml").write_text("kind: Tier\nmetadata: {name: behaviour}\nspec: {defaultAction: Deny}\n")
    with pytest.raises(Invalid):
        folder(tmp_path).ensure_tier()


@pytest.mark.parametrize("text", ["data: {enforcement: 'off'}", "data: {enforcement: on}", "data: 7", "{", ""])
def test_only_the_word_on_switches_enforcement_on(tmp_path: Path, text: str) -> None:
    """YAML's bare ``on`` is a boolean, and a boolean is not the word."""
    (tmp_path / "enforcement.yaml").write_text(text)
    assert not folder(tmp_path).enforcement_enabled()
