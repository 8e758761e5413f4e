"""What people said, as the jobs need it."""

from __future__ import annotations

from contextlib import closing

from baseline.adapters.sql.library import open_library
from baseline.domain.alert import Disposition
from baseline.services.train import Exclusion


def confirmed(url: str) -> list[Exclusion]:
    """What people confirmed as attacks: workload and interval, never to be learned from."""
    with closing(open_library(url)) as library:
        library.check()
        with library.transaction() as books:
            said = books.feedback.since(0.0)
    return [
        (one.workload, one.window_start, one.window_end) for one in said if one.disposition is Disposition.CONFIRMED
    ]
