"""Builds the servers of the test ground once, into a cache outside the checkout.

    python -m tests.ground.build [all|kafka|apiserver] [--available]

The cache is ``${XDG_CACHE_HOME:-~/.cache}/calico-baseline/ground``; each server has a folder named by the hash of its
recipe, which appears whole or not at all. Two builds at once wait for each other. ``KUBEBUILDER_ASSETS`` (a folder with
`kube-apiserver` and `etcd`) is used instead where it is set. ``--available`` builds what this machine's tools allow and
only tells what is missing.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RECIPES = Path(__file__).parent / "recipes"
# From 1.21 on, Go fetches the toolchain that a go.mod asks for by itself.
MIN_GO = (1, 21)
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class CannotBuild(Exception):
    """A tool is missing or too old, or a build failed; the text says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One server: its recipe, the tool that builds it, and how."""

    name: str  # folder under recipes/ and prefix of the folder in the cache
    target: str  # word on the command line
    check: Callable[[], None]  # raises CannotBuild when the machine lacks the tools
    make: Callable[[Path, Path], None]  # (recipe, empty folder to fill)


def cache_dir() -> Path:
    """Where built servers live; not created by asking."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "calico-baseline" / "ground"


def _digest(recipe: Path) -> str:
    """Hash of a recipe and of what the result runs on, 12 hexadecimal digits."""
    digest = hashlib.sha256(f"{sys.platform}-{platform.machine()}".encode())
    for file in sorted(recipe.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


def _folder(part: Part) -> Path:
    return cache_dir() / f"{part.name}-{_digest(RECIPES / part.name)}"


def built(part: Part) -> Path | None:
    """The folder of a server that is ready to start, or None."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and part.target == "apiserver" and (Path(assets) / part.name).is_file():
        return Path(assets)
    folder = _folder(part)
    return folder if folder.is_dir() else None


def how_to_build(part: Part) -> str:
    """The sentence that tells how to get a server."""
    try:
        part.check()
    except CannotBuild as reason:
        return f"{reason}, then run `python -m tests.ground.build {part.target}`"
    return f"run `python -m tests.ground.build {part.target}`"


def build(part: Part) -> Path:
    """Build unless it is there; returns its folder.

    Raises
    ------
    CannotBuild
        The tools are missing or the build failed.
    """
    with _lock(part.name):
        ready = built(part)
        if ready is not None:
            return ready
        part.check()
        print(f"building {part.name} ...", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f".{part.name}-", dir=cache_dir()) as scratch:
            result = Path(scratch) / "result"
            result.mkdir()
            part.make(RECIPES / part.name, result)
            result.rename(_folder(part))
        print(f"built {part.name} in {time.monotonic() - began:.0f} s: {_folder(part)}", flush=True)
    return _folder(part)


@contextmanager
def _lock(name: str) -> Iterator[None]:
    """Hold the one build of this server; the kernel releases the lock if we die."""
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / f".{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(command: list[str], *, cwd: Path) -> None:
    # Debian's Go is told to stay local; ours may fetch the toolchain that the recipe names.
    env = {"GOTOOLCHAIN": "auto", **os.environ}
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise CannotBuild(f"`{' '.join(command)}` failed with exit code {done.returncode}")


def _need_go() -> None:
    go = shutil.which("go")
    if go is None:
        raise CannotBuild("install Go >= 1.26 (https://go.dev/dl)")
    told = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    version = re.match(r"go(\d+)\.(\d+)", told)
    if version is None or (int(version[1]), int(version[2])) < MIN_GO:
        raise CannotBuild(f"Go is too old ({told.strip() or 'unknown'}): install Go >= 1.26 (https://go.dev/dl)")


def _go_build(recipe: Path, result: Path) -> None:
    # -mod=readonly: the committed go.sum decides, nothing is resolved anew.
    command = ["go", "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", str(result / recipe.name), "."]
    _run(command, cwd=recipe)


def _need_maven() -> None:
    for tool, package in (("java", "a Java runtime >= 17 (Debian: default-jre-headless)"), ("mvn", "Maven")):
        if shutil.which(tool) is None:
            raise CannotBuild(f"install {package}")


def _maven_copy(recipe: Path, result: Path) -> None:
    libs = f"-DoutputDirectory={result / 'libs'}"
    _run(["mvn", "-q", "-B", "-f", str(recipe / "pom.xml"), MAVEN_COPY, "-DincludeScope=runtime", libs], cwd=result)
    if not any((result / "libs").glob("kafka_*.jar")):
        raise CannotBuild("Maven copied no Kafka jar")


KAFKA = Part(name="kafka", target="kafka", check=_need_maven, make=_maven_copy)
ETCD = Part(name="etcd", target="apiserver", check=_need_go, make=_go_build)
APISERVER = Part(name="kube-apiserver", target="apiserver", check=_need_go, make=_go_build)
PARTS = (KAFKA, ETCD, APISERVER)


def main(arguments: list[str] | None = None) -> int:
    """Command line; 0 when everything asked for is there (or with --available), else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.ground.build", description="Build the servers for tests.")
    parser.add_argument("target", nargs="?", default="all", choices=["all", "kafka", "apiserver"])
    parser.add_argument("--available", action="store_true", help="exit 0 even where a tool is missing")
    asked = parser.parse_args(arguments)
    failed = False
    for part in PARTS:
        if asked.target not in ("all", part.target):
            continue
        try:
            print(f"{part.name}: {build(part)}", flush=True)
        except CannotBuild as reason:
            print(f"{part.name}: not built: {reason}", file=sys.stderr, flush=True)
            failed = True
    return 1 if failed and not asked.available else 0


if __name__ == "__main__":
    sys.exit(main())
