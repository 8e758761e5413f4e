"""The verbs for a bad night, on a folder of manifests."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from baseline.adapters.clock import SystemClock
from baseline.adapters.manifests import ManifestFolder
from baseline.adapters.metrics import PrometheusMetrics
from baseline.domain import restriction as restrictions
from baseline.domain.errors import Unavailable
from baseline.policy.render import render
from baseline.ports import ClusterObject
from baseline.settings import Settings
from baseline.wiring import cluster as wired
from tests.unit.cli.running import Command
from tests.unit.policy.making import proposed


def stand(*alert_ids: str, instance: str = "") -> None:
    """A restriction in force for each of these alerts."""
    settings, now = Settings(), SystemClock().now()
    cluster = wired.cluster(settings, SystemClock())
    for alert_id in alert_ids:
        restriction = restrictions.approved(proposed(alert_id=alert_id), by="auto", now=now)
        cluster.create(render(restriction, instance=instance or settings.cluster.instance, now=now))


def test_the_red_button_is_off_until_pressed_and_remembers(bare: Command) -> None:
    """Needs no books and no Kafka; asking changes nothing."""
    assert bare.good("enforcement") == "off\n"
    assert bare.good("enforcement", "on") == "on\n"
    assert bare.good("enforcement", "status") == "on\n"
    assert bare.good("enforcement", "off") == "off\n"
    assert bare.good("enforcement", "status") == "off\n"
    assert bare("enforcement", "perhaps").code == 2


def test_everything_of_ours_is_released_and_the_button_pressed(bare: Command) -> None:
    """Another installation's restrictions are left alone; twice is well, too."""
    bare.good("enforcement", "on")
    stand("a-1", "a-2")
    stand("a-3", instance="another")
    assert bare.good("release-all", "--yes") == "released 2 restrictions; enforcement is off\n"
    assert bare.good("enforcement") == "off\n"
    (left,) = wired.cluster(Settings(), SystemClock()).policies().objects
    assert left.manifest["metadata"]["name"] == proposed(alert_id="a-3").object_name
    assert bare.good("release-all", "--yes").startswith("released 0")


def test_releasing_asks_first(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """No is no, and no answer is no; yes is yes."""
    bare.good("enforcement", "on")
    stand("a-1")
    for answer in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert bare("release-all").code == 1
        assert len(wired.cluster(Settings(), SystemClock()).policies().objects) == 1
        assert bare.good("enforcement") == "on\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "released 1 restrictions" in bare.good("release-all")


def test_what_would_not_go_is_told_and_fails(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """By name, on standard error; the rest is released all the same."""
    stand("a-1", "a-2")
    delete, stubborn = ManifestFolder.delete, proposed(alert_id="a-2").object_name

    def refuse(self: ManifestFolder, obj: ClusterObject) -> None:
        if stubborn in obj.name:
            raise Unavailable("read-only")
        delete(self, obj)

    monkeypatch.setattr(ManifestFolder, "delete", refuse)
    ran = bare("release-all", "--yes")
    assert ran.code == 1
    assert ran.out.startswith("released 1 ")
    assert stubborn in ran.err
    assert "read-only" in ran.err


def test_the_doctor_finds_what_is_missing_and_hints(bare: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing runs: every part is looked at, each bad one with what to do, and the exit is 1."""
    monkeypatch.setattr("baseline.cli.doctor._kafka", _no_broker)
    ran = bare("doctor", "--json")
    assert (ran.code, ran.err) == (1, "")
    found = {finding["check"]: finding for finding in json.loads(ran.out)}
    assert list(found) == ["kafka", "books", "model set", "cluster", "enforcement"]
    bad = {name for name, finding in found.items() if finding["result"] == "failed"}
    assert bad == {"kafka", "books", "model set", "enforcement"}
    assert all(found[name]["hint"] and found[name]["detail"] for name in bad)
    assert not found["cluster"]["hint"]


def _no_broker(settings: Settings) -> str:
    """As the real check ends after its timeout of ten seconds."""
    raise Unavailable(f"nobody answers at {settings.kafka.bootstrap} [bold]")


def test_the_doctor_is_content_with_what_is_well(baseline: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Migrated books and a pressed button are no findings; a detail is text in the table."""
    monkeypatch.setattr("baseline.cli.doctor._kafka", _no_broker)
    baseline.good("enforcement", "on")
    ran = baseline("doctor")
    assert ran.code == 1  # still no broker and no model set
    rows = {line.split("│")[1].strip(): line for line in ran.out.splitlines() if line.startswith("│")}
    assert "migrated, 0 workloads known" in rows["books"]
    assert "on, mode recommend" in rows["enforcement"]
    assert "[bold]" in rows["kafka"]
    assert "baseline migrate" in rows["kafka"]


def test_the_janitor_ends_what_is_over_without_any_database(bare: Command, tmp_path: Path) -> None:
    """Once, for a CronJob: needs the cluster alone."""
    settings, now = Settings(), SystemClock().now()
    over = restrictions.approved(proposed(), by="auto", now=now - 3600, ttl_s=600.0)
    cluster = wired.cluster(settings, SystemClock())
    cluster.create(render(over, instance=settings.cluster.instance, now=now - 3600))
    swept = wired.janitor(settings, clock=SystemClock(), metrics=PrometheusMetrics()).run_once()
    assert swept == 1
    assert cluster.policies().objects == []
    assert not (tmp_path / "baseline.db").exists()


def test_a_folder_that_is_none_is_told_in_a_line(
    bare: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing was released, and nobody may think so; the doctor sees it, too."""
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("BASELINE_CLUSTER__MANIFESTS_DIR", str(tmp_path / "file"))
    monkeypatch.setattr("baseline.cli.doctor._kafka", _no_broker)
    for words in (("enforcement", "status"), ("enforcement", "on"), ("release-all", "--yes")):
        ran = bare(*words)
        assert (ran.code, ran.out) == (1, "")
        assert str(tmp_path / "file") in ran.err.splitlines()[-1]
        assert "Traceback" not in ran.err
    found = {finding["check"]: finding for finding in json.loads(bare("doctor", "--json").out)}
    assert found["cluster"]["detail"].endswith("is no folder")


def test_one_unreadable_manifest_keeps_no_other_from_release(bare: Command, tmp_path: Path) -> None:
    """A folder named like a manifest is left; what is ours goes."""
    stand("a-1")
    (tmp_path / "restrictions" / "shop" / "odd.yaml").mkdir()
    ran = bare("release-all", "--yes")
    assert (ran.code, ran.out) == (0, "released 1 restrictions; enforcement is off\n")
    assert "manifest_unreadable" in ran.err
