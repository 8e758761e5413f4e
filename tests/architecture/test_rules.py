"""Rules of the repository that no linter knows: read from the source, without importing it.

The layers themselves are import-linter's contracts (`make check`).
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.ground.require import CHECKOUT

CORE = ("domain", "formats", "features", "detectors", "policy", "services")
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "models", "misc"}
# Calls that read the world: the core takes `now`, `new_id`, a seed and ports as arguments instead.
WORLDLY = re.compile(
    r"^(time\.(time|monotonic|perf_counter|sleep)(_ns)?|datetime\.(datetime\.)?(now|utcnow|today)|date\.today"
    r"|uuid\.uuid[14]|uuid[14]|os\.(environ|getenv|urandom|open)\b.*|random\.(?!Random\b)\w+|secrets\.\w+|open|print|input"
    r"|socket\.\w+|subprocess\.\w+|np\.random\.(?!default_rng|Generator|SeedSequence)\w+)$"
)
MACHINE_PATHS = re.compile(r"/wor[k]/|/tmp/(?!\.)\w*bash|/roo[t]/|/home/(?!baseline\b)[a-z]+/")


@cache
def _sources(*folders: str) -> tuple[Path, ...]:
    return tuple(sorted(file for folder in folders for file in (CHECKOUT / folder).rglob("*.py")))


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(), filename=str(file))


def _where(file: Path, node: ast.AST) -> str:
    return f"{file.relative_to(CHECKOUT)}:{getattr(node, 'lineno', 1)}"


def _calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def _imports(file: Path) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.walk(_tree(file)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module, node


def _core() -> tuple[Path, ...]:
    return _sources(*(f"baseline/{room}" for room in CORE))


def test_no_module_has_a_name_that_says_nothing() -> None:
    """There is no utils, helpers, common, manager or models.py."""
    named = [path for path in _sources("baseline", "pipelines") if {path.stem, path.parent.name} & VAGUE]
    assert named == []


def test_the_domain_imports_the_standard_library_only() -> None:
    """Nouns and rules need no package."""
    foreign = [
        f"{_where(file, node)} imports {name}"
        for file in _sources("baseline/domain")
        for name, node in _imports(file)
        if name.split(".")[0] not in {*sys.stdlib_module_names, "baseline"}
    ]
    assert foreign == []


def test_the_core_reads_no_clock_and_no_environment_and_opens_nothing() -> None:
    """Everything from services down takes now, seeds, ids and ports as arguments."""
    worldly = [
        f"{_where(file, node)} calls {name}" for file in _core() for name, node in _calls(file) if WORLDLY.match(name)
    ]
    assert worldly == []


@pytest.mark.parametrize(
    ("call", "is_worldly"),
    [
        ("time.time", True),
        ("time.monotonic_ns", True),
        ("datetime.now", True),
        ("datetime.datetime.now", True),
        ("uuid.uuid4", True),
        ("os.environ.get", True),
        ("np.random.rand", True),
        ("open", True),
        ("uuid.uuid5", False),
        ("np.random.default_rng", False),
        ("random.random", True),
        ("random.Random", False),
        ("reopen", False),
        ("clock.now", False),
    ],
)
def test_the_rule_about_the_world_knows_its_calls(call: str, is_worldly: bool) -> None:
    """The pattern bites on what it means and on nothing else."""
    assert bool(WORLDLY.match(call)) is is_worldly


def test_scikit_learn_is_imported_only_where_models_are_fitted() -> None:
    """Scoring runs on packed arrays; the stream's memory and start do not pay for scikit-learn."""
    allowed = {CHECKOUT / "baseline" / "services" / "train.py"}
    elsewhere = [
        _where(file, node)
        for file in _sources("baseline")
        for name, node in _imports(file)
        if name.split(".")[0] == "sklearn" and file.parent.name != "detectors" and file not in allowed
    ]
    assert elsewhere == []


def test_nothing_executable_is_ever_loaded_from_a_file() -> None:
    """No pickle, no joblib.load, no eval: model sets are arrays and JSON."""
    dangerous = {"pickle.load", "pickle.loads", "joblib.load", "eval", "exec", "yaml.load", "yaml.unsafe_load"}
    found = [
        f"{_where(file, node)} calls {name}"
        for file in _sources("baseline", "pipelines")
        for name, node in _calls(file)
        if name in dangerous
    ]
    assert found == []


def test_no_error_is_swallowed() -> None:
    """An except clause does something or says why nothing is to be done."""
    silent = [
        _where(file, node)
        for file in _sources("baseline", "pipelines", "tests", "benchmarks")
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.ExceptHandler)
        and len(node.body) == 1
        and isinstance(node.body[0], ast.Pass)
        and "#" not in file.read_text().splitlines()[node.body[0].lineno - 1]
    ]
    assert silent == []


def test_tests_wait_for_events_and_never_by_the_clock() -> None:
    """No sleep in a test: `eventually` polls with a deadline."""
    sleeping = [
        _where(file, node)
        for file in _sources("tests")
        for name, node in _calls(file)
        if name in {"time.sleep", "sleep", "asyncio.sleep"}
    ]
    assert sleeping == []


def _tests() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for file in _sources("tests"):
        if file.name.startswith("test_"):
            for node in ast.walk(_tree(file)):
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                    yield file, node


def test_every_test_says_in_a_sentence_what_it_shows() -> None:
    """A docstring for each test function."""
    silent = [_where(file, node) for file, node in _tests() if not ast.get_docstring(node)]
    assert silent == []


CHECKS = {"raises", "fail", "warns", "eventually", "run"}


def _can_fail(node: ast.FunctionDef) -> bool:
    """An assert of its own, `raises`, a call of something named as a check, or a `run` that must end with 0."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Assert | ast.Raise):
            return True
        if isinstance(inner, ast.Call):
            path = ast.unparse(inner.func)
            name = path.split(".")[-1].lstrip("_")
            if name in CHECKS or path.startswith("checks.") or name.startswith(("assert", "check", "expect")):
                return True
    return False


def test_every_test_can_fail() -> None:
    """A test without an assertion shows nothing."""
    toothless = [_where(file, node) for file, node in _tests() if not _can_fail(node)]
    assert toothless == []


def test_no_path_of_one_machine_is_written_down() -> None:
    """Code and documents work in any checkout."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: run the tests from a clone")
    found = []
    for name in listed.stdout.split("\0"):
        file = CHECKOUT / name
        if name and file.suffix in {".py", ".md", ".toml", ".yml", ".yaml", ".sh", ""} and file.is_file():
            text = file.read_text(errors="replace")
            found += [f"{name}: {hit.group()}" for hit in MACHINE_PATHS.finditer(text)]
    assert found == []
