"""The documents say what is: settings, metrics, rooms, verbs, links and decisions are compared with the code."""

from __future__ import annotations

import inspect
import pkgutil
import re
from pathlib import Path
from typing import get_args

import pytest

import baseline
from baseline.adapters import metrics
from baseline.domain import alert, deviation, edge, flow, modelset, restriction, window, workload
from baseline.ports import MetricName
from baseline.settings import Room, rooms
from tests.docs.markdown import anchors, code_of, links, pages, rows, section
from tests.ground.require import CHECKOUT

DOCS = CHECKOUT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
PACKAGE = CHECKOUT / "baseline"


def _text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_settings_page_is_what_the_command_prints() -> None:
    """`baseline config docs > docs/settings.md` changes nothing."""
    from baseline.cli.config import markdown

    assert _text("settings.md") == "\n".join(markdown()) + "\n", "run: baseline config docs > docs/settings.md"


def test_the_page_of_commands_is_what_the_command_line_says() -> None:
    """Every verb with its arguments and its help."""
    from tests.docs import commands

    assert _text("commands.md") == commands.page(), "run: python -m tests.docs.commands > docs/commands.md"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_command_a_page_tells_to_run_exists(page: Path) -> None:
    """`baseline VERB` and `python -m pipelines.JOB`, in code of any page."""
    from tests.docs import commands

    known = {name.split()[1] for name, _ in commands.every_verb()}
    for line in code_of(page):
        for verb in re.findall(r"(?:^|[\s(])baseline ([a-z][a-z-]+)", line):
            assert verb in known, f"{page.name}: no verb {verb!r} in: {line}"
        for module in re.findall(r"-m (pipelines\.\w+|tests\.[\w.]+|benchmarks\.\w+)", line):
            path = CHECKOUT / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or path.is_dir(), f"{page.name}: no module {module} in: {line}"


@pytest.mark.parametrize(("name", "room"), rooms().items(), ids=rooms())
def test_every_setting_is_on_its_page_with_default_and_meaning(name: str, room: type[Room]) -> None:
    """Independent of the command: each variable has one row with a default and its description."""
    page = {row[0]: row for row in rows(section(_text("settings.md"), name))}
    for key, field in room.model_fields.items():
        row = page[f"`BASELINE_{name}__{key}`".upper()]
        assert field.description, f"{name}.{key} has no description"
        assert row[1], f"{name}.{key} shows no default"
        assert row[2] == field.description


def test_every_metric_is_on_its_page_with_its_labels() -> None:
    """Names, kinds and labels equal `ports.MetricName` and the adapter's table; nothing is listed that is not there."""
    text = _text("metrics.md")
    listed: dict[str, set[str]] = {}
    for heading, is_kind in (
        ("Counters", lambda name: name.endswith("_total")),
        ("Gauges", lambda name: not name.endswith("_total") and name not in metrics._HISTOGRAMS),
        ("Histograms", lambda name: name in metrics._HISTOGRAMS),
    ):
        for metric, labels, meaning in rows(section(text, heading))[1:]:
            name = metric.strip("`").removeprefix(metrics.PREFIX)
            assert is_kind(name), f"{name} is no entry of {heading}"
            assert meaning
            listed[name] = set(re.findall(r"`(\w+)`", labels))
    assert listed == {name: set(metrics._LABELS.get(name, ())) for name in get_args(MetricName)}
    mentioned = set(re.findall(rf"\b{metrics.PREFIX}(\w+)", text))
    assert mentioned <= set(listed)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links to files of the checkout and to headings; the web is not asked."""
    for link in links(page):
        if re.match(r"(https?|mailto):", link.target):
            continue
        path, _, anchor = link.target.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link.target}: no such file"
        assert not anchor or anchor in anchors(target), f"{link.target}: no such heading"


def test_every_page_that_the_code_names_exists() -> None:
    """docs/NAME.md and docs/decisions/NNNN in comments and docstrings."""
    for source in sorted([*PACKAGE.rglob("*.py"), *(CHECKOUT / "pipelines").glob("*.py")]):
        text = source.read_text(encoding="utf-8")
        for name in re.findall(r"docs/((?:\w+/)?[\w-]+)\.md", text):
            assert (DOCS / f"{name}.md").exists(), f"{source.relative_to(CHECKOUT)} names docs/{name}.md"
        for number in re.findall(r"decisions/(\d{4})", text):
            assert any(path.name.startswith(number) for path in DECISIONS), f"{source.name} names decision {number}"


def test_the_architecture_names_every_room_and_no_other() -> None:
    """The table of rooms equals the packages and modules of baseline/ (and its one folder without code)."""
    named = {row[0].strip("`") for row in rows(section(_text("architecture.md"), "Rooms"))[1:]}
    found = {f"baseline/{info.name}{'' if info.ispkg else '.py'}" for info in pkgutil.iter_modules([str(PACKAGE)])}
    assert named == found | {"baseline/recordings"}


def test_the_architecture_draws_the_layers_that_are_checked() -> None:
    """The picture of who may import whom is the import-linter contract, top to bottom."""
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    contract = project.partition('id = "rooms"')[2].partition("[[tool.importlinter")[0]
    layers = [re.findall(r"\w+", line) for line in re.findall(r'^ +"(.+)",', contract, re.MULTILINE)]
    drawn = section(_text("architecture.md"), "Who may import whom").split("```")[1]
    steps = [re.findall(r"\w+", step) for step in drawn.split("->")]
    rooms_of_both = {room for step in steps for room in step}
    assert steps[0] == ["pipelines"]
    assert [sorted(step) for step in steps[1:]] == [
        sorted(room for room in layer if room in rooms_of_both) for layer in layers if rooms_of_both & set(layer)
    ]


NOUNS = (
    "Flow", "Workload", "Peer", "Edge", "Window", "Baseline", "Score", "Reason", "Deviation", "Alert", "Disposition",
    "Restriction", "Release", "Hold", "Replay", "Model set", "Recipe", "Position", "Tier",
)  # fmt: skip


def test_the_glossary_has_the_nouns_of_the_design() -> None:
    """Each noun has one row, and a meaning."""
    defined = [(row[0].strip("*"), row[1]) for row in rows(_text("glossary.md")) if row[0].startswith("**")]
    names = [name for name, _ in defined]
    assert set(NOUNS) <= set(names)
    assert len(names) == len(set(names)), "a noun is defined twice"
    assert all(meaning for _, meaning in defined)


def test_the_glossary_knows_the_words_of_the_domain() -> None:
    """Every enumeration's values that people see (levels, modes, maturities, families, aliases) stand in it."""
    text = _text("glossary.md")
    for values in (restriction.Level, restriction.Mode, deviation.Maturity, deviation.Family, modelset.Alias):
        for value in values:
            assert str(value) in text, f"{value} is not in the glossary"


def test_no_class_is_named_by_a_word_the_glossary_refuses() -> None:
    """The third column lists words we do not use: no class of the domain has such a name."""
    refused = {word.strip().lower() for row in rows(_text("glossary.md")) if len(row) > 2 for word in row[2].split(",")}
    for module in (alert, deviation, edge, flow, modelset, restriction, window, workload):
        for name, _ in inspect.getmembers(module, inspect.isclass):
            assert name.lower() not in refused, f"{module.__name__}.{name}"


def test_the_decisions_are_numbered_without_a_gap_and_listed() -> None:
    """0001, 0002, ... and each is a row of the index with its title."""
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]
    index = section(_text("README.md"), "Decisions")
    for path in DECISIONS:
        assert f"(decisions/{path.name})" in index


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_one_page_with_four_parts(path: Path) -> None:
    """Title with its number, date, context, a quoted decision, consequences, alternatives; at most 60 lines."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {path.name[:4]} ")
    assert re.search(r"^\*\*Decided\.\*\* Date: \d{4}-\d\d-\d\d\.$", text, re.MULTILINE)
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == ["Context", "Decision", "Consequences", "Alternatives"]
    assert re.search(r"^> \*\*", section(text, "Decision"), re.MULTILINE), "the line people quote is missing"
    assert len(text.splitlines()) <= 60


def test_every_page_is_listed_in_the_index() -> None:
    """Whoever opens docs/ finds all of it."""
    index = _text("README.md")
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index


def test_the_changelog_speaks_of_the_version_there_is() -> None:
    """Keep a Changelog: an Unreleased part, and the package's version is not yet listed as released."""
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in text
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.MULTILINE)
    assert baseline.__version__ not in released or released[0] == baseline.__version__
