"""No name of a record can forge a key or drive a terminal."""

from __future__ import annotations

import pytest

from baseline.domain.flow import Flow
from baseline.formats import decode
from tests.unit.formats.records import enterprise, line, reason_of

UNSAFE = ["a\x1b[2J", "a\x9b2J", "a\x7f", "a\nb", "a/b", "a b", "a\x00"]


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("field", ["source_name_aggr", "dest_namespace", "proto"])
def test_an_unsafe_name_makes_a_dead_letter(field: str, name: str) -> None:
    """Kubernetes allows none of these, so the record is not what it says."""
    assert reason_of(line(enterprise(**{field: name}))) == "bad_name"


@pytest.mark.parametrize("name", [*UNSAFE, "x" * 254, ""])
def test_an_unsafe_domain_is_left_out_and_its_flow_is_kept(name: str) -> None:
    """Anybody may own a domain, and must not make the flows to it vanish by its name."""
    flow = decode(line(enterprise(dest_domains=["safe.example", name, "also.example"])), cluster="c")
    assert isinstance(flow, Flow)
    assert flow.domains == ("also.example", "safe.example")
