"""Why, in words and numbers: reasons, families, and the edges that carry a deviation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from baseline.detectors import edges as edge_tables
from baseline.detectors.protocol import Arrays
from baseline.detectors.tail import weighted
from baseline.domain.deviation import NEW_EDGE, EdgeEvidence, Family, Reason
from baseline.domain.edge import Direction, Edge, EdgeKey, Peer
from baseline.domain.units import format_bytes
from baseline.domain.window import EdgeCounts, Window
from baseline.features import calendar, schema
from baseline.features.extract import connections, failed
from baseline.features.schema import Feature, Measure
from baseline.features.table import FloatArray

REASONS = 5
WEAKEST = 3.0  # weighted residual below which a feature is no reason
RANGE_SCALES = 2.0  # expected range: centre +- 2 scales, about p5 to p95 with these heavy tails
EDGES = 32
_COUNTS_EDGES = ("peers_", "external_peers_", "ports_", "edges_", "namespaces_")


def reasons(  # noqa: PLR0913 - one row of every table, by name
    *, values: FloatArray, residuals: FloatArray, centre: FloatArray, scale: FloatArray, ceiling: FloatArray,
    slot: int, window_s: int, fresh: Sequence[EdgeKey], p_fresh: float,
) -> tuple[Reason, ...]:  # fmt: skip
    """The strongest features and, where any, the new edges; strongest first. All arrays (schema.WIDTH,)."""
    evidence = weighted(residuals)
    whole = float(np.maximum(evidence - WEAKEST, 0).sum()) + max(0.0, -np.log(p_fresh))
    found = []
    for column in np.argsort(-evidence, kind="stable")[:REASONS]:
        if evidence[column] < WEAKEST:
            break
        feature = schema.FEATURES[column]
        low = schema.natural(feature, centre[column] - RANGE_SCALES * scale[column])
        high = schema.natural(feature, max(centre[column] + RANGE_SCALES * scale[column], ceiling[column]))
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
                share=float((evidence[column] - WEAKEST) / whole) if whole > 0 else 0.0,
            )
        )
    if fresh and p_fresh < 0.05:
        share = float(min(1.0, -float(np.log(p_fresh)) / whole)) if whole > 0 else 0.0
        found.append(_new_edges(fresh, share=share, p=p_fresh))
    # Amounts first: a person reads "1,999 connections started" at once, and a ratio only beside them.
    return tuple(sorted(found, key=lambda reason: (reason.family is Family.SHAPE, -reason.share)))


def sentence(feature: Feature, *, actual: float, low: float, high: float, slot: int, window_s: int) -> str:
    """``312 connections started in 1 min; 0 to 14 expected here on Tuesdays at 03 h``."""
    span = f"{window_s // 60} min" if window_s < 3600 else f"{window_s // 3600} h"
    when = calendar.words(slot)
    if feature.measure is Measure.COUNT or feature.measure is Measure.PACKETS:
        return f"{actual:,.0f} {feature.words} in {span}; {low:,.0f} to {high:,.0f} expected here on {when}"
    if feature.measure is Measure.BYTES:
        expected = f"{format_bytes(low)} to {format_bytes(high)}"
        return f"{format_bytes(actual)} {feature.words} in {span}; {expected} expected here on {when}"
    if feature.measure is Measure.SHARE:
        return f"{actual:.0%} {feature.words} in {span}; {low:.0%} to {high:.0%} expected here on {when}"
    return f"{actual:,.3g} {feature.words} in {span}; {low:,.3g} to {high:,.3g} expected here on {when}"


def _new_edges(fresh: Sequence[EdgeKey], *, share: float, p: float) -> Reason:
    named = ", ".join(sorted(_far_end(key) for key in fresh)[:3]) + (", ..." if len(fresh) > 3 else "")
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


def evidence_edges(
    window: Window, *, families: Sequence[Family], feature: Feature, centre: FloatArray, fresh: Sequence[EdgeKey],
    tables: Arrays, line: int, peer_labels: Mapping[Peer, tuple[tuple[str, str], ...]],
) -> tuple[EdgeEvidence, ...]:  # fmt: skip
    """The edges that carry a deviation led by ``feature``, by their excess over what is normal on each; largest first.

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
    excess = []
    for key, share in zip(keys, shares, strict=True):
        counts = window.edges[key]
        if of_new:
            over = 1.0 + connections(counts) if key in new else 0.0
        elif by_bytes:
            over = counts.bytes_out + counts.bytes_in - share[1] * usual_bytes
        elif feature.family is Family.FAILURE:
            over = float(failed(counts))
        else:
            over = connections(counts) - share[0] * usual_connections
        excess.append(max(0.0, float(over)))
    whole = sum(excess) or 1.0
    found = [
        _evidence(window, key, share=over / whole, is_new=key in new, labels=peer_labels.get(key.peer, ()),
                  rate=float(share[0] * usual_connections))
        for key, over, share in zip(keys, excess, shares, strict=True)
        if over > 0
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda evidence: (-evidence.share, not evidence.is_new, str(evidence.edge)))[:EDGES])


def _evidence(
    window: Window, key: EdgeKey, *, share: float, is_new: bool, labels: tuple[tuple[str, str], ...], rate: float
) -> EdgeEvidence:
    counts = window.edges[key]
    return EdgeEvidence(
        edge=Edge(
            workload=window.workload, direction=key.direction, peer=key.peer, port=key.port, protocol=key.protocol
        ),
        is_new=is_new,
        connections=connections(counts),
        bytes_out=counts.bytes_out,
        bytes_in=counts.bytes_in,
        failed=failed(counts),
        share=share,
        peer_labels=labels,
        normal_rate=rate,
    )


def _is_driven_by_connections(window: Window, keys: Sequence[EdgeKey], usual: float) -> bool:
    """Whether the window has far more connections than usual: then its volume is a consequence of them."""
    counts: list[EdgeCounts] = [window.edges[key] for key in keys]
    return sum(connections(count) for count in counts) > 3 * usual + 10
