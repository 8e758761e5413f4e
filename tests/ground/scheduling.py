"""How a run is spread over xdist workers: whole files, and all files that use the same heavy servers on one worker.

So a run starts a server once or twice and not for every file. xdist's own grouping by mark (`--dist loadgroup`)
does nothing under pytest 9.2 (pytest-xdist issue 1386), and knows no file that asks through a fixture of its conftest.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

# The embedded broker is not among them: it is small, each worker may have its own.
HEAVY = re.compile(r"\b(kafka_server|kube_api|postgres_server)\b")


@cache
def heavy_servers(file: Path) -> str:
    """The heavy servers whose fixtures this file names, or a conftest.py beside it or above it in tests; "" for none.

    The topmost conftest.py offers these fixtures to everybody and says nothing about one file.
    """
    folders = [folder for folder in file.parents if (folder / "conftest.py").is_file()]
    texts = [file, *(folder / "conftest.py" for folder in folders[:-1])]
    named = {name for text in texts if text.is_file() for name in HEAVY.findall(text.read_text(errors="replace"))}
    return "+".join(sorted(named))


class TogetherByServer(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no usable types for its schedulers
    """Files are units of work; those that use the same heavy servers are one unit together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        return heavy_servers(Path(self.config.rootpath) / file) or file
