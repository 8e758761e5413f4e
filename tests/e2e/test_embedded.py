"""The main job from end to end on the embedded parts: in-memory broker, SQLite, a folder of manifests."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml

from baseline.adapters.clock import SystemClock
from baseline.adapters.manifests import NAMESPACES_FILE, ManifestFolder
from baseline.policy import contract
from tests.e2e import stage, story, traffic
from tests.ground.tansu import TansuBroker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def ground(tansu_broker: TansuBroker, tmp_path: Path) -> stage.Ground:
    """A folder whose namespaces may be restricted automatically, with the red button released."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    spaces = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {contract.MODE_LABEL: mode}}}
        for name, mode in ((namespace, "auto-narrow") for namespace in traffic.NAMESPACES)
    ]
    (folder / NAMESPACES_FILE).write_text(yaml.safe_dump_all(spaces))
    cluster = ManifestFolder(folder, clock=SystemClock())
    cluster.set_enforcement(enabled=True)
    reach = {"BASELINE_CLUSTER__KIND": "manifests", "BASELINE_CLUSTER__MANIFESTS_DIR": str(folder)}
    return stage.Ground(
        bootstrap=tansu_broker.bootstrap,
        books_url=f"sqlite:///{tmp_path / 'books.db'}",
        control={**reach, "BASELINE_CLUSTER__MANAGES_TIER": "true"},
        janitor=reach,
        objects=lambda: {obj.name: obj.manifest for obj in cluster.policies().objects},
    )


def test_the_main_job_on_embedded_parts(ground: stage.Ground, tmp_path: Path) -> None:
    """Alert, automatic policy, dismissal, three who apply at once, hold, expiry, release: nothing is left."""
    figures = story.tell(ground, tmp_path)
    sys.stdout.write(story.in_words(figures))
    assert figures["dismissed and gone after"] <= story.GONE_WITHIN_S
