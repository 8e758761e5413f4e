"""docker-compose.yml read as Compose reads it, as far as our file goes: variables, merged keys, commands, volumes.

Only what we use is understood; anything else (a command as one string, an unknown form of ``${...}``) is an error,
so that the file cannot grow past what the tests check.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.ground.require import CHECKOUT

COMPOSE_FILE = CHECKOUT / "docker-compose.yml"
DOCKERFILE = CHECKOUT / "Dockerfile"
OUR_IMAGE = "calico-baseline:"
IMAGE_WORKDIR = "/app"
_VARIABLE = re.compile(r"\$\{(?P<name>[A-Z_]+)(?:(?P<form>:-|:\?)(?P<text>[^}]*))?\}")


class Unset(ValueError):
    """A variable that the file demands (``${NAME:?why}``) is not given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """One volume of a service: what is mounted where."""

    source: str  # name of a volume, or a folder of the host
    target: str
    is_read_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service, with everything interpolated."""

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...]
    ports: tuple[str, ...]
    profiles: tuple[str, ...]
    depends_on: frozenset[str]
    restart: str
    raw: Mapping[str, Any]

    @property
    def is_ours(self) -> bool:
        """Runs our image."""
        return self.image.startswith(OUR_IMAGE)

    @property
    def is_process(self) -> bool:
        """Runs until it is stopped; the others do their work and end."""
        return self.restart == "unless-stopped"


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``${NAME}``, ``${NAME:-default}`` and ``${NAME:?message}``; ``$$`` is a dollar."""

    def value(match: re.Match[str]) -> str:
        given = variables.get(match["name"], "")
        if given or match["form"] is None:
            return given
        if match["form"] == ":-":
            return match["text"]
        raise Unset(f"{match['name']}: {match['text']}")

    return "$".join(_VARIABLE.sub(value, part) for part in text.split("$$"))


def read(path: Path = COMPOSE_FILE, *, variables: Mapping[str, str]) -> dict[str, Service]:
    """All services of a file by name, whatever their profile; Unset when a demanded variable is missing."""
    document = _interpolated(yaml.safe_load(path.read_text(encoding="utf-8")), variables)
    return {name: _service(name, raw) for name, raw in document["services"].items()}


def _interpolated(node: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(node, str):
        return interpolate(node, variables)
    if isinstance(node, list):
        return [_interpolated(item, variables) for item in node]
    if isinstance(node, dict):
        return {key: _interpolated(item, variables) for key, item in node.items()}
    return node


def _service(name: str, raw: Mapping[str, Any]) -> Service:
    command = raw.get("command", [])
    if not isinstance(command, list):
        raise TypeError(f"{name}: write the command as a list, a shell would change it")
    return Service(
        name=name,
        image=raw["image"],
        command=tuple(str(word) for word in command),
        environment={key: str(value) for key, value in raw.get("environment", {}).items()},
        mounts=tuple(_mount(text) for text in raw.get("volumes", [])),
        ports=tuple(raw.get("ports", [])),
        profiles=tuple(raw.get("profiles", [])),
        depends_on=frozenset(raw.get("depends_on", {})),
        restart=str(raw.get("restart", "no")),
        raw=raw,
    )


def _mount(text: str) -> Mount:
    source, target, *options = text.split(":")
    return Mount(source=source, target=target, is_read_only="ro" in options)
