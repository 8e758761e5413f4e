"""The arrays of several fits of disjoint lines by one pool, as those of one fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from baseline.detectors import combine, forest_layout
from baseline.detectors.forest_layout import NONE
from baseline.detectors.protocol import Arrays

# What every line has a row of, and the fleet the last one.
_BY_LINE = (
    "seasonal.centre", "seasonal.scale", "seasonal.ceiling", "seasonal.level", "seasonal.moved", "seasonal.learned",
    "seasonal.present", "neighbours.trust", "edges.rate", "edges.more",
    *(f"{of}.{name}" for of in ("tail.p", "neighbours.p", "forest.p", "final") for name in ("quantiles", "tails")),
)  # fmt: skip
_OWN = ("neighbours.own", "neighbours.bounds", "edges.windows")
_FOREST = "forest"


def joined(parts: Sequence[Arrays]) -> dict[str, npt.NDArray[Any]]:
    """Lines in the order of the parts. What is the fleet's is the same in all of them, and taken from the last."""
    if len(parts) == 1:
        return dict(parts[0])
    last = parts[-1]
    found = {name: np.asarray(last[name]) for name in last if name not in _OWN and not name.startswith(f"{_FOREST}.")}
    found |= {f"{_FOREST}.p.{name}": array for name, array in combine.under(last, f"{_FOREST}.p").items()}
    for name in _BY_LINE:
        found[name] = np.concatenate([*(part[name][:-1] for part in parts), last[name][-1:]])
    sizes = [np.diff(part["neighbours.bounds"]) for part in parts]
    found["neighbours.own"] = np.concatenate([part["neighbours.own"] for part in parts])
    found["neighbours.bounds"] = np.cumsum(np.concatenate([np.zeros(1, dtype=np.int64), *sizes]))
    windows = np.concatenate([part["edges.windows"][:-1] for part in parts])
    found["edges.windows"] = np.append(windows, windows.sum())
    for name in (name for name in last if name.startswith("weights.")):  # newcomers have none
        found[name] = np.concatenate([part[name] for part in parts])
    return found | combine.named(_FOREST, _forests([combine.under(part, _FOREST) for part in parts]))


def _forests(parts: Sequence[Arrays]) -> dict[str, npt.NDArray[Any]]:
    """Own forests of every part, then the fleet's."""
    forests: list[forest_layout.Forest] = []
    own: list[npt.NDArray[np.int64]] = []
    for part in parts:
        count = len(part["samples"]) - (part["own"][-1] != NONE)
        own.append(np.where(part["own"][:-1] == NONE, NONE, part["own"][:-1] + len(forests)))
        forests += [_one(part, number) for number in range(count)]
    fleet = parts[-1]["own"][-1]
    own.append(np.array([NONE if fleet == NONE else len(forests)]))
    forests += [] if fleet == NONE else [_one(parts[-1], int(fleet))]
    return forest_layout.joined(forests, np.concatenate(own)) | {"schema": np.asarray(parts[-1]["schema"])}


def _one(arrays: Arrays, number: int) -> forest_layout.Forest:
    """One forest out of a fleet's arrays."""
    trees = arrays["trees"][arrays["forests"][number] : arrays["forests"][number + 1] + 1]
    return {
        "nodes": arrays["nodes"][trees[0] : trees[-1]], "trees": trees - trees[0],
        "samples": arrays["samples"][number : number + 1],
    }  # fmt: skip
