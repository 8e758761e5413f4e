"""What a log cannot give is absent: no residual, no score, no reason."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from baseline.detectors import combine, seasonal
from baseline.detectors.fit import fit_horizon
from baseline.detectors.protocol import UNKNOWN
from baseline.domain.edge import Direction, EdgeKey, Peer, PeerKind
from baseline.domain.errors import GateRefused
from baseline.features import availability, schema
from baseline.features.availability import LogFacts, absent, masked, present
from baseline.services import train
from baseline.services.evaluate import Notebook
from baseline.services.train import Recipe
from tests.detectors.making import rows
from tests.unit.services_score.making import T0, UNTIL, history

PUB = Peer(PeerKind.PUBLIC, "", "pub")
DB = Peer(PeerKind.WORKLOAD, "shop", "db")
NAMED = Peer(PeerKind.ADDRESS, "", "52.1.2.3")


def edge(peer: Peer, port: int | None = 443, protocol: str = "tcp") -> EdgeKey:
    """Egress."""
    return EdgeKey(Direction.EGRESS, peer, port, protocol)


@pytest.mark.parametrize(
    ("edges", "facts"),
    [
        ([], LogFacts()),
        ([edge(DB)], LogFacts()),
        ([edge(DB, None)], LogFacts(has_ports=False)),
        ([edge(DB, None, "icmp")], LogFacts()),  # it has no ports to name
        ([edge(DB, None), edge(DB, 5432)], LogFacts()),
        ([edge(PUB)], LogFacts(has_addresses=False)),
        ([edge(PUB), edge(NAMED)], LogFacts()),
    ],
)
def test_the_kind_of_a_log_shows_in_its_edges(edges: list[EdgeKey], facts: LogFacts) -> None:
    """What they leave open is taken to be there."""
    assert LogFacts.of(edges) == facts


@pytest.mark.parametrize(
    ("facts", "gone", "there"),
    [
        (LogFacts(), set(), {"ports_out", "external_peers_out", "failed_in"}),
        (LogFacts(has_ports=False), {"ports_out", "ports_in", "edges_per_peer_out"}, {"peers_out", "edges_out"}),
        (LogFacts(has_addresses=False), {"external_peers_out"}, {"external_bytes_out", "peers_out"}),
        (
            LogFacts(is_windows=True),
            {"connections_out", "busiest_edge_in", "failed_share_out", "bytes_per_connection_in"},
            {"bytes_out_out", "packets_in_in", "peers_out", "upload_out"},
        ),
        (LogFacts(is_mirrored=True), {"external_peers_out", "external_bytes_out"}, {"connections_in"}),
    ],
)
def test_absent_features_follow_from_the_kind_of_log(facts: LogFacts, gone: set[str], there: set[str]) -> None:
    """By name, and only names of the schema."""
    found = absent(facts)
    assert gone <= found
    assert not there & found
    assert found <= set(schema.NAMES)


def test_a_newcomer_is_masked_as_most_logs_are() -> None:
    """Its own log is not known yet."""
    mask = present([{"ports_out"}, {"ports_out"}, set()])
    assert mask.shape == (4, schema.WIDTH)
    assert not mask[-1, schema.INDEX["ports_out"]]
    assert mask[-1, schema.INDEX["peers_out"]]
    assert present([]).all()


def test_absent_features_have_no_residual_and_no_share_in_a_score() -> None:
    """However wild their numbers are; the same row where they are present scores."""
    learned = rows(lines=3, windows=400, with_residuals=False)
    mask = np.ones((4, schema.WIDTH), dtype=np.bool_)
    column = schema.INDEX["ports_out"]
    mask[0, column] = False
    arrays = fit_horizon(learned, lines=3, seed=1, present=mask)
    wild = learned.pick(np.array([0, 400]))
    values = wild.values.copy()
    values[:, column] += 30.0
    wild = replace(wild, values=values)
    found = seasonal.residuals(combine.under(arrays, "seasonal"), wild)
    assert found[0, column] == 0.0
    assert found[1, column] > 5
    calm = learned.pick(np.array([0, 400]))
    before, after = combine.judge(arrays, calm).p, combine.judge(arrays, wild).p
    assert after[0] == before[0]
    assert after[1] < before[1]


def test_masking_touches_nothing_else() -> None:
    """Zeros where absent, the same bits elsewhere, the input as it was."""
    residuals = np.random.default_rng(1).normal(size=(5, schema.WIDTH))
    mask = np.random.default_rng(2).random((5, schema.WIDTH)) < 0.5
    kept = residuals.copy()
    found = masked(residuals, mask)
    assert np.array_equal(found[mask], residuals[mask])
    assert not found[~mask].any()
    assert np.array_equal(residuals, kept)


def test_workloads_on_windows_nodes_are_named_by_the_recipe() -> None:
    """Globs of namespace/name; the others keep every feature."""
    notebook = Notebook()
    for window in history(hours=4):
        notebook.add(window)
    lesson = notebook.lesson(since=T0, until=UNTIL, calibrate_from=None, horizons_s=(300,))
    with pytest.raises(GateRefused, match="windows_nodes"):
        Recipe.parse('windows_nodes = "shop/db"')
    recipe = Recipe.parse('horizons_s = [300]\nwindows_nodes = ["shop/d*"]')
    model = train.opened(*train.fit_lesson(lesson, recipe=recipe, now=UNTIL, seed=1))
    mask = model.horizons[300]["seasonal.present"]
    names = [workload.name for workload in lesson.workloads]
    column = schema.INDEX["connections_in"]
    assert [bool(mask[line, column]) for line in range(len(names))] == [name != "db" for name in names]
    assert mask[UNKNOWN, column]
    assert set(np.flatnonzero(mask[names.index("db")] == 0)) == {
        schema.INDEX[name] for name in absent(availability.LogFacts(is_windows=True))
    }
