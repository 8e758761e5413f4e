"""What people said, as the jobs need it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing

from baseline.adapters.sql.library import open_library
from baseline.detectors.feedback import Weights
from baseline.domain.workload import WorkloadId
from baseline.services import weigh
from baseline.services.suppress import never_teach
from baseline.services.train import Exclusion


def confirmed(url: str) -> list[Exclusion]:
    """What people confirmed as attacks, and what was silenced as one of them: never to be learned from."""
    with closing(open_library(url)) as library:
        library.check()
        with library.transaction() as books:
            return never_teach(books)


def weights(url: str, workloads: Iterable[WorkloadId]) -> dict[WorkloadId, Weights]:
    """What decisions taught about the voices of these workloads; those nobody decided about are left out."""
    with closing(open_library(url)) as library:
        library.check()
        with library.transaction() as books:
            found = weigh.in_force(books)
    return {workload: found[weigh.group_of(workload)] for workload in workloads if weigh.group_of(workload) in found}
