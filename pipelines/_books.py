"""What people said, as the jobs need it."""

from __future__ import annotations

from contextlib import closing

from baseline.adapters.sql.library import open_library
from baseline.services.suppress import never_teach
from baseline.services.train import Exclusion


def confirmed(url: str) -> list[Exclusion]:
    """What people confirmed as attacks, and what was silenced as one of them: never to be learned from."""
    with closing(open_library(url)) as library:
        library.check()
        with library.transaction() as books:
            return never_teach(books)
