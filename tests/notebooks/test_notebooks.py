"""Notebooks are pairs without output, import the product only, and run on a part of the recording."""

from __future__ import annotations

import ast
import gzip
import importlib.util
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
DISCUSSED = {  # what a notebook compares the product with
    "02_why_a_forest_alone_is_the_wrong_core": {"sklearn"},
    "04_anatomy_of_an_alert": {"sklearn", "shap"},
}

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
    assert roots <= ALLOWED | DISCUSSED.get(source.stem, set()) | sys.stdlib_module_names


def answered(number: int, small: Path, folder: Path, *, before: str = "") -> str:
    """What the code cells of an .ipynb print, one after the other, on forty minutes where it reads a recording."""
    (pair,) = pairing.NOTEBOOKS.glob(f"{number:02d}_*.ipynb")
    cells = json.loads(pair.read_text(encoding="utf-8"))["cells"]
    script = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    done = run(before + script, small, folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(pattern: str, text: str) -> tuple[float, ...]:
    """The groups of the first match, as numbers."""
    found = re.search(pattern, text)
    assert found, text
    return tuple(float(part) for part in found.groups())


def test_the_first_notebook_runs_and_answers(small: Path, tmp_path: Path) -> None:
    """The attacked minute stands out and is seen."""
    told = answered(1, small, tmp_path)
    connections, usual = numbers(r"is (\d+) connections to .* has (\d+) in all", told)
    assert connections > 10 * max(1, usual)
    found, of = numbers(r"saw (\d+) of (\d+) brute forces", told)
    assert of == 3
    assert found >= 2


def test_the_second_notebook_shows_what_a_forest_does_not_see(small: Path, tmp_path: Path) -> None:
    """Three and a thousand sigma are one score, and residuals are worth more than any forest on raw numbers."""
    told = answered(2, small, tmp_path)
    near, far = numbers(r"at 3 and at 1000 sigma score (\d\.\d+) and (\d\.\d+\d)", told)
    assert near == far
    raw, residual, tail = numbers(
        r"average precision (\d\.\d+) on raw features, (\d\.\d+) on residuals, (\d\.\d+) for", told
    )
    assert raw + 0.1 < residual < tail


def test_the_third_notebook_tells_a_campaign_from_an_attack(small: Path, tmp_path: Path) -> None:
    """All four are seen, the export is expected, and the campaign is growth."""
    told = answered(3, small, tmp_path)
    assert numbers(r"at two in the morning: (\d+) alerts", told) == (0.0,)
    assert numbers(r"Of (\d+) things that happened it saw (\d+)", told) == (4.0, 4.0)
    assert "the campaign is growth, the one client concentrated." in told


def test_the_fourth_notebook_checks_each_part_of_an_alert(small: Path, tmp_path: Path) -> None:
    """Shares sum to one and the counterfactual crosses the threshold; with shap, paths blame what it blames."""
    told = answered(4, small, tmp_path)
    assert numbers(r"Its shares sum to (\d\.\d+)", told) == (1.0,)
    was, then, threshold = numbers(r"as it was: p = (\S+); .*as told: p = (\S+)\nthreshold: (\S+)", told)
    assert was < threshold <= then * 1.1  # printed with two digits
    if importlib.util.find_spec("shap"):
        (correlation,) = numbers(r"Path attribution and SHAP correlate by (-?\d\.\d+)", told)
        assert correlation > 0.5


def test_the_fourth_notebook_does_without_shap(small: Path, tmp_path: Path) -> None:
    """The product does not need it, so neither does its notebook."""
    hidden = "import sys\nsys.modules['shap'] = None\n"
    assert "Path attribution was not compared: shap is not installed." in answered(4, small, tmp_path, before=hidden)


def test_the_fifth_notebook_keeps_its_budget_better_than_sigmas(small: Path, tmp_path: Path) -> None:
    """Over four kinds of traffic, and within a factor where the level stands."""
    told = answered(5, small, tmp_path)
    least, most, fewest, worst = numbers(
        r"the budget gave (\d+\.\d+) to (\d+\.\d+) .*; three sigma gave (\d+\.\d+) to (\d+\.\d+)\.", told
    )
    assert 0.3 <= least <= 1.5
    assert most < fewest < worst
    low, high = numbers(r"without the drifting level between (\d\.\d+) and (\d\.\d+)", told)
    assert 0.5 <= low < high <= 2
