"""Settings of guards: all of them, by the same names and with the same defaults."""

from __future__ import annotations

from dataclasses import fields

from baseline.policy.situation import GuardOptions
from baseline.settings import ClusterSettings, RestrictionSettings, Settings
from baseline.wiring.planning import restrict_options

NOT_SET = {"own_namespace", "cluster", "relaxed", "ttl_max_s"}  # from other rooms, the demo's, and the domain's own


def test_the_shipped_settings_are_the_guards_own_numbers() -> None:
    """A default is written twice, in the room and for people, and must be one number."""
    told = restrict_options(Settings(cluster=ClusterSettings(name="east"))).guards
    shipped = GuardOptions(cluster="east")
    assert told == shipped


def test_every_number_of_the_guards_can_be_set() -> None:
    """No number of a guard is out of an operator's reach."""
    assert {field.name for field in fields(GuardOptions)} - NOT_SET <= set(RestrictionSettings.model_fields)


def test_a_set_number_reaches_the_guard() -> None:
    """What is set is what holds."""
    settings = Settings(restriction=RestrictionSettings(concurrent_max=1, platform_min=9))
    guards = restrict_options(settings).guards
    assert (guards.concurrent_max, guards.platform_min) == (1, 9)
