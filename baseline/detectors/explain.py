"""Why, in words and numbers: reasons, families, and the edges that carry a deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baseline.detectors import edges as edge_tables
from baseline.detectors.attribution import Shares
from baseline.detectors.protocol import Arrays
from baseline.detectors.tail import weighted
from baseline.domain.deviation import NEW_EDGE, EdgeEvidence, Family, Reason
from baseline.domain.edge import Direction, Edge, EdgeKey, Peer
from baseline.domain.units import HOUR_S, format_bytes
from baseline.domain.window import EdgeCounts, Window
from baseline.features import calendar, schema
from baseline.features.extract import connections, failed
from baseline.features.schema import Feature, Measure
from baseline.features.table import FloatArray

REASONS = 5
WEAKEST = 3.0  # weighted residual below which a feature is no reason
SLIGHT, CARRIES = (
    1.0,
    0.1,
)  # ...unless it carries this share: several slight oddities together may be far from all known
RANGE_SCALES = 2.0  # expected range: centre +- 2 scales, about p5 to p95 with these heavy tails
EDGES = 32
MAIN_SHARE = 0.1  # of the deviation, from which on an edge is one of those that carry it
QUIET_CONNECTIONS = 1.0  # a window, below which an edge is quiet at this hour
UNUSUAL_NEW = 0.05  # p of so many new edges above which they are no reason
_COUNTS_EDGES = ("peers_", "external_peers_", "ports_", "edges_", "namespaces_")


def reasons(  # noqa: PLR0913 - one row of every table, by name
    *, values: FloatArray, residuals: FloatArray, centre: FloatArray, scale: FloatArray, ceiling: FloatArray,
    slot: int, window_s: int, fresh: Sequence[EdgeKey], p_fresh: float, shares: Shares,
) -> tuple[Reason, ...]:  # fmt: skip
    """The strongest features and, where any, the new edges; strongest first. All arrays (schema.WIDTH,)."""
    evidence = weighted(residuals)
    found = []
    is_reason = (evidence >= WEAKEST) | ((evidence >= SLIGHT) & (shares.features >= CARRIES))
    for column in [column for column in np.argsort(-evidence, kind="stable") if is_reason[column]][:REASONS]:
        feature = schema.FEATURES[column]
        low, high = expected_range(feature, centre[column], scale[column], ceiling[column])
        actual = schema.natural(feature, values[column])
        found.append(
            Reason(
                family=feature.family,
                feature=feature.name,
                sentence=sentence(feature, actual=actual, low=low, high=high, slot=slot, window_s=window_s),
                actual=actual,
                expected_low=low,
                expected_high=high,
                z=float(residuals[column]),
                share=float(shares.features[column]),
            )
        )
    if fresh and p_fresh < UNUSUAL_NEW:
        found.append(_new_edges(fresh, share=shares.new_edges, p=p_fresh))
    # Amounts first: a person reads "1,999 connections started" at once, and a ratio or what is slight only beside them.
    slight = {schema.NAMES[column] for column in np.flatnonzero(evidence < WEAKEST)}
    return tuple(sorted(found, key=lambda one: (one.family is Family.SHAPE or one.feature in slight, -one.share)))


def expected_range(feature: Feature, centre: float, scale: float, ceiling: float) -> tuple[float, float]:
    """Low and high of what is expected, in natural units."""
    low = schema.natural(feature, centre - RANGE_SCALES * scale)
    return low, schema.natural(feature, max(centre + RANGE_SCALES * scale, ceiling))


def sentence(feature: Feature, *, actual: float, low: float, high: float, slot: int, window_s: int) -> str:
    """``312 connections started in 1 min; 0 to 14 expected here on Tuesdays at 03 h``."""
    expected = f"{amount(feature, low)} to {amount(feature, high)} expected here on {calendar.words(slot)}"
    return f"{amount(feature, actual)} {feature.words} in {span(window_s)}; {expected}"


def amount(feature: Feature, value: float) -> str:
    """A number in natural units as a person reads it."""
    if feature.measure is Measure.COUNT or feature.measure is Measure.PACKETS:
        return f"{value:,.0f}"
    if feature.measure is Measure.BYTES:
        return format_bytes(value)
    return f"{value:.0%}" if feature.measure is Measure.SHARE else f"{value:,.3g}"


def span(window_s: int) -> str:
    """``1 min``, ``1 h``."""
    return f"{window_s // 60} min" if window_s < HOUR_S else f"{window_s // HOUR_S} h"


def _new_edges(fresh: Sequence[EdgeKey], *, share: float, p: float) -> Reason:
    named = ", ".join(sorted(_far_end(key) for key in fresh)[:3]) + (
        f" and {len(fresh) - 3} more" if len(fresh) > 3 else ""
    )
    many = f"{len(fresh)} peers or ports never used before" if len(fresh) > 1 else "a peer or port never used before"
    return Reason(
        family=Family.NOVELTY, feature=NEW_EDGE, sentence=f"{many}: {named}", actual=float(len(fresh)),
        expected_low=0.0, expected_high=0.0, z=float(-np.log10(p)), share=share,
    )  # fmt: skip


def _far_end(key: EdgeKey) -> str:
    word = "to" if key.direction is Direction.EGRESS else "from"
    return f"{word} {key.peer}" + (f":{key.port}" if key.port is not None else "") + f"/{key.protocol}"


def expected_totals(centre: FloatArray) -> dict[Direction, tuple[float, float]]:
    """Normal connections and bytes of a window, by direction, from the seasonal centre (schema.WIDTH,)."""
    found = {}
    for direction, side in ((Direction.EGRESS, "out"), (Direction.INGRESS, "in")):
        amounts = [
            schema.natural(schema.FEATURES[schema.INDEX[name]], centre[schema.INDEX[name]])
            for name in (f"connections_{side}", f"bytes_out_{side}", f"bytes_in_{side}")
        ]
        found[direction] = (amounts[0], amounts[1] + amounts[2])
    return found


def leading_direction(residuals: FloatArray, fresh: Sequence[EdgeKey]) -> Direction:
    """Which side of the workload the evidence lies on; egress when it is even: the initiator is who we restrict."""
    evidence = weighted(residuals)
    strongest = {
        direction: max(evidence[i] for i, feature in enumerate(schema.FEATURES) if feature.direction is direction)
        for direction in Direction
    }
    if max(strongest.values()) < WEAKEST and fresh:
        return fresh[0].direction
    return Direction.INGRESS if strongest[Direction.INGRESS] > strongest[Direction.EGRESS] else Direction.EGRESS


def leading_feature(residuals: FloatArray, direction: Direction) -> Feature:
    """The feature with most evidence on one side; a ratio only when nothing else says anything."""
    evidence = weighted(residuals)
    columns = [i for i, feature in enumerate(schema.FEATURES) if feature.direction is direction]
    amounts = [i for i in columns if schema.FEATURES[i].family is not Family.SHAPE]
    best = max(amounts, key=lambda i: evidence[i])
    return schema.FEATURES[best if evidence[best] >= WEAKEST else max(columns, key=lambda i: evidence[i])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """What one edge of a window carries of what is counted, connections or bytes."""

    key: EdgeKey
    amount: float
    past: float  # its share of the past of its side, of what is counted
    usual: float  # of what is counted, at this hour
    over: float  # what counts as its part of the deviation, not negative
    usual_connections: float
    usual_bytes: float
    is_new: bool
    is_bytes: bool  # of all carriers of a window alike


def carriers(
    window: Window, *, families: Sequence[Family], feature: Feature, centre: FloatArray, fresh: Sequence[EdgeKey],
    tables: Arrays, line: int,
) -> tuple[Carrier, ...]:  # fmt: skip
    """Every edge on the side of ``feature``, which leads the deviation, in the window's order.

    What is normal on an edge is its share of the workload's past, of what the workload as a whole normally does at
    this hour: an edge that was attacked in training does not become normal by it. More peers or ports than normal are
    carried by the new ones, more bytes by bytes, failures by failures, everything else by connections.
    """
    keys = [key for key in window.edges if key.direction is feature.direction]
    if not keys:
        return ()
    _, shares = edge_tables.known(tables, line, keys)
    new = set(fresh).intersection(keys)
    usual_connections, usual_bytes = expected_totals(centre)[feature.direction]
    of_new = bool(new) and (families[0] is Family.NOVELTY or feature.name.startswith(_COUNTS_EDGES))
    by_bytes = feature.family is Family.VOLUME and not _is_driven_by_connections(window, keys, usual_connections)
    found = []
    for key, share in zip(keys, shares, strict=True):
        counts = window.edges[key]
        here = float(counts.bytes_out + counts.bytes_in if by_bytes else connections(counts))
        usual = float(share[1] * usual_bytes if by_bytes else share[0] * usual_connections)
        over = here - usual
        if of_new:
            over = 1.0 + connections(counts) if key in new else 0.0
        elif not by_bytes and feature.family is Family.FAILURE:
            over = float(failed(counts))
        found.append(
            Carrier(
                key=key,
                amount=here,
                past=float(share[1] if by_bytes else share[0]),
                usual=usual,
                over=max(0.0, over),
                usual_connections=float(share[0] * usual_connections),
                usual_bytes=float(share[1] * usual_bytes),
                is_new=key in new,
                is_bytes=by_bytes,
            )
        )
    return tuple(found)


def is_at_a_quiet_hour(carried: Sequence[Carrier]) -> bool:
    """Whether what carries the deviation lies on edges that the baseline knows and that do nothing at this hour.

    That is a fact beside the amount: a service that grows has more on the edges it uses, and pools that are opened
    anew lie on edges whose bytes flow all the time. Only of what it starts itself: who calls it is its callers' doing.
    """
    whole = sum(carrier.over for carrier in carried)
    main = [carrier for carrier in carried if carrier.over >= MAIN_SHARE * whole > 0]
    return bool(main) and all(
        carrier.key.direction is Direction.EGRESS
        and not carrier.is_new
        and carrier.usual_connections < QUIET_CONNECTIONS
        and carrier.usual_bytes < schema.BYTES_UNIT
        for carrier in main
    )


def evidence_edges(
    window: Window,
    carried: Sequence[Carrier],
    peer_labels: Mapping[Peer, tuple[tuple[str, str], ...]],
    *,
    most: int = EDGES,
) -> tuple[EdgeEvidence, ...]:
    """The edges that carry a deviation, the largest share first; bounded."""
    whole = sum(carrier.over for carrier in carried) or 1.0
    found = [
        _evidence(window, carrier, share=carrier.over / whole, labels=peer_labels.get(carrier.key.peer, ()))
        for carrier in carried
        if carrier.over > 0
    ]
    return tuple(sorted(found, key=lambda evidence: (-evidence.share, not evidence.is_new, str(evidence.edge)))[:most])


def _evidence(window: Window, carrier: Carrier, *, share: float, labels: tuple[tuple[str, str], ...]) -> EdgeEvidence:
    key, counts = carrier.key, window.edges[carrier.key]
    return EdgeEvidence(
        edge=Edge(
            workload=window.workload, direction=key.direction, peer=key.peer, port=key.port, protocol=key.protocol
        ),
        is_new=carrier.is_new,
        connections=connections(counts),
        bytes_out=counts.bytes_out,
        bytes_in=counts.bytes_in,
        failed=failed(counts),
        share=share,
        peer_labels=labels,
        normal_rate=carrier.usual_connections,
        first_seen=counts.first_seen,
        last_seen=counts.last_seen,
    )


def _is_driven_by_connections(window: Window, keys: Sequence[EdgeKey], usual: float) -> bool:
    """Whether the window has far more connections than usual: then its volume is a consequence of them."""
    counts: list[EdgeCounts] = [window.edges[key] for key in keys]
    return sum(connections(count) for count in counts) > 3 * usual + 10
