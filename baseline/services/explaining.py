"""What a raised deviation means: shares of the voices, what would have been normal, who carries it, what it looks like.

Asked only of deviations that are told, all of one batch together: the search for what would have been normal judges
some hundred changed rows for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baseline.detectors import attribution, explain, rise, techniques
from baseline.detectors.explain import Carrier
from baseline.detectors.protocol import UNKNOWN
from baseline.detectors.tail import weighted
from baseline.domain import explanation as explanations
from baseline.domain.deviation import Deviation, EdgeEvidence, Family
from baseline.domain.edge import Direction, PeerKind
from baseline.domain.explanation import Counterfactual, Explanation, Rise
from baseline.domain.window import Window
from baseline.features import schema
from baseline.features.schema import Feature
from baseline.services import counterfactuals
from baseline.services.batch import Batch

TOGETHER = 64  # deviations whose searches are judged in one call
RISEN = 0.01  # p below which a window counts as one of those that are up at once
Carriers = tuple[Carrier, ...]
MAIN_CALLER = 0.5  # share of a rise that makes it the caller's


def explained(deviations: Sequence[Deviation], batch: Batch) -> list[Deviation]:
    """The deviations of a batch, each with its explanation."""
    if not deviations:
        return []
    places = {window.workload: at for at, window in enumerate(batch.windows)}
    where = [places[deviation.workload] for deviation in deviations]
    alternatives: list[tuple[Counterfactual, ...]] = []
    for begin in range(0, len(where), TOGETHER):
        part = slice(begin, begin + TOGETHER)
        alternatives += counterfactuals.found(deviations[part], where[part], batch)
    up = _risen(batch)
    return [
        replace(deviation, explanation=_explanation(deviation, at, batch, found, up))
        for deviation, at, found in zip(deviations, where, alternatives, strict=True)
    ]


def hinted(deviation: Deviation) -> Deviation:
    """With hints at what its own edges and reasons look like: rules over several windows add theirs to a verdict."""
    picture = techniques.Picture(
        families=deviation.families,
        features=[reason.feature for reason in deviation.reasons],
        edges=deviation.edges,
        window_s=deviation.window_end - deviation.window_start,
    )
    more = Explanation(techniques=techniques.hints(picture))
    return replace(deviation, explanation=explanations.merged(deviation.explanation, more, is_stronger=True))


def _explanation(
    deviation: Deviation, at: int, batch: Batch, alternatives: tuple[Counterfactual, ...], up: int
) -> Explanation:
    shares = attribution.of_voices({name: float(p[at]) for name, p in batch.verdict.voices.items()})
    carried = _carriers(at, batch, families=deviation.families)
    picture = techniques.Picture(
        families=deviation.families,
        features=[reason.feature for reason in deviation.reasons],
        edges=_whole(batch.windows[at], carried),
        window_s=batch.horizon_s,
    )
    return Explanation(
        voice_shares=tuple((name, share) for name, share in shares.items() if share > 0),
        counterfactuals=alternatives,
        techniques=techniques.hints(picture),
        rise=_rise(at, batch, carried, up),
    )


def _whole(window: Window, carried: Carriers) -> tuple[EdgeEvidence, ...]:
    """Every edge that carries it: what a technique looks like shows in their number, not in the few that are kept."""
    return explain.evidence_edges(window, carried, {}, most=len(carried))


def _carriers(at: int, batch: Batch, *, families: Sequence[Family], feature: Feature | None = None) -> Carriers:
    """Of the feature that leads, or of another one."""
    residuals = batch.verdict.residuals[at]
    leading = explain.leading_feature(residuals, explain.leading_direction(residuals, batch.novel[at].fresh))
    return explain.carriers(
        batch.windows[at], families=families, feature=feature or leading, centre=batch.centre(at),
        fresh=batch.novel[at].unknown, tables=batch.model.edges, line=int(batch.rows.workloads[at]),
    )  # fmt: skip


def _rise(at: int, batch: Batch, carried: Carriers, up: int) -> Rise | None:
    """None for a newcomer: nobody knows what is usual for it."""
    if not carried or batch.rows.workloads[at] == UNKNOWN:
        return None
    own = _of_carriers(at, batch, carried, up)
    if own is None or carried[0].key.direction is Direction.INGRESS:
        return own
    calls = schema.FEATURES[schema.INDEX["connections_in"]]
    called = _carriers(at, batch, families=(Family.FAN_OUT,), feature=calls)
    return rise.following(own, _of_carriers(at, batch, called, up) if called else None)


def _of_carriers(at: int, batch: Batch, carried: Carriers, up: int) -> Rise | None:
    by_bytes = carried[0].is_bytes
    connections, amount = explain.expected_totals(batch.centre(at))[carried[0].key.direction]
    return rise.of_carriers(
        carried,
        usual=amount if by_bytes else connections,
        fewest=_worth("bytes_out_out" if by_bytes else "connections_out"),
        up=up,
        judged=int(np.isfinite(batch.verdict.p).sum()),
    )


def _worth(name: str) -> float:
    return schema.FEATURES[schema.INDEX[name]].matters


def _risen(batch: Batch) -> int:
    """How many workloads rise at once by causes of their own: the victims of one caller are that caller's rise."""
    amounts = np.array([one.family in (Family.VOLUME, Family.FAN_OUT) for one in schema.FEATURES])
    evidence = np.where(batch.verdict.residuals > 0, weighted(batch.verdict.residuals), 0.0)[:, amounts].max(axis=1)
    places = np.flatnonzero((batch.verdict.p < RISEN) & (evidence >= explain.WEAKEST))
    if len(places) < rise.PLATFORM_FEWEST:
        return len(places)
    return len({_origin(int(at), batch) for at in places})


def _origin(at: int, batch: Batch) -> str:
    """The workload itself, or the caller that most of its rise comes from."""
    carried = _carriers(at, batch, families=(Family.FAN_OUT,))
    if carried and carried[0].key.direction is Direction.INGRESS:
        over: dict[str, float] = {}
        for carrier in carried:
            if carrier.key.peer.kind is PeerKind.WORKLOAD:
                over[str(carrier.key.peer)] = over.get(str(carrier.key.peer), 0.0) + carrier.over
        whole = sum(carrier.over for carrier in carried)
        caller = max(over, key=lambda peer: over[peer], default="")
        if caller and over[caller] > MAIN_CALLER * whole:
            return caller
    return str(batch.windows[at].workload)
