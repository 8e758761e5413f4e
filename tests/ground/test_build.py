"""Building and finding servers: once, whole or not at all, and with a sentence where it is impossible."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.ground import build, require
from tests.ground.build import CannotBuild, Part
from tests.ground.waiting import eventually


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of recipes and a cache that are this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setattr(build, "RECIPES", tmp_path / "recipes")
    (tmp_path / "recipes" / "toy").mkdir(parents=True)
    (tmp_path / "recipes" / "toy" / "recipe").write_text("1")
    return tmp_path / "recipes" / "toy"


class Maker:
    """Counts how often it is asked to make something, and does it slowly enough for two to meet."""

    def __init__(self, *, fails: bool = False) -> None:
        self.calls = 0
        self.fails = fails
        self.may_finish = threading.Event()
        self.may_finish.set()

    def part(self) -> Part:
        return Part(name="toy", target="toy", check=lambda: None, make=self.make)

    def make(self, recipe: Path, result: Path) -> None:
        self.calls += 1
        (result / "half").write_text(recipe.name)
        assert self.may_finish.wait(10.0)
        if self.fails:
            raise CannotBuild("the compiler said no")
        (result / "whole").write_text("")


def test_a_second_build_of_the_same_recipe_does_nothing(recipes: Path) -> None:
    """The hash of the recipe names the folder; a changed recipe is built anew beside it."""
    maker = Maker()
    first = build.build(maker.part())
    assert build.build(maker.part()) == first
    assert maker.calls == 1
    (recipes / "recipe").write_text("2")
    assert build.built(maker.part()) is None
    assert build.build(maker.part()) != first
    assert maker.calls == 2


def test_a_failed_build_leaves_nothing_that_looks_built(recipes: Path) -> None:
    """What was half made is gone, and the next build starts again."""
    maker = Maker(fails=True)
    with pytest.raises(CannotBuild, match="compiler"):
        build.build(maker.part())
    assert build.built(maker.part()) is None
    assert [path.name for path in build.cache_dir().iterdir()] == [".toy.lock"]
    maker.fails = False
    assert (build.build(maker.part()) / "whole").exists()


def test_two_builds_at_once_make_one(recipes: Path) -> None:
    """The second waits for the first and takes its result."""
    maker = Maker()
    maker.may_finish.clear()
    results: list[Path] = []
    builders = [threading.Thread(target=lambda: results.append(build.build(maker.part()))) for _ in range(2)]
    for builder in builders:
        builder.start()
    eventually(lambda: maker.calls == 1, 5.0, message="one build has begun")
    maker.may_finish.set()
    for builder in builders:
        builder.join(10.0)
    assert maker.calls == 1
    assert len(set(results)) == 1
    assert len(results) == 2


def test_binaries_of_the_user_are_taken_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KUBEBUILDER_ASSETS wins over the cache for etcd and kube-apiserver, and says nothing about Kafka."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    for name in ("etcd", "kube-apiserver"):
        (tmp_path / name).write_text("")
    assert build.built(build.ETCD) == tmp_path
    assert build.built(build.APISERVER) == tmp_path
    assert build.built(build.KAFKA) is None


def test_a_missing_tool_is_named_with_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Go and Java the hint says what to install, and --available turns the failure into a message."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    assert "install Go" in build.how_to_build(build.APISERVER)
    assert "Java" in build.how_to_build(build.KAFKA)
    assert build.main(["all"]) == 1
    assert build.main(["all", "--available"]) == 0


def test_what_is_missing_skips_and_fails_where_everything_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """One switch turns every skip into a failure; both say what would enable the test."""
    monkeypatch.setenv("BASELINE_REQUIRE_ALL", "0")
    with pytest.raises(pytest.skip.Exception, match="install it"):
        require.missing("a server", enable="install it")
    monkeypatch.setenv("BASELINE_REQUIRE_ALL", "1")
    with pytest.raises(pytest.fail.Exception, match="install it"):
        require.missing("a server", enable="install it")


def test_shared_data_is_found_by_name_and_missed_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """BASELINE_SHARED names the folder; a part that is not in it is missing."""
    monkeypatch.setenv("BASELINE_REQUIRE_ALL", "")
    monkeypatch.setenv("BASELINE_SHARED", os.fspath(tmp_path))
    (tmp_path / "data").mkdir()
    assert require.shared_dir("data") == tmp_path / "data"
    with pytest.raises(pytest.skip.Exception, match="data/other"):
        require.shared_dir("data", "other")
    monkeypatch.setenv("BASELINE_SHARED", os.fspath(tmp_path / "nowhere"))
    with pytest.raises(pytest.skip.Exception, match="BASELINE_SHARED"):
        require.shared_dir()
