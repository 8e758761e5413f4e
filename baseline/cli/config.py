"""``baseline config``: what is set, and what can be set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from pydantic.fields import FieldInfo

from baseline.settings import Settings, rooms

app = typer.Typer(help="Settings: what is in force, and what there is.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    """Add the verbs."""
    root.add_typer(app, name="config")


@app.command()
def show() -> None:
    """Print the settings in force as JSON; secrets are masked."""
    typer.echo(Settings().model_dump_json(indent=2))


@app.command()
def docs() -> None:
    """Print every setting as the Markdown of docs/settings.md."""
    typer.echo("\n".join(markdown()))


def markdown() -> Iterator[str]:
    """The lines of docs/settings.md."""
    yield "# Settings"
    yield ""
    yield "Written by `baseline config docs`; a test keeps it equal to the code."
    yield ""
    yield from (
        "Each setting is an environment variable, or a key of the TOML file named by `--config` or `BASELINE_CONFIG`",
        '(`[kafka]`, `bootstrap = "..."`). The environment wins. Unknown keys are refused.',
    )
    for name, room in rooms().items():
        yield ""
        yield f"## {name}"
        yield ""
        yield (room.__doc__ or "").strip()
        yield ""
        yield "| variable | default | meaning |"
        yield "|---|---|---|"
        for key, field in room.model_fields.items():
            variable = f"BASELINE_{name}__{key}".upper()
            yield f"| `{variable}` | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True)
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if isinstance(value, tuple):
        value = ", ".join(str(item) for item in value)
    return f"`{value}`" if value not in ("", None) else "empty"
