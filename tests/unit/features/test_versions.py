"""When a workload's newest version came, by what the log shows of its pods."""

from __future__ import annotations

from itertools import permutations

import pytest

from baseline.domain.workload import template
from baseline.features.versions import AWAY_S, VERSIONS_KEPT, Versions

T0 = 1_767_571_200.0


def seen(*events: tuple[str, float]) -> Versions:
    """Versions after some records, times in minutes."""
    versions = Versions()
    for version, minute in events:
        versions.saw(version, T0 + 60 * minute)
    return versions


@pytest.mark.parametrize(
    ("record", "version"),
    [
        ({"name_aggr": "web-7d4b9c6f5-*", "labels": {"pod-template-hash": "7d4b9c6f5"}}, "7d4b9c6f5"),
        ({"name_aggr": "web-7d4b9c6f5-*"}, "7d4b9c6f5"),
        ({"name_aggr": "*", "pod_name": "web-7d4b9c6f5-x2kqz"}, "7d4b9c6f5"),
        ({"name_aggr": "db-*", "labels": {"controller-revision-hash": "db-5f6b"}}, "db-5f6b"),
        ({"name_aggr": "web-backend"}, ""),
        ({"name_aggr": "node-agent-*"}, ""),
    ],
)
def test_a_version_is_the_hash_of_its_pods_template(record: dict[str, object], version: str) -> None:
    """Of the label, or of the ReplicaSet's name; nothing where the record shows neither."""
    assert template(**record) == version  # type: ignore[arg-type]  # a table of keyword arguments


def test_one_version_is_no_rollout() -> None:
    """However long it was silent."""
    assert seen(("a", 0), ("a", 10), ("a", 600)).rollout_at is None


def test_the_first_record_of_a_new_version_is_the_rollout_however_records_are_ordered() -> None:
    """Old and new pods alternate while it goes on."""
    events = [("a", 0.0), ("b", 5.0), ("a", 6.0), ("b", 7.0)]
    assert {seen(*order).rollout_at for order in permutations(events)} == {T0 + 300}


def test_a_version_that_comes_back_is_a_rollback_and_one_that_only_slept_is_not() -> None:
    """Away for more than an hour while another one was there."""
    away = AWAY_S / 60 + 1
    assert seen(("a", 0), ("b", 5), ("b", 60), ("a", 5 + away + 60)).rollout_at == T0 + 60 * (5 + away + 60)
    assert seen(("a", 0), ("b", 5), ("b", 5 + 10 * away)).rollout_at == T0 + 300


def test_versions_are_bounded() -> None:
    """The longest unseen goes."""
    versions = seen(*((f"v{number}", float(number)) for number in range(50)))
    assert len(versions.spans) == VERSIONS_KEPT
    assert versions.rollout_at == T0 + 60 * 49
