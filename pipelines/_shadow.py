"""What a candidate raised in shadow, for the job that promotes it."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from baseline.adapters.sql.library import open_library
from baseline.domain.errors import GateRefused
from baseline.domain.modelset import Manifest
from baseline.domain.units import rfc3339
from baseline.services.shadow import Difference, difference

MOST_TOLD = 10  # alerts named on the terminal of each kind; all are in the report


def compared(manifest: Manifest, *, books: str, shadow: str, alerts_per_week: float) -> Difference:
    """The set's alerts in shadow beside what people were told; GateRefused when they are far past its budget."""
    with closing(open_library(books)) as current, closing(open_library(shadow)) as beside:
        found = difference(current, beside, set_id=manifest.id, made_at=manifest.created_at)
    reason = found.refusal(workloads=manifest.workloads, alerts_per_week=alerts_per_week)
    if reason is not None:
        raise GateRefused(f"{reason}\n{told(found)}")
    return found


def told(found: Difference) -> str:
    """For people."""
    counts = (
        f"shadow: {found.days:.1f} days; alerts of both sets {len(found.both)}, only of this one "
        f"{len(found.only_candidate)}, only of the current one {len(found.only_current)}"
    )
    lines = [counts]
    lines += [f"  only here:    {alert.sentence}" for alert in found.only_candidate[:MOST_TOLD]]
    lines += [f"  only current: {alert.sentence}" for alert in found.only_current[:MOST_TOLD]]
    return "\n".join(lines)


def plain(found: Difference) -> dict[str, Any]:
    """For the report."""
    groups = {"both": found.both, "only_candidate": found.only_candidate, "only_current": found.only_current}
    return {"since": rfc3339(found.since), "until": rfc3339(found.until)} | {
        name: [{"id": alert.id, "workload": str(alert.workload), "sentence": alert.sentence} for alert in alerts]
        for name, alerts in groups.items()
    }
