"""What the tests of the documents need of Markdown: files, links, anchors, tables."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from tests.ground.require import CHECKOUT

_SKIPPED = {".venv", ".git", "build", "dist", "node_modules"}
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#+\s+(?P<text>.+?)\s*$", re.MULTILINE)


class Link(NamedTuple):
    """A link of a page, as written."""

    page: Path
    target: str


def pages() -> list[Path]:
    """Every Markdown file of the checkout, in order."""
    found = CHECKOUT.rglob("*.md")
    return sorted(path for path in found if not _SKIPPED.intersection(path.relative_to(CHECKOUT).parts))


def links(page: Path) -> list[Link]:
    """Links of a page; code does not count."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text(encoding="utf-8")))
    return [Link(page, match["target"]) for match in _LINK.finditer(text)]


def code_of(page: Path) -> list[str]:
    """Lines of fenced blocks, and what stands between backticks elsewhere."""
    text = page.read_text(encoding="utf-8")
    fenced = [line.strip() for block in _FENCE.finditer(text) for line in block[0].splitlines()[1:-1]]
    return fenced + [match[0].strip("`") for match in _CODE.finditer(_FENCE.sub("", text))]


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    return {_slug(match["text"]) for match in _HEADING.finditer(text)}


def rows(text: str) -> list[list[str]]:
    """Cells of every row of every table in a text; the line of dashes left out."""
    table = [line.strip() for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [row for row in cells if not all(set(cell) <= set("-: ") and cell for cell in row)]


def section(text: str, heading: str) -> str:
    """The part of a text below a heading of the second level, up to the next one."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)
    for part in parts:
        title, _, body = part.partition("\n")
        if title.strip().startswith(heading):
            return body
    raise AssertionError(f"no section {heading!r}")


def _slug(heading: str) -> str:
    plain = re.sub(r"[*`]|\[([^\]]*)\]\([^)]*\)", lambda match: match.group(1) or "", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
