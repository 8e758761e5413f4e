"""Query parameters of listings: bounded, and unknown ones refused rather than ignored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from baseline.domain.alert import Disposition
from baseline.domain.restriction import State
from baseline.domain.units import parse_rfc3339
from baseline.domain.workload import WorkloadId
from baseline.web.problems import Problem
from baseline.web.schemas import Until


def _time(text: str) -> str:
    parse_rfc3339(text)
    return text


Time = Annotated[str, AfterValidator(_time), Field(max_length=40, examples=["2026-09-21T14:00:00Z"])]
WorkloadText = Annotated[
    str, Field(max_length=600, description="namespace/name or cluster/namespace/name", examples=["shop/checkout"])
]


class PageQuery(BaseModel):
    """Where in a listing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: int = Field(100, ge=1, le=500)
    after: str | None = Field(None, max_length=1024, description="Opaque; from the page before.")


class AlertQuery(PageQuery):
    """Which alerts."""

    disposition: Disposition | None = None
    workload: WorkloadText | None = None
    since: Time | None = Field(None, description="Opened at or after (RFC 3339).")


class RestrictionQuery(PageQuery):
    """Which restrictions."""

    state: list[State] | None = Field(None, description="May be repeated.")
    alert: str | None = Field(None, max_length=100)
    workload: WorkloadText | None = None


class SuppressionQuery(PageQuery):
    """Which suppressions."""

    active: bool = Field(False, description="Only those that still silence.")
    alert: str | None = Field(None, max_length=100)
    workload: WorkloadText | None = None


class WeightsQuery(PageQuery):
    """Whose weights."""

    workload: WorkloadText | None = Field(None, description="All versions of this one's, newest first.")


class PreviewQuery(BaseModel):
    """Which dismissal to look at beforehand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: Literal["hour", "edge", "workload", "always"]
    until: Until | None = Field(None, description="RFC 3339, or a time from now such as 14d; 90 days at most.")


class WorkloadQuery(PageQuery):
    """Which workloads."""

    namespace: str | None = Field(None, max_length=300)
    seen_since: Time | None = Field(None, description="Seen at or after (RFC 3339).")


def workload_of(text: str | None, *, cluster: str) -> WorkloadId | None:
    """Read a workload filter."""
    if text is None:
        return None
    try:
        return WorkloadId.parse(text, cluster=cluster)
    except ValueError as error:
        raise Problem(422, str(error)) from error


def time_of(text: str | None) -> float | None:
    """Read a time filter."""
    return None if text is None else parse_rfc3339(text)
