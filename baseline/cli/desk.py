"""What the verbs of people share: the books, who decides, and how things are read and printed."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Column

from baseline.domain.units import parse_duration, parse_moment
from baseline.domain.workload import WorkloadId
from baseline.ports import Books
from baseline.settings import Settings

Note = Annotated[str, typer.Option(help="Why; kept in the audit trail.")]
By = Annotated[str, typer.Option(help="Who decides; the login name by default.")]
_T = TypeVar("_T")


def out() -> Console:
    """As wide as the terminal is now. Names come from logs: they are text, never markup."""
    return Console(highlight=False, markup=False, emoji=False)


@contextmanager
def opened(settings: Settings) -> Iterator[Books]:
    """One transaction. Wiring is imported here, so that the other verbs start without a database driver."""
    from baseline.wiring import stores

    with stores.library(settings) as library, library.transaction() as books:
        yield books


def seconds(text: str) -> float:
    """A duration as people write it; a wrong one is wrong use."""
    return _read(lambda: parse_duration(text))


def moment(text: str, *, now: float) -> float:
    """A time, or a duration from now, as people write it; a wrong one is wrong use."""
    return _read(lambda: parse_moment(text, now=now))


def workload(text: str, *, cluster: str) -> WorkloadId:
    """A workload as people write it; a wrong one is wrong use."""
    return _read(lambda: WorkloadId.parse(text, cluster=cluster))


def actor(by: str) -> str:
    """The name in the audit trail; a container's uid often has no login name."""
    try:
        return f"cli:{by or getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:uid-{os.getuid()}"


def id_column() -> Column:
    """Never broken over lines, because it is copied into the next command."""
    return Column("id", no_wrap=True)


def _read(parse: Callable[[], _T]) -> _T:
    try:
        return parse()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
