"""How a run is spread over xdist workers: whole files, and all files that use a heavy server on one worker.

So a run starts each server once, and tests that stop one never meet. xdist's own grouping by mark (`--dist loadgroup`)
does nothing under pytest 9.2 (pytest-xdist issue 1386), and knows no file that asks through a fixture of its conftest.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

# The embedded broker is not among them: it is small, each worker may have its own.
HEAVY = re.compile(r"\b(kafka_server|kube_api|postgres_server)\b")
GROUP = "ground"


@cache
def uses_heavy_server(file: Path) -> bool:
    """True when the file, or a conftest.py beside it or above it in tests, names the fixture of a heavy server.

    The topmost conftest.py offers these fixtures to everybody and says nothing about one file.
    """
    folders = [folder for folder in file.parents if (folder / "conftest.py").is_file()]
    texts = [file, *(folder / "conftest.py" for folder in folders[:-1])]
    return any(HEAVY.search(text.read_text(errors="replace")) for text in texts if text.is_file())


class OneWorkerForServers(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no usable types for its schedulers
    """Files are units of work; those that use a heavy server are one unit together."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", maxsplit=1)[0]
        return GROUP if uses_heavy_server(Path(self.config.rootpath) / file) else file
