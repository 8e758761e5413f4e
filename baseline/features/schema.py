"""The ordered features of one window: names, families, units, and how they are read back in natural units.

Everything is on a logarithmic scale, so that a residual of 0.7 means "twice", at every level. ``unit`` is the smallest
amount that matters: below it a feature stays near zero, so that one connection more on a silent workload, or a few
kilobytes, are never many deviations. Ratios carry ``PSEUDO`` imagined connections, so that three connections cannot
make an extreme ratio.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from baseline.domain.deviation import Family
from baseline.domain.edge import Direction
from baseline.domain.errors import SchemaMismatch
from baseline.features.table import FloatArray


class Measure(StrEnum):
    """What the number of a feature means, and so how it is spelled."""

    COUNT = "count"
    BYTES = "bytes"
    PACKETS = "packets"
    SHARE = "share"  # in [0, 1], linear
    RATIO = "ratio"  # logarithm of a quotient


PSEUDO = 10.0  # imagined connections in every ratio; by judgement
SHARE_SCALE = 4.0  # a share of 1 counts as much as a factor of e^4 elsewhere; by judgement
BYTES_UNIT = 16_384.0
PACKETS_UNIT = 64.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One column of the vector."""

    name: str
    family: Family
    direction: Direction
    measure: Measure
    words: str  # what is counted, for sentences
    unit: float = 1.0
    rise: float = 1.0  # weight of more than normal in the tail voice
    fall: float = 0.2  # weight of less than normal: an attack seldom shows as silence
    matters: float = math.inf  # natural units above the expected high from which an excess may raise an alert alone
    noise: float = 0.1  # smallest scale of a residual, in log units


class Schema:
    """Ordered features: what the columns of numbers mean. Two of the same hash are the same.

    ``rise``, ``fall``, ``noise`` : float64 (width,), the features' weights and smallest scales.
    ``is_counted`` : bool (width,), counts, bytes and packets, which have the noise of small numbers.
    ``mark`` : uint8 (8,), the hash as numbers, kept beside what was fitted.
    """

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = tuple(features)
        self.names = tuple(feature.name for feature in self.features)
        self.index = {name: position for position, name in enumerate(self.names)}
        self.width = len(self.features)
        if len(self.index) != self.width:
            raise SchemaMismatch(f"a feature comes twice: {', '.join(self.names)}")

    @cached_property
    def hash(self) -> str:
        """Names, units and scales in order: numbers made under another hash must never meet these."""
        text = "\n".join(f"{f.name} {f.measure} {f.unit} {PSEUDO} {SHARE_SCALE}" for f in self.features)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def mark(self) -> npt.NDArray[np.uint8]:
        """See the class."""
        return np.frombuffer(bytes.fromhex(self.hash), dtype=np.uint8)

    @cached_property
    def rise(self) -> FloatArray:
        """See the class."""
        return np.array([feature.rise for feature in self.features], dtype=np.float64)

    @cached_property
    def fall(self) -> FloatArray:
        """See the class."""
        return np.array([feature.fall for feature in self.features], dtype=np.float64)

    @cached_property
    def noise(self) -> FloatArray:
        """See the class."""
        return np.array([feature.noise for feature in self.features], dtype=np.float64)

    @cached_property
    def is_counted(self) -> npt.NDArray[np.bool_]:
        """See the class."""
        counted = (Measure.COUNT, Measure.BYTES, Measure.PACKETS)
        return np.array([feature.measure in counted for feature in self.features], dtype=np.bool_)

    def arranged(self, names: Sequence[str], values: FloatArray) -> FloatArray:
        """Columns (n, len(names)) given in any order, in the schema's order (n, width).

        Raises SchemaMismatch for a column that is unknown, missing or given twice.
        """
        if unknown := set(names) - set(self.names):
            raise SchemaMismatch(f"unknown columns: {', '.join(sorted(unknown))}")
        if sorted(names) != sorted(self.names):
            raise SchemaMismatch(f"columns missing or given twice: {', '.join(names)}")
        return np.asarray(values[:, [list(names).index(name) for name in self.names]], dtype=np.float64)

    def without(self, absent: Collection[str]) -> Schema:
        """The schema of a log that cannot give these features: they are not zero there, they do not exist."""
        if unknown := set(absent) - set(self.names):
            raise SchemaMismatch(f"unknown columns: {', '.join(sorted(unknown))}")
        return Schema([feature for feature in self.features if feature.name not in absent])


_E, _I = Direction.EGRESS, Direction.INGRESS


def _count(name: str, direction: Direction, words: str, matters: float, family: Family = Family.FAN_OUT) -> Feature:
    return Feature(
        name=name, family=family, direction=direction, measure=Measure.COUNT, words=words, matters=matters, noise=0.15
    )


def _bytes(name: str, direction: Direction, words: str) -> Feature:
    return Feature(
        name=name, family=Family.VOLUME, direction=direction, measure=Measure.BYTES, words=words, unit=BYTES_UNIT,
        matters=256 * 1024.0, noise=0.2,
    )  # fmt: skip


def _packets(name: str, direction: Direction, words: str) -> Feature:
    return Feature(
        name=name, family=Family.VOLUME, direction=direction, measure=Measure.PACKETS, words=words, unit=PACKETS_UNIT,
        matters=400.0, noise=0.2,
    )  # fmt: skip


def _ratio(name: str, direction: Direction, words: str, *, rise: float, fall: float) -> Feature:
    return Feature(
        name=name, family=Family.SHAPE, direction=direction, measure=Measure.RATIO, words=words, rise=rise, fall=fall,
        noise=0.2,
    )  # fmt: skip


FEATURES: tuple[Feature, ...] = (
    _count("connections_out", _E, "connections started", 10),
    _count("peers_out", _E, "different peers contacted", 4),
    _count("external_peers_out", _E, "different external peers contacted", 4),
    _count("ports_out", _E, "different destination ports contacted", 4),
    _count("edges_out", _E, "different pairs of peer and port contacted", 5),
    _count("namespaces_out", _E, "different namespaces contacted", 3),
    _count("busiest_edge_out", _E, "connections started to one peer and port", 10),
    _bytes("bytes_out_out", _E, "sent on connections of its own"),
    _bytes("bytes_in_out", _E, "received on connections of its own"),
    _bytes("external_bytes_out", _E, "sent to external peers"),
    _bytes("largest_bytes_out", _E, "sent in the largest single flow"),
    _packets("packets_out_out", _E, "packets sent on connections of its own"),
    _packets("packets_in_out", _E, "packets received on connections of its own"),
    _count("failed_out", _E, "connections refused or unanswered", 5, Family.FAILURE),
    Feature(
        name="failed_share_out", family=Family.FAILURE, direction=_E, measure=Measure.SHARE, fall=0.0, rise=0.8,
        words="share of connections refused or unanswered", noise=0.2,
    ),
    _ratio("bytes_per_connection_out", _E, "bytes a connection", rise=0.4, fall=0.6),
    _ratio("connections_per_peer_out", _E, "connections a peer", rise=0.6, fall=0.2),
    _ratio("edges_per_peer_out", _E, "destination ports a peer", rise=0.6, fall=0.2),
    _ratio("upload_out", _E, "bytes sent for one received", rise=0.6, fall=0.2),
    _ratio("carried_out", _E, "connections open for one started", rise=0.4, fall=0.2),
    _count("connections_in", _I, "connections accepted or refused from others", 10),
    _count("peers_in", _I, "different peers calling", 4),
    _count("edges_in", _I, "different pairs of caller and port", 5),
    _count("ports_in", _I, "different ports called", 4),
    _count("busiest_edge_in", _I, "connections from one peer to one port", 10),
    _bytes("bytes_out_in", _I, "sent to callers"),
    _bytes("bytes_in_in", _I, "received from callers"),
    _packets("packets_out_in", _I, "packets sent to callers"),
    _packets("packets_in_in", _I, "packets received from callers"),
    _count("failed_in", _I, "calls refused or unanswered", 5, Family.FAILURE),
    Feature(
        name="failed_share_in", family=Family.FAILURE, direction=_I, measure=Measure.SHARE, fall=0.0, rise=0.8,
        words="share of calls refused or unanswered", noise=0.2,
    ),
    _ratio("bytes_per_connection_in", _I, "bytes a call", rise=0.4, fall=0.6),
    _ratio("connections_per_peer_in", _I, "calls a peer", rise=0.6, fall=0.2),
    _ratio("carried_in", _I, "calls open for one accepted", rise=0.4, fall=0.2),
)  # fmt: skip

PRODUCT = Schema(FEATURES)  # what the stream counts; the suite judges other recordings by schemas of their own
NAMES: tuple[str, ...] = PRODUCT.names
INDEX: dict[str, int] = PRODUCT.index
WIDTH = PRODUCT.width


def hash() -> str:  # noqa: A001 - read as schema.hash()
    """Of the product's schema."""
    return PRODUCT.hash


def natural(feature: Feature, value: float) -> float:
    """A value of the vector in natural units, a plain float: the inverse of ``extract``'s scale."""
    if feature.measure is Measure.SHARE:
        return min(1.0, max(0.0, float(value) / SHARE_SCALE))
    if feature.measure is Measure.RATIO:
        return math.exp(min(value, 60.0))
    return max(0.0, feature.unit * math.expm1(min(value, 60.0)))
