"""The verbs put together, and errors as people read them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from baseline import __version__
from baseline.cli import config, demo, people, processes, safety
from baseline.domain.errors import BaselineError

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
    if config_file is not None:
        os.environ["BASELINE_CONFIG"] = str(config_file)


processes.register(app)
people.register(app)
safety.register(app)
config.register(app)
demo.register(app)


def main() -> None:
    """Entry point: 0 ok, 1 failed, 2 wrong use."""
    try:
        app()
    except ValidationError as error:
        for fault in error.errors():
            where = ".".join(str(part) for part in fault["loc"])
            typer.echo(f"baseline: setting {where}: {fault['msg']} (got {fault['input']!r:.200})", err=True)
        sys.exit(2)
    except BaselineError as error:
        typer.echo(f"baseline: {error}", err=True)
        sys.exit(1)
