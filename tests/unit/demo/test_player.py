"""The player drops what the manifests in force deny, and counts it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from baseline.adapters.clock import PlayedClock
from baseline.adapters.manifests import ManifestFolder
from baseline.demo.player import Player
from baseline.domain.flow import Counts, Reporter
from baseline.policy.render import render
from tests.unit.policy.making import NOW, flow, pod, wanted

ATTACK = flow(pod("shop", "web"), pod("shop", "db"))
OTHER = flow(pod("shop", "web"), pod("shop", "cache"))


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> ManifestFolder:
    """A cluster of manifests, ready for restrictions."""
    folder = ManifestFolder(tmp_path / "restrictions", clock=PlayedClock(NOW), namespace="baseline")
    folder.set_enforcement(enabled=True)
    return folder


def test_nothing_is_dropped_while_nothing_is_in_force(folder: ManifestFolder) -> None:
    """A recording is played as it is."""
    player = Player(folder)
    assert player.look() == []
    assert player.transform(ATTACK) is ATTACK
    assert player.prevented.records == 0


def test_what_is_denied_is_dropped_and_counted_once_a_connection(folder: ManifestFolder) -> None:
    """Both reporters' records are dropped; connections count on the initiator's side."""
    restriction = wanted()
    folder.create(render(restriction, instance="default", now=NOW))
    player = Player(folder)
    assert player.look() == [restriction.object_name]
    sent = replace(ATTACK, counts=Counts(packets_out=9, flows=4, started=3))
    assert player.transform(sent) is None
    assert player.transform(replace(sent, reporter=Reporter.DST)) is None
    assert player.transform(OTHER) is OTHER
    assert player.transform(replace(ATTACK, dest_port=80)) is not None
    assert (player.prevented.records, player.prevented.connections) == (2, 3)
    assert player.by_policy == {restriction.object_name: 2}


def test_what_has_ended_denies_no_more_but_is_remembered(folder: ManifestFolder) -> None:
    """The report shows every manifest that was ever in force."""
    restriction = wanted()
    folder.create(render(restriction, instance="default", now=NOW))
    player = Player(folder)
    player.look()
    (standing,) = folder.policies().objects
    folder.delete(standing)
    assert player.transform(ATTACK) is None  # it has not looked again
    assert player.look() == []
    assert player.transform(ATTACK) is ATTACK
    assert set(player.manifests) == {restriction.object_name}
