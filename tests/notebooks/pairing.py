"""Writes the .ipynb beside every notebook's .py, without output: ``python -m tests.notebooks.pairing``.

The .py (jupytext's percent format) is what people edit and review; jupytext opens and syncs the pair as well.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.ground.require import CHECKOUT

NOTEBOOKS = CHECKOUT / "notebooks"
_MARKER = re.compile(r"^# %%(?P<kind> \[markdown\])?[ \t]*$", re.MULTILINE)


def sources() -> list[Path]:
    """Every notebook's .py, in order."""
    return sorted(NOTEBOOKS.glob("*.py"))


def cells(text: str) -> list[tuple[str, str]]:
    """Kind (code, markdown) and source of every cell; what stands before the first marker is jupytext's header."""
    parts = _MARKER.split(text)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return [("markdown", _prose(body)) if kind else ("code", body.strip("\n")) for kind, body in pairs]


def _prose(body: str) -> str:
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in body.strip("\n").splitlines())


def notebook(text: str) -> dict[str, Any]:
    """The notebook as nbformat 4.5 has it, nothing executed."""
    return {
        "cells": [_cell(number, kind, source) for number, (kind, source) in enumerate(cells(text))],
        "metadata": {
            "jupytext": {"formats": "ipynb,py:percent"},
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    name = hashlib.sha256(f"{number} {source}".encode()).hexdigest()[:8]
    cell: dict[str, Any] = {"cell_type": kind, "id": name, "metadata": {}, "source": source.splitlines(keepends=True)}
    return cell | {"execution_count": None, "outputs": []} if kind == "code" else cell


def rendered(source: Path) -> str:
    """The text of the .ipynb that belongs to a .py."""
    return json.dumps(notebook(source.read_text(encoding="utf-8")), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in sources():
        path.with_suffix(".ipynb").write_text(rendered(path), encoding="utf-8")
        sys.stdout.write(f"{path.with_suffix('.ipynb').relative_to(CHECKOUT)}\n")
