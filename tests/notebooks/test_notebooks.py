"""Notebooks are pairs without output, import the product only, and run on a part of the recording."""

from __future__ import annotations

import ast
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from baseline.domain.units import parse_rfc3339
from tests.ground.require import CHECKOUT
from tests.notebooks import pairing

RECORDING = CHECKOUT / "baseline" / "recordings" / "westermo.jsonl.gz"
SINCE, UNTIL = parse_rfc3339("2023-03-10T09:55:00Z"), parse_rfc3339("2023-03-10T10:35:00Z")
ALLOWED = {"baseline", "numpy", "pandas"}

each = pytest.mark.parametrize("source", pairing.sources(), ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty minutes of the recording."""
    path = tmp_path_factory.mktemp("recording") / "small.jsonl"
    with gzip.open(RECORDING, "rt", encoding="utf-8") as lines:
        path.write_text("".join(line for line in lines if SINCE < json.loads(line)["end_time"] <= UNTIL))
    return path


def run(script: str, small: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """A notebook's code as a script of its own, outside the checkout."""
    environment = {**os.environ, "NOTEBOOK_RECORDING": str(small), "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_there_are_notebooks_and_they_are_numbered() -> None:
    """01, 02, ... without a gap."""
    numbers = [path.name[:3] for path in pairing.sources()]
    assert numbers
    assert numbers == [f"{number:02d}_" for number in range(1, len(numbers) + 1)]


@each
def test_the_two_files_of_a_notebook_say_the_same(source: Path) -> None:
    """The .ipynb is what the .py gives: no output, no count of executions."""
    pair = source.with_suffix(".ipynb")
    assert pair.read_text(encoding="utf-8") == pairing.rendered(source), "run: python -m tests.notebooks.pairing"


@each
def test_a_notebook_asks_one_question_in_its_title_and_answers_it_in_its_last_cell(source: Path) -> None:
    """The first cell is a heading that ends with a question mark, the last two are the answer and its numbers."""
    cells = pairing.cells(source.read_text(encoding="utf-8"))
    kind, title = cells[0]
    assert kind == "markdown"
    assert re.match(r"# .+\?$", title.splitlines()[0])
    assert cells[-2] == ("markdown", "## Answer")
    assert cells[-1][0] == "code"


@each
def test_a_notebook_imports_the_product_and_arrays_only(source: Path) -> None:
    """Whatever a notebook needs that the product lacks belongs into the product."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    roots = {name.split(".")[0] for name in names}
    assert "baseline" in roots
    assert roots <= ALLOWED | sys.stdlib_module_names


def test_the_first_notebook_runs_and_answers(small: Path, tmp_path: Path) -> None:
    """The cells of the .ipynb, one after the other, on forty minutes: the attacked minute stands out and is seen."""
    pair = NOTEBOOK.with_suffix(".ipynb")
    cells = json.loads(pair.read_text(encoding="utf-8"))["cells"]
    script = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    done = run(script, small, tmp_path)
    assert done.returncode == 0, done.stderr
    connections, usual = map(int, re.findall(r"is (\d+) connections to .* has (\d+) in all", done.stdout)[0])
    assert connections > 10 * max(1, usual)
    found, of = map(int, re.findall(r"saw (\d+) of (\d+) brute forces", done.stdout)[0])
    assert of == 3
    assert found >= 2


NOTEBOOK = pairing.NOTEBOOKS / "01_what_the_recording_shows.py"
