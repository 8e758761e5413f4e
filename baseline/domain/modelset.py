"""Model sets: immutable, content-addressed sets of fitted baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

FORMAT = 2  # 2: peer groups, rarity and completeness in the fleet's file


class Alias(StrEnum):
    """Names that move from set to set."""

    CURRENT = "current"
    CANDIDATE = "candidate"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a set says of itself; everything else is arrays."""

    id: str  # sha256 over files and manifest, first 16 hex digits
    format: int
    schema_hash: str  # of features.schema
    recipe: str  # canonical TOML text of the recipe
    created_at: float
    trained_from: float
    trained_until: float
    data_hash: str
    workloads: int
    files: Mapping[str, str]  # name -> sha256
    metrics: Mapping[str, float]
