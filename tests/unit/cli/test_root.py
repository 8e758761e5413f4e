"""Help, settings and exits of the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from baseline.cli import config
from baseline.cli.root import app
from tests.unit.cli.running import Command


def verbs() -> list[tuple[str, ...]]:
    """Every verb there is, the groups too."""
    found: list[tuple[str, ...]] = [()]
    groups: list[tuple[tuple[str, ...], object]] = [((), typer.main.get_command(app))]
    while groups:
        above, group = groups.pop()
        for name, command in getattr(group, "commands", {}).items():
            found.append((*above, name))
            groups.append(((*above, name), command))
    return sorted(found)


def test_the_verbs_are_all_here() -> None:
    """One a process, and those of the people who run it."""
    assert {words[0] for words in verbs() if words} == {
        "agent", "alerts", "config", "control", "demo", "doctor", "enforcement", "expire-history", "feed", "janitor",
        "migrate", "release-all", "restrictions", "stream", "suppressions", "tokens", "web", "weights",
    }  # fmt: skip


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_every_verb_helps(bare: Command, words: tuple[str, ...]) -> None:
    """Usage and a sentence; nothing is done."""
    told = bare.good(*words, "--help")
    assert "Usage: baseline" in told
    assert len([line for line in told.splitlines() if line.strip()]) > 2
    assert list(Path.cwd().iterdir()) == []


def test_the_version_is_told(bare: Command) -> None:
    """And nothing else is done."""
    assert bare.good("--version").startswith("calico-baseline ")


@pytest.mark.parametrize(
    ("variable", "value", "parts"),
    [
        ("BASELINE_RESTRICTON__MODE", "observe", ["restricton", "BASELINE_RESTRICTON__MODE"]),
        ("BASELINE_RESTRICTION__MOOD", "observe", ["restriction.mood"]),
        ("BASELINE_RESTRICTION__MODE", "attack", ["restriction.mode", "'attack'"]),
        ("BASELINE_WEB__PORT", "70000", ["web.port", "'70000'"]),
        ("BASELINE_KAFKA", "{", ["kafka"]),
        ("BASELINE_CONFIG", "nowhere.toml", ["nowhere.toml"]),
    ],
)
def test_a_wrong_setting_is_exit_2_by_name(
    bare: Command, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, parts: list[str]
) -> None:
    """One line, no traceback: a misspelt safety setting must not be passed over."""
    monkeypatch.setenv(variable, value)
    ran = bare("config", "show")
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert all(part in line for part in parts), line


def test_a_wrong_setting_never_shows_a_secret(bare: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A misspelt name may carry a password as well as a right one."""
    monkeypatch.setenv("BASELINE_BOOKS__URLL", "postgresql://u:hunter2@h/x")
    ran = bare("config", "show")
    assert (ran.code, "books.urll" in ran.err, "hunter2" in ran.err) == (2, True, False)
    monkeypatch.delenv("BASELINE_BOOKS__URLL")
    for number, text in enumerate([
        '[bookz]\nurl = "hunter2"\n', '[books]\nurl = ["hunter2"]\n', 'books = "hunter2"\n', 'hunter2 = ["hunter2"\n',
    ]):  # fmt: skip
        path = tmp_path / f"{number}.toml"
        path.write_text(text, encoding="utf-8")
        ran = bare("--config", str(path), "config", "show")
        assert (ran.code, "hunter2" in ran.err) == (2, False), ran


def test_settings_come_from_a_file_and_the_environment_wins(
    bare: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Both are in force together."""
    path = tmp_path / "baseline.toml"
    path.write_text('[kafka]\nbootstrap = "file:9092"\ngroup = "file"\n', encoding="utf-8")
    monkeypatch.setenv("BASELINE_KAFKA__GROUP", "environment")
    shown = json.loads(bare.good("--config", str(path), "config", "show"))
    assert (shown["kafka"]["bootstrap"], shown["kafka"]["group"]) == ("file:9092", "environment")


def test_a_file_that_is_not_there_is_wrong_use(bare: Command) -> None:
    """Not the defaults in silence."""
    assert bare("--config", "nowhere.toml", "config", "show").code == 2


def test_settings_are_shown_without_secrets(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether one is set can be seen, what it is cannot."""
    monkeypatch.setenv("BASELINE_BOOKS__URL", "postgresql://u:hunter2@h/x")
    monkeypatch.setenv("BASELINE_KAFKA__SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("BASELINE_NOTIFY__WEBHOOK_SECRET", "hunter2")
    told = bare.good("config", "show")
    shown = json.loads(told)
    assert "hunter2" not in told
    assert shown["books"]["url"] == shown["kafka"]["sasl_password"] == shown["notify"]["webhook_secret"] == "*" * 10


def test_the_settings_page_is_what_the_code_says(bare: Command) -> None:
    """docs/settings.md is written by the command."""
    page = (Path(__file__).parents[3] / "docs" / "settings.md").read_text(encoding="utf-8")
    assert bare.good("config", "docs") == page
    assert "\n".join(config.markdown()) + "\n" == page


def test_migrating_from_the_command_makes_books_that_can_be_used(bare: Command, tmp_path: Path) -> None:
    """As a process of its own, by the entry point that is installed."""
    done = subprocess.run(
        [sys.executable, "-c", "from baseline.cli import main; main()", "migrate", "--no-topics"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "books: at this version\n"), done.stderr
    assert bare.good("alerts", "list")
