"""A misspelt variable is refused by name, wherever the mistake is."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from baseline.settings import Settings


@pytest.mark.parametrize("variable", ["BASELINE_RESTRICTON__MODE", "BASELINE_RESTRICTION__MOOD"])
def test_a_misspelt_variable_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the name of the room as in the name of the setting."""
    monkeypatch.setenv(variable, "observe")
    room, _, setting = variable.removeprefix("BASELINE_").lower().partition("__")
    with pytest.raises(ValidationError) as refused:
        Settings()
    (fault,) = refused.value.errors()
    assert fault["type"] == "extra_forbidden"
    assert fault["loc"][-1] in (room, setting)


def test_variables_that_are_no_settings_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """BASELINE_CONFIG, BASELINE_SHARED and the like have no room."""
    monkeypatch.setenv("BASELINE_SHARED", "elsewhere")
    monkeypatch.setenv("BASELINE_KAFKA__BOOTSTRAP", "kafka:9092")
    assert Settings().kafka.bootstrap == "kafka:9092"
