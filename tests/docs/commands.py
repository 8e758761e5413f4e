"""Writes docs/commands.md from the command line itself: ``python -m tests.docs.commands > docs/commands.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import typer.main
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

HEAD = """\
# Commands

Written by `python -m tests.docs.commands`; a test keeps it equal to the code. `baseline VERB --help` says the same.

Exit codes: 0 done, 1 failed (the reason is on standard error), 2 wrong use or a wrong setting. Settings come from the
environment and a TOML file ([settings.md](settings.md)).

| command | does |
|---|---|"""


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for name, command in every_verb():
        told = " ".join((command.help or "").split())
        lines.append(f"| `{' '.join([name, *_arguments(command)])}` | {told} |")
    return "\n".join(lines) + "\n"


def every_verb() -> list[tuple[str, TyperCommand]]:
    """Every verb of `baseline` with its command."""
    from baseline.cli.root import app

    return list(verbs(typer.main.get_command(app), path="baseline"))


def verbs(command: object, *, path: str) -> Iterator[tuple[str, TyperCommand]]:
    """Every command that does something, with the words that call it, in order."""
    if isinstance(command, TyperGroup):
        for name in sorted(command.commands):
            yield from verbs(command.commands[name], path=f"{path} {name}")
    elif isinstance(command, TyperCommand) and not command.hidden:
        yield path, command


def _arguments(command: TyperCommand) -> Iterator[str]:
    for parameter in command.params:
        name = (parameter.name or "").upper()
        if isinstance(parameter, TyperArgument):
            word = f"{name}..." if parameter.nargs != 1 else name
        elif isinstance(parameter, TyperOption) and parameter.name != "help":
            word = parameter.opts[0] if parameter.is_flag else f"{parameter.opts[0]} {name}"
        else:
            continue
        yield word if parameter.required else f"[{word}]"


if __name__ == "__main__":
    sys.stdout.write(page())
