"""The verbs put together, and errors as people read them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from baseline import __version__
from baseline.adapters import logs
from baseline.cli import config, demo, feedback, people, processes, safety
from baseline.domain.errors import BaselineError
from baseline.settings import rooms

app = typer.Typer(
    name="baseline",
    help="Learn what each workload's traffic normally looks like, act when it stops, always let go.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"calico-baseline {__version__}")
        raise typer.Exit


@app.callback()
def root(
    config_file: Annotated[
        Path | None, typer.Option("--config", help="TOML file of settings; see docs/settings.md.", exists=True)
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=lambda wanted: _version(wanted=wanted))
    ] = False,
) -> None:
    """Settings come from BASELINE_* environment variables and a TOML file; the environment wins."""
    del version
    logs.configure(process="cli", level="warning", form="console", is_kept=False)  # processes say their own
    if config_file is not None:
        os.environ["BASELINE_CONFIG"] = str(config_file)


processes.register(app)
people.register(app)
feedback.register(app)
safety.register(app)
config.register(app)
demo.register(app)


def main() -> None:
    """Entry point: 0 ok, 1 failed, 2 wrong use."""
    try:
        app(prog_name="baseline")
    except ValidationError as error:
        for fault in error.errors():
            where = ".".join(str(part) for part in fault["loc"])
            got = f" (got {fault['input']!r:.200})" if _may_be_shown(fault) else ""
            typer.echo(f"baseline: setting {where}: {fault['msg']}{got}", err=True)
        sys.exit(2)
    except SettingsError as error:
        typer.echo(f"baseline: {error}", err=True)
        sys.exit(2)
    except BaselineError as error:
        typer.echo(f"baseline: {error}", err=True)
        sys.exit(1)


def _may_be_shown(fault: ErrorDetails) -> bool:
    """Whether what was given is no secret: the value of a known setting that keeps none, or a variable's name.

    A misspelt name may well carry a password.
    """
    room, *rest = (str(part) for part in fault["loc"])
    known = rooms().get(room)
    if known is None:
        return str(fault["input"]).upper().startswith("BASELINE_")
    setting = known.model_fields.get(rest[0]) if rest else None
    return setting is not None and setting.annotation is not SecretStr
